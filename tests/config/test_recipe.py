from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from recipeline.config.recipe import Recipe, load_recipe
from recipeline.config.table import RESERVED_COLUMNS
from recipeline.data.relating.grouping import COPIES
from recipeline.data.relating.relations import FOLD
from recipeline.errors import UsageError
from recipeline.inference.batch import FAULT, FILE, ROW
from recipeline.metrics.catalogue import metrics_of
from recipeline.monitoring import baseline
from recipeline.monitoring.live import labels
from recipeline.monitoring.live.labels import REQUEST_ID
from tests.batches import asked
from tests.config.helpers import Change, assert_refused, load
from tests.conftest import ROOT, as_recipe, small_recipe


@pytest.mark.parametrize("words", ["all", "", "ALL", "lr,all"])
def test_all_selects_every_candidate(recipe: Recipe, words: str) -> None:
    assert recipe.select(words) == ("LinearRegression", "DecisionTree", "ElasticNet")


def test_names_and_aliases_select_in_recipe_order_and_once(recipe: Recipe) -> None:
    assert recipe.select(" en, linearregression ,lr") == ("LinearRegression", "ElasticNet")


def test_an_unknown_model_is_refused_with_the_nearest_word(recipe: Recipe) -> None:
    with pytest.raises(UsageError, match=r"Got 'eln' instead.*Did you mean 'en'"):
        recipe.select("lr,eln")


def test_a_part_holds_only_the_candidates_asked_for(recipe: Recipe) -> None:
    part = recipe.part(["target"], candidates=["DecisionTree"])
    assert list(part) == ["target", "candidates"]
    assert list(part["candidates"]) == ["DecisionTree"]


def test_the_recipe_of_the_project_loads() -> None:
    recipe = load_recipe(ROOT / "recipe.yaml", {})
    assert recipe.model_name == "WineQualityBestModel"
    assert len(recipe.features) == 11


def mean_of(*members: str) -> dict[str, Any]:
    return {"alias": "m", "members": [*members]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(task="ranking"), ["'task'", "regression", "ranking"]),
        (lambda c: c.update(target="qualty"), ["'target'", "Got 'qualty' instead", "Did you mean 'quality'?"]),
        (lambda c: c.update(target={"column": "qualty"}), ["'target'", "Got 'qualty' instead"]),
        (
            lambda c: c.update(target={"column": "quality", "transform": "exp"}),
            ["'target.transform'", "'log1p', 'log' or 'sqrt'", "exp"],
        ),
        (lambda c: c.update(target={"column": "quality", "trans": "log"}), ["'target.trans'", "Did you mean 'transform'?"]),
        (
            lambda c: c.update(target={"column": "quality", "transform": "log"}),
            ["'columns.quality.min' must be above 0", "Got 0"],
        ),
        (lambda c: c.update(targets="quality"), ["'targets' is not a known key", "Did you mean 'target'?"]),
        (lambda c: c["columns"]["quality"].update(nullable=True), ["columns.quality.nullable", "rows without a target"]),
        (lambda c: c["candidates"]["ElasticNet"].update(alias="lr"), ["ElasticNet.alias", "which is the alias of"]),
        (
            lambda c: c["candidates"].update(decisiontree={"alias": "x", "members": ["DecisionTree"]}),
            ["differ in more than case"],
        ),
        (
            lambda c: c["candidates"].update(weights=c["candidates"]["ElasticNet"] | {"alias": "w"}, M=mean_of("weights")),
            ["candidates.M.members", "none of estimators, weights, n_jobs, verbose", "Got 'weights'"],
        ),
        (
            lambda c: c["candidates"].update({"a__b": c["candidates"]["ElasticNet"] | {"alias": "w"}, "M": mean_of("a__b")}),
            ["candidates.M.members", "Got 'a__b'"],
        ),
        (lambda c: c["candidates"].update(M=mean_of("ElasticNet", "ElasticNet")), ["must be unique", "Got 'ElasticNet'"]),
        (
            lambda c: c["candidates"].update(M={"alias": "m", "members": ["Decision"]}),
            ["members", "'Decision'", "Did you mean 'DecisionTree'?"],
        ),
    ],
)
def test_names_that_do_not_agree_are_refused(tmp_path: Path, change: Change, words: list[str]) -> None:
    assert_refused(tmp_path, change, words)


