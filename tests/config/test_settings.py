from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.config.profile import load_profile
from recipeline.config.recipe import load_recipe
from recipeline.config.settings import flatten
from recipeline.errors import UsageError
from tests.config.helpers import Change, assert_refused, load
from tests.conftest import small_recipe


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(candidate={}), ["recipe.yaml", "'candidate'", "Did you mean 'candidates'?"]),
        (lambda c: c["split"].update(test_sise=0.2), ["'split.test_sise'", "Did you mean 'test_size'?"]),
        (lambda c: c.update(random_state="42"), ["'random_state'", "integer", 'Got "42" instead']),
        (lambda c: c["split"].update(method="gruped"), ["'split.method'", "Got \"gruped\" instead. Did you mean 'grouped'?"]),
        (lambda c: c["columns"]["pH"].update(type="nubmer"), ["'columns.pH.type'", "Did you mean 'number'?"]),
        (
            lambda c: c["gates"]["validation_criteria"].append({"metric": "rsme", "threshold": 1}),
            ["metric'", "Did you mean 'rmse'?"],
        ),
        (lambda c: c.update(random_state=True), ["'random_state'", "Got true instead"]),
        (lambda c: c.pop("task"), ["'task' is missing"]),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_file_key_rule_and_value(
    tmp_path: Path, change: Change, words: list[str]
) -> None:
    assert_refused(tmp_path, change, words)


def test_all_faults_of_a_file_are_listed_at_once(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["splits"] = {}
        content["cv"]["folds"] = "five"

    with pytest.raises(UsageError, match="2 settings are not valid") as error:
        load(tmp_path, change)
    assert len(error.value.details) == 2


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


@pytest.mark.parametrize("text", ["007", "１２", "9" * 5000, "1e5", "--1"], ids=lambda text: text[:9])
def test_an_environment_variable_that_is_no_plain_number_stays_text(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"'engine\.n_jobs' must be a valid integer"):
        load_profile(write_profile(tmp_path, "x.csv", "${JOBS}"), {"JOBS": text})


def test_an_environment_reference_can_have_a_default(tmp_path: Path) -> None:
    assert load_profile(write_profile(tmp_path, "${PLACE:-here}.csv", "${JOBS:-1}"), {}).data == "here.csv"


def test_a_missing_environment_variable_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'data' uses the environment variable PLACE"):
        load_profile(write_profile(tmp_path, "${PLACE}"), {})


SECRET = "Zq7x/hidden"


@pytest.mark.parametrize(
    ("change", "quoted"),
    [
        (lambda c: c["engine"].update(n_jobs="${SECRET}"), '"${SECRET}"'),
        (lambda c: c.update(promote="${SECRET}"), '"${SECRET}"'),
        (lambda c: c.update(cache="https://u:${SECRET}@host"), '"https://u:${SECRET}@host"'),
        (lambda c: c.update(data=["${SECRET}"]), '["${SECRET}"]'),
        (lambda c: c.update(service={"trusted_types": {"a": "${SECRET}"}}), '{"a": "${SECRET}"}'),
        (lambda c: c.update(service={"workers": "${SECRET}", "prediction_log": "${SECRET:-x}"}), ""),
        (lambda c: c.update(store="${SECRET}"), '"${SECRET}"'),
    ],
)
def test_an_error_quotes_a_reference_and_never_what_the_variable_holds(tmp_path: Path, change: Change, quoted: str) -> None:
    content: dict[str, Any] = {"store": {"tracking_uri": "sqlite:///a.db"}, "data": "x", "engine": {}}
    change(content)
    (tmp_path / "p.yaml").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UsageError) as error:
        load_profile(tmp_path / "p.yaml", {"SECRET": SECRET})
    assert quoted in str(error.value)
    assert "Zq7x" not in str(error.value)


def test_a_rule_of_several_keys_does_not_tell_what_a_variable_holds(tmp_path: Path) -> None:
    content = small_recipe()
    for key in ("target", "experiment", "model_name"):
        changed = content | {key: "${SECRET}"}
        (tmp_path / "r.yaml").write_text(json.dumps(changed), encoding="utf-8")
        with pytest.raises(UsageError) as error:
            load_recipe(tmp_path / "r.yaml", {"SECRET": "Zq7x/hidden\n"})
        assert "Zq7x" not in str(error.value)


HIDDEN = "Zq7x hidden"


@pytest.mark.parametrize(
    "service",
    [
        {"webhook": {"secret": HIDDEN}},
        {"webhook": {"secret": [HIDDEN * 9]}},
        {"webhook": {"secret": {"value": HIDDEN}}},
        {"webhook": {"secret": f"{HIDDEN}${{EMPTY}}"}},
        {"webhook": {"secret": f"${{EMPTY:-{HIDDEN}}}"}},
        {"webhook": HIDDEN * 9},
        {"webhook": [{"secret": HIDDEN * 9}]},
        [{"webhook": {"secret": HIDDEN * 9}}],
        {"webhook": {"secret": HIDDEN * 9, "seconds": "soon"}},
        {"webhook": {"sceret": HIDDEN * 9}},
    ],
    ids=json.dumps,
)
def test_a_secret_in_a_file_is_shown_by_no_fault(tmp_path: Path, service: Any) -> None:
    content = {"store": {"tracking_uri": "sqlite:///a.db"}, "data": "x", "service": service}
    (tmp_path / "p.yaml").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UsageError) as error:
        load_profile(tmp_path / "p.yaml", {"EMPTY": ""})
    said = f"{error.value} {error.value.details}"
    assert "'service" in said
    assert "Zq7x" not in said


def test_a_reference_that_has_no_secret_is_still_shown(tmp_path: Path) -> None:
    content = {"store": {"tracking_uri": "sqlite:///a.db"}, "data": "x", "service": {"webhook": {"secret": "${SHORT}"}}}
    (tmp_path / "p.yaml").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UsageError, match=r'at least 16 characters\. Got "\$\{SHORT\}" instead'):
        load_profile(tmp_path / "p.yaml", {"SHORT": "Zq7x"})


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
