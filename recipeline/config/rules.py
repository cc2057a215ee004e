"""Metrics, and the limits of gates, promotion, monitoring and retention."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from recipeline.config.settings import Label, Settings
from recipeline.config.table import ImportPath
from recipeline.metrics.catalogue import Metric

Fraction = Annotated[float, Field(gt=0, lt=1)]


class FurtherMetric(Settings):
    """A metric besides those of the task: of the catalogue by name, or one's own.

    An own one has the import path of a `function` of true and predicted values, and says whether greater is better, and what
    it needs: `numbers`, `labels` or `probabilities`. `params` are further arguments of the function.
    """

    #: The name in tables, gates and tags; of the catalogue, or one's own.
    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_.]{0,60}$")
    function: ImportPath | None = None
    #: Whether a greater value is better; required for an own metric.
    greater_is_better: bool | None = None
    #: What an own function gets as predictions; without it numbers, of classes labels.
    needs: Literal["numbers", "labels", "probabilities"] | None = None
    #: The name for people; without it `name`, with spaces.
    label: Label = Field(default="", max_length=60)
    params: dict[str, Any] = {}

    @model_validator(mode="after")
    def _own_ones_are_described(self) -> Self:
        own = ("greater_is_better", "needs", "label", "params")
        given = [name for name in own if name in self.model_fields_set]
        if self.function is None and given:
            raise ValueError(f"{given[0]} is a setting of an own metric: give its function, an import path, too.")
        if self.function is not None and self.greater_is_better is None:
            raise ValueError("greater_is_better must be true or false for an own metric.")
        return self

    def as_metric(self) -> Metric:
        """Return an own metric for tables and gates."""
        return Metric(self.name, self.label or self.name.replace("_", " "), bool(self.greater_is_better))


def _as_entry(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Metrics(Settings):
    """Metrics beside those of the task, and the number of bootstrap draws.

    `more` are further metrics: names of the catalogue, or own ones. `level` is that of the interval around a prediction, or of
    the set of labels, and `level_by` a feature whose values have it each, or the target, whose labels then have it.
    """

    #: Distances, in the target's unit, within which a prediction counts as accurate.
    tolerances: tuple[Annotated[float, Field(gt=0)], ...] = (0.5, 1.0)
    #: The number of resamplings for the 95 % intervals of test scores.
    bootstrap_draws: int = Field(default=2000, ge=100)
    more: tuple[Annotated[FurtherMetric, BeforeValidator(_as_entry)], ...] = ()
    level: float = Field(default=0.9, ge=0.5, le=0.999)
    level_by: str | None = None


class Criterion(Settings):
    """An absolute threshold on a test metric of the task.

    It is the least value of metrics of which greater is better, as r2, and the greatest of the others.
    """

    #: A metric of the task, or of `metrics.more`.
    metric: str
    #: The least value, or the greatest where less is better.
    threshold: float


class Cost(Settings):
    """The cost of a false positive and of a false negative."""

    #: What a false positive costs, in any unit.
    fp: float = Field(gt=0)
    #: What a false negative costs, in the same unit.
    fn: float = Field(gt=0)


class Decision(Settings):
    """The decision for one of two labels: the positive one from a probability on.

    The probability is `threshold`, or the one that out-of-fold predictions choose: with the least `cost`, with the greatest
    `metric`, or the greatest one that still finds the share `recall` of the positive rows. Without any it is 0.5.
    """

    threshold: Fraction | None = None
    cost: Cost | None = None
    metric: str | None = None
    recall: float | None = Field(default=None, gt=0, le=1)

    @property
    def is_set(self) -> bool:
        """Whether the recipe says how to decide."""
        return bool(self.model_fields_set)

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of threshold, cost, metric, recall. Got {' and '.join(given)} instead.")
        return self


class Gates(Settings):
    """Limits that the best candidate's test scores must reach to be registered."""

    validation_criteria: tuple[Criterion, ...] = ()
    #: Whether the candidate must also be better than always predicting the mean, or the labels' shares.
    beats_mean_predictor: bool = True