@pytest.mark.parametrize("name", [*RESERVED_COLUMNS, "probability_good", "probability_", FOLD, COPIES])
def test_a_column_with_the_name_of_one_that_is_added_is_refused_as_feature_and_as_target(tmp_path: Path, name: str) -> None:
    def rename(old: str) -> Change:
        def change(content: dict[str, Any]) -> None:
            content["columns"][name] = content["columns"].pop(old)
            content["target"] = name if content["target"] == old else content["target"]

        return change

    for old in ("pH", "quality"):
        assert_refused(tmp_path, rename(old), ["'columns'", f"'{name}'", "Rename it"])


def test_the_names_that_are_refused_are_those_that_are_added() -> None:
    beside_predictions = [name for name, _ in asked().columns]
    assert {*beside_predictions, ROW, FAULT, FILE, REQUEST_ID, labels.ROW, baseline.PREDICTION} == set(RESERVED_COLUMNS)


@pytest.mark.parametrize("name", ["", " pH", "pH ", "p\nH", "p\tH", "\x1b[31mpH", "\u2028"])
def test_a_column_whose_name_no_header_can_have_is_refused(tmp_path: Path, name: str) -> None:
    assert_refused(
        tmp_path, lambda c: c["columns"].update({name: {}}), ["'columns'", "printable text without spaces around it"]
    )


@pytest.mark.parametrize(
    ("transform", "least", "fits"),
    [("log", 0.1, True), ("log", 0, False), ("log1p", 0, True), ("log1p", -1, False), ("sqrt", 0, True), ("sqrt", -0.1, False)]
    + [(transform, None, False) for transform in ("log", "log1p", "sqrt")],
)
def test_a_transform_asks_for_a_range_in_which_it_is_defined(
    tmp_path: Path, transform: str, least: float | None, fits: bool
) -> None:
    def change(content: dict[str, Any]) -> None:
        content["target"] = {"column": "quality", "transform": transform}
        content["columns"]["quality"] = {"max": 10, **({} if least is None else {"min": least})}

    if not fits:
        assert_refused(tmp_path, change, ["'columns.quality.min' must be", f"target.transform: {transform}"])
        return
    recipe = load(tmp_path, change)
    assert (recipe.target, recipe.part(["target"])) == ("quality", {"target": {"column": "quality", "transform": transform}})


def test_a_target_without_a_transform_is_the_same_however_it_is_written(tmp_path: Path) -> None:
    plain = load(tmp_path, lambda _: None)
    written = load(tmp_path, lambda c: c.update(target={"column": "quality"}))
    assert plain.part(["target", "task"]) == written.part(["target", "task"]) == {"target": "quality", "task": "regression"}


def test_a_range_of_columns_is_written_out_and_an_entry_of_its_own_is_kept(tmp_path: Path) -> None:
    content = small_recipe()
    content["columns"] = {"gene {08..11} level": {"min": 0}, "gene 10 level": {"max": 3}, "quality": {}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    columns = load_recipe(tmp_path / "recipe.yaml", {}).columns
    assert set(columns) == {"gene 08 level", "gene 09 level", "gene 10 level", "gene 11 level", "quality"}
    assert (columns["gene 09 level"].min, columns["gene 10 level"].min, columns["gene 10 level"].max) == (0, None, 3)


@pytest.mark.parametrize("key", ["a {5..1}", "a {0..99999}", "a {x..y}", "a {1...3}"])
def test_what_is_no_range_is_a_name(key: str) -> None:
    assert list(Recipe.write_out({"columns": {key: {}}})["columns"]) == [key]


def test_the_recipe_in_the_page_on_classification_is_one() -> None:
    page = (ROOT / "docs/classification.md").read_text(encoding="utf-8")
    written = yaml.safe_load(page.split("```yaml\n", 1)[1].split("```", 1)[0])
    recipe = as_recipe(small_recipe() | {"monitoring": {}} | written)
    assert recipe.task == "binary"
    assert recipe.decision.cost is not None
    assert set(re.findall(r"^\| `(\w+)` \| .* \| .*\|$", page, re.MULTILINE)) == {it.name for it in metrics_of("binary")}
