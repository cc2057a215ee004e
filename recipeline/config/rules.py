"""What is measured, and the limits of gates, promotion, monitoring and retention."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from recipeline.config.settings import Settings

Fraction = Annotated[float, Field(gt=0, lt=1)]


class Metrics(Settings):
    """What is measured besides R2, RMSE and MAE, and how finely."""

    tolerances: tuple[Annotated[float, Field(gt=0)], ...] = (0.5, 1.0)
    bootstrap_draws: int = Field(default=2000, ge=100)


class Criterion(Settings):
    """An absolute threshold on a test metric: at least for r2, at most for the errors."""

    metric: Literal["r2", "rmse", "mae"]
    threshold: float


class Gates(Settings):
    """What the best candidate must reach on the test rows to be registered at all."""

    validation_criteria: tuple[Criterion, ...] = ()
    beats_mean_predictor: bool = True


class Slice(Settings):
    """Rows by their target: from `min` to `max`, both included."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give min, max, or both.")
        return self


class GuardRails(Settings):
    """What must not get worse while R2 gets better: errors in the target's unit, against the champion's; time per row."""

    mae: float | None = Field(default=None, ge=0)
    slices: dict[str, Slice] = {}
    slice_mae: float | None = Field(default=None, ge=0)
    latency_ms: float | None = Field(default=None, gt=0)


class Promotion(Settings):
    """What a challenger must show to take the champion's place.

    Another recipe: a gain in R2 of at least `min_gain` whose lower limit, at an error of `alpha` corrected for the number of
    tries, is above 0, in `repeats` grouped cross-validations. The same recipe on other rows: a lower limit above -`margin` on
    at least `min_rows` rows that neither model has seen.
    """

    alpha: Fraction = 0.05
    min_gain: float = Field(default=0.01, ge=0)
    margin: float = Field(default=0.03, ge=0)
    min_rows: int = Field(default=100, ge=10)
    repeats: int = Field(default=3, ge=1)
    bootstrap_draws: int = Field(default=4000, ge=100)
    guard_rails: GuardRails = GuardRails()


class Limits(Settings):
    """From where on an effect is a warning, and from where on it is drift."""

    warn: float = Field(ge=0)
    drift: float = Field(ge=0)

    @model_validator(mode="after")
    def _warn_comes_first(self) -> Self:
        if self.warn > self.drift:
            raise ValueError(f"warn must not be above drift. Got {self.warn:g} and {self.drift:g} instead.")
        return self


class Monitoring(Settings):
    """When later rows are too different from those that the model learned from; docs/monitoring.md says what each limit is of.

    A difference counts where it is significant at `alpha`, corrected for the number of tests, and reaches a limit. Of fewer
    than `min_rows` rows nothing is said.
    """

    alpha: Fraction = 0.01
    min_rows: int = Field(default=100, ge=10)
    psi: Limits = Limits(warn=0.1, drift=0.2)
    wasserstein: Limits = Limits(warn=0.2, drift=0.4)
    domain_auc: Limits = Limits(warn=0.6, drift=0.7)
    missing: Limits = Limits(warn=0.01, drift=0.05)
    out_of_range: Limits = Limits(warn=0.01, drift=0.05)
    mae_increase: Limits = Limits(warn=0.1, drift=0.25)


class Retention(Settings):
    """How long what is not needed is kept."""

    days: float = Field(default=90, ge=0)


class ModelCardTexts(Settings):
    """What only people can say of a model; it goes into its model card."""

    intended_use: str = ""
    out_of_scope: str = ""
    ethics: str = ""
