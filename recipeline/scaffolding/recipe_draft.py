"""The draft of a recipe for a table: columns, candidates and default gates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from recipeline.config.columns import is_nameless, spell_out
from recipeline.config.table import Data, is_reserved
from recipeline.data.origin.folders import RowPath, list_files
from recipeline.data.origin.uris import redact
from recipeline.data.readers import open_rows
from recipeline.data.reading.formats import Format, SettingNames
from recipeline.errors import DataError, UsageError, nearest
from recipeline.escape import for_cell, for_terminal, is_remote
from recipeline.scaffolding.column_look import TYPE, Look
from recipeline.scaffolding.tasks.base import Preprocess, Task
from recipeline.scaffolding.tasks.every import TASKS

#: What `new` has an option for is a setting of the recipe afterwards. It finds the types of columns itself.
_OPTIONS = SettingNames(encoding="--encoding", separator="--separator", decimal="--decimal ','", na="--na")

#: Rules of what `new` is told of a CSV.
_FORMATS = {
    "encoding": "an encoding that Python knows, such as utf-8, latin-1 or cp1252",
    "separator": "one character, and no letter, digit, point or quote",
    "decimal": "a point or a comma",
}

_HEADER = "# The model, the same in every environment; profiles/ has the environments. Drafted from {origin}; edit it freely.\n"
_COLUMNS_NOTE = "# Add unit, min and max: values outside of the possible range are refused.\n"
_UNREAD_NOTE = "# not read: "
_TARGET_NOTE = "# the target has "
_SHOWN = 5
_LISTED = 10
_FEWEST_ROWS = 20


#: The format of a CSV of which nothing is stated.
PLAIN_DATA = Data()


class _Plain(yaml.SafeDumper):
    """YAML without anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def draft_recipe(path: Path, target: str, *, name: str, na: Sequence[str] = (), data: Data = PLAIN_DATA, task: str = "") -> str:
    """Return the text of a recipe that predicts the column `target` of a table.

    A target of booleans, of two whole numbers or of two categories is the task binary, of more categories multiclass, and of
    other numbers regression; `task` names another one.

    `path` is a CSV or Parquet file, or a folder of them; `data` states the encoding, the separator and the decimal mark of a
    CSV that needs it.
    Every other column is a feature of the type that all its values have; one with missing values is `nullable`, and candidates
    that cannot handle missing values impute the median. Text that repeats is a category; other text is ignored, with its
    reason as a comment. Columns of a type that no column of a recipe has, as lists, are not listed, and `other_columns` leaves
    them unread. Dates that are not ISO 8601 have the one format that reads them all; they are ignored where day or month may
    come first.

    Raises
    ------
    UsageError : the table has no such column, one of a reserved name, fewer rows than can be split, or a target that is none
        of the task.
    DataError : the file is no table, or the files of the folder have other columns; the table has no column that can be a
        feature, has columns of numbers with other values, which are named, with an example, or a target of another type.
    """
    looks, rows, spelled = _look(path, target, na, data)
    names, goal = list(looks), looks[target].name
    if not rows:
        raise DataError(f"{path.name} has no rows: header only.", fix="Name a file that holds the table.")
    faults = [look.tell_fault(_OPTIONS) for look in looks.values() if look.fault and (look.is_number or look.name == goal)]
    task_name, kind = next(((it, kind) for it, kind in TASKS.items() if _is_of(kind, it, looks[target], task)), ("", None))
    if task and not kind and not looks[target].fault:
        raise UsageError(
            f"--task must be one that the target '{target}' can be of.",
            got=f"{task}, and {_describe(looks[target])}",
            fix="Leave --task out, or name another one.",
        )
    if not faults and len(set(looks[target].whole_numbers) or looks[target].values) == 1:
        faults = [f"{target}: the same value in all rows that have one, and the target must have two or more"]
    if not faults and not kind:
        faults = [f"{target}: {_describe(looks[target])}, and the target must be numbers, or have two values or more"]
    unread = [name for name in names if looks[name].type and name != target]
    renamed = {name: own for name, own in spelled.items() if name not in unread}
    columns = {
        looks[name].name: kind.column(looks[name]) if kind and name == target else _column(looks[name], name)
        for name in names
        if name not in unread
    }
    if faults:
        raise DataError(
            f"Every column of {path.name} must hold numbers, categories, dates or booleans, and the target no dates.",
            got=f"{len(faults)} that {'does' if len(faults) == 1 else 'do'} not",
            fix="Remove or encode them, or name words for missing values with --na.",
            details=[*faults[:_SHOWN], *([f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else [])],
        )
    if all(name == goal or "role" in column for name, column in columns.items()):
        raise DataError(
            f"{path.name} has no column beside the target that can be a feature.",
            fix="Add one, or encode those that are there.",
            details=[look.tell_fault(_OPTIONS) for look in looks.values() if look.fault][:_SHOWN],
        )
    if rows < _FEWEST_ROWS:
        raise UsageError(f"{path.name} must have at least {_FEWEST_ROWS} rows.", got=rows, fix="Name a larger table.")
    assert kind
    words = re.sub(r"[^A-Za-z0-9]+", " ", name).split() or ["Table"]
    content = {
        "name": "-".join(words).lower(),
        "task": task_name,
        "target": kind.target(looks[target]),
        "experiment": "_".join(word[:1].upper() + word[1:] for word in words),
        "model_name": "".join(word[:1].upper() + word[1:] for word in words) + "BestModel",
        "random_state": 42,
        **({"other_columns": "ignore"} if unread else {}),
        "data": {
            **{key: value for key, value in data.settings().items() if key != "rename"},
            "min_rows": min(100, rows // 2),
            **({"rename": renamed} if renamed else {}),
        },
        **({"na": list(na)} if na else {}),
        **({"missing_target": "drop"} if looks[target].missing else {}),
        "columns": columns,
        "cv": {"folds": 5},
        "candidates": _candidates(columns, kind),
        **kind.settings(looks[target]),
        "gates": {"beats_mean_predictor": True},
    }
    parts = {key: yaml.dump({key: value}, Dumper=_Plain, sort_keys=False, allow_unicode=True) for key, value in content.items()}
    reasons = {name: look.fault or f"{name}: a column without a name, as an index is" for name, look in looks.items()}
    if unread:
        notes = [f"{_UNREAD_NOTE}{for_cell(f'{name}{TYPE}{looks[name].type}')}\n" for name in unread]
        parts["other_columns"] = "".join([*notes, parts["other_columns"]])
    ignored = [name for name in names if name not in unread and (looks[name].fault or _is_index(name, target))]
    parts["columns"] = _COLUMNS_NOTE + "".join(f"# ignored: {for_cell(reasons[name])}\n" for name in ignored) + parts["columns"]
    parts |= {key: f"# {note}\n{parts[key]}" for key, note in kind.notes.items() if key in parts}
    if doubt := "" if task else kind.doubt(looks[target]):
        parts["task"] = f"{_TARGET_NOTE}{doubt}\n{parts['task']}"
    text = "".join(f"\n{part}" if isinstance(content[key], dict) else part for key, part in parts.items())
    return _HEADER.format(origin=for_cell(path.name)) + text


def _look(path: Path, target: str, na: Sequence[str], data: Data) -> tuple[dict[str, Look], int, dict[str, str]]:
    """Return the looks of a table's columns, its rows, and names spelled out."""
    whole = RowPath(path, redact(str(path)) if is_remote(str(path)) else path.name)
    parts = list_files([path], str(path)) if path.is_dir() else [whole]
    files = [(part.label, open_rows(part.path, (), part.label, Format.of(data), names=_OPTIONS)) for part in parts]
    (first, file), *rest = files
    names = [name for name in file.columns if name not in file.index]
    for label, other in rest:
        if differing := {*names} ^ ({*other.columns} - other.index):
            raise DataError(
                f"All files of {path.name} must have the same columns.",
                got=f"'{min(differing)}' in one alone of {first} and {label}",
                fix="Correct the files, or name one of them.",
            )
    if target not in names:
        raise UsageError(f"--target must be a column of {path.name}.", got=f"'{target}'", fix=nearest(target, names))
    if taken := [f"'{column}'" for column in names if is_reserved(column)]:
        raise UsageError(
            f"{path.name} must have no column of a name that is reserved for predictions or labels.",
            got=" and ".join(taken),
            fix=f"Rename {'it' if len(taken) == 1 else 'them'} in the table.",
        )
    spelled = spell_out(names)
    looks, rows = {column: Look(spelled.get(column, column), data.decimal) for column in names}, 0
    for label, file in files:
        for piece in file.pieces():
            piece.require_rows(label)
            rows += piece.rows.num_rows
            for column, values in zip(file.columns, piece.rows.columns, strict=True):
                if column in looks:
                    looks[column].add(values, na)
    return looks, rows, spelled


def list_ignored(text: str) -> list[str]:
    """Return the columns that a drafted recipe ignores or leaves out, for a terminal.

    There are at most _LISTED, and the number of others.
    """
    notes = [line.removeprefix(_UNREAD_NOTE) for line in text.splitlines() if line.startswith(_UNREAD_NOTE)]
    columns = yaml.safe_load(text)["columns"]
    names = [for_terminal(name) for name, it in columns.items() if it.get("role") == "ignore"]
    names += [for_terminal(note.partition(TYPE)[0]) for note in notes]
    return [*names[:_LISTED], *([f"and {len(names) - _LISTED} more"] if len(names) > _LISTED else [])]


def find_doubt(text: str) -> str:
    """Return what a drafted recipe says of its target; empty for nothing."""
    return next((line.removeprefix("# ") for line in text.splitlines() if line.startswith(_TARGET_NOTE)), "")


def state_format(encoding: str, separator: str, decimal: str) -> Data:
    """Return the format of a CSV that options state; empty ones are not stated.

    Raises
    ------
    UsageError : it is no encoding, or none of the marks that a recipe can have.
    """
    stated = {key: text for key, text in (("encoding", encoding), ("separator", separator), ("decimal", decimal)) if text}
    try:
        return Data.model_validate(stated)
    except ValidationError as error:
        place = next(iter(error.errors()[0]["loc"]), "")
        if not place:  # a rule across both
            raise UsageError(
                "--separator and --decimal must differ.", got=f"'{decimal or '.'}' for both", fix="State another."
            ) from None
        raise UsageError(
            f"--{place} must be {_FORMATS[str(place)]}.", got=f"'{stated[str(place)]}'", fix="Correct it."
        ) from None


def _column(look: Look, name: str) -> dict[str, Any]:
    """Return the settings of a column of this name in the table.

    One that cannot be a feature is ignored.
    """
    if not look.found or is_nameless(name):
        return {"type": look.unread, "nullable": True, "role": "ignore"}
    type_ = {} if look.found == "number" else {"type": look.found}
    format_ = {"format": look.format} if look.format else {}
    return {**type_, **format_, **({"nullable": True} if look.missing else {})}


def _is_index(name: str, target: str) -> bool:
    return is_nameless(name) and name != target


def _is_of(task: Task, name: str, target: Look, asked: str) -> bool:
    """Whether a target is drafted as one of this task, or of the one asked for."""
    return (name == asked and task.takes(target)) if asked else task.fits(target)


def _describe(look: Look) -> str:
    return f"{look.found} of one value" if len(look.values) == 1 else look.found


def _candidates(columns: Mapping[str, Mapping[str, Any]], task: Task) -> dict[str, dict[str, object]]:
    """Return the candidates of a task.

    Missing numbers are imputed before, missing dates once they are numbers.
    """
    gaps = {str(it.get("type", "number")) for it in columns.values() if it.get("nullable") and "role" not in it}
    imputer = {"estimator": "sklearn.impute.SimpleImputer", "params": {"strategy": "median"}}
    filled: list[object] = [imputer] if gaps - {"category", "datetime"} else []
    scaled = [*filled, "sklearn.preprocessing.StandardScaler"]
    dates: dict[str, object] = {"all": [imputer]} if "datetime" in gaps else {}

    def by_type(number: list[object]) -> dict[str, object]:
        """Return a `preprocess`: a list of numbers alone where that is all."""
        return {"preprocess": {"number": number, **dates} if dates else number} if number or dates else {}

    return task.candidates(Preprocess(by_type(filled), by_type(scaled)))
