from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.orchestration.fingerprints import code_components, differences, fingerprint, library_components
from tests.conftest import ROOT

components = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=5)


@given(components, components)
def test_fingerprints_are_equal_exactly_when_the_components_are(first: dict[str, str], second: dict[str, str]) -> None:
    assert (fingerprint(first) == fingerprint(second)) == (first == second)
    assert (differences(first, second) == []) == (first == second)


def test_a_difference_shows_old_and_new_and_settings_come_before_code() -> None:
    before = {"code a.py": "1", "cv.folds": "5", "gone": "x"}
    now = {"code a.py": "2", "cv.folds": "3", "new": "y"}
    assert differences(before, now) == ["cv.folds 5 → 3", "gone x → (none)", "new (none) → y", "code a.py 1 → 2"]


def test_another_source_of_the_same_data_is_named_as_such() -> None:
    before, now = {"content of data": "4a402cf041b0 (uci)"}, {"content of data": "4a402cf041b0 (file)"}
    assert differences(before, now) == ["source of data uci → file, with the same content"]
    now = {"content of data": "5b402cf041b0 (file)"}
    assert differences(before, now) == ["content of data 4a402cf041b0 (uci) → 5b402cf041b0 (file)"]


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".py").write_text(text, encoding="utf-8")


def test_code_is_followed_through_imports_also_inside_functions(tmp_path: Path) -> None:
    write(tmp_path, a="import b\nimport json", b="def f():\n    from package.c import x\n", package__c="x = 1", unused="")
    (tmp_path / "package/__init__.py").write_text("")
    names = code_components(tmp_path, ["a"])
    assert list(names) == ["code a.py", "code b.py", "code package/__init__.py", "code package/c.py"]


def test_a_changed_import_changes_one_component(tmp_path: Path) -> None:
    roots = (tmp_path / "before", tmp_path / "after")
    for root, text in zip(roots, ("x = 1", "x = 2"), strict=True):
        write(root, a="from b import x", b=text)
    before, after = (code_components(root, ["a"]) for root in roots)
    assert [line.split()[1] for line in differences(before, after)] == ["b.py"]


def test_relative_imports_are_followed_too(tmp_path: Path) -> None:
    write(tmp_path, p__a="from . import b\nfrom .sub import c\n", p__b="", p__sub__c="from .. import d", p__d="", p__e="")
    for folder in ("p", "p/sub"):
        (tmp_path / folder / "__init__.py").write_text("")
    names = [name.removeprefix("code p/") for name in code_components(tmp_path, ["p.a"])]
    assert names == ["__init__.py", "a.py", "b.py", "d.py", "sub/__init__.py", "sub/c.py"]


def test_what_is_imported_for_a_type_checker_only_is_no_code_that_runs(tmp_path: Path) -> None:
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import b\nelse:\n    import c\nif True:\n    import d\n"
    write(tmp_path, a=text, b="", c="", d="")
    assert list(code_components(tmp_path, ["a"])) == ["code a.py", "code c.py", "code d.py"]


def test_imports_in_a_circle_come_to_an_end(tmp_path: Path) -> None:
    write(tmp_path, a="import b", b="import a")
    assert list(code_components(tmp_path, ["a"])) == ["code a.py", "code b.py"]


def test_a_changed_table_changes_the_component_of_the_table_alone(tmp_path: Path) -> None:
    roots = (tmp_path / "before", tmp_path / "after")
    for root, text in zip(roots, ("[1]", "[2]"), strict=True):
        write(root, a="x = 1")
        (root / "a.json").write_text(text)
        (root / "ab.json").write_text(text)
    before, after = (code_components(root, ["a"]) for root in roots)
    assert set(before) == {"code a.py", "code a.json"}
    assert [line.split()[1] for line in differences(before, after)] == ["a.json"]
    assert fingerprint(before) != fingerprint(after)


def test_what_is_not_of_the_project_is_no_code(tmp_path: Path) -> None:
    write(tmp_path, a="import numpy, no_such_module\nfrom os import path")
    assert list(code_components(tmp_path, ["a", "sklearn.linear_model"])) == ["code a.py"]


