"""Objects by import path: estimators, loaders and samples of a recipe."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from typing import Any

from recipeline.errors import UsageError, guess

#: Packages whose distribution, which has the version, has another name; the first one that is installed counts.
_DISTRIBUTIONS = {"sklearn": ("scikit-learn",), "xgboost": ("xgboost-cpu", "xgboost")}
#: Packages that are an extra of the same name.
_EXTRAS = ("lightgbm", "xgboost")


def import_function(
    path: str, arguments: int, params: Iterable[str], *, where: str, takes: str, fix: str
) -> Callable[..., Any]:
    """Return the function at `path`, which takes so many arguments and the params.

    `where` begins the error message and `takes` ends its sentence: the key, and the arguments in words.

    Raises
    ------
    UsageError : as `import_object`, and where it is no function, or one of other arguments.
    """
    found = import_object(path, where=where)
    require_function(found, path, arguments, params, where=where, takes=takes, fix=fix)
    function: Callable[..., Any] = found
    return function


def require_function(found: Any, path: str, arguments: int, params: Iterable[str], *, where: str, takes: str, fix: str) -> None:
    """Raise UsageError as `import_function`, for the object `found` at `path`."""
    reason = f"a {type(found).__name__}"
    if callable(found):
        try:
            inspect.signature(found).bind(*[None] * arguments, **dict.fromkeys(params))
        except TypeError as error:
            reason = str(error)
        except ValueError:  # a function without a signature, as some of C
            return
        else:
            return
    raise UsageError(f"{where} must be a function {takes}.", got=f"'{path}', {reason},", fix=fix)


def import_object(path: str, *, where: str) -> Any:
    """Return the object at the dotted `path`.

    `where` begins the error message: it names the recipe's key.

    Raises
    ------
    UsageError : it is no dotted path, the module cannot be found, or it has no such name.
    """
    module_name, _, name = path.rpartition(".")
    if not module_name or not all(part.isidentifier() for part in path.split(".")):
        raise UsageError(
            f"{where} must be the import path of an installed object, as in package.module.name.",
            got=f"'{path}'",
            fix="Correct the path.",
        )
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there and itself imports something that is not
        raise UsageError(
            f"{where} must be the import path of an installed object.",
            got=f"'{path}', whose module '{error.name}' cannot be found,",
            fix=setup_line(error.name) if error.name in _EXTRAS else "Correct the path, or install its package.",
        ) from None
    if not hasattr(module, name):
        public = [known for known in dir(module) if not known.startswith("_")]
        raise UsageError(
            f"{where} must be the import path of an installed object.",
            got=f"'{path}', but '{module_name}' has no '{name}',",
            fix=guess(name, public).rstrip() or "Correct the path.",
        )
    return getattr(module, name)


def setup_line(extra: str) -> str:
    """Return the sentence that says what to type for an extra that is missing."""
    return f'Type: make setup EXTRAS="{extra}".'


def installed_distribution(package: str) -> tuple[str, str] | None:
    """Return name and version of the distribution of a top-level package.

    None: it is of none, or of one of another name that is not known here, as the project's own modules are.
    """
    for name in _DISTRIBUTIONS.get(package, (package,)):
        try:
            return name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def import_paths(values: Any) -> Iterator[str]:
    """Yield the import paths in nested settings, at any depth."""
    if isinstance(values, dict):
        for key, value in values.items():
            if key in ("estimator", "function") and isinstance(value, str) and "." in value:
                yield value
            elif key == "custom" and isinstance(value, dict) and isinstance(value.get("path"), str):
                yield value["path"]
            else:
                yield from import_paths(value)
    elif isinstance(values, list | tuple):
        for value in values:
            yield from import_paths(value)
