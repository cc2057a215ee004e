"""Estimators whose fit does not scale, and the rows that each of them takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.base import BaseEstimator

from recipeline.config.recipe import Recipe
from recipeline.errors import UsageError
from recipeline.training.candidates import build_candidate, components_of
from recipeline.training.fitted_rows import KEY


@dataclass(frozen=True)
class Kind:
    """A kind of estimators: at most so many `rows` are fitted to, and why.

    `types` are names of scikit-learn's classes; a class that is derived from one is of the kind too.
    """

    types: tuple[str, ...]
    rows: int
    reason: str


#: The kinds that compare each row with all others. Measured with 20 columns on one core (x86-64): a fit of SVR takes 2.3 s
#: for 10,000 rows and 9.1 s for 20,000, which is a minute for 50,000, and each prediction asks nearly as many support vectors
#: (scikit-learn's guide: "hard to scale to datasets with more than a couple of 10000 samples"). The others keep a matrix of
#: rows by rows, 8 bytes each, several of them in a Gaussian process, whose time grows with the third power.
KINDS = (
    Kind(("SVR", "NuSVR", "SVC", "NuSVC"), 50_000, "its time grows with the square of the rows"),
    Kind(("KernelRidge", "KernelPCA"), 10_000, "it keeps a matrix of rows by rows, 0.8 GB for 10,000"),
    Kind(
        ("GaussianProcessRegressor", "GaussianProcessClassifier"),
        5_000,
        "it keeps matrices of rows by rows, and its time grows with the third power of the rows",
    ),
)


def check_scaling(recipe: Recipe, names: Sequence[str], rows: int) -> None:
    """Raise UsageError if candidates cannot be fitted to `rows` rows in a fair time.

    All of them are named. Nothing is fitted.
    """
    faults = find_unscalable(recipe, names, rows)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise UsageError(
            f"{recipe.path.name}: {len(faults)} candidates cannot be fitted to {rows:,} rows.",
            fix=f"Set {KEY} in the profile, or select others with model=.",
            details=[fault.sentence for fault in faults],
        )


def find_unscalable(recipe: Recipe, names: Sequence[str], rows: int) -> list[UsageError]:
    """Return a fault of each of the candidates `names` that does not take `rows` rows.

    A mean has those of its members.
    """
    faults = []
    for name in components_of(recipe, names):
        found = find_limit(build_candidate(recipe, name), rows)
        if found is not None:
            faults.append(
                UsageError(
                    f"{recipe.at(f'candidates.{name}')} would be fitted to {rows:,} rows: {found}.",
                    fix=f"Set {KEY} in the profile, or choose an estimator that scales, such as HistGradientBoosting.",
                )
            )
    return faults


def find_limit(estimator: BaseEstimator, rows: int) -> str | None:
    """Return the part of an estimator that does not take `rows` rows, and why."""
    for part, fitted in _parts(estimator, rows):
        names = {base.__name__ for base in type(part).__mro__ if base.__module__.startswith("sklearn.")}
        for kind in KINDS:
            if fitted > kind.rows and names & {*kind.types}:
                return f"{type(part).__name__} takes {kind.rows:,} at most, because {kind.reason}"
    return None


def _parts(estimator: Any, rows: float) -> Iterator[tuple[Any, float]]:
    """Yield an estimator and those inside it, at any depth, with the rows of each.

    Inside an estimator with `max_samples`, such as bagging, an estimator is fitted to as many.
    """
    yield estimator, rows
    params = estimator.get_params(deep=False)
    most = params.get("max_samples")
    if isinstance(most, float):
        rows = rows * min(most, 1.0)
    elif isinstance(most, int):
        rows = min(rows, most)
    for value in params.values():
        for inside in _estimators_in(value):
            yield from _parts(inside, rows)


def _estimators_in(value: Any) -> Iterator[Any]:
    if hasattr(value, "get_params") and not isinstance(value, type):
        yield value
    elif isinstance(value, list | tuple):
        for it in value:
            yield from _estimators_in(it)
