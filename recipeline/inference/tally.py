"""The counts of a batch prediction, and the error for its bad rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from recipeline.data.checking.causes import Groups
from recipeline.errors import DataError


@dataclass
class Tally:
    """The counts of a prediction: rows read, rejected and out of range; first faults.

    Out of range: predicted rows per feature with values outside of the training range. Left out: predicted rows per column that
    training would have left out, by the recipe's `rows.filter`.
    """

    rows: int = 0
    rejected: int = 0
    groups: Groups = field(default_factory=Groups)
    unseen: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def predicted(self) -> int:
        """The number of predicted rows."""
        return self.rows - self.rejected

    @property
    def faults(self) -> int:
        """The number of places where a rule is broken."""
        return self.groups.count


class BadRowsError(DataError):
    """Rows break the rules of the model's columns."""

    def __init__(self, tally: Tally, origin: str) -> None:
        super().__init__(
            f"{origin} must follow the rules of the model's columns, "
            f"and breaks them in {tally.faults} {'place' if tally.faults == 1 else 'places'}.",
            fix="Correct the rows (row 1 is the first below the header), or set them aside with on_bad_rows=reject.",
            details=tally.groups.lines(tally.rows),
        )
