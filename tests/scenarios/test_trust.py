"""One list of types and one reader for all commands.

Models that are trained can be served, and nothing else is ever loaded.
"""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml
from mlflow.utils.file_utils import local_file_uri_to_path
from sklearn.linear_model import LinearRegression

from recipeline.errors import UnavailableError
from recipeline.inference.trust import RefusedModel
from recipeline.registry.stages import CHAMPION
from recipeline.registry.versions import Registry
from recipeline.serving.model.copies import fetch_version
from recipeline.serving.model.loading import load_copy
from recipeline.tracking.artifacts.artifact_cache import file_digest
from tests.conftest import NAME, Project
from tests.serving.helpers import store_of

NEIGHBOURS = {
    "alias": "knn",
    "preprocess": ["sklearn.preprocessing.StandardScaler"],
    "estimator": "sklearn.neighbors.KNeighborsRegressor",
    "params": {"n_neighbors": 20, "algorithm": "ball_tree"},
}
BOOSTED = {"alias": "hgb", "estimator": "sklearn.ensemble.HistGradientBoostingRegressor"}
OWN = "from sklearn.linear_model import LinearRegression\nclass Own(LinearRegression):\n    pass\n"


def serve(project: Project, folder: Path, version: str = "") -> Any:
    """Return a version, by default Production, as a service's worker loads it."""
    store = store_of(project)
    registry = Registry(store, NAME)
    chosen = registry.version(version) if version else registry.holder(CHAMPION)
    assert chosen is not None
    return load_copy(fetch_version(store, chosen, folder))


@pytest.mark.parametrize(
    "candidate", [NEIGHBOURS, {**BOOSTED, "params": {"max_iter": 20, "categorical_features": ["alcohol"]}}], ids=["knn", "hgb"]
)
def test_a_model_that_is_promoted_is_served_and_asked_and_found_whole(
    project: Project, tmp_path: Path, candidate: dict[str, Any]
) -> None:
    project.write_recipe(lambda content: content["candidates"].update(New=candidate))
    project.ok("main", model=candidate["alias"], promote="always")
    assert serve(project, tmp_path / "copies").version == str(project.production().version) == "1"
    project.ok("predict", input=str(project.data), output=str(tmp_path / "out.csv"))
    assert project.ok("doctor").exit_code == 0


