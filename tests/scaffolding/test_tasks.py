"""The task of a target's column, and a drafted recipe of it that loads.

It takes the table, and has candidates that fit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from recipeline.config.recipe import load_recipe
from recipeline.data.checking.schema import validate_table
from recipeline.data.smells import find_smells
from recipeline.data.target_codes import TargetCodes
from recipeline.errors import DataError
from recipeline.scaffolding.recipe_draft import draft_recipe
from recipeline.training.trial import find_faults
from tests.tables import opened

ROWS = 60
#: Values of a target, the task that they are drafted as, the recipe's target and the labels of its codes.
TARGETS: dict[str, tuple[list[Any], str, Any, tuple[Any, ...]]] = {
    "numbers": ([1.5, 2, 3], "regression", "y", ()),
    "whole numbers": ([3, 4, 5], "regression", "y", ()),
    "0 and 1": ([0, 0, 1], "binary", {"column": "y", "positive": 1}, (0, 1)),
    "0.0 and 1.0": ([0.0, 1.0, 1.0], "binary", {"column": "y", "positive": 1}, (0, 1)),
    "1 and 2": ([2, 2, 1], "binary", {"column": "y", "positive": 2}, (1, 2)),
    "yes and no": (["yes", "no", "no"], "binary", {"column": "y", "positive": "yes"}, ("no", "yes")),
    "Y and N, and more N": (["Y", "Y", "N"], "binary", {"column": "y", "positive": "Y"}, ("N", "Y")),
    "true and false in two ways": (["true", "TRUE", "False"], "binary", {"column": "y", "positive": True}, (False, True)),
    "0 and 01": (["0", "01", "01"], "binary", {"column": "y", "positive": "0"}, ("01", "0")),
    "booleans": ([True, True, False], "binary", {"column": "y", "positive": True}, (False, True)),
    "words": (["ill", "well", "well"], "binary", {"column": "y", "positive": "ill"}, ("well", "ill")),
    "words with colons": (["a: b", "no#", "no#"], "binary", {"column": "y", "positive": "a: b"}, ("no#", "a: b")),
    "three words": (["b", "a", "c"], "multiclass", "y", ("a", "b", "c")),
}


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_drafted_as_its_task_and_the_recipe_takes_the_table(tmp_path: Path, target: str, form: str) -> None:
    values, task, said, labels = TARGETS[target]
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=ROWS), "b": rng.normal(size=ROWS), "y": values * (ROWS // 3)})
    path = tmp_path / f"t.{form}"
    table.to_csv(path, index=False) if form == "csv" else table.to_parquet(path)
    text = draft_recipe(path, "y", name="t")
    assert (yaml.safe_load(text)["task"], yaml.safe_load(text)["target"]) == (task, said)
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    recipe = load_recipe(tmp_path / "recipe.yaml", {})
    table.to_csv(tmp_path / "t.csv", index=False)
    read = validate_table(opened((tmp_path / "t.csv").read_bytes(), list(table), "it"), recipe, origin="it")
    assert TargetCodes.learn(recipe, read).labels == labels
    assert find_smells(read, recipe) == []


@pytest.mark.parametrize("target", ["words", "three words"])
def test_candidates_of_classes_can_be_fitted_also_where_values_are_missing(tmp_path: Path, target: str) -> None:
    table = pd.DataFrame(
        {"a": [1.0, np.nan, 3.0] * 20, "day": ["2026-01-01", None, "2026-02-02"] * 20, "y": TARGETS[target][0] * 20}
    )
    table.to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "recipe.yaml").write_text(draft_recipe(tmp_path / "t.csv", "y", name="t"), encoding="utf-8")
    recipe = load_recipe(tmp_path / "recipe.yaml", {})
    assert len(recipe.candidates) == 4
    assert find_faults(recipe, list(recipe.candidates), ()) == []


@pytest.mark.parametrize(("positive", "is_decided"), [(3, True), (30, False)])
def test_a_rare_label_has_a_threshold_of_its_own(tmp_path: Path, positive: int, is_decided: bool) -> None:
    y = [True] * positive + [False] * (ROWS - positive)
    pd.DataFrame({"a": np.arange(ROWS) / 7, "y": y}).to_csv(tmp_path / "t.csv", index=False)
    text = draft_recipe(tmp_path / "t.csv", "y", name="t")
    assert yaml.safe_load(text).get("decision") == ({"metric": "f1"} if is_decided else None)
    assert ("where errors have a cost" in text) == is_decided
    assert "# positive is the label whose probability is predicted" in text


@pytest.mark.parametrize("words", [("Yes", "yes"), ("t", "T")])
def test_one_label_in_two_spellings_is_one(tmp_path: Path, words: tuple[str, str]) -> None:
    pd.DataFrame({"a": np.arange(ROWS) / 7, "y": words * (ROWS // 2)}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match="the target must be numbers, or have two values or more"):
        draft_recipe(tmp_path / "t.csv", "y", name="t")
