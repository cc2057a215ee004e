"""The table's columns, where its rows come from, and how they are split."""

from __future__ import annotations

import codecs
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator

from recipeline.config.rules import Fraction
from recipeline.config.settings import Label, Settings

ImportPath = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")]


def _as_word(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


#: A word, or a number as -999 is, that stands for a missing value, as an empty field does.
MissingWord = Annotated[str, BeforeValidator(_as_word), Field(pattern=r"^\S(.*\S)?$")]

#: A value of a category; a number in YAML is its text.
CategoryValue = Annotated[str, BeforeValidator(_as_word), Field(min_length=1)]

#: Columns that `predict`, the service's log and tables of labels put beside those of a table; a recipe's must have other names.
RESERVED_COLUMNS = (
    *("prediction", "prediction_lower", "prediction_upper", "model_version"),
    *("request_id", "file", "row", "fault"),
)

#: The names that VotingRegressor, which a mean of candidates is, has for its own parameters.
RESERVED_MEMBERS = ("estimators", "weights", "n_jobs", "verbose")

#: The `data` that asks for made-up rows, and the `data_source` of what was trained on them.
SYNTHETIC = "synthetic"

#: The `data` that asks for the rows of a query, and the `data_source` of what was trained on them.
SQL = "sql"


def _refuse_text(value: object) -> object:
    if value == "text":
        raise ValueError(
            "a model cannot be fitted to free text. Use category where each value is a name, or make numbers of the text "
            "before (its length, counts of words)."
        )
    return value


#: What a column holds; each has a module of its name in the `kinds` of every room that it touches.
ColumnType = Annotated[Literal["number", "integer", "boolean", "category", "datetime"], BeforeValidator(_refuse_text)]


class Column(Settings):
    """A column of the table: type, unit and possible range.

    The range is that of all possible values, not of the values in one file. `values` are the categories; empty: any.
    `format` is that of dates, in the codes of `strptime`; empty: ISO 8601.
    """

    type: ColumnType = "number"
    unit: Label = ""
    min: float | None = None
    max: float | None = None
    nullable: bool = False
    values: tuple[CategoryValue, ...] = ()
    format: str = ""
    _decimal: str = PrivateAttr(default=".")

    @property
    def decimal(self) -> str:
        """The mark before the fraction of a number that is text."""
        return self._decimal

    @model_validator(mode="after")
    def _has_settings_of_its_type(self) -> Self:
        of = {"values": ("category",), "format": ("datetime",), **dict.fromkeys(("unit", "min", "max"), ("number", "integer"))}
        for name, types in of.items():
            if self.type not in types and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(
                    f"'{name}' is a setting of columns of the type {' or '.join(types)}, and this is a {self.type}."
                )
        return self

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min must not be above max. Got {self.min:g} and {self.max:g} instead.")
        return self


class Download(Settings):
    """The published file: its name (the `data_source` tag), URL and digest."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    url: str = Field(pattern=r"^https?://")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Loader(Settings):
    """A function that returns the table as a DataFrame or a scikit-learn Bunch.

    A Bunch must have the table in `frame`.
    """

    path: ImportPath
    params: dict[str, Any] = {}


class Sql(Settings):
    """A query and the URL of its database, as SQLAlchemy takes it.

    A relative SQLite file lies in the project's folder.
    """

    url: str = Field(pattern=r"^[A-Za-z][\w+.-]*://")
    query: str = Field(min_length=1)


def _as_encoding(name: str) -> str:
    try:
        "".encode(name)
        codecs.getincrementaldecoder(name)()
    except (LookupError, TypeError, ValueError):
        raise ValueError("must be an encoding that Python knows, such as utf-8, latin-1 or cp1252.") from None
    return name


class Data(Settings):
    """The source and format of the recipe's rows, and their least number.

    `encoding` is that of a CSV without a byte order mark. `separator` separates its fields; empty: it is detected (comma,
    semicolon, tab, bar). `decimal` is the mark before the fraction of a number that is text.
    """

    download: Download | None = None
    loader: Loader | None = None
    sql: Sql | None = None
    encoding: Annotated[str, AfterValidator(_as_encoding)] = "utf-8"
    separator: str = Field(default="", pattern=r"""^[^"'\r\n.\w]?$""")
    decimal: Literal[".", ","] = "."
    synthetic: ImportPath | None = None
    min_rows: int = Field(default=100, ge=10)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        named = [name for name in ("download", "loader", "sql") if getattr(self, name)]
        if len(named) > 1:
            raise ValueError(f"name a {named[0]} or a {named[1]}, not both.")
        return self

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        if self.separator == self.decimal:
            raise ValueError(f"'separator' and 'decimal' must differ. Got '{self.decimal}' for both instead.")
        return self


class Split(Settings):
    """The split into training and test rows.

    `grouped` keeps equal rows together, `random` is `train_test_split`. Where `tolerance` is above 0, `grouped` also keeps
    together rows of which no feature differs by more than this number of standard deviations of its column. Then a row may
    change sides when others are added.
    """

    method: Literal["grouped", "random"] = "grouped"
    test_size: Fraction = 0.2
    tolerance: float = Field(default=0.0, ge=0, lt=1)


class CrossValidation(Settings):
    """The cross-validation that compares candidates on the training rows."""

    folds: int = Field(default=5, ge=2)
