"""A run and its model are copied whole, under new IDs in all texts."""

from __future__ import annotations

import shutil
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Metric, Param, Run
from sklearn.linear_model import LinearRegression

from recipeline.artifacts import CARD, DATASET, LEADERBOARD, MODEL_CARD, VERDICT
from recipeline.errors import UnavailableError
from recipeline.evaluation.results import Verdict
from recipeline.tracking import run_copies
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.store import Store, open_store
from recipeline.tracking.models import log_model
from recipeline.tracking.run_copies import DESCRIPTION, CopyWriter, read_candidate, read_model, read_run
from recipeline.tracking.runs import create_child, open_run
from tests.records import some
from tests.toys import ROWS, TARGET, log_toy

IDS = st.text("0123456789abcdef", min_size=32, max_size=32)
ORIGIN = {"recipeline.source_uri": "sqlite:///there.db", "recipeline.source_host": "here"}


@pytest.fixture
def other(tmp_path: Path, empty_store: Path) -> Store:
    """A second store."""
    (tmp_path / "other").mkdir()
    shutil.copy(empty_store, tmp_path / "other/mlflow.db")
    return open_store("sqlite:///mlflow.db", root=tmp_path / "other", artifact_location="mlruns")


def writer(store: Store, ids: dict[str, str] | None = None) -> CopyWriter:
    return CopyWriter(store.client, store.experiment("copies"), ids=ids or {}, profile="dev (transferred)", tags=ORIGIN)


@settings(max_examples=30)
@given(st.dictionaries(IDS, IDS, min_size=1, max_size=5), st.lists(st.text(max_size=20), min_size=6, max_size=6))
def test_every_old_id_in_a_text_becomes_its_new_one_and_nothing_else_changes(ids: dict[str, str], between: list[str]) -> None:
    class Client:
        tracking_uri = "sqlite:///none"

    copier = CopyWriter(Client(), "1", ids=ids, profile="", tags={})
    pieces = [text.replace("\r", "") for text in between]
    if any(old in "".join(pieces) for old in ids):
        return

    def text(names: list[str]) -> str:
        return pieces[0] + "".join(f" {name} {piece}" for name, piece in zip(names, pieces[1:], strict=False))

    assert copier.replace(text([*ids])) == text([*ids.values()])


def test_a_copy_is_whole_and_has_new_ids_in_its_texts_tags_and_model(
    store: Store, other: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_copies, "_METRICS", 2)
    monkeypatch.setattr(run_copies, "_PARAMS", 3)
    mlflow.set_tracking_uri(store.uri)
    with open_run(store.client, "train", store.experiment("toy"), {"recipe": "toy", "profile": "dev"}) as run:
        child = create_child(run, "lr", {"model_type": "lr"})
        model_id, digests = log_model(LinearRegression().fit(ROWS, TARGET), child, ROWS, packages={"sklearn"})
        metrics = [Metric("fold", step / 2, 7, step, model_id=model_id, run_id=child) for step in range(5)]
        store.client.log_batch(child, metrics=metrics, params=[Param(f"p{n}", "v") for n in range(7)])
        run.add_model(model_id, digests)
        run.save(LEADERBOARD, pd.DataFrame({"run_id": [child], "model_id": [model_id], "score": [0.1]}))
        run.save(CARD, f"<a href='{child}'>")
        run.show(params={"best": "lr"}, metrics={"best.r2": 0.5}, title="train · lr", note="*fine*")
    source = Reader(store.client)
    copy = read_run(source, store.client, run.id, tmp_path / "train")
    candidate = read_candidate(store.client, child)
    model = read_model(source, store.client, model_id, run.id, tmp_path / "model")
    shutil.rmtree(tmp_path / "mlruns")

    mlflow.set_tracking_uri(other.uri)
    copier = writer(other)
    opened = copier.open_run(copy)
    nested = copier.open_run(candidate)
    assert other.client.get_run(opened.id).info.status == "RUNNING"
    new_model, files = copier.write_model(model, nested)
    opened.writer.add_model(new_model, files)
    for it in (opened, nested):
        copier.write_files(it)
        copier.close(it)

    reader = Reader(other.client)
    assert reader.faults(opened.id) == []
    assert reader.load(LEADERBOARD, opened.id).iloc[0].tolist() == [nested.id, new_model, 0.1]
    with reader.view(CARD.name, opened.id) as path:
        assert path.read_text() == f"<a href='{child}'>"  # it leads to the pages of its own store
    assert reader.load_model(new_model, opened.id).predict(ROWS) == pytest.approx(source_answers())
    described = reader.describe_model(new_model, opened.id)
    assert (described.model_id, described.run_id) == (new_model, nested.id)
    assert str(tmp_path / "other") in described.artifact_path
    assert [name for name in files | digests if files.get(name) != digests.get(name)] == [DESCRIPTION]
    check_runs(other, opened.id, nested.id, new_model, source=copy.entity)


