"""YAML files as frozen, typed settings, validated before anything runs.

Errors name file, key, rule and value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from recipeline.config.yaml_reader import read_yaml
from recipeline.errors import UsageError, guess, nearest
from recipeline.escape import for_cell, is_unseen


class Settings(BaseModel):
    """The base of every settings class: immutable, strictly typed, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def write_out(cls, content: Any) -> Any:
        """Return the content of a file with its abbreviations written out."""
        return content


S = TypeVar("S", bound=Settings)

#: Only the start of a longer invalid value is shown.
_LONGEST_VALUE = 200


def _one_line(text: str) -> str:
    unseen = [char for char in text if is_unseen(char)]
    if unseen or text != text.strip():
        raise ValueError(f"must be one line of visible characters. Got '{for_cell(text)}' instead.")
    return text


#: A name, a unit or an address: what is shown in tables and pages, and looked for in a store.
Label = Annotated[str, AfterValidator(_one_line)]

_REFERENCE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def load_settings(path: Path, model: type[S], environment: Mapping[str, str]) -> S:
    """Return the settings in the YAML file `path`, checked against `model`.

    ``${NAME}`` in a text value is replaced by `environment`'s NAME; ``${NAME:-default}`` has a default.

    Raises
    ------
    UsageError : the file is missing or no YAML, a variable is not set, a key unknown, a value of the wrong type or
        impossible. All faults of the file are listed at once.
    """
    typed = read_yaml(path)
    content = model.write_out(_expand(typed, environment, path))
    try:
        # JSON mode is strict about types and still takes a list for a tuple.
        return model.model_validate_json(json.dumps(content, default=str))
    except ValidationError as error:
        faults = [_fault(model, dict(fault), typed) for fault in error.errors()]
    if len(faults) == 1:
        raise UsageError(f"{path.name}: {faults[0]}", fix=f"Correct it in {path}.")
    raise UsageError(f"{path.name}: {len(faults)} settings are not valid.", fix=f"Correct them in {path}.", details=faults)


def _expand(value: Any, environment: Mapping[str, str], path: Path, key: str = "") -> Any:
    """Return `value` with all ``${NAME}`` references in its texts replaced."""
    if isinstance(value, dict):
        return {k: _expand(v, environment, path, f"{key}.{k}".lstrip(".")) for k, v in value.items()}
    if isinstance(value, list):
        return [_expand(v, environment, path, f"{key}[{i}]") for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name, default = match.groups()
        if name not in environment and default is None:
            raise UsageError(
                f"{path.name}: '{key}' uses the environment variable {name}, which is not set.",
                fix=f"Set it (export {name}=...), or write the value in {path}.",
            )
        return environment.get(name, default)

    expanded = _REFERENCE.sub(replace, value)
    # A value that is nothing but a reference may be meant as a number (`n_jobs: ${JOBS}`).
    is_number = _REFERENCE.fullmatch(value) and re.fullmatch(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]+)?", expanded)
    return json.loads(expanded) if is_number else expanded


#: A value in JSON that is a reference without a default, of which nothing is secret.
_REFERENCE_ALONE = re.compile(r'"\$\{\w+\}"')

#: A word that pydantic names as one of those that are allowed.
_QUOTED = re.compile("'([^']*)'")


def _fault(model: type[BaseModel], fault: dict[str, Any], typed: Any) -> str:
    """Return one pydantic error as an error message.

    It quotes the value as it is `typed`, never the content of a variable, and no value that has a field without `repr`.
    """
    location, kind = fault["loc"], fault["type"]
    key = ".".join(str(part) for part in location)
    if kind == "extra_forbidden":
        owner = _model_at(model, location[:-1])
        known = [field.alias or name for name, field in owner.model_fields.items()] if owner else []
        return f"'{key}' is not a known key. {nearest(str(location[-1]), known)}"
    if kind == "missing":
        return f"'{key}' is missing and has no default."
    rule = str(fault["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    written = json.dumps(_at(typed, location), default=str, ensure_ascii=False)
    is_secret = bool(_REFERENCE.search(written)) or _is_hidden(model, location)
    if kind == "value_error":  # a rule across several keys says itself what it got
        rule = rule.partition(" Got ")[0] if is_secret else rule
        return f"'{key}': {rule}" if key else rule
    if (_is_hidden(model, location) or _has_hidden(_model_at(model, location))) and not _REFERENCE_ALONE.fullmatch(written):
        return f"'{key}' {rule}. Its value is not shown."
    got = written if is_secret else json.dumps(fault["input"], default=str)
    said = f"'{key}' {rule}. Got {got if len(got) <= _LONGEST_VALUE else f'{got[:_LONGEST_VALUE]}…'} instead."
    if kind == "literal_error" and isinstance(fault["input"], str) and not is_secret:
        said += f" {guess(fault['input'], _QUOTED.findall(fault['ctx']['expected']))}"
    return said.rstrip()


def _at(content: Any, location: tuple[str | int, ...]) -> Any:
    """Return what the file has at `location`, or the nearest that it has above."""
    for part in location:
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            break
    return content


def _model_at(model: type[BaseModel], location: tuple[str | int, ...]) -> type[BaseModel] | None:
    """Return the settings class of the keys at `location`.

    Mappings, lists and optionals on the way are followed.
    """
    current: Any = model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = next((it for name, it in current.model_fields.items() if (it.alias or name) == str(part)), None)
            current = field.annotation if field else None
        else:
            models = [a for a in _flatten(current) if isinstance(a, type) and issubclass(a, BaseModel)]
            current = models[0] if models else None
    models = [a for a in _flatten(current) if isinstance(a, type) and issubclass(a, BaseModel)]
    return models[0] if models else None


def _is_hidden(model: type[BaseModel], location: tuple[str | int, ...]) -> bool:
    """Whether the value at `location` is of a field without `repr`, as secrets are."""
    owners = [(_model_at(model, location[:place]), str(part)) for place, part in enumerate(location)]
    fields = [(it.alias or name, part, it) for owner, part in owners if owner for name, it in owner.model_fields.items()]
    return any(name == part and not it.repr for name, part, it in fields)


def _has_hidden(model: type[BaseModel] | None) -> bool:
    """Whether a settings class has such a field, at any depth."""
    fields = [*model.model_fields.values()] if model else []
    leaves = [leaf for field in fields for leaf in _flatten(field.annotation)]
    models = [leaf for leaf in leaves if isinstance(leaf, type) and issubclass(leaf, BaseModel)]
    return not all(field.repr for field in fields) or any(map(_has_hidden, models))


def _flatten(annotation: Any) -> list[Any]:
    arguments = get_args(annotation)
    return [leaf for argument in arguments for leaf in _flatten(argument)] if arguments else [annotation]


def flatten(settings: Any, prefix: str = "") -> dict[str, str]:
    """Return nested settings as dotted keys with JSON values, sorted by key."""
    if isinstance(settings, BaseModel):
        settings = settings.model_dump(mode="json")
    if isinstance(settings, dict) and settings:
        flat: dict[str, str] = {}
        for key, value in settings.items():
            flat |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
        return dict(sorted(flat.items()))
    return {prefix: json.dumps(settings, sort_keys=True)}
