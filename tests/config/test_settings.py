from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from recipeline.config.profile import find_profile, load_profile
from recipeline.config.recipe import load_recipe
from recipeline.config.settings import flatten
from recipeline.errors import UsageError
from tests.conftest import ROOT, small_recipe


def load(folder: Path, change: Any) -> Any:
    content = small_recipe()
    change(content)
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return load_recipe(path, {})


def test_the_recipe_of_the_project_loads() -> None:
    recipe = load_recipe(ROOT / "recipe.yaml", {})
    assert recipe.model_name == "WineQualityBestModel"
    assert len(recipe.features) == 11


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / "profiles").glob("*.yaml")])
def test_every_profile_of_the_project_loads(name: str) -> None:
    load_profile(find_profile(name, ROOT / "profiles", ROOT), {})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(candidate={}), ["recipe.yaml", "'candidate'", "Did you mean 'candidates'?"]),
        (lambda c: c["split"].update(test_sise=0.2), ["'split.test_sise'", "Did you mean 'test_size'?"]),
        (lambda c: c["split"].update(test_size=1.5), ["'split.test_size'", "less than 1", "Got 1.5 instead"]),
        (lambda c: c["split"].update(method="stratified"), ["'split.method'", "'grouped' or 'random'", "stratified"]),
        (lambda c: c.update(random_state="42"), ["'random_state'", "integer", 'Got "42" instead']),
        (lambda c: c.update(random_state=True), ["'random_state'", "Got true instead"]),
        (lambda c: c.pop("task"), ["'task' is missing"]),
        (lambda c: c.update(task="ranking"), ["'task'", "regression", "ranking"]),
        (lambda c: c.update(target="qualty"), ["'target'", "Got 'qualty' instead", "Did you mean 'quality'?"]),
        (lambda c: c["columns"]["pH"].update(min=6), ["columns.pH", "min must not be above max"]),
        (lambda c: c["columns"]["quality"].update(nullable=True), ["columns.quality.nullable", "missing target"]),
        (lambda c: c["cv"].update(folds=1), ["'cv.folds'", "greater than or equal to 2"]),
        (lambda c: c["candidates"]["ElasticNet"].update(alias="lr"), ["ElasticNet.alias", "already stands for"]),
        (lambda c: c["candidates"]["ElasticNet"].update(members=["DecisionTree"]), ["not both"]),
        (
            lambda c: c["candidates"].update(M={"alias": "m", "members": ["Decision"]}),
            ["members", "'Decision'", "Did you mean 'DecisionTree'?"],
        ),
        (
            lambda c: c["candidates"]["ElasticNet"].update(search={"space": {"a": {"uniform": [2, 1]}}}),
            ["uniform needs its lower limit first"],
        ),
        (lambda c: c["candidates"]["ElasticNet"].update(search={"space": {"a": {}}}), ["exactly one of choice"]),
        (lambda c: c["data"]["download"].update(sha256="abc"), ["data.download.sha256", "pattern"]),
        (lambda c: c["data"].update(loader={"path": "a.b"}), ["a download or a loader, not both"]),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_file_key_rule_and_value(
    tmp_path: Path, change: Any, words: list[str]
) -> None:
    with pytest.raises(UsageError) as error:
        load(tmp_path, change)
    for word in ["recipe.yaml", *words]:
        assert word in str(error.value)
    assert "\n" not in error.value.sentence


def test_all_faults_of_a_file_are_listed_at_once(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["splits"] = {}
        content["cv"]["folds"] = "five"

    with pytest.raises(UsageError, match="2 settings are not valid") as error:
        load(tmp_path, change)
    assert len(error.value.details) == 2


def test_a_key_written_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("name: a\nname: b\n", encoding="utf-8")
    with pytest.raises(UsageError, match="the key 'name' is written twice"):
        load_recipe(path, {})


@pytest.mark.parametrize("text", ["", "- a\n", "a: [", "\x00"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError):
        load_recipe(path, {})


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    recipe = load(tmp_path, lambda _: None)
    with pytest.raises(ValueError, match="frozen"):
        recipe.random_state = 7


def write_profile(folder: Path, data: str, n_jobs: str = "2") -> Path:
    path = folder / "p.yaml"
    path.write_text(
        f"store: {{tracking_uri: 'sqlite:///a.db'}}\ndata: {data}\nengine: {{n_jobs: '{n_jobs}'}}\n", encoding="utf-8"
    )
    return path


def test_environment_references_are_filled_in_and_may_be_numbers(tmp_path: Path) -> None:
    profile = load_profile(write_profile(tmp_path, "${PLACE}/x.csv", "${JOBS}"), {"PLACE": "/data", "JOBS": "3"})
    assert profile.data == "/data/x.csv"
    assert profile.engine.n_jobs == 3


def test_an_environment_reference_can_have_a_default(tmp_path: Path) -> None:
    assert load_profile(write_profile(tmp_path, "${PLACE:-here}.csv", "${JOBS:-1}"), {}).data == "here.csv"


def test_a_missing_environment_variable_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'data' needs the environment variable PLACE"):
        load_profile(write_profile(tmp_path, "${PLACE}"), {})


def test_an_unknown_profile_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="Did you mean 'local'"):
        find_profile("locl", ROOT / "profiles", ROOT)


nested = st.recursive(
    st.integers() | st.booleans() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.text("ab", min_size=1, max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("ab", min_size=1, max_size=3), nested, min_size=1))
def test_flattening_tells_different_settings_apart(content: dict[str, Any]) -> None:
    flat = flatten(content)
    assert flatten(content) == flat
    key = next(iter(content))
    assert flatten(content | {key: [content[key]]}) != flat
