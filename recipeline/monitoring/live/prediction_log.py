"""Live rows in pieces, from the service's log."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from recipeline.data.checking.conditions import Condition, find_broken
from recipeline.data.kinds.every import KINDS
from recipeline.data.target_codes import NUMBERS, TargetCodes
from recipeline.inference.golden import PREDICTION
from recipeline.inference.model_info import Feature
from recipeline.monitoring.live.labels import REQUEST_ID, ROW, Labels
from recipeline.monitoring.live.live_rows import join_labelled
from recipeline.monitoring.live.log_files import LogFile
from recipeline.monitoring.live.log_format import DRAWN, FEATURES, OTHERS, is_readable, is_share
from recipeline.monitoring.live.log_lines import DrawnLines, SeenLines, in_order, read_lines
from recipeline.monitoring.live.shadow_log import ShadowRows
from recipeline.monitoring.tasks.every import TASKS
from recipeline.monitoring.tasks.multiclass import PROBABILITIES
from recipeline.monitoring.windows import LiveRows

_PIECE = 8_192

_NUMBERS = (int, float)

Entry = Mapping[str, Any]


@dataclass
class PredictionLog:
    """The files of the service's log, read as one in the order of time.

    Predictions of another version are not used. A line that is cut off, as by a full disk, that has
    values of other types, or a time after `now` (seconds since 1970), is left out and counted in `left_out`. A line delivered
    several times, as by two copies of a file, counts once, and again in `repeated`, if at most `remembers` others are between
    the two in the order of time; a row that training would have left out by a condition of `filter`, in `filtered`. Lines from
    before `since` are not considered.

    Files are opened when it is their time, so that memory does not grow with their number.
    """

    files: Sequence[Path | LogFile]
    features: Sequence[Feature]
    version: str
    labels: Labels | None = None
    codes: TargetCodes = NUMBERS
    left_out: int = 0
    repeated: int = 0
    unnamed: int = 0
    now: float = field(default_factory=time.time)
    #: Columns besides the features that labelled rows are to have, and those of them that are in every row.
    others: Sequence[str] = ()
    needed: Sequence[str] = ()
    lacking: int = 0
    filter: Sequence[Condition] = ()
    filtered: int = 0
    #: The mark before the fraction of a number that is text.
    decimal: str = "."
    #: Takes the rows that a challenger predicted too, as `pieces` yields them.
    shadow: ShadowRows | None = None
    since: float = 0.0
    remembers: int = 10_000_000
    #: What the lines stand for, if some were drawn.
    drawn: DrawnLines = field(default_factory=DrawnLines)

    def pieces(self) -> Iterator[LiveRows]:
        """Yield all rows in pieces.

        Raises
        ------
        UnavailableError : a line has the format of a later version, or a file cannot be read.
        """
        for piece, entries in self._read():
            if self.shadow:
                self.shadow.add(piece, entries)
            yield piece

    def labelled(self, target: str) -> pd.DataFrame:
        """Return the rows whose label is known: the features, `others` and `target`.

        With them come the columns ``request_id`` and ``row``.

        Rows of a category that the log does not name, as earlier versions wrote it, are left out, and counted in `unnamed`;
        rows without a value of a column that is `needed`, in `lacking`.
        """
        return join_labelled((self._named(*read) for read in self._read()), self.features, target, self.codes)

    def _read(self) -> Iterator[tuple[LiveRows, list[Entry]]]:
        entries = in_order(self.files, self._entries)
        labels, version, nothing = self.labels, self.version, [None] * self.codes.width
        seen = SeenLines(self.remembers)
        while lines := list(islice(entries, _PIECE)):
            keys = np.array([hash((entry["time"], entry[REQUEST_ID], entry[ROW])) for entry in lines])
            first = seen.take_new(keys)
            self.repeated += len(lines) - len(first)
            taken = [lines[place] for place in first]
            self.drawn.add(taken)
            target = [labels.find(entry[REQUEST_ID], entry[ROW]) if labels else None for entry in taken]
            kept = self._of_trained(taken, target)
            taken, target = [taken[place] for place in kept], [target[place] for place in kept]
            rows = [[_code(entry[FEATURES].get(it.name), it) for it in self.features] for entry in taken]
            predicted = [self._predicted(entry) if entry["version"] == version else nothing for entry in taken]
            piece = LiveRows(
                np.array(rows, dtype=float).reshape(len(taken), len(self.features)),
                self.codes.shape(np.array(predicted, dtype=float).reshape(len(taken), self.codes.width)),
                np.array(target, dtype=float),
                np.array([entry["time"] for entry in taken], dtype=float),
            )
            yield piece, taken

    def _of_trained(self, entries: Sequence[Entry], target: Sequence[float | None]) -> list[int]:
        """Return the places of the rows that training would not have left out.

        A condition on a column that a row does not have is fulfilled.
        """
        kept = np.ones(len(entries), dtype=bool)
        for condition in self.filter:
            name = condition.column
            if condition.is_target:
                said, values = np.ones(len(entries), dtype=bool), self._labels(target)
            else:
                found = [_value(entry, name) for entry in entries]
                said = np.array([value is not _UNSAID for value in found], dtype=bool)
                values = self._as_text(None if value is _UNSAID else value for value in found)
            for broken in find_broken([condition], {name: values}).values():
                kept &= ~(broken & said)
        self.filtered += int((~kept).sum())
        return np.flatnonzero(kept).tolist()

    def _named(self, piece: LiveRows, entries: Sequence[Entry]) -> tuple[LiveRows, dict[str, pd.Series]]:
        """Return the labelled rows that can be learned from.

        With them come the columns of which codes would lose something.
        """
        known, named = ~np.isnan(piece.target), dict[str, pa.Array]()
        for place, it in enumerate(self.features):
            if (other := it.kind.other(it)) < np.inf:
                words = [entry[FEATURES].get(it.name) for entry in entries]
                is_unnamed = (piece.values[:, place] == other) & np.array([word == it.kind.show(other, it) for word in words])
                self.unnamed += int((known & is_unnamed).sum())
                known &= ~is_unnamed
                kind = KINDS[it.type]
                named[it.name] = kind.series(kind.read(pa.array(words, pa.string()), it.na, it).typed)
        for name in self.others:
            found = [_value(entry, name) for entry in entries]
            named[name] = self._as_text(None if value is _UNSAID else value for value in found).to_pandas()
        named |= {name: pd.Series([entry[name] for entry in entries]) for name in (REQUEST_ID, ROW)}
        if self.needed:
            lacks = np.any([named[name].isna().to_numpy() for name in self.needed], axis=0)
            self.lacking += int((known & lacks).sum())
            known &= ~lacks
        taken = {name: values[known].reset_index(drop=True) for name, values in named.items()}
        return LiveRows(piece.values[known], piece.predicted[known], piece.target[known], piece.times[known]), taken

    def _as_text(self, values: Iterator[Any]) -> pa.Array:
        """Return values of the log as a table's text has them."""
        return pa.array([None if value is None else _word(value, self.decimal) for value in values], pa.string())

    def _entries(self, log: LogFile) -> Iterator[Entry]:
        for line in read_lines(log):
            if line is None or not self._is_entry(entry := _parse(line), log.name):
                self.left_out += 1
            elif entry["time"] >= self.since:
                yield entry

    def _is_entry(self, entry: Any, file: str) -> bool:
        if not (isinstance(entry, dict) and is_readable(entry, file) and isinstance(entry.get(FEATURES), dict)):
            return False
        values = entry[FEATURES]
        return (
            type(entry.get(ROW)) is int
            and isinstance(entry.get(REQUEST_ID), str)
            and isinstance(entry.get("version"), str)
            and type(entry.get("time")) in _NUMBERS
            and 0 <= entry["time"] <= self.now
            and self._is_answered(entry)
            and isinstance(entry.get(OTHERS, {}), dict)
            and is_share(entry.get(DRAWN, 1))
            and all(_is_value(values.get(feature.name), feature.kind.json_types) for feature in self.features)
        )

    def _is_answered(self, entry: Entry) -> bool:
        """Whether a line has a prediction, of this version one that can be read."""
        if entry["version"] == self.version:
            return self._predicted(entry) is not None
        probabilities = entry.get(PROBABILITIES)
        return type(entry.get(PREDICTION)) in _NUMBERS or (isinstance(probabilities, dict) and bool(probabilities))

    def _predicted(self, entry: Entry) -> list[float] | None:
        """Return the codes of the prediction in a line.

        None: it has none that can be read.
        """
        found = TASKS[self.codes.task].logged(entry, self.codes)
        return found if found and all(type(value) in _NUMBERS for value in found) else None

    def _labels(self, target: Sequence[float | None]) -> pa.Array:
        """Return known labels in the user's words, numbers as numbers."""
        places = pa.array(target, pa.float64(), from_pandas=True)
        if not self.codes.labels:
            return places
        return pa.array([None if place is None else self.codes.texts[int(place)] for place in places.to_pylist()], pa.string())


#: Stands for a column that a row says nothing of.
_UNSAID = object()


def _value(entry: Entry, name: str) -> Any:
    """Return the value of a feature or another column; _UNSAID without one."""
    values = entry[FEATURES]
    found = values[name] if name in values else entry.get(OTHERS, {}).get(name, _UNSAID)
    return found if found is _UNSAID or found is None or isinstance(found, str | int | float) else _UNSAID


def _word(value: str | float | bool, decimal: str) -> str:
    """Return a value of JSON as text: 7.0 is "7", true is "true"."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and not value.is_integer():
        return repr(value).replace(".", decimal)
    return str(int(value))


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
