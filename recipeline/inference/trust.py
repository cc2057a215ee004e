"""The types that a saved model may be made of, and the reader of models.

All commands use this list and this reader.
"""

from __future__ import annotations

from collections.abc import Collection
from io import BytesIO
from pathlib import Path
from typing import Any

from recipeline.config.import_path import setup_line
from recipeline.errors import UnavailableError, UsageError
from recipeline.inference._boosters import booster_types, find_misplaced, lacking_library
from recipeline.inference._compat import TREES, TRUSTED, import_skops

__all__ = ["TREES", "TRUSTED", "RefusedModel", "read_model", "read_skops", "types_to_trust"]

_FIX = "Add them to service.trusted_types of the profile if you trust them"


class RefusedModel(UnavailableError):
    """A model that is not read, or not served; the sentence has the reason."""


def types_to_trust(model: Any, trusted: Collection[str] = ()) -> list[str]:
    """Return the types that skops must be told to trust to load `model`.

    The model is written once to find them.

    Parameters
    ----------
    trusted : further types that it may have besides TRUSTED: `service.trusted_types` of the profile.

    Raises
    ------
    UsageError : the model cannot be written without pickle, or holds a type that no command would load.
    """
    skops = import_skops()
    try:
        data = skops.dumps(model)
        types: list[str] = skops.get_untrusted_types(data=data)
        misplaced = find_misplaced(BytesIO(data)) if {*types} - TRUSTED else ""
    except Exception as error:  # of any part of the model: a type that skops cannot write, a method of the model itself
        raise UsageError(
            "A model must be one that skops can save, without pickle.",
            got=f"'{_short(error)}'",
            fix="Replace that part of the candidate in the recipe.",
        ) from None
    if misplaced:
        raise UsageError(
            "The trees of a model must be inside of an estimator of their library.",
            got=misplaced,
            fix="Name the estimator in the recipe.",
        )
    if foreign := _foreign(types, trusted):
        raise UsageError(
            "A model must be made of types that are trusted.",
            got=foreign,
            fix=f"{_FIX}, or replace that part of the candidate in the recipe.",
        )
    return types


def read_model(folder: Path, trusted: Collection[str] = (), *, name: str = "The model") -> Any:
    """Return the scikit-learn model in a folder that MLflow wrote.

    No pickle is read, and no code of the folder is run.

    Parameters
    ----------
    trusted : types that it may be made of besides TRUSTED and those that skops trusts by itself. The list in the folder is not
        used: anyone who can write a model can write its list.
    name : the model's name in error messages.

    Raises
    ------
    RefusedModel : it is a pickle, of another kind or of other types, or cannot be read.
    """
    import yaml

    try:
        flavor = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))["flavors"]["sklearn"]
        file, form = str(flavor["pickled_model"]), flavor.get("serialization_format")
    except OSError as error:
        raise _broken(name, error) from None
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        raise _broken(name, "no scikit-learn model that MLflow logged") from None
    if form != "skops":
        rule = f"{name} must be saved with skops: no pickle is ever loaded."
        raise RefusedModel(rule, got=f"'{form}'", fix='Log it again with serialization_format="skops".')
    path = (folder / file).resolve()
    if path.parent != folder.resolve():
        raise RefusedModel(
            f"The file of {name[0].lower()}{name[1:]} must be in its own folder.", got="a path that leads elsewhere"
        )
    return read_skops(path, trusted, name=name)


def read_skops(file: Path, trusted: Collection[str] = (), *, name: str = "") -> Any:
    """Return the content of a skops file after a check of all its types.

    See `read_model`.
    """
    skops = import_skops()
    name = name or f"The file {file.name}"
    try:
        types = skops.get_untrusted_types(file=file)
        foreign = _foreign(types, trusted)
        misplaced = find_misplaced(file) if {*types} - TRUSTED else ""
        built = None if foreign or misplaced else skops.load(file, trusted=types)
    except Exception as error:  # of a zip, of JSON, of numpy, of whatever a broken file makes of an estimator
        raise _broken(name, error) from None
    if misplaced:
        rule = f"{name} must have its trees inside of an estimator of their library."
        raise RefusedModel(rule, got=misplaced, fix="Train and register it again.")
    if lacking := lacking_library({*types} - TRUSTED - {*trusted}):
        raise RefusedModel(f"{name} needs the package {lacking}, which is not installed.", fix=setup_line(lacking))
    if foreign:
        rule = f"{name} must be made of types that are trusted."
        raise RefusedModel(rule, got=foreign, fix=f"{_FIX}, or train and register it again without them.")
    return built


def _foreign(types: Collection[str], trusted: Collection[str]) -> str:
    left = {*types} - TRUSTED - {*trusted}
    return ", ".join(sorted(left - booster_types() if left else left))


def _broken(name: str, error: object) -> RefusedModel:
    fix = "Register a new version, or restore its files."
    return RefusedModel(f"{name} is missing or damaged: {_short(error).rstrip('.')}.", fix=fix)


def _short(error: object) -> str:
    return " ".join(str(error).split())[:200]
