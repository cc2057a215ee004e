"""Live rows in pieces, from tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa

from recipeline.config.table import RESERVED_PREFIX
from recipeline.data.checking.causes import refuse_unreadable, require_numbers
from recipeline.data.checking.conditions import Condition, keep_rows
from recipeline.data.kinds.every import KINDS
from recipeline.data.reading.pieces import Piece, Table
from recipeline.data.target_codes import NUMBERS, TargetCodes
from recipeline.errors import DataError
from recipeline.inference.columns import Columns
from recipeline.inference.golden import LIMITS, PREDICTION
from recipeline.inference.model_info import Feature
from recipeline.inference.predictor import VERSION
from recipeline.monitoring.live.labels import REQUEST_ID, ROW, named_columns, read_labels_of
from recipeline.monitoring.live.log_format import FORMAT_KEY, WRITER_KEY
from recipeline.monitoring.results import WindowVerdict
from recipeline.monitoring.tasks.every import TASKS
from recipeline.monitoring.verdict import DRIFT, WARN
from recipeline.monitoring.windows import LiveRows

#: Columns beside the model's own that `predict`, the service's log and labels have.
OTHERS = frozenset({REQUEST_ID, ROW, "time", PREDICTION, *LIMITS, VERSION, FORMAT_KEY, WRITER_KEY})


def is_added(name: str) -> bool:
    """Whether `predict`, log or labels have a column of that name besides features."""
    return name in OTHERS or name.startswith(RESERVED_PREFIX)


def join_labelled(
    pieces: Iterable[tuple[LiveRows, Mapping[str, pd.Series]]],
    features: Sequence[Feature],
    target: str,
    codes: TargetCodes = NUMBERS,
) -> pd.DataFrame:
    """Return the rows whose label is known: features and `target` in the user's words.

    A named column of a piece is taken in place of its codes.
    """
    columns = Columns(tuple(features))
    frames = []
    for piece, named in pieces:
        frame = columns.frame(piece.values)
        for name, values in named.items():
            frame[name] = values
        known = ~np.isnan(piece.target)
        labelled = frame[known].copy()
        labelled[target] = codes.name(piece.target[known])
        frames.append(labelled)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*columns.names, target])


@dataclass
class LiveTables:
    """Tables of live rows, with optional labels and predictions.

    A column with the target's name is the label; `prediction`, or the probabilities of classes, are used if `version` made
    them. An empty label is not yet known; one that breaks the target's `rule`, or is none of `codes`, is refused. The words
    `na` are missing values. Lines with more or fewer fields than the header are left out and counted in `left_out`.
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
    #: Whether training leaves unlisted columns unread.
    ignores_others: bool = False
    codes: TargetCodes = NUMBERS
    filter: Sequence[Condition] = ()
    filtered: int = 0

    def columns(self) -> dict[str, WindowVerdict]:
        """Return the verdicts on columns: drift for a missing one, warn for a new one.

        The training rows' `others` are neither, nor is one that training would leave unread.

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
        if self.ignores_others:
            return verdicts
        others = sorted(name for name in set().union(*found) - {*names, self.target, *self.others} if not is_added(name))
        return verdicts | dict.fromkeys(others, WARN)

    def pieces(self) -> Iterator[LiveRows]:
        """Yield all rows in pieces."""
        return (piece for piece, _ in self._read())

    def _read(self) -> Iterator[tuple[LiveRows, Mapping[str, pa.Array]]]:
        """Yield all rows in pieces, with their fields as the table has them."""
        for table in self.tables:
            columns = table.file.columns
            for read_piece in table.file.pieces():
                piece = self._of_trained(read_piece, columns)
                rows = named_columns(piece.rows, columns)
                nothing = np.full(piece.rows.num_rows, np.nan)
                read = partial(require_numbers, na=self.na, rows=piece.numbers, label=table.label)
                found = [self._codes(rows[it.name], it, piece, table) if it.name in rows else nothing for it in self.features]
                target = nothing
                if self.target in rows:
                    column, label = rows[self.target], table.label
                    target = read_labels_of(
                        column, self.target, self.rule, na=self.na, label=label, numbers=piece.numbers, codes=self.codes
                    )
                answers = TASKS[self.codes.task].answers(self.codes)
                has_answers = {*answers, VERSION} <= rows.keys()
                predicted = self.codes.shape(
                    np.column_stack([read(rows[name], name) if has_answers else nothing for name in answers])
                )
                self.left_out += len(piece.ragged)
                yield LiveRows(np.column_stack(found), self._own(predicted, rows), target, nothing), rows

    def _of_trained(self, piece: Piece, columns: Sequence[str]) -> Piece:
        """Return a piece without rows that training would have left out."""
        kept = keep_rows(self.filter, named_columns(piece.rows, columns), piece.rows.num_rows)
        if kept.all():
            return piece
        self.filtered += int((~kept).sum())
        return replace(piece, rows=piece.rows.filter(pa.array(kept)), numbers=piece.numbers[kept])

    def labelled(self, target: str) -> pd.DataFrame:
        """Return the rows whose label is known: features, `target` and `others`.

        A category that the model does not know, which has no code of its own, is named.
        """
        return join_labelled(((piece, self._named(rows)) for piece, rows in self._read()), self.features, target, self.codes)

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
        is_own = np.array([str(value) == self.version for value in rows[VERSION].to_pylist()], dtype=bool)
        return np.where(is_own if predicted.ndim == 1 else is_own[:, None], predicted, np.nan)
