"""The recipe: WHAT is learned, from which columns, by which candidates, judged how. The same in every environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from pipeline.errors import UsageError, guess, nearest
from pipeline.settings import Settings, load_settings

ImportPath = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")]
#: The `data` that asks for made-up rows, and the `data_source` of what was trained on them.
SYNTHETIC = "synthetic"
Fraction = Annotated[float, Field(gt=0, lt=1)]


class Column(Settings):
    """A column of the table: its type, unit, and the range that is possible at all (not the one a file happens to hold)."""

    type: Literal["number", "integer"] = "number"
    unit: str = ""
    min: float | None = None
    max: float | None = None
    nullable: bool = False

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min must not be above max. Got {self.min:g} and {self.max:g} instead.")
        return self


class Download(Settings):
    """The published file: its short name (the `data_source` tag), address and pinned digest."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    url: str = Field(pattern=r"^https?://")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Loader(Settings):
    """A function that returns the table as a DataFrame, or a scikit-learn Bunch with one in `frame`."""

    path: ImportPath
    params: dict[str, Any] = {}


class Data(Settings):
    """Where the recipe's own rows come from, and how many make a table worth learning from."""

    download: Download | None = None
    loader: Loader | None = None
    synthetic: ImportPath | None = None
    min_rows: int = Field(default=100, ge=10)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.download and self.loader:
            raise ValueError("name a download or a loader, not both.")
        return self


class Split(Settings):
    """How test rows are set apart: `grouped` keeps equal rows together, `random` is `train_test_split`."""

    method: Literal["grouped", "random"] = "grouped"
    test_size: Fraction = 0.2


class CrossValidation(Settings):
    """How candidates are compared on the training rows."""

    folds: int = Field(default=5, ge=2)


class Component(Settings):
    """An estimator or transformer by import path, with its constructor's parameters."""

    estimator: ImportPath
    params: dict[str, Any] = {}


def _as_component(value: object) -> object:
    return {"estimator": value} if isinstance(value, str) else value


class Distribution(Settings):
    """What a searched parameter is drawn from; exactly one of the four."""

    choice: tuple[Any, ...] | None = Field(default=None, min_length=1)
    integer: tuple[int, int] | None = None
    uniform: tuple[float, float] | None = None
    loguniform: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of choice, integer, uniform, loguniform. Got {given or 'none'} instead.")
        limits = getattr(self, given[0])
        if given[0] != "choice" and not limits[0] < limits[1]:
            raise ValueError(f"{given[0]} needs its lower limit first. Got {list(limits)} instead.")
        if given[0] == "loguniform" and limits[0] <= 0:
            raise ValueError(f"loguniform needs limits above 0. Got {list(limits)} instead.")
        return self


class Search(Settings):
    """A randomised search inside the training folds: which parameters, how many draws, and for how long at most."""

    space: dict[str, Distribution] = Field(min_length=1)
    iterations: int = Field(default=20, ge=1)
    seconds: float = Field(default=60, gt=0)


class Candidate(Settings):
    """A model to try: an estimator behind optional preprocessing, or the mean of other candidates (`members`)."""

    alias: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    preprocess: tuple[Annotated[Component, BeforeValidator(_as_component)], ...] = ()
    estimator: ImportPath | None = None
    params: dict[str, Any] = {}
    members: tuple[str, ...] = ()
    search: Search | None = None

    @model_validator(mode="after")
    def _estimator_or_members(self) -> Self:
        if bool(self.estimator) == bool(self.members):
            raise ValueError("name an estimator, or the candidates it is the mean of (members), not both.")
        if self.members and (self.params or self.preprocess or self.search):
            raise ValueError("members bring their own preprocess, params and search; leave them out.")
        return self


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