def check_runs(other: Store, run_id: str, candidate: str, model_id: str, *, source: Run) -> None:
    """Check that copies say what their sources said, and name them."""
    found, inner = other.client.get_run(run_id), other.client.get_run(candidate)
    assert (found.info.status, inner.info.status) == ("FINISHED", "FINISHED")
    tags = found.data.tags
    assert tags["recipeline.profile"] == "dev (transferred)"
    assert tags["recipeline.source_run_id"] == source.info.run_id
    assert tags.items() >= ORIGIN.items()
    assert (tags["mlflow.runName"], tags["mlflow.note.content"]) == ("train · lr", "\\*fine\\*")
    assert tags["recipeline.opening"] != source.data.tags["recipeline.opening"]  # its own
    assert inner.data.tags["mlflow.parentRunId"] == run_id
    assert inner.data.tags["model_type"] == "lr"
    assert found.data.metrics == {"best.r2": 0.5}
    assert len(inner.data.params) == 7
    history = other.client.get_metric_history(candidate, "fold")
    assert sorted((it.step, it.value, it.timestamp) for it in history) == [(n, n / 2, 7) for n in range(5)]
    assert [it.model_id for it in inner.outputs.model_outputs] == [model_id]


def source_answers() -> list[float]:
    answers: list[float] = LinearRegression().fit(ROWS, TARGET).predict(ROWS).tolist()
    return answers


def test_files_are_read_whole_or_not_at_all_and_a_card_may_be_missing(store: Store, tmp_path: Path) -> None:
    with open_run(store.client, "ingest", store.experiment("toy"), {}) as run:
        run.save(DATASET, ROWS)
        run.save(CARD, "<html>")
    place = next((tmp_path / "mlruns").rglob("card.html")).parent
    (place / "card.html").unlink()
    copy = read_run(Reader(store.client), store.client, run.id, tmp_path / "copy")
    assert [*copy.results] == [DATASET.name]
    assert copy.views == {}
    (place / DATASET.name).write_bytes(b"changed")
    with pytest.raises(UnavailableError, match="has changed"):
        read_run(Reader(store.client), store.client, run.id, tmp_path / "again")


def test_an_output_whose_answer_was_lost_is_recorded_once(
    store: Store, other: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow.set_tracking_uri(store.uri)
    run, model_id = log_toy(store)
    source, write = Reader(store.client), MlflowClient.log_outputs
    model = read_model(source, store.client, model_id, run.id, tmp_path / "model")

    def write_twice(client: MlflowClient, run_id: str, models: list[LoggedModelOutput]) -> None:
        write(client, run_id, models)
        write(client, run_id, models)

    monkeypatch.setattr(MlflowClient, "log_outputs", write_twice)
    mlflow.set_tracking_uri(other.uri)
    copier = writer(other)
    opened = copier.open_run(read_candidate(store.client, run.id))
    made, _ = copier.write_model(model, opened)
    assert [it.model_id for it in other.client.get_run(opened.id).outputs.model_outputs] == [made]


def test_an_artifact_is_written_anew_or_left_out(store: Store, other: Store, tmp_path: Path) -> None:
    with open_run(store.client, "evaluate", store.experiment("toy"), {}) as run:
        run.save(VERDICT, some(Verdict, {"run_id": "0" * 32}))
    with open_run(store.client, "register", store.experiment("toy"), {}) as second:
        second.save(MODEL_CARD, f"made in {run.id}\r\n")
    copier = writer(other, {run.id: "f" * 32})
    reader = Reader(store.client)
    for copied, left_out in ((second.id, []), (run.id, [VERDICT])):
        opened = copier.open_run(read_run(reader, store.client, copied, tmp_path / copied))
        copier.write_files(opened, without=left_out)
        if left_out:
            copier.save(opened, VERDICT, some(Verdict, {"run_id": "1" * 32}))
        copier.close(opened)
        if left_out:
            assert Reader(other.client).load(VERDICT, opened.id).run_id == "1" * 32
        else:
            assert Reader(other.client).load(MODEL_CARD, opened.id) == f"made in {'f' * 32}\n"
