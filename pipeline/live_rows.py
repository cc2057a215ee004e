"""Rows that a model was asked about, as monitoring reads them: from the service's log or from any table, piece by piece."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from pipeline.batch import VERSION, Table
from pipeline.drift import DRIFT, WARN, Live, Verdict
from pipeline.errors import DataError, UsageError
from pipeline.features import Feature
from pipeline.golden import LIMITS, PREDICTION
from pipeline.row_checks import check_rows, read_numbers

REQUEST_ID, ROW = "request_id", "row"
_PIECE = 8_192
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
_WINDOW = re.compile(r"(?P<number>[1-9][0-9]{0,8})(?P<unit>[mhd]?)")
_OTHERS = frozenset({REQUEST_ID, ROW, "time", PREDICTION, *LIMITS, VERSION})


@dataclass(frozen=True)
class LiveRows:
    """Some rows in their order: features of shape (rows, features), the rest of shape (rows,); NaN where it is not known.

    `times` are in seconds since 1970.
    """

    values: np.ndarray
    predicted: np.ndarray
    target: np.ndarray
    times: np.ndarray


# --- windows -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """How rows are taken together: so many of them, or those of so many seconds, from the epoch on."""

    rows: int = 0
    seconds: int = 0

    @property
    def is_all(self) -> bool:
        """Whether all rows are one window."""
        return not (self.rows or self.seconds)

    @classmethod
    def parse(cls, word: str) -> Window:
        """Return the window that a word such as 1000, 30m, 24h or 7d asks for; empty: all rows in one.

        Raises
        ------
        UsageError : it is no such word.
        """
        if not word:
            return cls()
        found = _WINDOW.fullmatch(word)
        if found is None:
            raise UsageError(
                "window must be a number of rows, or of minutes, hours or days, such as 1000, 30m, 24h or 7d.",
                got=f"'{word}'",
                fix="Leave it empty for all rows in one.",
            )
        number, unit = int(found["number"]), found["unit"]
        return cls(seconds=number * _SECONDS[unit]) if unit else cls(rows=number)

    def split(self, pieces: Iterable[LiveRows], new: Callable[[], Live]) -> Iterator[tuple[float, Live]]:
        """Yield each window that has rows, with the time of its last row, as soon as it is over: one is in memory at a time.

        A row that comes later than a younger one, as several workers write them, is of the window that is open.
        """
        live, last, opened = new(), np.nan, -np.inf
        for piece in pieces:
            done = 0
            while done < len(piece.values):
                stop = len(piece.values)
                if self.rows:
                    stop = min(stop, done + self.rows - live.rows)
                elif self.seconds:
                    numbers = np.maximum.accumulate(np.maximum(piece.times[done:] // self.seconds, opened))
                    if live.rows and numbers[0] > opened:
                        yield last, live
                        live = new()
                    opened = numbers[0]
                    stop = done + int(np.searchsorted(numbers, opened, side="right"))
                part = slice(done, stop)
                live.add(piece.values[part], piece.predicted[part], piece.target[part])
                last, done = float(piece.times[stop - 1]), stop
                if self.rows and live.rows == self.rows:
                    yield last, live
                    live = new()
        if live.rows:
            yield last, live


# --- labels --------------------------------------------------------------------------------------------------------------


@dataclass
class Labels:
    """What came true, by the request and the row in it that asked; `joined` counts the rows that were found."""

    values: dict[tuple[str, int], float] = field(default_factory=dict)
    joined: int = 0

    def find(self, request_id: str, row: int) -> float:
        """Return the target of a row, NaN where it is not known."""
        found = self.values.get((request_id, row))
        self.joined += found is not None
        return np.nan if found is None else found


def read_labels(tables: Iterable[Table], target: str) -> Labels:
    """Return the labels in tables with the columns ``request_id``, `target` and, where a request had several rows, ``row``.

    A row is counted from 0, as in the request; where there are several labels for one, the last one counts.

    Raises
    ------
    DataError : a column is not there, or a label is no number.
    """
    labels = Labels()
    for table in tables:
        missing = [name for name in (REQUEST_ID, target) if name not in table.file.columns]
        if missing:
            raise DataError(
                f"{table.label} must have the columns {REQUEST_ID} and {target}.",
                got=f"one without '{missing[0]}'",
                fix="A label belongs to a request by the header X-Request-ID of its answer.",
            )
        for piece in table.file.pieces():
            rows = _named(piece.rows, table.file.columns)
            values, _ = read_numbers(rows[target], target)
            places = read_numbers(rows[ROW], ROW)[0] if ROW in rows else np.zeros(len(values))
            if piece.ragged or not (np.isfinite(values).all() and np.isfinite(places).all()):
                broken = piece.ragged[0].number if piece.ragged else piece.numbers[~np.isfinite(values + places)][0]
                raise DataError(
                    f"{table.label} must hold a number for every label.",
                    got=f"none in row {broken}",
                    fix="Correct the row, or leave it out.",
                )
            names = rows[REQUEST_ID].cast(pa.string()).to_pylist()
            labels.values.update(zip(zip(names, places.astype(int).tolist(), strict=True), values.tolist(), strict=True))
    return labels


def _named(rows: pa.RecordBatch, names: Sequence[str]) -> dict[str, pa.Array]:
    return dict(zip(names, rows.columns, strict=True))


# --- the service's log ---------------------------------------------------------------------------------------------------


@dataclass
class PredictionLog:
    """The files of the service's log, read as one in the order of time.

    What the model of another version predicted is not taken for this one's. A line that is cut off, as by a full disk, is left
    out and counted in `left_out`.
    """

    files: Sequence[Path]
    features: Sequence[Feature]
    version: str
    labels: Labels | None = None
    left_out: int = 0

    def pieces(self) -> Iterator[LiveRows]:
        """Yield all rows, piece by piece."""
        entries = heapq.merge(*(self._entries(path) for path in self.files), key=lambda entry: entry["time"])
        names, labels, version = [feature.name for feature in self.features], self.labels, self.version
        while taken := list(islice(entries, _PIECE)):
            rows = [[entry["features"].get(name) for name in names] for entry in taken]
            predicted = [entry["prediction"] if entry["version"] == version else None for entry in taken]
            target = (
                np.array([labels.find(entry[REQUEST_ID], entry[ROW]) for entry in taken])
                if labels
                else np.full(len(taken), np.nan)
            )
            yield LiveRows(
                np.array(rows, dtype=float),
                np.array(predicted, dtype=float),
                target,
                np.array([entry["time"] for entry in taken], dtype=float),
            )

    def labelled(self, target: str) -> pd.DataFrame:
        """Return the rows whose label is known: the features, and `target`."""
        return _labelled(self.pieces(), self.features, target)

    def _entries(self, path: Path) -> Iterator[Mapping[str, Any]]:
        with path.open("rb") as file:
            for line in file:
                try:
                    entry = orjson.loads(line)
                    complete = entry.keys() >= {"time", REQUEST_ID, ROW, "version", "prediction", "features"}
                except (orjson.JSONDecodeError, AttributeError):
                    complete = False
                if complete:
                    yield entry
                else:
                    self.left_out += 1


def _labelled(pieces: Iterable[LiveRows], features: Sequence[Feature], target: str) -> pd.DataFrame:
    names = [feature.name for feature in features]
    frames = [
        pd.DataFrame(piece.values, columns=names).assign(**{target: piece.target}).dropna(subset=[target]) for piece in pieces
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*names, target])


def find_log(folder: Path) -> list[Path]:
    """Return the files of the service's log in a folder, by name."""
    return sorted(folder.glob("predictions-*.jsonl"))


