"""The keys of a recipe, and the columns that follow from them."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from pydantic import BeforeValidator, Field

from recipeline.config.candidate import Candidate
from recipeline.config.columns import is_pattern
from recipeline.config.measuring.scored import Scored
from recipeline.config.rows import Rows
from recipeline.config.rules import Gates, ModelCardTexts, Monitoring, Promotion, Retention
from recipeline.config.settings import Label
from recipeline.config.split import CrossValidation, Split
from recipeline.config.table import Column, Data, MissingWord, Role, Target


class RecipeKeys(Scored):
    """The keys of a recipe with their defaults, each checked by itself.

    Rules across keys take these, and `recipeline.config.recipe.Recipe` applies them.
    """

    #: The recipe's name, on tags of runs and versions.
    name: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*$")
    predicted: Annotated[Target, BeforeValidator(lambda value: {"column": value} if isinstance(value, str) else value)] = Field(
        alias="target"
    )
    #: The MLflow experiment that runs are in, unless `mlflow run` has chosen another one.
    experiment: Label = Field(min_length=1)
    #: Part of a URI (`models:/<name>`) and of a filter of MLflow, in which the excluded characters cannot be escaped.
    model_name: Label = Field(pattern=r"^[^/:@?#%\\\"]+$")
    #: The seed of the split, the folds and each estimator that takes one.
    random_state: int = Field(default=42, ge=0, lt=2**32)
    data: Data
    columns: dict[str, Column] = Field(min_length=2)
    #: Words, or numbers, that stand for a missing value in every column.
    na: tuple[MissingWord, ...] = ()
    #: Columns of a table that are not listed: an error, or not read.
    other_columns: Literal["refuse", "ignore"] = "refuse"
    #: Rows without a target in a table to train on: an error, or left out and counted.
    missing_target: Literal["refuse", "drop"] = "refuse"
    rows: Rows = Rows()
    split: Split = Split()
    cv: CrossValidation = CrossValidation()
    candidates: dict[Label, Candidate] = Field(min_length=1)
    gates: Gates = Gates()
    promotion: Promotion = Promotion()
    monitoring: Monitoring = Monitoring()
    retention: Retention = Retention()
    model_card: ModelCardTexts = ModelCardTexts()

    @property
    def target(self) -> str:
        """The column that is predicted."""
        return self.predicted.column

    @property
    def features(self) -> tuple[str, ...]:
        """The feature columns in the recipe's order."""
        return tuple(name for name in self.columns if name != self.target and self.role(name) == "feature")

    @property
    def not_features(self) -> tuple[str, ...]:
        """The columns that only training needs: neither features nor the target."""
        return tuple(name for name in self.columns if name != self.target and self.role(name) != "feature")

    @property
    def weight(self) -> str | None:
        """The column of row weights, None without one."""
        return next((name for name, column in self.columns.items() if column.role == "weight"), None)

    def role(self, name: str) -> Role:
        """Return the role of a column other than the target.

        It is what the column says, or the key of `split` that names it.
        """
        named = next((key for key, column in self.split.named.items() if column == name), "feature")
        return self.columns[name].role or cast(Role, named)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The keys of `columns` that stand for columns of a table."""
        return tuple(name for name in self.columns if is_pattern(name))

    @property
    def header(self) -> list[str]:
        """The names that the header of a table is known by; empty where these are too few."""
        names = [name for name in self.columns if not is_pattern(name)]
        return names if len(names) > 1 or len(names) == len(self.columns) else []
