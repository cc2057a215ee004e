"""A registered toy with the runs that a version leads to, and two stores."""

from __future__ import annotations

import shutil
from pathlib import Path

import mlflow
from mlflow.entities import Metric
from mlflow.entities.model_registry import ModelVersion
from sklearn.linear_model import LinearRegression

from recipeline.artifacts import DATASET, GOLDEN, ORDER, TRAIN, TRAINING_ROWS, VERDICT, VERSION
from recipeline.evaluation.results import RegisteredVersion, Verdict
from recipeline.orchestration.session import Session
from recipeline.tracking.connection.store import open_store
from recipeline.tracking.models import log_model
from recipeline.tracking.runs import create_child
from recipeline.tracking.tags import VersionTags
from tests.records import some
from tests.sessions import open_toys
from tests.toys import ROWS, TARGET

IDENTITY = "a" * 16 + "/" + "b" * 16 + "/" + "c" * 16


def open_place(folder: Path, empty_store: Path) -> Session:
    """Return a session on an empty store in a new folder."""
    folder.mkdir()
    shutil.copy(empty_store, folder / "mlflow.db")
    return open_again(folder)


def open_again(folder: Path) -> Session:
    """Return a session on the store in a folder."""
    return open_toys(open_store("sqlite:///mlflow.db", root=folder, artifact_location="mlruns"), folder, order=ORDER)


def add_version(session: Session, *, identity: str = IDENTITY, slope: float = 1.0) -> ModelVersion:
    """Register a toy with a lineage as the chain makes it; return its version."""
    mlflow.set_tracking_uri(session.store.uri)
    client = session.store.client
    lineage: dict[str, str] = {}
    for step, artifact in {"ingest": DATASET, "split": TRAIN}.items():
        with session.open_run(step, lineage=lineage) as run:
            run.set_lineage(dict(lineage))
            run.save(artifact, ROWS)
            run.tag(data_source="uci", data_digest="d" * 64)
        lineage[step] = run.id
    with session.open_run("train", lineage=lineage) as run:
        run.set_lineage(dict(lineage))
        candidate = create_child(run, "lr", {"model_type": "lr"})
        model = LinearRegression().fit(ROWS, TARGET * slope)
        model_id, digests = log_model(model, candidate, ROWS, packages={"sklearn"}, reader=session.reader)
        client.log_batch(candidate, metrics=[Metric("r2", 0.5, 1, 0)])
        run.add_model(model_id, digests)
    lineage["train"] = run.id
    with session.open_run("evaluate", lineage=lineage) as run:
        run.set_lineage(dict(lineage))
        run.save(VERDICT, some(Verdict, {"run_id": candidate, "model_id": model_id}))
        run.save(GOLDEN, ROWS.assign(prediction=model.predict(ROWS)))
    lineage["evaluate"] = run.id
    with session.open_run("register", lineage=lineage) as run:
        run.set_lineage(dict(lineage))
        run.save(TRAINING_ROWS, ROWS[["a"]])
        tags = {f"{step}_run_id": run_id for step, run_id in {**lineage, "register": run.id}.items()}
        tags |= {"candidate": "lr", "profile": "test", "data_source": "uci", "data_digest": "d" * 64}
        version, _ = session.registry.register(
            source=f"models:/{model_id}",
            run_id=candidate,
            model_id=model_id,
            identity=identity,
            tags=tags,
            description=f"made by {candidate}",
        )
        number = str(version.version)
        about = {"run_id": candidate, "model_id": model_id, "name": session.registry.name, "version": number, "tags": tags}
        run.save(VERSION, some(RegisteredVersion, about))
    gate = {VersionTags.GATE_PASSED: "true", VersionTags.HELD_AGAINST: "mean predictor", VersionTags.GATE_RUN_ID: run.id}
    session.registry.note(number, gate)
    return session.registry.version(number)
