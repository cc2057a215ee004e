"""The champion and the challenger in shadow on the rows of the prediction log."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recipeline.config.recipe import Recipe
from recipeline.data.target_codes import TargetCodes
from recipeline.inference.columns import Columns
from recipeline.inference.model_info import Feature
from recipeline.metrics.bootstrap import mean_interval
from recipeline.metrics.tasks.every import TASKS as METRIC_TASKS
from recipeline.monitoring.copies import row_keys
from recipeline.monitoring.live.log_format import FEATURES, OTHERS, REASON, SHADOW
from recipeline.monitoring.paired import differ, names_of, spread_out
from recipeline.monitoring.results import ShadowCompared, ShadowErrors
from recipeline.monitoring.sample import MOST_ROWS, Draw
from recipeline.monitoring.tasks.every import TASKS
from recipeline.monitoring.tasks.multiclass import PROBABILITIES
from recipeline.monitoring.windows import LiveRows

#: Numbers are cut to these, so that sums are finite.
GREATEST = 1e140

#: The shares of the rows whose absolute difference is told.
_QUANTILES = (0.5, 0.9, 0.99, 1.0)

Entry = Mapping[str, Any]


@dataclass
class ShadowRows:
    """Rows of the log that two versions predicted, in bounded memory.

    They are those that `champion` answered while `challenger` was in shadow. All are counted, a uniform draw of at most `most`
    is kept, and as many labelled ones. `codes` and `features` are the champion's, `group` the recipe's column of groups.
    """

    champion: str
    challenger: str
    features: Sequence[Feature]
    codes: TargetCodes
    recipe: Recipe
    most: int = MOST_ROWS
    rows: int = 0
    missed: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        width = len(self.features) + 2 * self.codes.width + 2
        self._random = np.random.default_rng(self.recipe.random_state)
        self._drawn, self._labelled = Draw(self.most, np.zeros((0, 1))), Draw(self.most, np.zeros((0, width)))
        self._signed, self._absolute, self._agreed = np.zeros(len(names_of(self.codes))), 0.0, 0

    def add(self, piece: LiveRows, entries: Sequence[Entry]) -> None:
        """Take the rows of a piece, whose lines are `entries`."""
        width, places, theirs = self.codes.width, list[int](), list[list[float]]()
        for place, entry in enumerate(entries):
            said = entry.get(SHADOW)
            if entry["version"] != self.champion or not isinstance(said, dict) or said.get("version") != self.challenger:
                continue
            found = None if REASON in said else self._codes(said)
            if found is None:
                reason = said.get(REASON)
                self.missed[reason if isinstance(reason, str) and len(reason) < 20 else "unreadable"] += 1
            else:
                places.append(place)
                theirs.append(found)
                self._agreed += entry.get("label") == said.get("label")
        if not places:
            return
        mine = np.clip(piece.predicted[places].reshape(-1, width), -GREATEST, GREATEST)
        other = np.clip(np.array(theirs, dtype=float).reshape(-1, width), -GREATEST, GREATEST)
        shape = self.codes.shape
        signed, absolute = differ(spread_out(shape(mine), self.codes), spread_out(shape(other), self.codes), self.codes)
        self.rows += len(places)
        self._signed, self._absolute = self._signed + signed.sum(axis=0), self._absolute + float(absolute.sum())
        groups = [self._group(entries[place]) for place in places]
        rows = np.column_stack([piece.values[places], mine, other, piece.target[places], groups])
        keys, is_labelled = self._random.random(len(places)), np.isfinite(piece.target[places])
        self._drawn.add(absolute[:, None], keys)
        self._labelled.add(rows[is_labelled], keys[is_labelled])

    def _codes(self, said: Entry) -> list[float] | None:
        """Return the challenger's prediction as the champion's codes.

        Labels that the champion does not have are left out. None: it cannot be read.
        """
        shares = said.get(PROBABILITIES)
        if isinstance(shares, dict):
            said = {**said, PROBABILITIES: {text: shares.get(text, 0.0) for text in self.codes.texts}}
        found = TASKS[self.codes.task].logged(said, self.codes)
        return found if found and all(type(value) in (int, float) for value in found) else None

    def _group(self, entry: Entry) -> float:
        """Return a number for the row's group; NaN where it has none."""
        name = self.recipe.split.group
        value = entry[FEATURES].get(name, entry.get(OTHERS, {}).get(name)) if name else None
        if value is None:
            return np.nan
        return float(int.from_bytes(hashlib.blake2b(str(value).encode(), digest_size=6).digest()))

    def report(self, learned: np.ndarray | None = None) -> ShadowCompared | None:
        """Return the comparison; None without rows.

        `learned` are keys of rows that either version was trained on: their labels do not count.
        """
        if not (self.rows or self.missed):
            return None
        rows = max(self.rows, 1)
        return ShadowCompared(
            champion=self.champion,
            challenger=self.challenger,
            rows=self.rows,
            missed=dict(sorted(self.missed.items())),
            absolute=self._absolute / rows,
            differences=dict(zip(names_of(self.codes), (self._signed / rows).tolist(), strict=True)),
            quantiles=tuple(np.quantile(self._drawn.rows[:, 0], _QUANTILES).tolist()) if self.rows else (),
            agreed=self._agreed / rows if self.codes.labels else None,
            labelled=self._errors(learned),
        )

    def _errors(self, learned: np.ndarray | None) -> ShadowErrors | None:
        rows, features, width = self._labelled.rows, len(self.features), self.codes.width
        if not len(rows):
            return None
        keys = row_keys(rows[:, :features], Columns(tuple(self.features)))
        new = ~np.isin(keys, () if learned is None else learned)
        rows, keys, known = rows[new], keys[new], int((~new).sum())
        if len(rows) < 2:
            return None
        target, shape = self.codes.of_places(rows[:, -2]), self.codes.shape
        mine, theirs = shape(rows[:, features : features + width]), shape(rows[:, features + width : features + 2 * width])
        measure = METRIC_TASKS[self.codes.task].row_errors
        before, after = measure(target, mine), measure(target, theirs)
        has_group = np.isfinite(rows[:, -1])
        groups = np.unique(keys, return_inverse=True)[1]
        groups = np.where(has_group, len(rows) + np.unique(rows[:, -1], return_inverse=True)[1], groups)
        return ShadowErrors(
            rows=len(rows),
            known=known,
            distinct=len(np.unique(groups)),
            unit=f"groups by {self.recipe.split.group}" if has_group.all() else "distinct rows",
            champion=float(before.mean()),
            challenger=float(after.mean()),
            gain=float((before - after).mean()),
            interval_95=mean_interval(
                before - after, groups, seed=self.recipe.random_state, draws=self.recipe.metrics.bootstrap_draws
            ),
        )
