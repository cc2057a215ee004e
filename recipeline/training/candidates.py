"""From a recipe's candidates to scikit-learn estimators."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import TargetEncoder

from recipeline.config.candidate import Component, Distribution, Search
from recipeline.config.import_path import import_object
from recipeline.config.recipe import Recipe
from recipeline.errors import UsageError, nearest
from recipeline.inference import _compat
from recipeline.training.preprocess import preprocess_columns
from recipeline.training.tasks.every import TASKS

#: By package, parameters that the recipe may set and that have other values than its own where it does not. A worker process
#: has one core, and so has a worker of the service; results depend neither on the number of threads nor on which way of two
#: was the faster one; and standard output is for results.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "lightgbm": {"n_jobs": 1, "deterministic": True, "force_row_wise": True, "verbose": -1},
    "xgboost": {"n_jobs": 1},
}
#: Other names of them; with one of these the default is left out.
_ALIASES = {
    "n_jobs": ("num_threads", "num_thread", "nthread", "nthreads"),
    "verbose": ("verbosity",),
    "force_row_wise": ("force_col_wise",),
}
#: Packages whose classifiers accept the numbers 0, 1, 2 ... as labels and nothing else.
_NUMBERED = ("xgboost",)


def build_candidate(recipe: Recipe, name: str) -> BaseEstimator:
    """Return the candidate `name` of the recipe, unfitted and seeded.

    The recipe's seed is set for every `random_state` that is not set.

    Raises
    ------
    UsageError : an import path cannot be found, or a parameter, also one of its search, is unknown to the estimator or has an
        invalid value.
    """
    candidate, task = recipe.candidates[name], TASKS[recipe.task]
    if candidate.members:
        return task.mean_of([(member, build_candidate(recipe, member)) for member in candidate.members])
    assert candidate.estimator is not None
    where = f"candidates.{name}"
    parts = preprocess_columns(recipe, candidate.preprocess, partial(_transformers, recipe, f"{where}.preprocess"))
    estimator = _construct(recipe, candidate.estimator, candidate.params, where)
    if not hasattr(estimator, "predict"):
        raise _fault(
            recipe,
            f"{where}.estimator",
            "must be an estimator that predicts.",
            f"'{candidate.estimator}'",
            "Name a transformer under preprocess. ",
        )
    kind = estimator.__sklearn_tags__().estimator_type if hasattr(estimator, "__sklearn_tags__") else None
    if kind not in (None, task.estimator_type):
        raise _fault(
            recipe,
            f"{where}.estimator",
            f"must be a {task.estimator_type}, as the recipe's task, {recipe.task}, asks for.",
            f"the {kind.replace('_', ' ')} '{candidate.estimator}'",
        )
    package = candidate.estimator.partition(".")[0]
    if package in _NUMBERED and task.estimator_type == "classifier":
        estimator = task.mean_of([(package, estimator)])  # the mean of one: it numbers the labels
    built = seed_estimator(make_pipeline(*parts, estimator) if parts else estimator, recipe.random_state)
    built = task.complete(built, candidate, recipe.random_state)
    if not hasattr(built, task.method):
        raise _fault(recipe, f"{where}.estimator", f"must have the method {task.method}.", f"'{candidate.estimator}'", task.fix)
    if candidate.search:
        _check_search(recipe, candidate.search, built, f"{where}.search.space")
    return built


def components_of(recipe: Recipe, names: Iterable[str]) -> list[str]:
    """Return the candidates that must be fitted for `names`, each once.

    A mean is replaced by its members.
    """
    parts = (part for name in names for part in recipe.candidates[name].members or (name,))
    return list(dict.fromkeys(parts))


def average_members(recipe: Recipe, name: str, predictions: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the predictions of a candidate: its own or its members' mean."""
    members = recipe.candidates[name].members
    return TASKS[recipe.task].average(predictions[member] for member in members) if members else predictions[name]


