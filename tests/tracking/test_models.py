from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeRegressor

from recipeline.errors import UnavailableError, UsageError
from recipeline.tracking.manifest import file_digest
from recipeline.tracking.models import REQUIREMENTS, load_model, log_model, own_code, pinned_requirements
from recipeline.tracking.runs import open_run
from recipeline.tracking.store import Store
from tests.toys import ROWS, TARGET, log_toy


def double(values: np.ndarray) -> np.ndarray:
    """A function that is of no library."""
    return values * 2


def test_requirements_are_pinned_to_what_is_installed_each_once() -> None:
    lines = pinned_requirements({"sklearn", "numpy"})
    assert [line.partition("==")[0] for line in lines] == sorted(REQUIREMENTS)
    assert f"scikit-learn=={sklearn.__version__}" in lines
    assert f"numpy=={np.__version__}" in lines


def test_a_package_of_a_candidate_is_required_and_a_module_of_the_project_is_not() -> None:
    assert {line.partition("==")[0] for line in pinned_requirements({"joblib", "custom"})} == {*REQUIREMENTS, "joblib"}


def test_a_loaded_model_answers_exactly_as_the_one_that_was_logged(store: Store) -> None:
    model = LinearRegression().fit(ROWS, TARGET)
    _, model_id = log_toy(store)
    np.testing.assert_array_equal(load_model(f"models:/{model_id}").predict(ROWS), model.predict(ROWS))


def test_a_tree_is_logged_without_being_asked_for_trust(store: Store) -> None:
    model = DecisionTreeRegressor(random_state=0).fit(ROWS, TARGET)
    with open_run(store.client, "train", store.experiment("toy"), {}) as run:
        model_id, _ = log_model(model, run.id, ROWS, packages=set())
    np.testing.assert_array_equal(load_model(f"models:/{model_id}").predict(ROWS), model.predict(ROWS))


def test_the_digests_of_a_model_are_those_of_its_files(store: Store, tmp_path: Path) -> None:
    with open_run(store.client, "train", store.experiment("toy"), {}) as run:
        model_id, digests = log_model(LinearRegression().fit(ROWS, TARGET), run.id, ROWS, packages={"sklearn"})
    (folder,) = (tmp_path / "mlruns").rglob(f"{model_id}/artifacts")
    assert digests == {str(f.relative_to(folder)): file_digest(f) for f in folder.rglob("*") if f.is_file()}
    assert {"MLmodel", "model.skops", "requirements.txt"} <= set(digests)
    assert not [name for name in digests if name.endswith((".pkl", ".pickle"))]


def test_a_model_names_its_columns_its_requirements_and_its_run(store: Store, tmp_path: Path) -> None:
    run, model_id = log_toy(store)
    (folder,) = (tmp_path / "mlruns").rglob(f"{model_id}/artifacts")
    assert (folder / "requirements.txt").read_text(encoding="utf-8").split() == pinned_requirements({"sklearn"})
    assert store.client.get_logged_model(model_id).source_run_id == run.id
    description = (folder / "MLmodel").read_text(encoding="utf-8")
    for column in ROWS.columns:
        assert f'"name": "{column}"' in description


def test_a_type_of_another_package_is_refused_and_of_the_candidates_own_is_logged(store: Store) -> None:
    model = make_pipeline(FunctionTransformer(double), LinearRegression()).fit(ROWS, TARGET)
    run_id = store.client.create_run(store.experiment("toy")).info.run_id
    with pytest.raises(UsageError, match=r"test_models\.double"):
        log_model(model, run_id, ROWS, packages={"sklearn"})
    model_id, digests = log_model(model, run_id, ROWS, packages={"sklearn", "tests"})
    np.testing.assert_array_equal(load_model(f"models:/{model_id}").predict(ROWS), model.predict(ROWS))
    assert "code/tests/tracking/test_models.py" in digests


def test_a_model_of_types_that_skops_does_not_know_leaves_no_failed_model_behind(store: Store) -> None:
    experiment = store.experiment("toy")
    run_id = store.client.create_run(experiment).info.run_id
    model = KNeighborsRegressor(n_neighbors=2, algorithm="kd_tree").fit(ROWS, TARGET)
    model_id, _ = log_model(model, run_id, ROWS, packages={"sklearn"})
    assert [found.model_id for found in store.client.search_logged_models([experiment])] == [model_id]
    np.testing.assert_array_equal(load_model(f"models:/{model_id}").predict(ROWS), model.predict(ROWS))


def test_the_code_of_installed_packages_is_not_logged() -> None:
    assert own_code({"sklearn", "json", "sys"}) == []


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("uri", ["models:/Nobody/Production", "models:/Nobody@champion", "models:/m-0123456789abcdef"])
def test_a_model_that_is_not_there_is_unavailable(uri: str) -> None:
    with pytest.raises(UnavailableError, match=f"The model {uri} must be there and whole"):
        load_model(uri)


@pytest.mark.parametrize("name", ["MLmodel", "model.skops"])
@pytest.mark.parametrize("how", ["removed", "cut", "garbage", "empty"])
def test_a_model_whose_files_are_broken_is_unavailable(store: Store, tmp_path: Path, name: str, how: str) -> None:
    _, model_id = log_toy(store)
    (path,) = (tmp_path / "mlruns").rglob(name)
    content = path.read_bytes()
    if how == "removed":
        path.unlink()
    else:
        path.write_bytes({"cut": content[: len(content) // 2], "garbage": b"\x00\xff" * 50, "empty": b""}[how])
    with pytest.raises(UnavailableError, match="must be there and whole") as error:
        load_model(f"models:/{model_id}")
    assert error.value.exit_code == 6
    assert "\n" not in error.value.sentence