class Recipe(Settings):
    """The whole recipe; every default of the project that is not a place stands here, once."""

    name: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*$")
    task: Literal["regression"]
    target: str
    experiment: str = Field(min_length=1)
    model_name: str = Field(pattern=r"^[^/:]+$")
    random_state: int = Field(default=42, ge=0, lt=2**32)
    data: Data
    columns: dict[str, Column] = Field(min_length=2)
    split: Split = Split()
    cv: CrossValidation = CrossValidation()
    candidates: dict[str, Candidate] = Field(min_length=1)
    metrics: Metrics = Metrics()
    gates: Gates = Gates()
    promotion: Promotion = Promotion()
    monitoring: Monitoring = Monitoring()
    retention: Retention = Retention()
    model_card: ModelCardTexts = ModelCardTexts()
    _path: Path = PrivateAttr(default=Path("recipe.yaml"))

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        if self.target not in self.columns:
            raise ValueError(
                f"'target' must be one of the columns. Got '{self.target}' instead. {nearest(self.target, self.columns)}"
            )
        if self.columns[self.target].nullable:
            raise ValueError(
                f"'columns.{self.target}.nullable' must be false: there is nothing to learn from a missing target."
            )
        taken: dict[str, str] = {name.lower(): name for name in self.candidates}
        for name, candidate in self.candidates.items():
            if name.lower() == "all" or candidate.alias == "all":
                raise ValueError(f"'candidates.{name}' must not be called 'all': the word selects every candidate.")
            if taken.setdefault(candidate.alias, name) != name:
                raise ValueError(
                    f"'candidates.{name}.alias' must be unique. Got '{candidate.alias}' instead, "
                    f"which already stands for {taken[candidate.alias]}."
                )
            for member in candidate.members:
                if member not in self.candidates or self.candidates[member].members:
                    plain = [known for known, other in self.candidates.items() if not other.members]
                    raise ValueError(
                        f"'candidates.{name}.members' must be candidates that have an estimator. "
                        f"Got '{member}' instead. {nearest(member, plain)}"
                    )
        return self

    @property
    def path(self) -> Path:
        """The file that it was read from."""
        return self._path

    def at(self, key: str) -> str:
        """Return how a sentence about the value of `key` begins: with the file and the key."""
        return f"{self.path.name}: '{key}'"

    @property
    def features(self) -> tuple[str, ...]:
        """The columns a model learns from, in the recipe's order."""
        return tuple(column for column in self.columns if column != self.target)

    def select(self, names: str) -> tuple[str, ...]:
        """Return the candidates that `names` asks for (`all`, or names and aliases, comma separated), in recipe order.

        Raises
        ------
        UsageError : a name is neither a candidate nor an alias.
        """
        asked = [name.strip() for name in names.split(",") if name.strip()]
        by_word = {name.lower(): name for name in self.candidates}
        by_word |= {candidate.alias: name for name, candidate in self.candidates.items()}
        for word in asked:
            if word.lower() not in by_word and word.lower() != "all":
                words = [f"{name} ({candidate.alias})" for name, candidate in self.candidates.items()]
                raise UsageError(
                    "model must be all, or names or aliases of the recipe's candidates, comma separated.",
                    got=f"'{word}'",
                    fix=guess(word, [*by_word, *self.candidates]) + f"Known: all, {', '.join(words)}.",
                )
        if not asked or "all" in (word.lower() for word in asked):
            return tuple(self.candidates)
        chosen = {by_word[word.lower()] for word in asked}
        return tuple(name for name in self.candidates if name in chosen)

    def part(self, keys: Iterable[str], *, candidates: Iterable[str] = ()) -> dict[str, Any]:
        """Return the named top-level keys as plain values, with of the candidates only those named and their members."""
        values = self.model_dump(mode="json", include=set(keys))
        if candidates:
            wanted = [*candidates, *(m for name in candidates for m in self.candidates[name].members)]
            values["candidates"] = {
                name: candidate.model_dump(mode="json", exclude_defaults=True)
                for name, candidate in self.candidates.items()
                if name in wanted
            }
        return values


def load_recipe(path: Path, environment: Mapping[str, str]) -> Recipe:
    """Return the recipe in the file `path`. Raises UsageError as `load_settings` does."""
    recipe = load_settings(path, Recipe, environment)
    recipe._path = path
    return recipe