class Slice(Settings):
    """Rows by their target: from `min` to `max`, both included, or with some `labels`."""

    min: float | None = None
    max: float | None = None
    labels: tuple[bool | int | str, ...] = ()

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.min is None and self.max is None and not self.labels:
            raise ValueError("give min, max, or both; of classes give labels.")
        return self


class GuardRails(Settings):
    """Limits on the increase of errors and of time per row in a promotion.

    Errors are in the target's unit, relative to the champion's. `metrics` has by name how much a metric may be worse than the
    champion's. The error of a slice is its MAE, of classes its mean Brier score (`slice_loss`).
    """

    #: The largest increase of the mean absolute error.
    mae: float | None = Field(default=None, ge=0)
    metrics: dict[str, Annotated[float, Field(ge=0)]] = {}
    slices: dict[str, Slice] = {}
    #: The largest increase of the MAE of each slice.
    slice_mae: float | None = Field(default=None, ge=0)
    slice_loss: float | None = Field(default=None, ge=0)
    #: The longest time for one row, in milliseconds.
    latency_ms: float | None = Field(default=None, gt=0)

    @property
    def limits(self) -> dict[str, float]:
        """The largest worsening of each limited metric, by its name."""
        return ({} if self.mae is None else {"mae": self.mae}) | self.metrics

    @property
    def slice_limit(self) -> float | None:
        """The largest increase of the error of a slice."""
        return self.slice_loss if self.slice_mae is None else self.slice_mae


class Promotion(Settings):
    """Requirements for a challenger to replace the champion.

    Another recipe: a gain in R2 of at least `min_gain` whose lower limit, at an error of `alpha` corrected for the number of
    tries, is above 0, in `repeats` grouped cross-validations. The same recipe on other rows: a lower limit above -`margin` on
    at least `min_rows` rows that neither model has seen.
    """

    alpha: Fraction = 0.05
    min_gain: float = Field(default=0.01, ge=0)
    margin: float = Field(default=0.03, ge=0)
    min_rows: int = Field(default=100, ge=10)
    repeats: int = Field(default=3, ge=1)
    #: The number of resamplings for the lower limit of the gain.
    bootstrap_draws: int = Field(default=4000, ge=100)
    guard_rails: GuardRails = GuardRails()


class Limits(Settings):
    """From where on an effect is a warning, and from where on it is drift."""

    #: From this effect on it is a warning.
    warn: float = Field(ge=0)
    #: From this effect on it is drift.
    drift: float = Field(ge=0)

    @model_validator(mode="after")
    def _warn_comes_first(self) -> Self:
        if self.warn > self.drift:
            raise ValueError(f"warn must not be above drift. Got {self.warn:g} and {self.drift:g} instead.")
        return self


class Monitoring(Settings):
    """Limits for drift of live rows; docs/monitoring.md defines the measures.

    A difference counts where it is significant at `alpha`, corrected for the number of tests, and reaches a limit. With fewer
    than `min_rows` rows there is no verdict.
    """

    alpha: Fraction = 0.01
    min_rows: int = Field(default=100, ge=10)
    psi: Limits = Limits(warn=0.1, drift=0.2)
    wasserstein: Limits = Limits(warn=0.2, drift=0.4)
    domain_auc: Limits = Limits(warn=0.6, drift=0.7)
    missing: Limits = Limits(warn=0.01, drift=0.05)
    out_of_range: Limits = Limits(warn=0.01, drift=0.05)
    mae_increase: Limits = Limits(warn=0.1, drift=0.25)
    loss_increase: Limits = Limits(warn=0.1, drift=0.25)
    calibration: Limits = Limits(warn=0.1, drift=0.2)
    coverage: Limits = Limits(warn=0.05, drift=0.1)


class Retention(Settings):
    """The age at which `prune` may delete unneeded runs and versions."""

    #: The age in days.
    days: float = Field(default=90, ge=0)


class ModelCardTexts(Settings):
    """Texts of the model card that are written by people."""

    #: What the model is for.
    intended_use: str = ""
    #: What it must not be used for.
    out_of_scope: str = ""
    #: Whom it may harm, and what was done about it.
    ethics: str = ""
