from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NoReturn

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from recipeline.artifacts import DATASET, FINGERPRINT, LEAK_AUDIT, TRAIN, VERDICT
from recipeline.data.results import LeakAudit
from recipeline.errors import DataError, EndedError, RecipelineError, UnavailableError, UsageError, exit_code_of
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection import patience
from recipeline.tracking.connection.store import Store
from recipeline.tracking.results import Recorded
from recipeline.tracking.runs import StepRun, create_child, fail_run, open_run
from tests.records import some
from tests.toys import ROWS
from tests.tracking.helpers import WHO, finish

AUDIT = some(LeakAudit)


def tags_of(store: Store, run_id: str) -> dict[str, str]:
    tags = store.client.get_run(run_id).data.tags.items()
    return {key.removeprefix("recipeline."): value for key, value in tags if key.startswith("recipeline.")}


def test_a_run_ends_finished_with_its_step_and_outcome(store: Store) -> None:
    run_id = finish(store)
    run = store.client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "ingest"
    expected = WHO | {"step": "ingest", "outcome": "ok", "exit_code": "0"}
    assert tags_of(store, run_id).items() >= expected.items()
    assert Reader(store.client).faults(run_id) == []


def test_the_outcome_that_a_step_sets_is_kept(store: Store) -> None:
    with open_run(store.client, "register", store.experiment("toy"), WHO) as run:
        run.outcome, run.exit_code = "rejected", 4
    tags = tags_of(store, run.id)
    assert (tags["outcome"], tags["exit_code"]) == ("rejected", "4")
    assert store.client.get_run(run.id).info.status == "FINISHED"


def test_a_tag_that_is_set_after_the_end_is_in_the_store_too(store: Store) -> None:
    with open_run(store.client, "monitor", store.experiment("toy"), WHO) as run:
        run.tag(verdict="drift")
        assert "verdict" not in tags_of(store, run.id)
    run.tag(retrain_run_id="another")
    tags = tags_of(store, run.id)
    assert (tags["verdict"], tags["retrain_run_id"]) == ("drift", "another")


def test_lines_are_added_to_the_description_as_they_are_as_long_as_they_fit(store: Store) -> None:
    with open_run(store.client, "train", store.experiment("toy"), WHO) as run:
        run.describe("[a](#/b)")
        run.show(note="x" * 6000)
        run.describe("[c](#/d)")
    with open_run(store.client, "train", store.experiment("toy"), WHO) as other:
        other.show(note="*best*")
        other.describe("[a](#/b)")
    notes = [store.client.get_run(it.id).data.tags["mlflow.note.content"] for it in (run, other)]
    assert notes == ["x" * 5000, "\\*best\\*\n\n[a](#/b)"]


def test_what_a_step_shows_is_on_its_run_when_it_is_closed(store: Store) -> None:
    with open_run(store.client, "train", store.experiment("toy"), WHO) as run:
        run.show(params={"candidates": "a, b"}, metrics={"best.r2": 0.5, "best.gap": float("nan")})
        run.show(metrics={"rows": 7}, title="train · a", note="a is best")
    found = store.client.get_run(run.id)
    assert (found.data.params, found.data.metrics) == ({"candidates": "a, b"}, {"best.r2": 0.5, "rows": 7.0})
    assert (found.info.run_name, found.data.tags["mlflow.note.content"]) == ("train · a", "a is best")


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        (
            DataError("The rows must be good.", got="bad ones", details=["row 1"]),
            "The rows must be good. Got bad ones instead.",
            "3",
        ),
        (ValueError("a bug"), "ValueError: a bug", "1"),
        (KeyboardInterrupt(), "KeyboardInterrupt: ", "130"),
    ],
)
def test_a_run_whose_step_fails_is_marked_with_why_and_hands_nothing_on(
    store: Store, error: BaseException, words: str, code: str
) -> None:
    def work(run: StepRun) -> NoReturn:
        run.save(DATASET, ROWS)
        raise error

    with pytest.raises(type(error)) as raised, open_run(store.client, "ingest", store.experiment("toy"), WHO) as run:
        work(run)
    assert raised.value is error
    assert store.client.get_run(run.id).info.status == "FAILED"
    tags = tags_of(store, run.id)
    assert (tags["error"], tags["outcome"], tags["exit_code"]) == (words, "error", code)
    with pytest.raises(UnavailableError):
        Reader(store.client).load(DATASET, run.id)