def test_settings_come_before_code_and_code_before_libraries() -> None:
    before = {"library numpy": "1", "code z.py": "1", "zz": "1", "same": "1"}
    assert differences(before, before | {"library numpy": "2", "code z.py": "2", "zz": "2"}) == [
        "zz 1 → 2",
        "code z.py 1 → 2",
        "library numpy 1 → 2",
    ]


def test_the_order_of_components_does_not_matter() -> None:
    assert fingerprint({"a": "1", "b": "2"}) == fingerprint({"b": "2", "a": "1"})
    assert fingerprint({"a": "1"}) == "452647e07c48d5e6dbdad452d4f4715de98ad66f3397952966e13ffa37b3523f"


def test_the_table_beside_a_module_belongs_to_it() -> None:
    assert "code custom/red_wine.json" in code_components(ROOT, ["custom.red_wine"])


#: What each step's fingerprint covers. A file more here retrains where it changes: say why it can change a result.
RECIPE = {
    f"config/{name}"
    for name in (
        "candidate",
        "measuring/scored",
        "checking/references",
        "columns",
        "recipe",
        "recipe_keys",
        "rows",
        "rules",
        "settings",
        "split",
        "table",
    )
} | {"config/yaml_reader", "metrics/catalogue"}
#: Stored rows draw the samples that large tables are described by.
HANDED_ON = {"artifacts", "config/import_path", "data/stored_rows", "records"}
HANDED_ON |= {"inference/_compat", "inference/_boosters", "inference/trust"}
RELATES = {"data/relating/grouping", "data/relating/neighbours", "data/relating/relations", "data/splits"}
FITS = RELATES | {"config/import_path", "engine/workers", "metrics/bootstrap"}
#: Tasks; a change of one may change every result of its room.
TASKS = {
    room: {f"{room}/tasks/{name}" for name in ("base", "binary", "every", "multiclass", "regression")}
    for room in ("data", "evaluation", "inference", "metrics", "monitoring", "training")
}
#: The target as numbers, and the skill of predictions.
CODES = TASKS["data"] | {"data/target_codes", "metrics/skill", "metrics/slices"}
SCORES = (
    CODES
    | TASKS["inference"]
    | TASKS["metrics"]
    | TASKS["training"]
    | {"config/measuring/scoring", "inference/asking", "training/decision"}
    | {f"metrics/{name}" for name in ("classification", "curves", "regression", "scorer", "two_labels")}
)
LOGS = {"tracking/_compat", "tracking/candidate_runs", "tracking/models"}
#: Column kinds; a change of one may change every step.
KINDS = {
    f"data/kinds/{name}" for name in ("base", "boolean", "category", "datetime", "described", "every", "integer", "number")
}
TRAINED = {f"training/kinds/{name}" for name in ("base", "category", "datetime", "every", "number")} | {"training/preprocess"}
#: The dataset inputs of a run, which a reused run keeps.
INPUTS = {"tracking/_compat", "tracking/datasets"}
#: The rows that models are fitted to, and how many they are.
LIMITED = {"data/results"}
COVERED = {
    "ingest": RECIPE
    | HANDED_ON
    | INPUTS
    | KINDS
    | {f"data/{name}" for name in ("column_profile", "relating/grouping", "results")}
    | {f"data/checking/{name}" for name in ("causes", "conditions", "numbers", "schema")}
    | {f"data/reading/{name}" for name in ("csv_files", "formats", "header", "lines", "parquet_files", "pieces")},
    "split": RECIPE
    | HANDED_ON
    | KINDS
    | RELATES
    | CODES
    | {"config/import_path"}
    | {f"data/{name}" for name in ("checking/numbers", "leakage", "relating/near_twins", "results", "smells")},
    # The trial refuses candidates; a train that was refused has no result to reuse.
    "train": RECIPE
    | HANDED_ON
    | FITS
    | SCORES
    | LOGS
    | INPUTS
    | KINDS
    | TRAINED
    | {"data/checking/numbers", "evaluation/ranking"}
    | LIMITED
    | {"training/fitted_rows", "training/scaling"}
    | {f"training/{name}" for name in ("candidates", "cross_validation", "inner_folds", "search", "trial", "weights")},
    "evaluate": RECIPE
    | HANDED_ON
    | FITS
    | SCORES
    | INPUTS
    | LIMITED
    | KINDS
    | TASKS["evaluation"]
    | TASKS["monitoring"]
    | {
        "training/inner_folds",
        "training/quantiles",
        "training/weights",
        "metrics/bands",
        "metrics/rates",
        "evaluation/tasks/results",
    }
    | {
        "data/checking/conditions",
        "data/leakage",
        "data/relating/near_twins",
        "data/checking/numbers",
        "data/reading/formats",
        "data/results",
        "data/smells",
    }
    | {f"monitoring/{name}" for name in ("baseline", "results", "spread")}
    | {f"{room}/kinds/{name}" for room in ("inference", "monitoring") for name in ("base", "boolean", "category", "datetime")}
    | {f"{room}/kinds/{name}" for room in ("inference", "monitoring") for name in ("every", "integer", "number")}
    | {"data/relating/near_twins", "data/relating/held_out", "training/fitted_rows"}
    | {f"evaluation/{name}" for name in ("assessment", "classes", "coverage", "described", "diagnosis", "fairness", "gates")}
    | {"evaluation/results", "evaluation/scoring"}
    | {f"inference/{name}" for name in ("by_value", "columns", "golden", "interval", "model_info", "prediction_set")}
    | {f"inference/compiled/{name}" for name in ("check", "classes", "compile", "encoders", "form", "kernels", "linear")}
    | {f"inference/compiled/{name}" for name in ("means", "pipelines", "small_trees", "sums", "trees")},
}


