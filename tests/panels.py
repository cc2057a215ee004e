"""Tables whose rows belong together, a panel and a series; their recipes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from tests.conftest import as_recipe, small_recipe

PEOPLE, YEARS = 40, 6


def draw_panel(people: int = PEOPLE, years: int = YEARS, seed: int = 0) -> pd.DataFrame:
    """Return people by years, known by `skill` and `home`, who set the wage.

    A model that learns people by heart is good at the years of those that it knows, and no good at others.
    """
    rng = np.random.default_rng(seed)
    skill, home, effect = (np.repeat(rng.normal(size=people), years) for _ in range(3))
    hours = rng.normal(1, 0.1, people * years)
    return pd.DataFrame(
        {
            "person": np.repeat(np.arange(people) + 1000, years),
            "year": np.tile(np.arange(years) + 1980, people),
            "skill": skill,
            "home": home,
            "hours": hours,
            "wage": 10 + 2 * skill + home + effect + 3 * (hours - 1) + rng.normal(0, 0.3, people * years),
        }
    )


def draw_series(rows: int = 240, seed: int = 0) -> pd.DataFrame:
    """Return days in order, with a trend beyond all trees and lasting noise."""
    rng = np.random.default_rng(seed)
    noise = np.zeros(rows)
    for day in range(1, rows):
        noise[day] = 0.8 * noise[day - 1] + rng.normal(0, 0.3)
    moment = np.arange(rows)
    warmth = np.sin(moment / 9) + rng.normal(0, 0.2, rows)
    return pd.DataFrame({"moment": moment, "warmth": warmth, "load": 20 + moment / 20 + 2 * warmth + noise})


def late_people(table: pd.DataFrame, first: int = 1030) -> pd.Series:
    """Choose people by their number, as a rule of a project's own may."""
    return table["person"] >= first


def late_years(table: pd.DataFrame) -> pd.Series:
    """Choose years, which tears people apart."""
    return table["year"] > 1983


def no_choice(table: pd.DataFrame, kind: str) -> object:
    """Return what is no choice of test rows."""
    rows = table["year"] > 1983
    wrong = {
        "numbers": rows.astype(int),
        "ragged": [True, [False, True]],
        "three": (rows, rows, 1),
        "all": rows | True,
        "short": rows[:-1].to_numpy(),
        "table": table > 0,
        "moved": rows.sort_index(ascending=False),
        "torn": rows,
        "none": rows & False,
    }
    return wrong[kind]


def years_apart(table: pd.DataFrame, kind: str = "whole") -> object:
    """Choose late people for testing, and deal the others by their number.

    Kinds but `whole`, `frame`, `hashes` and `huge` are no such choice.
    """
    is_test, fold = late_people(table), table["person"] % 3
    wrong = {
        "whole": (is_test, fold),
        "frame": (is_test.to_numpy(), fold.to_numpy(dtype=float)),
        "hashes": (is_test, pd.util.hash_array(fold.to_numpy())),
        "huge": (is_test, 1e300 * (fold + 1)),
        "gap": (is_test, fold.where(table["year"] > 1980, -1)),
        "missing": (is_test, fold.where(table["year"] > 1980)),
        "half": (is_test, fold + 0.5),
        "one": (is_test, fold * 0),
        "text": (is_test, fold.astype(str)),
        "short": (is_test, fold[:-1].to_numpy()),
        "ragged": (is_test, [0, [1]]),
        "torn": (is_test, table["year"] % 2),
    }
    return wrong[kind]


def _recipe(columns: dict[str, Any], target: str, split: dict[str, Any]) -> dict[str, Any]:
    return small_recipe() | {
        "target": target,
        "columns": columns,
        "split": split,
        "data": {"min_rows": 20},
        "gates": {"beats_mean_predictor": False},
        "promotion": {"bootstrap_draws": 200, "repeats": 2},
    }


def panel_content(**split: Any) -> dict[str, Any]:
    """Return the recipe of the panel, as YAML would give it, with this `split`."""
    columns = {"person": {"type": "integer"}, "year": {"type": "integer", "role": "time"}, "skill": {}, "home": {}, "hours": {}}
    return _recipe({**columns, "wage": {}}, "wage", split or {"group": "person"})


def panel_recipe(**split: Any) -> Recipe:
    """Return the recipe of the panel, with this `split`."""
    return as_recipe(panel_content(**split))


def series_content(**split: Any) -> dict[str, Any]:
    """Return the recipe of the series, as YAML would give it, with this `split`."""
    return _recipe({"moment": {"type": "integer"}, "warmth": {}, "load": {}}, "load", split or {"time": "moment"})


def series_recipe(**split: Any) -> Recipe:
    """Return the recipe of the series, with this `split`."""
    return as_recipe(series_content(**split))
