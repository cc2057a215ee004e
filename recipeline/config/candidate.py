"""Candidates: estimators, their preprocessing and their search spaces."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from recipeline.config.settings import Settings
from recipeline.config.table import ImportPath


class Component(Settings):
    """An estimator or transformer by import path, with its constructor's parameters."""

    #: The class.
    estimator: ImportPath
    #: Its constructor's parameters, by name.
    params: dict[str, Any] = {}


def _as_component(value: object) -> object:
    return {"estimator": value} if isinstance(value, str) else value


Components = tuple[Annotated[Component, BeforeValidator(_as_component)], ...]


class Difference(Settings):
    """The seconds from one date to a later one, as a feature."""

    #: Two columns of dates, the earlier one first.
    difference: tuple[str, str]

    @property
    def words(self) -> str:
        """The difference as a sentence has it."""
        return f"the difference of {self.difference[0]} and {self.difference[1]}"


#: The parts of a date that a model can take; `elapsed` are days since 1970.
DatePart = Literal["hour", "weekday", "month", "year", "elapsed"]


class Preprocess(Settings):
    """The preprocessing of columns before an estimator, by column type.

    `number` is for columns of numbers, whole ones and booleans too, `all` for the output of the others. A list instead of a
    mapping is `number`. `category` is an encoder by name, or transformers that take text.
    """

    number: Components = ()
    category: Literal["onehot", "ordinal", "target"] | Components = "onehot"
    datetime: tuple[DatePart | Difference, ...] = ("hour", "weekday", "month")
    all: Components = ()

    @field_validator("datetime")
    @classmethod
    def _parts_are_there_once(cls, parts: tuple[DatePart | Difference, ...]) -> tuple[DatePart | Difference, ...]:
        for part in parts:
            if parts.count(part) > 1:
                raise ValueError(
                    f"each part must be there once. Got {part.words if isinstance(part, Difference) else part} twice."
                )
        return parts

    @model_serializer(mode="wrap")
    def _as_given(self, serialize: SerializerFunctionWrapHandler) -> Any:
        """Return the list of transformers of numbers where nothing else is set."""
        values = serialize(self)
        plain = not self.all and self.category == "onehot" and self.datetime == type(self).model_fields["datetime"].default
        return values.get("number", []) if plain else values

    @property
    def components(self) -> tuple[Component, ...]:
        """All transformers that are named by import path."""
        named = () if isinstance(self.category, str) else self.category
        return (*self.number, *named, *self.all)


def _as_preprocess(value: object) -> object:
    if isinstance(value, list | tuple):
        return {"number": tuple(value)}
    if not isinstance(value, dict):
        return value
    # After a validator of ours pydantic takes no list for a tuple.
    return {key: tuple(map(_as_difference, it)) if isinstance(it, list) else it for key, it in value.items()}


def _as_difference(value: object) -> object:
    if isinstance(value, dict) and isinstance(value.get("difference"), list):
        return value | {"difference": tuple(value["difference"])}
    return value


class Distribution(Settings):
    """The distribution of a searched parameter; exactly one of the four."""

    #: Any of these values.
    choice: tuple[Any, ...] | None = Field(default=None, min_length=1)
    #: A whole number, both limits included.
    integer: tuple[int, int] | None = None
    #: A number between two limits.
    uniform: tuple[float, float] | None = None
    #: A number between two limits whose logarithm is uniform.
    loguniform: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give exactly one of choice, integer, uniform, loguniform{f'. Got {given} instead' if given else ''}."
            )
        limits = getattr(self, given[0])
        if given[0] != "choice" and not limits[0] < limits[1]:
            raise ValueError(f"{given[0]} needs its lower limit first. Got {list(limits)} instead.")
        if given[0] == "loguniform" and limits[0] <= 0:
            raise ValueError(f"loguniform needs limits above 0. Got {list(limits)} instead.")
        return self


class Search(Settings):
    """A randomised search inside the training folds: parameters and draws.

    `seconds` limits its duration, with a warning: the result then depends on the machine.
    """

    space: dict[str, Distribution] = Field(min_length=1)
    #: The number of draws.
    iterations: int = Field(default=20, ge=1)
    seconds: float | None = Field(default=None, gt=0)


class Candidate(Settings):
    """A model of the comparison: an estimator with preprocessing, or a mean.

    `members` are the candidates that the mean is of. `calibrate` corrects the probabilities of classes, with folds of the
    training rows.
    """

    #: A short name for `model`.
    alias: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    preprocess: Annotated[Preprocess, BeforeValidator(_as_preprocess)] = Preprocess()
    #: The class of the model.
    estimator: ImportPath | None = None
    #: Its constructor's parameters, by name.
    params: dict[str, Any] = {}
    members: tuple[str, ...] = ()
    search: Search | None = None
    calibrate: Literal["sigmoid", "isotonic"] | None = None

    @model_validator(mode="after")
    def _estimator_or_members(self) -> Self:
        if bool(self.estimator) == bool(self.members):
            raise ValueError("name either an estimator or members (the candidates of a mean).")
        if self.members and (self.params or self.preprocess != Preprocess() or self.search or self.calibrate):
            raise ValueError("members have their own preprocess, params, search and calibrate; remove these keys.")

        return self
