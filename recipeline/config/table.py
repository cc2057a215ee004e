"""The table's columns, and where its rows come from."""

from __future__ import annotations

import codecs
import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, field_validator, model_validator

from recipeline.config.settings import Label, Settings

ImportPath = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")]


def _as_word(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


#: A word, or a number as -999 is, that stands for a missing value, as an empty field does.
MissingWord = Annotated[str, BeforeValidator(_as_word), Field(pattern=r"^\S(.*\S)?$")]

#: The name of a column in a table, which in a Parquet file may have line ends in it.
TableName = Annotated[str, BeforeValidator(_as_word), Field(pattern=r"^\S([\s\S]*\S)?$")]

#: A value of a category; a number in YAML is its text.
CategoryValue = Annotated[str, BeforeValidator(_as_word), Field(pattern=r"^\S(.*\S)?$")]

#: Columns that `predict`, the service's log and tables of labels put beside those of a table; a recipe's must have other names.
RESERVED_COLUMNS = (
    *("prediction", "prediction_lower", "prediction_upper", "model_version"),
    *("request_id", "file", "row", "fault"),
)

#: So begin the names of the columns of probabilities that `predict` adds for labels.
RESERVED_PREFIX = "probability_"

#: So begin the names of the columns that the library puts beside those of a table: folds, and hashes of rows.
OWN_PREFIX = "recipeline."

#: The names that VotingRegressor, which a mean of candidates is, has for its own parameters.
RESERVED_MEMBERS = ("estimators", "weights", "n_jobs", "verbose")


def is_reserved(name: str) -> bool:
    """Whether a column of that name is one that is added to a table's."""
    return name in RESERVED_COLUMNS or name.startswith((RESERVED_PREFIX, OWN_PREFIX))


#: The `data` that asks for made-up rows, and the `data_source` of what was trained on them.
SYNTHETIC = "synthetic"

#: The `data` that asks for the rows of a query, and the `data_source` of what was trained on them.
SQL = "sql"


#: The use of a column. Models are fitted to features only; the others stay in the table of the training rows. `split` deals
#: rows by `group` and `time`, `weight` is how much a row counts, `id` and `ignore` are for
#: people; `sensitive` is an `ignore` whose values no card, log or error shows.
Role = Literal["feature", "ignore", "id", "sensitive", "group", "time", "weight"]


def _refuse_text(value: object) -> object:
    if value == "text":
        raise ValueError(
            "a model cannot be fitted to free text. Use category where each value is a name, or make numbers of the text "
            "before (its length, counts of words)."
        )
    return value


#: The type of a column; each has a module of its name in the `kinds` of every room that it touches.
ColumnType = Annotated[Literal["number", "integer", "boolean", "category", "datetime"], BeforeValidator(_refuse_text)]


#: The codes of `strptime` that pandas reads too.
_DATE_CODES = "aAbBdfGHIjmMpSuUVwWyYzZ%"


class Column(Settings):
    """A column of the table: type, unit and possible range.

    The range is that of all possible values, not of the values in one file. `values` are the categories; empty: any.
    `format` is that of dates, in the codes of `strptime`; empty: ISO 8601. Without a `role` it is a feature, unless `split`
    names it.
    """

    #: The type of its values.
    type: ColumnType = "number"
    role: Role | None = None
    #: The unit, as people read it.
    unit: Label = ""
    #: The least possible value.
    min: float | None = None
    #: The greatest possible value.
    max: float | None = None
    #: Whether values may be missing.
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

    @field_validator("values")
    @classmethod
    def _values_are_there_once(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        twice = [value for value in dict.fromkeys(values) if values.count(value) > 1]
        if twice:
            raise ValueError(f"each value must be there once. Got {', '.join(twice)} twice.")
        return values

    @field_validator("format")
    @classmethod
    def _is_a_format_of_dates(cls, form: str) -> str:
        """Refuse what is no format, and one that reads ISO 8601 as other dates.

        Dates in ISO 8601 are accepted besides those of the format.
        """
        codes = re.findall("%(.?)", form, re.DOTALL)
        is_known = set(codes) <= set(_DATE_CODES) and set(codes) - {"%"}
        try:
            moment = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
            if form and is_known:
                datetime.strptime(moment.strftime(form), form)
        except ValueError:
            is_known = False
        if form and not is_known:
            raise ValueError(f"must be a format of dates in the codes of strptime, such as '%d/%m/%Y'. Got '{form}' instead.")
        try:
            is_other = datetime.strptime("2001-02-03", form).date() != date(2001, 2, 3)
        except ValueError:
            return form
        if is_other:
            raise ValueError(
                f"'{form}' must not read '2001-02-03' as another date than ISO 8601 does. Write such dates otherwise."
            )
        return form

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min must not be above max. Got {self.min:g} and {self.max:g} instead.")
        return self


class Target(Settings):
    """The column that is predicted.

    Models are fitted to its `transform`; predictions are of the column itself. `positive` is, of two classes, the label whose
    probability is predicted; without it true, or the greater number.
    """

    #: The name of the column.
    column: str
    transform: Literal["log1p", "log", "sqrt"] | None = None
    positive: bool | int | CategoryValue | None = None

    def refuse_range(self, column: Column) -> str:
        """Return the error message where the column's range does not fit the transform."""
        if self.transform is None:
            return ""
        least, rule = {"log": (0.0, "above 0"), "log1p": (-1.0, "above -1"), "sqrt": (0.0, "0 or above")}[self.transform]
        low = column.min
        if low is not None and (low > least or (self.transform == "sqrt" and low == least)):
            return ""
        return f"'columns.{self.column}.min' must be {rule} for target.transform: {self.transform}. Got {low} instead."


class Download(Settings):
    """The published file: its name (the `data_source` tag), URL and digest."""

    #: Its name: a value of `data`, and of the tag `recipeline.data_source`.
    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    #: Its address.
    url: str = Field(pattern=r"^https?://")
    #: The digest that its content must have.
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Loader(Settings):
    """A function that returns the table as a DataFrame or a scikit-learn Bunch.

    A Bunch must have the table in `frame`.
    """

    #: The function.
    path: ImportPath
    #: Its arguments, by name.
    params: dict[str, Any] = {}


class Sql(Settings):
    """A query and the URL of its database, as SQLAlchemy takes it.

    A relative SQLite file lies in the project's folder.
    """

    #: The database.
    url: str = Field(pattern=r"^[A-Za-z][\w+.-]*://")
    #: A query that returns the rows; with `order by` the same rows have the same digest.
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
    semicolon, tab, bar). `decimal` is the mark before the fraction of a number that is text. `rename` has the recipe's names of
    columns that a table may have another name for.
    """

    download: Download | None = None
    loader: Loader | None = None
    sql: Sql | None = None
    encoding: Annotated[str, AfterValidator(_as_encoding)] = "utf-8"
    separator: str = Field(default="", pattern=r"""^[^"'\r\n.\w]?$""")
    decimal: Literal[".", ","] = "."
    rename: dict[TableName, str] = {}
    #: A function that makes rows up where there is no connection to the download.
    synthetic: ImportPath | None = None
    #: The least number of rows to train on.
    min_rows: int = Field(default=100, ge=10)

    def settings(self) -> dict[str, Any]:
        """Return the settings that a table's rows depend on, besides their source.

        Defaults of the format of text are left out.
        """
        stated = [name for name in ("encoding", "separator", "decimal", "rename") if name in self.model_fields_set]
        return {"min_rows": self.min_rows} | {name: getattr(self, name) for name in stated}

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