@pytest.mark.parametrize("step", COVERED)
def test_a_fingerprint_covers_the_step_and_the_code_that_can_change_its_result_and_nothing_else(step: str) -> None:
    names = {name.removeprefix("code ") for name in code_components(ROOT, [f"steps.{step}"])}
    modules = {name for name in names if not name.endswith("__init__.py")}
    assert modules == {f"steps/{step}.py"} | {f"recipeline/{name}.py" for name in COVERED[step]}
    assert "recipeline/__init__.py" not in names  # every module imports it


@pytest.mark.parametrize(
    "room", ["cli", "commands", "maintenance", "orchestration", "promotion", "registry", "reports", "serving"]
)
def test_rooms_that_cannot_change_a_result_are_in_no_fingerprint(room: str) -> None:
    assert not [name for step in COVERED for name in code_components(ROOT, [f"steps.{step}"]) if f"/{room}/" in name]


def test_the_library_is_covered_where_it_is_installed_apart_from_the_project(tmp_path: Path) -> None:
    (tmp_path / "steps").mkdir()
    for name in ("__init__", "split"):
        (tmp_path / f"steps/{name}.py").write_bytes((ROOT / f"steps/{name}.py").read_bytes())
    assert code_components(tmp_path, ["steps.split"]) == code_components(ROOT, ["steps.split"])


def test_the_root_of_the_library_imports_nothing() -> None:
    tree = ast.parse((ROOT / "recipeline/__init__.py").read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [node.module for node in imports if isinstance(node, ast.ImportFrom)] == ["__future__", "typing"]
    assert len(imports) == 2


def test_a_candidate_that_is_new_or_gone_is_one_line() -> None:
    before = {"candidates.A.alias": "a", "candidates.A.params.depth": "1", "candidates.B.alias": "b", "cv.folds": "5"}
    now = {"candidates.B.alias": "bb", "candidates.C.alias": "c", "candidates.C.members": "[]", "cv.folds": "3"}
    assert differences(before, now) == [
        "candidates.A removed",
        "candidates.B.alias b → bb",
        "candidates.C added",
        "cv.folds 5 → 3",
    ]


def test_the_libraries_that_change_numbers_are_named_with_their_versions() -> None:
    import sklearn

    assert library_components()["library scikit-learn"] == sklearn.__version__


def test_a_library_that_a_recipe_names_is_covered_and_a_module_of_the_project_is_not() -> None:
    import joblib

    more = set(library_components(["joblib.memory", "custom.red_wine"])) - set(library_components())
    assert more == {"library joblib"}
    assert library_components(["joblib"])["library joblib"] == joblib.__version__


def test_a_library_counts_by_the_name_that_it_is_installed_under(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recipeline.config.import_path._DISTRIBUTIONS", {"joblib_cpu": ("no-such-distribution", "joblib")})
    assert set(library_components(["joblib_cpu"])) - set(library_components()) == {"library joblib"}
