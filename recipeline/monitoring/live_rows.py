"""Live rows in pieces, from the service's log or from a table."""

from __future__ import annotations

import gzip
import heapq
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from recipeline.config.table import RESERVED_PREFIX
from recipeline.data.causes import refuse_unreadable, require_numbers
from recipeline.data.kinds.every import KINDS
from recipeline.data.reading.pieces import Piece, Table
from recipeline.errors import DataError
from recipeline.inference.columns import Columns
from recipeline.inference.golden import LIMITS, PREDICTION
from recipeline.inference.model_info import Feature
from recipeline.inference.predictor import VERSION
from recipeline.monitoring.labels import REQUEST_ID, ROW, Labels, named_columns, read_labels_of
from recipeline.monitoring.log_format import FORMAT_KEY, WRITER_KEY, is_readable
from recipeline.monitoring.results import WindowVerdict
from recipeline.monitoring.verdict import DRIFT, WARN
from recipeline.monitoring.windows import LiveRows

_PIECE = 8_192

_NUMBERS = (int, float)

#: Columns beside the model's own that `predict`, the service's log and labels have.
OTHERS = frozenset({REQUEST_ID, ROW, "time", PREDICTION, *LIMITS, VERSION, FORMAT_KEY, WRITER_KEY})


@dataclass
class PredictionLog:
    """The files of the service's log, read as one in the order of time.

    Predictions of another version are not used. A line that is cut off, as by a full disk, that has
    values of other types, or a time after `now` (seconds since 1970), is left out and counted in `left_out`. A line delivered
    several times, as by two copies of a file, counts once, and again in `repeated`.
    """

    files: Sequence[Path]
    features: Sequence[Feature]
    version: str
    labels: Labels | None = None
    left_out: int = 0
    repeated: int = 0
    unnamed: int = 0
    now: float = field(default_factory=time.time)

    def pieces(self) -> Iterator[LiveRows]:
        """Yield all rows in pieces.

        Raises
        ------
        UnavailableError : a line has the format of a later version.
        """
        entries = heapq.merge(*(self._entries(path) for path in self.files), key=lambda entry: entry["time"])
        labels, version = self.labels, self.version
        seen = np.zeros(0, dtype=np.int64)
        while lines := list(islice(entries, _PIECE)):
            keys = np.array([hash((entry["time"], entry[REQUEST_ID], entry[ROW])) for entry in lines])
            keys, first = np.unique(keys, return_index=True)
            places = np.searchsorted(seen, keys)
            is_new = places == np.searchsorted(seen, keys, side="right")
            seen, first = np.insert(seen, places[is_new], keys[is_new]), np.sort(first[is_new])
            self.repeated += len(lines) - len(first)
            taken = [lines[place] for place in first]
            rows = [[_code(entry["features"].get(it.name), it) for it in self.features] for entry in taken]
            predicted = [entry["prediction"] if entry["version"] == version else None for entry in taken]
            target = [labels.find(entry[REQUEST_ID], entry[ROW]) if labels else None for entry in taken]
            yield LiveRows(
                np.array(rows, dtype=float).reshape(len(taken), len(self.features)),
                np.array(predicted, dtype=float),
                np.array(target, dtype=float),
                np.array([entry["time"] for entry in taken], dtype=float),
            )

    def labelled(self, target: str) -> pd.DataFrame:
        """Return the rows whose label is known: the features, and `target`.

        Rows of a category that the model does not know are left out, and counted in `unnamed`: the log does not say which.
        """
        return _labelled(((self._of_known(piece), {}) for piece in self.pieces()), self.features, target)

    def _of_known(self, piece: LiveRows) -> LiveRows:
        others = [it.kind.other(it) for it in self.features]
        known = (piece.values != others).all(axis=1)
        self.unnamed += int((~known & ~np.isnan(piece.target)).sum())
        return LiveRows(piece.values[known], piece.predicted[known], piece.target[known], piece.times[known])

    def _entries(self, path: Path) -> Iterator[Mapping[str, Any]]:
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
                for line in file:
                    if self._is_entry(entry := _parse(line), path.name):
                        yield entry
                    else:
                        self.left_out += 1
        except (EOFError, gzip.BadGzipFile, zlib.error):  # the rest of the file is cut off
            self.left_out += 1

    def _is_entry(self, entry: Any, file: str) -> bool:
        if not (isinstance(entry, dict) and is_readable(entry, file) and isinstance(entry.get("features"), dict)):
            return False
        values = entry["features"]
        return (
            type(entry.get(ROW)) is int
            and isinstance(entry.get(REQUEST_ID), str)
            and isinstance(entry.get("version"), str)
            and type(entry.get("time")) in _NUMBERS
            and 0 <= entry["time"] <= self.now
            and type(entry.get("prediction")) in _NUMBERS
            and all(_is_value(values.get(feature.name), feature.kind.json_types) for feature in self.features)
        )


def _is_value(value: Any, types: tuple[type, ...]) -> bool:
    return value is None or type(value) in types


def _code(value: Any, feature: Feature) -> float | None:
    """Return a value of the log as a code."""
    return value if value is None or type(value) in _NUMBERS else feature.kind.read(value, feature)[0]