@pytest.mark.parametrize(
    ("candidate", "got"),
    [
        ({"estimator": "own_and_untrusted.Own"}, "own_and_untrusted.Own"),
        (
            {**BOOSTED, "params": {"early_stopping": True, "scoring": "r2"}},
            "recursion",
        ),
    ],
)
def test_a_candidate_that_could_not_be_served_is_refused_before_anything_runs(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, candidate: dict[str, Any], got: str
) -> None:
    (tmp_path / "own_and_untrusted.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    project.write_recipe(lambda content: content["candidates"].update(New={**candidate, "alias": "new"}))
    for step in ("main", "train"):
        outcome = project.run(step, model="new")
        assert outcome.exit_code == 2, outcome.stderr
        assert "candidates.New" in outcome.stderr
        assert got in outcome.stderr
        assert "Traceback" not in outcome.stderr
    assert project.runs("train") == []


def test_a_type_that_the_profile_trusts_is_trained_promoted_and_asked(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_and_trusted.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    project.write_recipe(lambda content: content["candidates"].update(New={"alias": "new", "estimator": "own_and_trusted.Own"}))
    project.write_profile(service={"trusted_types": ["own_and_trusted.Own"]})
    project.ok("main", model="new", promote="always")
    project.ok("predict")
    project.write_profile()  # and where the profile no longer trusts it, no command does
    for command in ("predict", "evaluate"):
        outcome = project.run(command)
        assert outcome.exit_code == 6, outcome.stderr
        assert "Got own_and_trusted.Own instead. Add them to service.trusted_types" in outcome.stderr
    assert project.run("doctor").exit_code == 7


class Bomb:
    """A pickle that does harm when it is loaded."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return (Path.touch, (self.place,))


def put_pickle(project: Project, version: str, place: Path) -> str:
    """Replace a version's model by a pickle; return the model's ID.

    As one does who may write everything in the store.
    """
    client = project.client
    found = client.get_model_version(NAME, version)
    model_id = found.source.rpartition("/")[2]
    folder = Path(local_file_uri_to_path(client.get_logged_model(model_id).artifact_location))
    (folder / "model.skops").write_bytes(pickle.dumps(Bomb(place)))
    described = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    described["flavors"]["sklearn"]["serialization_format"] = "pickle"
    (folder / "MLmodel").write_text(yaml.safe_dump(described), encoding="utf-8")
    run = client.get_run(found.tags["recipeline.train_run_id"])
    manifest = Path(local_file_uri_to_path(run.info.artifact_uri)) / "manifest.json"
    content = json.loads(manifest.read_text(encoding="utf-8"))
    content["models"][model_id] = {name: file_digest(folder / name) for name in content["models"][model_id]}
    manifest.write_text(json.dumps(content), encoding="utf-8")
    client.set_tag(run.info.run_id, "recipeline.manifest_digest", file_digest(manifest))
    return model_id


def test_no_command_loads_a_pickle_whoever_put_it_there(ran: Project, tmp_path: Path) -> None:
    ran.ok("main", model="dt", promote="never")
    place = tmp_path / "exploded"
    model_id = put_pickle(ran, "2", place)
    doors: list[tuple[str, dict[str, str]]] = [
        ("predict", {"model_uri": f"models:/{NAME}/2"}),
        ("predict", {"model_uri": f"models:/{NAME}@challenger"}),
        ("predict", {"model_uri": f"models:/{model_id}"}),
        ("promote", {"promote": "always"}),
        ("rollback", {"version": "2"}),
        ("evaluate", {}),
    ]
    for command, params in doors:
        outcome = ran.run(command, **params)
        assert (outcome.exit_code, place.exists()) == (6, False), (command, params, outcome.stderr)
        assert "no pickle is ever loaded" in outcome.stderr, (command, params)
    with pytest.raises(RefusedModel, match="no pickle is ever loaded"):
        serve(ran, tmp_path / "copies", "2")
    put_pickle(ran, "1", place)
    for command in ("predict", "report", "monitor", "doctor"):
        outcome = ran.run(command, **({"data": str(ran.data)} if command == "monitor" else {}))
        assert (outcome.exit_code in (6, 7), place.exists()) == (True, False), (command, outcome.stderr)
    assert str(ran.production().version) == "1"


def test_approve_loads_no_pickle(project: Project, tmp_path: Path) -> None:
    project.ok("main", model="en", promote="manual")
    place = tmp_path / "exploded"
    put_pickle(project, "1", place)
    outcome = project.run("approve")
    assert (outcome.exit_code, place.exists()) == (6, False), outcome.stderr
    assert "no pickle is ever loaded" in outcome.stderr
    assert project.versions() == {"1": "Staging"}


def test_a_pickle_that_somebody_logged_by_hand_is_refused_by_its_uri(project: Project) -> None:
    client = project.client
    with mlflow.start_run(experiment_id=client.create_experiment("by hand")) as run:
        model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
        info = mlflow.sklearn.log_model(model, name="model", serialization_format="cloudpickle", pip_requirements=[])
    for uri in (f"models:/{info.model_id}", f"runs:/{run.info.run_id}/model"):
        outcome = project.run("predict", model_uri=uri)
        assert outcome.exit_code == 6, outcome.stderr
        assert "no pickle is ever loaded" in outcome.stderr


def test_a_changed_model_is_told_by_its_digest_before_it_is_read(
    ran: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_id = ran.client.get_model_version(NAME, "1").source.rpartition("/")[2]
    folder = Path(local_file_uri_to_path(ran.client.get_logged_model(model_id).artifact_location))
    shutil.copy(next(path for path in folder.parents[1].rglob("model.skops") if path.parent != folder), folder / "model.skops")

    def read(*_: object, **__: object) -> None:
        raise AssertionError("it was read")

    for module in ("recipeline.tracking.artifacts.manifest", "recipeline.tracking.models", "recipeline.serving.model.loading"):
        monkeypatch.setattr(f"{module}.read_model", read)
    for command, params in (
        ("predict", {}),
        ("evaluate", {}),
        ("report", {}),
        ("monitor", {"data": str(ran.data)}),
    ):
        outcome = ran.run(command, **params)
        assert outcome.exit_code == 6, (command, outcome.stderr)
        assert "it was read" not in outcome.stderr
    with pytest.raises(UnavailableError, match=r"model\.skops .* has changed or is truncated"):
        serve(ran, tmp_path / "copies")
