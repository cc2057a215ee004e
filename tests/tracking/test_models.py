from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import sklearn
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeRegressor

from recipeline.errors import UnavailableError, UsageError
from recipeline.tracking.artifacts.artifact_cache import file_digest
from recipeline.tracking.connection.store import Store
from recipeline.tracking.models import REQUIREMENTS, load_model, log_model, own_code, pinned_requirements
from recipeline.tracking.runs import open_run
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


def test_an_output_whose_answer_was_lost_is_recorded_once_though_it_is_sent_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = MlflowClient.log_outputs

    def send_twice(client: MlflowClient, run_id: str, models: list[LoggedModelOutput]) -> None:
        send(client, run_id, models)
        send(client, run_id, models)

    monkeypatch.setattr(MlflowClient, "log_outputs", send_twice)
    run, model_id = log_toy(store)
    assert [it.model_id for it in store.client.get_run(run.id).outputs.model_outputs] == [model_id]
    assert store.client.get_logged_model(model_id).status == "READY"


@pytest.mark.parametrize("words", ["(psycopg.errors.UniqueViolation) of another row", "no conflict"])
def test_an_output_that_was_not_recorded_is_an_error(store: Store, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    def refuse(*_: object) -> None:
        raise MlflowException(words)

    monkeypatch.setattr(MlflowClient, "log_outputs", refuse)
    with pytest.raises(MlflowException) as raised:
        log_toy(store)
    assert raised.value.message == words


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


def test_a_type_that_is_not_trusted_is_refused_and_one_of_the_profiles_list_is_logged(store: Store) -> None:
    model = make_pipeline(FunctionTransformer(double), LinearRegression()).fit(ROWS, TARGET)
    run_id = store.client.create_run(store.experiment("toy")).info.run_id
    with pytest.raises(UsageError, match=r"test_models\.double"):
        log_model(model, run_id, ROWS, packages={"sklearn"})
    own = [f"{__name__}.double"]
    model_id, digests = log_model(model, run_id, ROWS, packages={"sklearn", "tests"}, trusted=own)
    np.testing.assert_array_equal(load_model(f"models:/{model_id}", own).predict(ROWS), model.predict(ROWS))
    with pytest.raises(UnavailableError, match=r"types that are trusted\. Got tests\.tracking\.test_models\.double"):
        load_model(f"models:/{model_id}")
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


def module(folder: Path, name: str, kind: str = "package") -> Path:
    """Write a module that can be imported from `folder`; return its file or folder."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / (f"{name}.py" if kind == "file" else name)
    if kind == "file":
        place.write_text("X = 1\n", encoding="utf-8")
    else:
        place.mkdir()
        (place / ("part.py" if kind == "namespace" else "__init__.py")).write_text("X = 1\n", encoding="utf-8")
    return place


def distribution(folder: Path, name: str, *files: str, editable: Path | None = None, notes: str = "RECORD") -> None:
    """Write what an installer writes of a distribution with these files."""
    info = folder / f"{name}-1.0.{'dist-info' if notes == 'RECORD' else 'egg-info'}"
    info.mkdir(parents=True)
    described = info / ("METADATA" if notes == "RECORD" else "PKG-INFO")
    described.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    lines = [f"{file},," for file in files] if notes == "RECORD" else files
    if notes:
        (info / notes).write_text("\n".join(lines) + "\n", encoding="utf-8")
    if editable:
        origin = {"url": editable.as_uri(), "dir_info": {"editable": True}}
        (info / "direct_url.json").write_text(json.dumps(origin), encoding="utf-8")


@pytest.fixture
def searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on sys.path that is not the project's."""
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's folder, on sys.path too."""
    monkeypatch.syspath_prepend(tmp_path / "project")
    return tmp_path / "project"


KINDS = ["package", "namespace", "file"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_in_the_projects_folder_is_its_own(root: Path, kind: str) -> None:
    place = module(root, "mine", kind)
    assert own_code({"mine", "sklearn", "json"}, root) == [str(place)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_module_of_no_distribution_is_own_wherever_it_lies(searched: Path, root: Path, kind: str) -> None:
    place = module(searched, "loose", kind)
    distribution(searched, "other", "other/__init__.py")
    assert own_code({"loose"}, root) == [str(place)]
    assert own_code({"loose"}) == [str(place)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_distribution_in_another_folder_is_never_logged(searched: Path, root: Path, kind: str) -> None:
    place = module(searched, "installed", kind)
    listed = {"package": "installed/__init__.py", "namespace": "installed/part.py", "file": "installed.py"}
    assert (searched / listed[kind]).is_relative_to(place)
    distribution(searched, "some-name", listed[kind])
    assert own_code({"installed"}, root) == []


@pytest.mark.parametrize(("notes", "files"), [("top_level.txt", ["installed"]), ("", [])])
def test_a_distribution_without_a_list_of_its_files_is_never_logged(
    searched: Path, root: Path, notes: str, files: list[str]
) -> None:
    module(searched, "installed")
    distribution(searched, "installed", *files, notes=notes)
    assert own_code({"installed"}, root) == []


@pytest.mark.parametrize("name", ["site-packages", "dist-packages"])
def test_what_lies_where_an_installer_puts_it_is_never_logged(
    tmp_path: Path, root: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "lib" / name)
    module(tmp_path / "lib" / name, "unlisted")
    assert own_code({"unlisted"}, root) == []


def test_an_environment_and_a_vendored_distribution_inside_the_project_are_not_its_own(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (root / ".venv/lib/python3/site-packages", root / "vendor"):
        name = f"in_{folder.name.replace('-', '_')}"
        monkeypatch.syspath_prepend(folder)
        module(folder, name)
        distribution(folder, name, f"{name}/__init__.py")
        assert own_code({name}, root) == []


def test_a_module_of_the_project_is_its_own_also_where_a_distribution_has_one_of_that_name(root: Path, searched: Path) -> None:
    place = module(root, "shared")
    distribution(searched, "shared", "shared/__init__.py")
    assert own_code({"shared"}, root) == [str(place)]


def test_a_distribution_that_is_installed_as_it_lies_in_the_project_is_its_own(searched: Path, root: Path) -> None:
    place = module(root, "editable_one")
    distribution(searched, "editable_one", "editable_one.pth", editable=root)
    distribution(root, "editable_one", "editable_one", notes="top_level.txt")
    assert own_code({"editable_one"}, root) == [str(place)]


def test_one_that_is_installed_as_it_lies_elsewhere_is_not(
    searched: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "library" / "src")
    module(tmp_path / "library" / "src", "editable_two")
    distribution(searched, "editable_two", "editable_two.pth", editable=tmp_path / "library")
    assert own_code({"editable_two"}, root) == []


def test_the_project_is_its_own_inside_of_a_folder_that_is_installed_as_it_lies(
    searched: Path, root: Path, tmp_path: Path
) -> None:
    place = module(root, "of_project")
    distribution(searched, "everything", "everything.pth", editable=tmp_path)
    assert own_code({"of_project"}, root) == [str(place)]


def test_of_a_namespace_only_the_folders_of_no_distribution_are_own(root: Path, searched: Path) -> None:
    place = module(root, "shared_space", "namespace")
    (searched / "shared_space").mkdir(parents=True)
    (searched / "shared_space" / "theirs.py").write_text("", encoding="utf-8")
    distribution(searched, "theirs", "shared_space/theirs.py")
    assert own_code({"shared_space"}, root) == [str(place)]


@pytest.mark.parametrize("name", sorted({"os", "sys", "json", "math", "zoneinfo", "__main__", "pip", "nowhere_to_be_found"}))
def test_nothing_of_python_itself_is_logged(root: Path, name: str) -> None:
    assert own_code({name}, root) == []


def test_what_is_logged_with_a_model_is_not_required_too(store: Store, tmp_path: Path, searched: Path, root: Path) -> None:
    """An index may have another distribution of that name."""
    module(root, "mine")
    distribution(searched, "mine", "mine.pth", editable=root)
    run_id = store.client.create_run(store.experiment("toy")).info.run_id
    model = LinearRegression().fit(ROWS, TARGET)
    _, digests = log_model(model, run_id, ROWS, packages={"sklearn", "mine"}, root=root)
    assert "code/mine/__init__.py" in digests
    (path,) = (tmp_path / "mlruns").rglob("requirements.txt")
    assert "mine" not in path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("uri", ["models:/Nobody/Production", "models:/Nobody@champion", "models:/m-0123456789abcdef"])
def test_a_model_that_is_not_there_is_unavailable(uri: str) -> None:
    with pytest.raises(UnavailableError, match=f"The model {uri} is missing or damaged"):
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
    with pytest.raises(UnavailableError, match="is missing or damaged") as error:
        load_model(f"models:/{model_id}")
    assert error.value.exit_code == 6
    assert "\n" not in error.value.sentence