def test_a_run_of_a_server_that_is_back_is_marked_though_it_was_silent_a_moment_ago(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a notebook, whose next call comes at once."""
    monkeypatch.setitem(patience._silent_until, patience._server_of(store.uri), time.monotonic() + 60)
    with pytest.raises(UsageError), open_run(store.client, "train", store.experiment("toy"), WHO) as run:
        raise UsageError("A typing error.", fix="Correct it.")
    assert store.client.get_run(run.id).info.status == "FAILED"


def test_a_run_that_mlflow_opened_is_adopted(store: Store) -> None:
    opened = store.client.create_run(store.experiment("toy"), tags={"mlflow.source.name": "elsewhere"}).info.run_id
    with open_run(store.client, "main", store.experiment("toy"), WHO, adopt=opened) as run:
        assert run.id == opened
    tags = store.client.get_run(opened).data.tags
    assert (tags["mlflow.source.name"], tags["mlflow.runName"], tags["recipeline.step"]) == ("elsewhere", "main", "main")
    assert store.client.get_run(opened).info.status == "FINISHED"
    assert len(store.client.search_runs([store.experiment("toy")])) == 1


def test_a_run_that_is_interrupted_before_its_id_is_known_is_failed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    create = store.client.create_run

    def interrupted(*args: object, **options: object) -> NoReturn:
        create(*args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(store.client, "create_run", interrupted)
    with pytest.raises(KeyboardInterrupt), open_run(store.client, "train", store.experiment("toy"), WHO):
        pass
    (run,) = store.client.search_runs([store.experiment("toy")])
    assert (run.info.status, run.data.tags["recipeline.exit_code"]) == ("FAILED", "130")


@pytest.mark.parametrize(("error", "seconds"), [(KeyboardInterrupt(), 2), (DataError("No rows."), 30)])
@pytest.mark.parametrize("is_open", [True, False])
def test_a_failed_run_is_not_noted_for_the_whole_time_of_a_server_that_is_away(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: BaseException, seconds: float, is_open: bool
) -> None:
    limits: dict[str, set[float | None]] = {}
    experiment = store.experiment("toy")
    for name in ("log_batch", "search_runs"):
        method = getattr(store.client, name)

        def watched(*words: Any, _name: str = name, _method: Callable[..., Any] = method, **options: Any) -> Any:
            limits.setdefault(_name, set()).add(patience._LIMIT.get())
            return _method(*words, **options)

        monkeypatch.setattr(store.client, name, watched)

    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    if not is_open:
        monkeypatch.setattr(store.client, "create_run", fail)

    def work() -> None:
        with open_run(store.client, "train", experiment, WHO) as run:
            run.tag(fingerprint="x")
            fail()

    with pytest.raises(type(error)):
        work()
    assert limits == {"log_batch" if is_open else "search_runs": {seconds}}


def test_the_upstream_runs_of_an_open_run_are_in_the_store(store: Store) -> None:
    upstream = finish(store)
    with open_run(store.client, "split", store.experiment("toy"), WHO) as run:
        run.set_lineage({"ingest": upstream})
        assert tags_of(store, run.id)["ingest_run_id"] == upstream


def test_a_nested_run_and_a_child_name_their_parent(store: Store) -> None:
    parent = finish(store, "main")
    with open_run(store.client, "train", store.experiment("toy"), WHO, nested_in=parent) as run:
        child = create_child(run, "Linear", {"recipeline.candidate": "Linear"})
    assert store.client.get_run(run.id).data.tags["mlflow.parentRunId"] == parent
    tags = store.client.get_run(child).data.tags
    assert (tags["mlflow.parentRunId"], tags["mlflow.runName"], tags["recipeline.candidate"]) == (run.id, "Linear", "Linear")


def test_a_step_writes_only_its_own_artifacts(store: Store) -> None:
    run_id = store.client.create_run(store.experiment("toy")).info.run_id
    run = StepRun(run_id, "split", store.client, store.experiment("toy"), reader=Reader(store.client))
    with pytest.raises(AssertionError, match=r"dataset\.parquet is written by ingest"):
        run.save(DATASET, ROWS)
    run.save(FINGERPRINT, Recorded({}, {}))
    assert [file.path for file in store.client.list_artifacts(run_id)] == ["fingerprint.json"]


def test_a_step_reads_what_the_runs_that_it_is_made_from_wrote(store: Store) -> None:
    experiment = store.experiment("toy")
    with open_run(store.client, "ingest", experiment, WHO | {"data_source": "uci", "data_digest": "abc"}) as ingest:
        ingest.save(DATASET, ROWS)
    with open_run(store.client, "split", experiment, WHO) as split:
        assert split.parent_tag("data_source") == ""
        split.set_lineage({"ingest": ingest.id})
        assert split.load(DATASET).equals(ROWS)
        assert split.parent_tag("recipe") == "toy"
    tags = tags_of(store, split.id)
    assert (tags["ingest_run_id"], tags["data_source"], tags["data_digest"]) == (ingest.id, "uci", "abc")


def test_a_step_reads_and_writes_what_it_declares_and_nothing_else(store: Store) -> None:
    experiment = store.experiment("toy")
    with open_run(store.client, "ingest", experiment, WHO) as ingest:
        ingest.save(DATASET, ROWS)
    with open_run(store.client, "split", experiment, WHO) as split:
        split.set_lineage({"ingest": ingest.id})
        with split.limited_to((), (LEAK_AUDIT,)):
            split.save(LEAK_AUDIT, AUDIT)
            assert split.load(LEAK_AUDIT) == AUDIT  # its own
            with pytest.raises(AssertionError, match=r"split reads dataset\.parquet, which its STEP does not declare"):
                split.load(DATASET)
            with pytest.raises(AssertionError, match=r"split writes train\.parquet, which its STEP does not declare"):
                split.save(TRAIN, ROWS)
        assert len(split.load(DATASET)) == len(ROWS)  # a card may look at everything
        with split.limited_to(None, None):
            split.save(TRAIN, ROWS)


def test_a_tag_is_cut_to_what_every_store_takes(store: Store) -> None:
    with open_run(store.client, "ingest", store.experiment("toy"), WHO) as run:
        run.tag(words="x" * 9000, number=3)
    assert tags_of(store, run.id)["words"] == "x" * 5000
    assert tags_of(store, run.id)["number"] == "3"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("a"), 2),
        (DataError("a"), 3),
        (UnavailableError("a"), 6),
        (RecipelineError("a"), 1),
        (ValueError("a"), 1),
        (KeyboardInterrupt(), 130),
        (EndedError(143), 143),
        (SystemExit("words"), 1),
        (SystemExit(0), 1),
        (SystemExit(3), 1),
        (EndedError(141), 141),
    ],
)
def test_every_error_has_its_exit_code(error: BaseException, code: int) -> None:
    assert exit_code_of(error) == code


def test_a_run_that_cannot_be_marked_as_failed_is_only_logged(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        fail_run(store.client, "0123", ValueError("a bug"))
    assert "Run 0123 could not be marked as FAILED." in caplog.text


def delete(store: Store, run_id: str, *, is_purged: bool) -> None:
    """Delete a run; purged, with its rows, as in a store that is restored."""
    store.client.delete_run(run_id)
    if is_purged:
        with closing(sqlite3.connect(store.uri.removeprefix("sqlite:///"))) as database, database:
            for table in ("tags", "latest_metrics", "metrics", "params", "runs"):
                database.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (run_id,))


@pytest.mark.parametrize("is_purged", [True, False])
@pytest.mark.parametrize(
    "write",
    [
        lambda run: run.log_scores(run.id, "m-" + "0" * 32, {"r2": 0.5}),
        lambda run: run.set_lineage({}),
        lambda run: create_child(run, "b", {}) and run.close(),
        lambda _: None,  # until its end
    ],
)
def test_a_run_that_is_deleted_while_it_is_at_work_is_unavailable(
    store: Store, write: Callable[[StepRun], object], is_purged: bool
) -> None:
    def work() -> None:
        with open_run(store.client, "train", store.experiment("toy"), WHO) as run:
            run.tag(mode="append")
            delete(store, run.id, is_purged=is_purged)
            write(run)

    with pytest.raises(UnavailableError, match=r"The run \w+ was deleted from the store while it was at work\."):
        work()


def test_a_missing_thing_of_a_run_that_is_there_stays_its_own_failure(store: Store) -> None:
    with (
        pytest.raises(MlflowException, match="not found"),
        open_run(store.client, "train", store.experiment("toy"), WHO) as run,
    ):
        store.client.get_run("0" * 32)
    assert store.client.get_run(run.id).info.status == "FAILED"


def test_an_artifact_of_a_run_without_it_is_unavailable(store: Store) -> None:
    with open_run(store.client, "register", store.experiment("toy"), WHO) as run:
        run.set_lineage({"evaluate": finish(store, "evaluate")})
        with pytest.raises(UnavailableError, match=r"verdict\.json"):
            run.load(VERDICT)


def in_batches() -> Iterator[pd.DataFrame]:
    yield ROWS.iloc[:2]
    yield ROWS.iloc[2:]


def test_rows_saved_in_batches_are_read_by_their_own_run_and_by_the_next_one(store: Store) -> None:
    with open_run(store.client, "ingest", store.experiment("toy"), WHO) as run:
        digest = run.save_batches(DATASET, in_batches())
        assert run.has(DATASET)
        assert run.artifacts == (DATASET.name,)
        pd.testing.assert_frame_equal(run.load(DATASET), ROWS)
        assert len(run.open(DATASET)) == len(ROWS)
    assert run.reader.digest(DATASET, run.id) == digest
    with open_run(store.client, "split", store.experiment("toy"), WHO) as split:
        split.set_lineage({"ingest": run.id})
        pd.testing.assert_frame_equal(split.open(DATASET).read(), ROWS)
        pd.testing.assert_frame_equal(split.load(DATASET), ROWS)


def test_rows_that_are_saved_at_once_are_opened_too(store: Store) -> None:
    with open_run(store.client, "ingest", store.experiment("toy"), WHO) as run:
        run.save(DATASET, ROWS)
        pd.testing.assert_frame_equal(run.open(DATASET).read(), ROWS)


def test_a_fault_found_late_leaves_no_rows(store: Store) -> None:
    def faulty() -> Iterator[pd.DataFrame]:
        yield from in_batches()
        raise DataError("a fault")

    with open_run(store.client, "ingest", store.experiment("toy"), WHO) as run:
        with pytest.raises(DataError, match="a fault"):
            run.save_batches(DATASET, faulty())
        assert not run.has(DATASET)
        assert store.client.list_artifacts(run.id) == []


def test_batches_and_rows_are_declared_as_other_artifacts_are(store: Store) -> None:
    with open_run(store.client, "split", store.experiment("toy"), WHO) as run, run.limited_to((), (LEAK_AUDIT,)):
        with pytest.raises(AssertionError, match=r"writes train\.parquet"):
            run.save_batches(TRAIN, in_batches())
        with pytest.raises(AssertionError, match=r"reads dataset\.parquet"):
            run.open(DATASET)
