"""The interface of a task in reports: sections and words of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recipeline.config.recipe import Recipe
from recipeline.evaluation.results import Best, Dependence, Diagnosis, Metrics
from recipeline.metrics.catalogue import Metric
from recipeline.reports.blocks import Cell, Plot, Section
from recipeline.reports.limits import select_strongest

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Evaluated:
    """The results of evaluate: `rows` are the test rows with every prediction."""

    recipe: Recipe
    metrics: Metrics
    diagnosis: Diagnosis
    rows: pd.DataFrame

    @property
    def best(self) -> Best:
        """The measurements of the best candidate."""
        return self.metrics.best

    def strongest(self, features: Sequence[str]) -> tuple[list[str], str]:
        """Return the most important features that are shown, and a sentence on the rest."""
        strength = {entry.feature: entry.mean for entry in self.diagnosis.importance}
        return select_strongest(list(features), [strength[name] for name in features])


class Task(ABC):
    """A task as far as cards are concerned."""

    #: What the scores on test rows are.
    scores: str
    #: Names of the error of a row, of the bias of several, and of the loss that candidates are resampled by.
    row_error: str
    bias: str
    loss: str
    #: What a skill of 0 is no better than.
    no_skill: str
    #: Plots of evaluate that tell how good the best candidate is.
    told: tuple[str, ...]

    def explain(self, skill: Metric) -> str:
        """Return the label of an axis with the skill, and what its values mean."""
        return f"{skill.label} (1 is perfect, 0 is no better than {self.no_skill})"

    @abstractmethod
    def show_out_of_fold(self, candidate: str, rows: pd.DataFrame, recipe: Recipe) -> Section:
        """Return the section of train with a candidate's out-of-fold predictions.

        `rows` are `out_of_fold.parquet`; a row without a prediction is NaN.
        """

    @abstractmethod
    def show_predictions(self, found: Evaluated) -> list[Section]:
        """Return the sections of evaluate that compare predicted and true values."""

    def show_groups(self, found: Evaluated) -> list[Section]:
        """Return the sections of evaluate that compare groups of rows; none."""
        return []

    @abstractmethod
    def show_uncertainty(self, found: Evaluated) -> list[Section]:
        """Return the sections of evaluate on the interval or the set of labels."""

    @abstractmethod
    def facts(self, best: Best) -> dict[str, Cell]:
        """Return what is measured of the best candidate besides scores."""

    @abstractmethod
    def error_axis(self, recipe: Recipe) -> str:
        """Return the label of an axis of errors."""

    @abstractmethod
    def show_dependence(self, name: str, place: int, curve: Dependence, recipe: Recipe, best: Best) -> Plot:
        """Return the plot of report that shows a partial dependence."""


def label_of(recipe: Recipe) -> str:
    """Return the target with its unit, as an axis label."""
    return with_unit(recipe, recipe.target)


def with_unit(recipe: Recipe, column: str) -> str:
    """Return the name of a column with its unit."""
    unit = recipe.columns[column].unit
    return f"{column} ({unit})" if unit else column


def left_out(early: int) -> str:
    """Return a sentence on rows that no fold predicts; empty where there are none."""
    return f" The {early:,} earliest rows are left out: no fold predicts them." if early else ""
