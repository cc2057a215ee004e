"""Likely causes of refused rows, and faults counted by column and cause."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recipeline.config.columns import NAMELESS
from recipeline.data.checking.numbers import list_fields, read_numbers, show_field
from recipeline.data.reading.formats import IN_RECIPE, SettingNames
from recipeline.data.reading.header import plain_name
from recipeline.errors import DataError
from recipeline.escape import is_unseen

#: How many lines a refusal has at most.
LISTED = 20

NO_NUMBER = "must be a number"


@dataclass(frozen=True)
class Cause:
    """A likely cause of text where there must be a number, and the remedy.

    Words in braces stand for the names of settings. A remedy that needs a setting is left out where it has no name.
    """

    guess: str
    remedy: str = ""
    type: str = ""

    def tell(self, names: SettingNames = IN_RECIPE) -> str:
        """Return the cause as a question, and the remedy."""
        known = {**vars(names), "type": names.type.format(self.type)}
        remedy = self.remedy if names.type or not self.type else ""
        return f"{self.guess} {remedy}".strip().format_map(known)


#: Text whose cause is not known.
UNKNOWN = Cause("")

_COMMA = Cause("a decimal comma?", "Set {decimal}.")
_POINT = Cause("a decimal point, contrary to {decimal}?")
_GROUPED = Cause("a thousands separator?", "Write numbers without any.")

#: Causes by patterns of the text.
_CAUSES = {
    ".": (
        (r"^[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+$", _GROUPED),  # of a column with a decimal comma elsewhere it is one too
        (r"^[+-]?([0-9]+,[0-9]*|,[0-9]+)([eE][+-]?[0-9]+)?$", _COMMA),
    ),
    ",": (
        (r"^[+-]?[1-9][0-9]{0,2}([.][0-9]{3})+(,[0-9]*)?$", _GROUPED),
        (r"^[+-]?([0-9]+[.][0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$", _POINT),
    ),
}

_COMMON = (
    (r"^[+-]?[0-9]{1,3}([,.' \x{a0}\x{202f}\x{2019}][0-9]{3})+([.,][0-9]+)?$", _GROUPED),
    (
        r"^(?i:#?n/?a\.?|nan|<na>|null|none|nil|missing|unknown|\?+|-+|\.+)$",
        Cause("a word for a missing value?", "List it under {na}."),
    ),
    (
        r"^[+-]?[0-9.,]+\s*[^0-9.,\s]{1,8}$|^[$\x{20ac}\x{a3}]\s*[+-]?[0-9.,]+$",
        Cause("a unit in the field?", "Write numbers alone."),
    ),
    (
        r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|^[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}( |$)",
        Cause("a date?", "State {type}.", "datetime"),
    ),
    (r"^(?i:true|false|yes|no)$", Cause("yes or no?", "State {type}.", "boolean")),
)

_ALL_TEXT = Cause("a category?", "State {type}.", "category")

_OF_LINES = {
    "must hold a value in a field": ("hold separators only", "Remove them."),
    "must be a row of values": ("are the header again, or a comment", "Remove them; files may have been joined."),
}


def find_causes(texts: pa.Array, decimal: str) -> Iterator[tuple[Cause, np.ndarray]]:
    """Yield the likely causes of texts that are not numbers, and their positions."""
    fields = pc.fill_null(pc.utf8_trim_whitespace(texts.cast(pa.string())), "")
    left = np.ones(len(fields), dtype=bool)
    for pattern, cause in (*_CAUSES.get(decimal, ()), *_COMMON):
        found = left & pc.match_substring_regex(fields, pattern).to_numpy(zero_copy_only=False)
        if found.any():
            yield cause, np.flatnonzero(found)
            left &= ~found
    if left.any():
        yield UNKNOWN, np.flatnonzero(left)


def most_likely(causes: Collection[Cause]) -> Cause:
    """Return the likeliest of the causes of a column's faults, in order of discovery.

    A thousands separator is a decimal comma where other fields have one: 4,305 beside 12,3.
    """
    first = next(iter(causes), UNKNOWN)
    return _COMMA if first == _GROUPED and _COMMA in causes else first


def cause_of(value: object, decimal: str) -> Cause:
    """Return the likely cause why a field is not a number."""
    return next(cause for cause, _ in find_causes(pa.array([str(value)]), decimal)) if isinstance(value, str) else UNKNOWN


def as_sentence(cause: Cause) -> str:
    """Return a cause as a sentence, followed by a space; "" for an unknown one."""
    told = cause.tell()
    return f"{told[:1].upper()}{told[1:]} " if told else ""


def require_numbers(values: pa.Array, name: str, na: Sequence[str], *, rows: np.ndarray, label: str) -> np.ndarray:
    """Return `values` as `read_numbers` does.

    Parameters
    ----------
    rows, label : the values' row numbers, and the table, as errors name them.

    Raises
    ------
    DataError : the column is of another type, or a value is neither a number nor missing.
    """
    numbers, missing = read_numbers(values, name, na)
    refuse_unreadable(values, np.isnan(numbers) & ~missing, name, NO_NUMBER, rows=rows, label=label)
    return numbers


def refuse_unreadable(
    values: pa.Array, unreadable: np.ndarray, name: str, rule: str, *, rows: np.ndarray, label: str, decimal: str = "."
) -> None:
    """Raise DataError if any field of the column `name` is `unreadable`.

    `rows` are the values' row numbers in the table `label`.
    """
    places = np.flatnonzero(unreadable)
    if len(places):
        first = list_fields(values.slice(int(places[0]), 1))[0]
        cause = as_sentence(cause_of(first, decimal)) if rule == NO_NUMBER else ""
        more = f" and {len(places) - 1} more rows" if len(places) > 1 else ""
        raise DataError(
            f"{label} must hold {rule.removeprefix('must be ')} in every field of '{name}' that is not empty.",
            got=f"{show_field(first)} in row {rows[places[0]]}{more}",
            fix=f"{cause}Correct the rows (row 1 is the first below the header), or list a word for missing values in the "
            "recipe's na.",
        )


@dataclass(frozen=True)
class NameFault:
    """A missing or additional column.

    `got` is the column found in place of a missing one, if any; `partner` the missing column that an additional one stands for.
    """

    column: str
    rule: str
    got: str
    partner: str = ""

    @property
    def line(self) -> str:
        """The fault as a line of a refusal."""
        return _line(self.column, self.rule, self.got)


def _line(place: str, rule: str, got: str) -> str:
    return f"{place}: {rule}." + (f" Got {got} instead." if got else "")


def compare_names(found: Sequence[str], wanted: Sequence[str], *, may_have_others: bool = False) -> list[NameFault]:
    """Return the missing and the additional columns of a table, with causes.

    Missing columns come first.
    """
    missing = [name for name in wanted if name not in found]
    others = [name for name in found if name not in wanted]
    pairs = {name: _find_partner(name, others) for name in missing}
    meant = {partner: (name, how) for name, (partner, how) in pairs.items() if partner}
    faults = [
        NameFault(name, "the column is missing", f"'{_shown(partner)}', {how}" if partner else "")
        for name, (partner, how) in pairs.items()
    ]
    for name in () if may_have_others else others:
        words, partner = f"a column '{_shown(name)}'", meant.get(name, ("", ""))[0]
        close = difflib.get_close_matches(name, missing, n=1)
        if partner or close:
            words += f" (is it '{partner or close[0]}'?)"
        elif match := NAMELESS.fullmatch(name):
            is_index = match[1] in (None, "0")
            words = "an index column, as pandas writes it; write the table without" if is_index else "a column without a name"
        faults.append(NameFault(name, "only the recipe's columns may be there", words, partner))
    return faults


def _find_partner(name: str, others: Sequence[str]) -> tuple[str, str]:
    """Return the differently written column meant by `name`, and the difference.

    Both are "" if there is none.
    """
    for other in others:
        if other.casefold() == name.casefold():
            return other, "in other letter case"
        if plain_name(other) == plain_name(name):
            return other, "with invisible characters"
        if re.sub(r"[\W_]+", "", other).casefold() == re.sub(r"[\W_]+", "", name).casefold() != "":
            return other, "with other marks between its words"
    return "", ""


def _shown(name: str) -> str:
    return "".join(f"\\u{ord(char):04x}" if is_unseen(char) or (char.isspace() and char != " ") else char for char in name)


@dataclass(frozen=True)
class Group:
    """Faults of one column and cause: how many, and the first of them."""

    column: str
    rule: str
    cause: Cause
    count: int
    row: int
    got: str
    where: str

    @property
    def line(self) -> str:
        """The group as a line of a refusal."""
        at = f"{self.where}row {self.row}"
        if not self.row:
            return _line(f"{self.where}{self.column}", self.rule, self.got)
        name = f"{self.column}: " if self.column else ""
        if self.count == 1:
            return f"{at}, {name}{self.rule}. Got {self.got} instead. {as_sentence(self.cause)}".rstrip()
        if self.rule == NO_NUMBER:
            cause = f": {self.cause.tell()}" if self.cause != UNKNOWN else "."
            return f"{self.column} is text in {self.count} rows, for example {self.got} in {at}{cause}"
        if self.rule in _OF_LINES:
            what, fix = _OF_LINES[self.rule]
            return f"{self.count} lines {what}, the first is {at}. {fix}"
        return f"{name}{self.rule}. Broken in {self.count} rows, for example by {self.got} in {at}."


class Groups:
    """The faults of a table, counted by column and cause, in order of discovery."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, Cause | str], Group] = {}
        self._files: dict[str, int] = {}
        self.count = 0

    def add(
        self, column: str, rule: str, got: str, row: int, *, count: int = 1, cause: Cause = UNKNOWN, where: str = ""
    ) -> None:
        """Count faults, the first of them in this row of the file `where`.

        Row 0 is the column itself.
        """
        key = column, rule, cause
        self.count += count
        self._files.setdefault(where, len(self._files))
        known = self._groups.get(key)
        if known is None or not row:
            self._groups[key if row else (*key[:2], where + got)] = Group(column, rule, cause, count, row, got, where)
        else:
            self._groups[key] = replace(known, count=known.count + count)

    def add_values(self, column: str, rule: str, values: pa.Array, rows: np.ndarray, *, is_number: bool, **more: str) -> None:
        """Count values that break a rule; `rows` are their row numbers.

        Text in place of numbers is counted by cause.
        """
        where, decimal = more.get("where", ""), more.get("decimal", ".")
        is_text = rule == NO_NUMBER
        for cause, places in find_causes(values, decimal) if is_text else ((UNKNOWN, np.arange(len(rows))),):
            first = int(places[0])
            got = show_field(list_fields(values.slice(first, 1))[0], is_number=is_number)
            self.add(column, rule, got, int(rows[first]), count=len(places), cause=cause, where=where)

    def lines(self, rows: int) -> list[str]:
        """Return the groups as lines of the refusal of a table with so many rows.

        There are at most LISTED lines; the last one has the number of the others.
        """
        merged: dict[tuple[str, str, Cause | str], Group] = {}
        for key, group in self._groups.items():
            column, rule, cause = key
            is_comma = cause == _GROUPED and "," in group.got and (column, rule, _COMMA) in self._groups
            if is_comma:
                key, group = (column, rule, _COMMA), replace(group, cause=_COMMA)
            if rule == NO_NUMBER and group.cause == UNKNOWN and group.count == rows > 1:
                group = replace(group, cause=_ALL_TEXT)
            known = merged.get(key)
            merged[key] = replace(known, count=known.count + group.count) if known else group
        lines = [group.line for group in sorted(merged.values(), key=lambda group: (self._files[group.where], group.row))]
        return lines if len(lines) <= LISTED else [*lines[: LISTED - 1], f"and {len(lines) - LISTED + 1} more of the kind."]