def _parse(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _labelled(
    pieces: Iterable[tuple[LiveRows, Mapping[str, pd.Series]]], features: Sequence[Feature], target: str
) -> pd.DataFrame:
    columns = Columns(tuple(features))
    frames = []
    for piece, named in pieces:
        frame = columns.frame(piece.values)
        for name, values in named.items():
            frame[name] = values
        frame[target] = piece.target
        frames.append(frame.dropna(subset=[target]))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*columns.names, target])


def find_log(folder: Path) -> list[Path]:
    """Return the files of the service's log in a folder at any depth, sorted.

    Subfolders may be of several machines. As with tables, names that begin with ``.`` or ``_`` are left out.
    """
    return [path for path in _walk(folder) if is_log(path) and path.name.startswith("predictions-")]


def find_beside(folder: Path, log: Sequence[Path]) -> list[Path]:
    """Return what else is in a folder with a log: it would be left out without a word."""
    return [path for path in _walk(folder) if path not in log]


def _walk(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_dir() and not entry.is_symlink():  # a link may lead back
            yield from _walk(entry)
        else:
            yield entry


def is_log(path: Path) -> bool:
    """Whether a file is a log by its name: JSON lines, also compressed."""
    return path.name.endswith((".jsonl", ".jsonl.gz"))


@dataclass
class LiveTables:
    """Tables of live rows, with optional labels and predictions.

    A column with the target's name is the label; `prediction` is used if `version` made it. An empty label is not yet
    known; one that breaks the target's `rule` is refused. The words `na` are missing values. Lines with more or fewer
    fields than the header are left out and counted in `left_out`.
    """

    tables: Sequence[Table]
    features: Sequence[Feature]
    target: str
    version: str
    na: Sequence[str] = ()
    left_out: int = 0
    repeated: int = 0
    rule: Feature | None = None
    others: Sequence[str] = ()

    def columns(self) -> dict[str, WindowVerdict]:
        """Return the verdicts on columns: drift for a missing one, warn for a new one.

        The training rows' `others` are neither.

        Raises
        ------
        DataError : all features are missing.
        """
        names = [feature.name for feature in self.features]
        found = [set(table.file.columns) - table.file.index for table in self.tables]
        if not any(columns & set(names) for columns in found):
            raise DataError(
                f"{self.tables[0].label} has none of the model's columns.",
                fix=f"Name a file with these in its header: {', '.join(names)}.",
            )
        verdicts: dict[str, WindowVerdict] = {name: DRIFT for name in names if any(name not in columns for columns in found)}
        others = sorted(set().union(*found) - set(names) - {self.target, *self.others} - OTHERS)
        return verdicts | {name: WARN for name in others if not name.startswith(RESERVED_PREFIX)}

    def pieces(self) -> Iterator[LiveRows]:
        """Yield all rows in pieces."""
        return (piece for piece, _ in self._read())

    def _read(self) -> Iterator[tuple[LiveRows, Mapping[str, pa.Array]]]:
        """Yield all rows in pieces, with their fields as the table has them."""
        for table in self.tables:
            columns = table.file.columns
            for piece in table.file.pieces():
                rows = named_columns(piece.rows, columns)
                nothing = np.full(piece.rows.num_rows, np.nan)
                read = partial(require_numbers, na=self.na, rows=piece.numbers, label=table.label)
                found = [self._codes(rows[it.name], it, piece, table) if it.name in rows else nothing for it in self.features]
                target = nothing
                if self.target in rows:
                    target = read_labels_of(
                        rows[self.target], self.target, self.rule, na=self.na, label=table.label, numbers=piece.numbers
                    )
                predicted = read(rows[PREDICTION], PREDICTION) if {PREDICTION, VERSION} <= rows.keys() else nothing
                self.left_out += len(piece.ragged)
                yield LiveRows(np.column_stack(found), self._own(predicted, rows), target, nothing), rows

    def labelled(self, target: str) -> pd.DataFrame:
        """Return the rows whose label is known: features, `target` and `others`.

        A category that the model does not know, which has no code of its own, is named.
        """
        return _labelled(((piece, self._named(rows)) for piece, rows in self._read()), self.features, target)

    def _named(self, rows: Mapping[str, pa.Array]) -> dict[str, pd.Series]:
        """Return the columns of which codes would lose something."""
        kind, named = KINDS["category"], {name: rows[name].to_pandas() for name in self.others if name in rows}
        for it in self.features:
            if it.kind.other(it) < np.inf and it.name in rows:
                named[it.name] = kind.series(kind.read(rows[it.name], self.na, it).typed)
        return named

    def _codes(self, values: pa.Array, feature: Feature, piece: Piece, table: Table) -> np.ndarray:
        """Return a column as codes.

        Raises
        ------
        DataError : a field is neither of its kind nor missing.
        """
        kind = KINDS[feature.type]
        if not kind.accepts(values.type):
            raise DataError(
                f"The column '{feature.name}' must hold {kind.noun}.", got=f"the type {values.type}", fix="Convert it."
            )
        read = kind.read(values, self.na, feature)
        rule, decimal = kind.rule, feature.decimal
        refuse_unreadable(values, read.unreadable, feature.name, rule, rows=piece.numbers, label=table.label, decimal=decimal)
        return feature.kind.encode(read.typed, feature)

    def _own(self, predicted: np.ndarray, rows: Mapping[str, pa.Array]) -> np.ndarray:
        """Return the predictions of this version, if the table names the version."""
        if VERSION not in rows:
            return predicted
        return np.where([str(value) == self.version for value in rows[VERSION].to_pylist()], predicted, np.nan)