# --- tables --------------------------------------------------------------------------------------------------------------


@dataclass
class LiveTables:
    """Tables of rows. A column that has the target's name is the label, `prediction` what was predicted by `version`.

    Lines with more or fewer fields than the header are left out and counted in `left_out`.
    """

    tables: Sequence[Table]
    features: Sequence[Feature]
    target: str
    version: str
    left_out: int = 0

    def columns(self) -> dict[str, Verdict]:
        """Return what is wrong with the columns: drift where a feature's is missing, a warning where one is new.

        Raises
        ------
        DataError : no feature is there.
        """
        names = [feature.name for feature in self.features]
        found = [set(table.file.columns) for table in self.tables]
        if not any(columns & set(names) for columns in found):
            raise DataError(
                f"{self.tables[0].label} must have the columns of the model.",
                got=f"none of {', '.join(names)}",
                fix="Name a file with these in its header.",
            )
        verdicts: dict[str, Verdict] = {name: DRIFT for name in names if any(name not in columns for columns in found)}
        others = sorted(set().union(*found) - set(names) - {self.target} - _OTHERS)
        return verdicts | dict.fromkeys(others, WARN)

    def pieces(self) -> Iterator[LiveRows]:
        """Yield all rows, piece by piece; a feature that is not there is missing in all."""
        for table in self.tables:
            columns = table.file.columns
            present = [place for place, feature in enumerate(self.features) if feature.name in columns]
            for piece in table.file.pieces():
                rows = _named(piece.rows, columns)
                count = piece.rows.num_rows
                values = np.full((count, len(self.features)), np.nan)
                wanted = [self.features[place] for place in present]
                batch = pa.RecordBatch.from_arrays([rows[it.name] for it in wanted], names=[it.name for it in wanted])
                values[:, present] = check_rows(batch, wanted).numbers
                nothing = np.full(count, np.nan)
                target = read_numbers(rows[self.target], self.target)[0] if self.target in rows else nothing
                self.left_out += len(piece.ragged)
                yield LiveRows(values, self._predicted(rows, nothing), target, nothing)

    def labelled(self, target: str) -> pd.DataFrame:
        """Return the rows whose label is known: the features, and `target`."""
        return _labelled(self.pieces(), self.features, target)

    def _predicted(self, rows: Mapping[str, pa.Array], nothing: np.ndarray) -> np.ndarray:
        """Return what the table says that this version predicted: only where it says which version it was."""
        if PREDICTION not in rows or VERSION not in rows:
            return nothing
        same = np.array([str(value) == self.version for value in rows[VERSION].to_pylist()])
        return np.where(same, read_numbers(rows[PREDICTION], PREDICTION)[0], np.nan)