def assemble_model(recipe: Recipe, name: str, fitted: Mapping[str, BaseEstimator]) -> BaseEstimator:
    """Return the fitted model of a candidate: its own or its members' mean.

    The mean has the fitted members as `fit` would leave it, without fitting them a second time.
    """
    members = recipe.candidates[name].members
    return TASKS[recipe.task].assemble({member: fitted[member] for member in members}) if members else fitted[name]


def _transformers(recipe: Recipe, where: str, key: str, components: Sequence[Component]) -> list[BaseEstimator]:
    """Return the transformers that `preprocess.<key>` names."""
    made = []
    for place, part in enumerate(components):
        made.append(_construct(recipe, part.estimator, part.params, f"{where}.{key}.{place}"))
        if not hasattr(made[-1], "transform"):
            raise _fault(recipe, f"{where}.{key}.{place}", "must be a transformer.", f"'{part.estimator}'")
    return made


def _resolve(recipe: Recipe, value: Any, where: str) -> Any:
    """Return a parameter's value with imports and estimators resolved.

    They are `{import: path}` and `{estimator: path, params: ...}`, at any depth.
    """
    if isinstance(value, list):
        return [_resolve(recipe, it, f"{where}.{place}") for place, it in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if set(value) == {"import"}:
        return import_object(str(value["import"]), where=recipe.at(f"{where}.import"))
    if "estimator" in value and set(value) <= {"estimator", "params"}:
        return _construct(recipe, str(value["estimator"]), value.get("params") or {}, where)
    return {key: _resolve(recipe, it, f"{where}.{key}") for key, it in value.items()}


def _construct(recipe: Recipe, path: str, params: dict[str, Any], where: str) -> BaseEstimator:
    factory = import_object(path, where=recipe.at(f"{where}.estimator"))
    known = _accepted(factory)
    for key in params:
        if known and key not in known:
            raise _fault(recipe, f"{where}.params.{key}", f"is not a parameter of {path}. {nearest(key, known)}")
    params = _with_defaults(path, params)
    try:
        estimator = factory(**{key: _resolve(recipe, value, f"{where}.params.{key}") for key, value in params.items()})
    except (TypeError, ValueError) as error:
        raise _fault(recipe, f"{where}.params", f"must be parameters of {path}.", f"'{error}'") from None
    if not hasattr(estimator, "fit") or not hasattr(estimator, "get_params"):
        fix = "Name a class that has fit and get_params. "
        raise _fault(recipe, f"{where}.estimator", "must name a scikit-learn estimator.", f"'{path}'", fix)
    refusal = _refusal(estimator)
    if refusal:
        raise _fault(recipe, f"{where}.params.{refusal[0]}".rstrip("."), *refusal[1:])
    return estimator


def _with_defaults(path: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters with those of `_DEFAULTS` that are not set."""
    unset = {
        key: value
        for key, value in _DEFAULTS.get(path.split(".")[0], {}).items()
        if not {key, *_ALIASES.get(key, ())} & {*params}
    }
    return {**unset, **params}


def _accepted(factory: Any) -> list[str]:
    """Return the parameter names of `factory`; empty if it takes any.

    It is empty too if its signature is not available.
    """
    try:
        parameters = inspect.signature(factory, follow_wrapped=False).parameters.values()
    except (TypeError, ValueError):
        return []
    if any(it.kind is it.VAR_KEYWORD for it in parameters):
        return []
    return [it.name for it in parameters if it.kind in (it.POSITIONAL_OR_KEYWORD, it.KEYWORD_ONLY)]


def _refusal(estimator: BaseEstimator) -> tuple[str, str, str] | None:
    """Return the first invalid parameter of an estimator, its rule and its value.

    Estimators inside it are included. Each parameter is checked by the rules that scikit-learn's `fit` checks first. An
    estimator without such rules has to be fitted to see.
    """
    for part in (estimator, *estimator.get_params(deep=True).values()):
        rules = _compat.parameter_rules(part)
        if rules is not None and _compat.validate_parameters:
            try:
                _compat.validate_parameters(rules, part.get_params(deep=False), type(part).__name__)
            except ValueError as error:
                text = " ".join(str(error).split())
                found = _compat.REFUSAL.fullmatch(text)
                return (found["param"], f"{found['rule']}.", found["got"]) if found else ("", "must be valid.", f"'{text}'")
    return None


def _check_search(recipe: Recipe, search: Search, estimator: BaseEstimator, where: str) -> None:
    """Raise UsageError if a search space has an unknown parameter or invalid value."""
    known = sorted(estimator.get_params(deep=True))
    for key, spec in search.space.items():
        if key not in known:
            inside = [name for name in known if name.endswith(f"__{key}")]
            hint = f"Did you mean '{inside[0]}'? Known: {', '.join(known)}." if inside else nearest(key, known)
            raise _fault(recipe, f"{where}.{key}", f"is not a parameter of the candidate. {hint}")
        for value in _extremes(spec):
            try:
                tried = clone(estimator).set_params(**{key: value})
            except (TypeError, ValueError, AttributeError) as error:
                raise _fault(recipe, f"{where}.{key}", "must be values that the candidate accepts.", f"'{error}'") from None
            refusal = _refusal(tried)
            if refusal:
                raise _fault(recipe, f"{where}.{key}", *refusal[1:])


def _extremes(spec: Distribution) -> Iterable[Any]:
    """Return values that represent a distribution: choices, or both limits.

    For a continuous distribution they lie just between the limits, which are almost never drawn: 0 may be a limit of a
    parameter that must be above 0.
    """
    if spec.choice or spec.integer:
        return spec.choice or spec.integer or ()
    low, high = spec.uniform or spec.loguniform or (0.0, 0.0)
    margin = (high - low) * 1e-6
    return low + margin, high - margin


def _fault(recipe: Recipe, key: str, rule: str, got: str | None = None, hint: str = "") -> UsageError:
    return UsageError(f"{recipe.at(key)} {rule}", got=got, fix=f"{hint}Correct it in {recipe.path}.")


def seed_estimator(estimator: BaseEstimator, seed: int) -> BaseEstimator:
    """Return `estimator` with every unset `random_state`, at any depth, set to `seed`."""
    known = estimator.get_params(deep=True)
    for part in known.values():
        if isinstance(part, TargetEncoder):
            _seed_folds(part, seed)
    unset = {
        key: seed for key, value in known.items() if (key == "random_state" or key.endswith("__random_state")) and value is None
    }
    seeded: BaseEstimator = estimator.set_params(**unset)
    return seeded


def _seed_folds(encoder: TargetEncoder, seed: int) -> None:
    """Seed the folds that a TargetEncoder deals while it is fitted.

    From scikit-learn 1.9 on its `random_state` is deprecated, and not None while it is unset; the folds themselves have a seed.
    """
    is_unset = getattr(encoder, "random_state", "deprecated") == "deprecated"
    if isinstance(encoder.cv, int) and is_unset and getattr(encoder, "shuffle", True):
        encoder.set_params(cv=KFold(encoder.cv, shuffle=True, random_state=seed))


def packages_of(recipe: Recipe, name: str) -> set[str]:
    """Return the top-level packages of the candidate `name` and its members."""
    specs = [recipe.candidates[part] for part in components_of(recipe, [name])]
    parts = [(spec.estimator, spec.params) for spec in specs if spec.estimator]
    parts += [(part.estimator, part.params) for spec in specs for part in spec.preprocess.components]
    return {path.split(".")[0] for named, params in parts for path in (named, *_named_in(params))}


def _named_in(value: Any) -> Iterator[str]:
    """Yield the import paths in parameters, as `_resolve` follows them."""
    if isinstance(value, dict):
        yield from (str(value[key]) for key in ("import", "estimator") if key in value)
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for it in inside:
        yield from _named_in(it)
