"""The look of a table's column: the type that all its values have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recipeline.data.checking.causes import UNKNOWN, Cause, find_causes, most_likely
from recipeline.data.checking.numbers import LARGEST, NUMBER, is_text, show_field
from recipeline.data.kinds.every import KINDS
from recipeline.data.reading.formats import IN_RECIPE, SettingNames
from recipeline.scaffolding.date_formats import DateFormats

_MOST_CATEGORIES = 100

#: The types that a column is tried as, the first that fits all values first.
_TYPES = ("number", "boolean", "datetime", "category")

#: The types that a column of no use is stated as, the one with the fewest rules first.
_UNREAD = ("category", "datetime", "number", "boolean")

#: A name of letters and digits, as those of diseases are, among others that read as numbers; so many make no slip of the pen.
_CODE, _SEVERAL = re.compile(r"[A-Za-z]{1,3}[.-]?[0-9][\w.-]*"), 2

#: One of several things of a number, as a flat or a sibling is: 207a beside 207b. One letter alone may be a unit.
_PART = re.compile(r"[0-9]+([a-fA-F])")

#: A number in words of its own: with a unit, a currency or separators. Of fewer different ones each may be a name.
_WRITTEN, _FEWEST_WRITTEN = re.compile(r"([$\u20ac\u00a3]?)\s*[+-]?[0-9][0-9.,]*\s*([^0-9.,]*)"), 10

#: From here on float64 has no place for each whole number.
_LONG = 2.0**53

#: What is between the name and the type of a column that no recipe can have.
TYPE = ": type "

#: So many of a piece's large numbers are looked at.
_LOOKED_AT = 100


@dataclass(frozen=True)
class _AnyValue:
    """The rules of a column of which only the decimal mark is known."""

    decimal: str
    unit: str = ""
    min: float | None = None
    max: float | None = None
    nullable: bool = False
    values: tuple[str, ...] = ()
    format: str = ""


@dataclass
class Look:
    """A column read in pieces: its number of values of each type, and its values.

    `possible` are the types that a column of this kind can be of, whatever its values. `values` has the number of rows of each
    distinct one; of many it has some. `is_padded`: whole numbers begin with zeros, as those of names do. `lengths` are those of
    the whole numbers; codes have one. `long` is a whole number that a float64 cannot tell from the next one, and `too_large`
    the first of the `infinite` numbers, which are beyond the largest that a model takes. `dates` has the formats of dates that
    are not ISO 8601.
    """

    name: str
    decimal: str = "."
    rows: int = 0
    missing: int = 0
    readable: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_TYPES, 0))
    examples: dict[Cause, str] = field(default_factory=dict)
    type: str = ""
    possible: frozenset[str] = frozenset(_TYPES)
    is_padded: bool = False
    lengths: set[int] = field(default_factory=set)
    long: str = ""
    infinite: int = 0
    too_large: str = ""
    values: Counter[str] = field(default_factory=Counter)
    dates: DateFormats = field(default_factory=DateFormats)

    def add(self, values: pa.Array, na: Sequence[str]) -> None:
        """Count further values."""
        self.rows += len(values)
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        rules = _AnyValue(self.decimal)
        accepted = [name for name in _TYPES if KINDS[name].accepts(values.type)]
        if not accepted:
            self.type = str(values.type)
            return
        self.possible &= {*accepted}
        for name in accepted:
            read = KINDS[name].read(values, na, rules)
            self.readable[name] += len(values) - int(read.unreadable.sum() + read.missing.sum())
            if name == "number" and read.unreadable.any():
                self._keep_examples(values.take(pa.array(np.flatnonzero(read.unreadable)[:_LOOKED_AT])))
            if name == "number" and (infinite := np.isinf(read.typed)).any():
                self.infinite += int(infinite.sum())
                self.too_large = self.too_large or show_field(values[int(np.flatnonzero(infinite)[0])].as_py(), is_number=True)
            if name == "number" and pa.types.is_decimal(values.type):  # which no category is, though a target may be 0 and 1
                self._count(read.typed[~read.missing].astype(str))
            if name == "number":
                self._look_at_digits(values, read.typed)
            if name == "datetime" and is_text(values.type):
                self.dates.add(values.take(pa.array(np.flatnonzero(read.unreadable))), na)
            if name == "category":
                self._count(read.typed[~read.missing])
        self.missing += int(KINDS[accepted[0]].read(values, na, rules).missing.sum())

    def _count(self, texts: np.ndarray) -> None:
        if len(self.values) <= _MOST_CATEGORIES:
            self.values.update(texts.tolist())

    def _keep_examples(self, fields: pa.Array) -> None:
        """Keep the first field of each likely cause why it is no number."""
        of_any = ((UNKNOWN, np.zeros(1, dtype=int)),)
        for cause, places in find_causes(fields, self.decimal) if is_text(fields.type) else of_any:
            self.examples.setdefault(cause, show_field(fields[int(places[0])].as_py()))

    def _look_at_digits(self, values: pa.Array, numbers: np.ndarray) -> None:
        """Note whole numbers that are likely names."""
        if pa.types.is_floating(values.type):
            return
        if is_text(values.type):
            fields = pc.utf8_trim_whitespace(values.cast(pa.string()))
            whole = pc.filter(fields, pc.match_substring_regex(fields, "^[0-9]+$"))
            self.is_padded |= bool(pc.any(pc.match_substring_regex(whole, "^0[0-9]")).as_py())
            self.lengths |= {*pc.unique(pc.utf8_length(whole)).to_pylist()}
        large = np.flatnonzero(np.abs(numbers) >= _LONG)
        texts = [str(values[int(place)].as_py()).strip() for place in large[:_LOOKED_AT]]
        self.long = self.long or next((text for text in texts if text.lstrip("+-").isdigit()), "")

    @property
    def known(self) -> int:
        """The number of values that are not missing."""
        return self.rows - self.missing

    @property
    def found(self) -> str:
        """The first type that all values are of; empty where there is none."""
        if self.type or not self.known:
            return ""
        if self._are_dates:
            return "datetime" if self.format else ""
        return next((name for name in _TYPES if self.readable[name] == self.known and self._is_likely(name)), "")

    @property
    def _are_dates(self) -> bool:
        """Whether all values are dates, of which some are not ISO 8601."""
        return bool(self.dates.known)

    @property
    def format(self) -> str:
        """The format of dates that are not ISO 8601; empty unless just one fits."""
        return self.dates.known[0] if len(self.dates.known) == 1 else ""

    def _is_likely(self, name: str) -> bool:
        """Whether words are booleans, or text is a category.

        There are two booleans; categories repeat, and most of them are not numbers.
        """
        if name == "boolean":
            return len({value.lower() for value in self.values}) <= 2  # of y, n, t and f each is a name
        few = len(self.values) <= min(_MOST_CATEGORIES, self.known / 2)
        if name == "number":
            return not self.long and not self.infinite and not (self.is_padded and (few or len(self.lengths) == 1))
        return name != "category" or (few and not self.is_number and (self._are_names or not self._are_written_numbers))

    @property
    def unread(self) -> str:
        """The type of a column that is no feature: text, if it can be that."""
        return next((name for name in _UNREAD if name in self.possible), "category")

    @property
    def _are_written_numbers(self) -> bool:
        """Whether values are numbers with one unit, or with separators."""
        found = [_WRITTEN.fullmatch(value) for value in self.values]
        return len(found) >= _FEWEST_WRITTEN and all(found) and len({it.groups() for it in found if it}) == 1

    @property
    def _are_names(self) -> bool:
        """Whether values that read as numbers are names."""
        words = [value for value in self.values if not re.fullmatch(NUMBER, self._with_point(value))]
        are_codes = len(words) >= _SEVERAL and all(_CODE.fullmatch(word) for word in words)
        parts = [_PART.fullmatch(word) for word in words]
        are_parts = all(parts) and len({part[1].lower() for part in parts if part}) >= _SEVERAL
        return bool(self.is_padded or self.long or are_codes or are_parts)

    @property
    def fault(self) -> str:
        """The reason why the column cannot be a feature; empty for a usable one."""
        return self.tell_fault()

    def tell_fault(self, names: SettingNames = IN_RECIPE) -> str:
        """Return why the column cannot be a feature; empty for a usable one.

        `names` are those of the settings that would make it usable.
        """
        if self.found:
            return ""
        if self.type:
            return f"{self.name}{TYPE}{self.type}"
        if not self.known:
            return f"{self.name}: no value in any row"
        if self.infinite and (self.is_number or not self.examples):
            return (
                f"{self.name}: numbers that are infinite, or beyond {LARGEST:.2g} in size, in {self.infinite} of {self.rows} "
                f"rows, for example {self.too_large}"
            )
        if self.long:
            return f"{self.name}: whole numbers beyond 2^53, for example {self.long}: names, and too many for a category"
        if self._are_dates:
            stated = f": {names.type.format('datetime')}, with its format" if names.type else ""
            return f"{self.name}: dates whose day or month may come first, for example {self.dates.example}{stated}"
        cause = most_likely(self.examples)
        if self.is_padded and not self.examples:
            return f"{self.name}: numbers of one length that begin with zeros: names, and too many for a category"
        if self._are_names:
            return f"{self.name}: names, and too many for a category, for example {self.examples[cause]}"
        example = f"{self.examples[cause]}{f': {cause.tell(names)}' if cause != UNKNOWN else ''}"
        return f"{self.name}: text in {self.known - self.readable['number']} of {self.rows} rows, for example {example}"

    @property
    def is_number(self) -> bool:
        """Whether most values are numbers, so that the others are faults.

        Names that read as numbers are none.
        """
        return 2 * self.readable["number"] >= self.known > 0 and not self._are_names

    @property
    def are_true_and_false(self) -> bool:
        """Whether all values are true and false by these words, and not yes and no."""
        words = {it.lower() for it in self.values}
        return self.found == "boolean" and (len(self.values) != 2 or len(words) != 2 or words == {"true", "false"})

    @property
    def whole_numbers(self) -> Counter[int]:
        """The number of rows of each whole number.

        Empty where a value is something else, or where there are many.
        """
        found: Counter[int] = Counter()
        if self.found != "number" or len(self.values) > _MOST_CATEGORIES:
            return found
        for text, rows in self.values.items():
            number = float(self._with_point(text))
            if not number.is_integer():
                return Counter()
            found[int(number)] += rows
        return found

    @property
    def is_of_two_numbers(self) -> bool:
        """Whether all values are one of two whole numbers."""
        return len(self.whole_numbers) == 2

    def _with_point(self, text: str) -> str:
        return text if self.decimal == "." else text.replace(self.decimal, ".", 1)
