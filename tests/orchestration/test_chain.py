from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recipeline.artifacts import FINGERPRINT, TRAIN
from recipeline.errors import DataError, UnavailableError, UsageError
from recipeline.orchestration.chain import Chain, check_steps, run_chain, run_step
from recipeline.orchestration.session import Session
from recipeline.tracking.connection.store import Store
from tests.conftest import as_recipe, small_recipe
from tests.sessions import NAMES, Toys, lines_of, open_toys


def chained(session: Session, **options: Any) -> Chain:
    chain = Chain()
    run_chain(session, NAMES, {}, chain, **options)
    return chain


def test_the_steps_run_in_their_order_and_each_builds_on_the_one_before(store: Store, tmp_path: Path) -> None:
    toys = Toys()
    session = open_toys(store, tmp_path, toys)
    chain = chained(session)
    assert tuple(toys.worked) == tuple(chain.lineage) == tuple(chain.opened) == NAMES
    tags = store.client.get_run(chain.lineage["train"]).data.tags
    assert [tags[f"recipeline.{name}_run_id"] for name in NAMES[:2]] == [chain.lineage[name] for name in NAMES[:2]]
    assert tags["recipeline.data_source"] == "uci"
    assert chain.last is chain.opened["train"]
    assert all(0 <= begun <= ended for begun, ended in chain.seconds.values())
    assert "train is done" in lines_of(session)


def test_a_step_that_ends_with_an_exit_code_ends_the_chain(store: Store, tmp_path: Path) -> None:
    chain = chained(open_toys(store, tmp_path, Toys(exit_codes={"split": 4})))
    assert tuple(chain.lineage) == ("ingest", "split")
    assert chain.last
    assert chain.last.exit_code == 4


def test_what_became_of_the_steps_is_known_where_one_fails(store: Store, tmp_path: Path) -> None:
    chain, session = Chain(), open_toys(store, tmp_path, Toys(errors={"split": DataError("No.")}))
    with pytest.raises(DataError):
        run_chain(session, NAMES, {}, chain)
    assert tuple(chain.lineage) == ("ingest",)
    assert tuple(chain.opened) == tuple(chain.seconds) == ("ingest", "split")
    assert store.client.get_run(chain.opened["split"].id).info.status == "FAILED"


def test_without_the_cache_every_step_runs_and_says_why(store: Store, tmp_path: Path) -> None:
    toys = Toys()
    chained(open_toys(store, tmp_path, toys))
    chain = chained(open_toys(store, tmp_path, toys), use_cache=False)
    assert toys.worked == [*NAMES, *NAMES]
    assert chain.reasons == dict.fromkeys(NAMES, "cache=off")


def test_a_step_alone_on_an_empty_store_has_those_before_it_run_first(store: Store, tmp_path: Path) -> None:
    toys = Toys()
    session = open_toys(store, tmp_path, toys)
    run, words = run_step(session, "train", {}, "")
    assert (toys.worked, words) == (list(NAMES), "train is done")
    assert [line for line in lines_of(session) if line.startswith("no finished run")] == [
        "no finished run of split: running it first",
        "no finished run of ingest: running it first",
    ]
    assert len(run.load(TRAIN)) == 2


def test_a_step_alone_builds_on_the_newest_run_and_says_which_and_what_changed_since(store: Store, tmp_path: Path) -> None:
    ingest, _ = run_step(open_toys(store, tmp_path), "ingest", {}, "")
    changed = as_recipe(small_recipe() | {"cv": {"folds": 4}})
    session = open_toys(store, tmp_path, recipe=changed)
    run_step(session, "split", {}, "")
    using, warning, *_ = lines_of(session)
    assert using == f"using the newest ingest run, {ingest.id}"
    assert warning == f"warning: changed since ingest run {ingest.id}: cv.folds 3 → 4. Run ingest again to apply the change."


def test_a_run_to_build_on_that_is_not_there_is_the_failure_of_the_steps_own_run(store: Store, tmp_path: Path) -> None:
    toys = Toys()
    with pytest.raises(UnavailableError, match="ingest_run_id must be"):
        run_step(open_toys(store, tmp_path, toys), "split", {}, "0" * 32)
    (run,) = store.client.search_runs([store.experiment("Small")])
    assert (run.info.status, toys.worked) == ("FAILED", [])


def test_what_can_be_known_to_fail_is_told_before_any_run_is_opened(store: Store, tmp_path: Path) -> None:
    toys = Toys(refusals={"split": UsageError("No such word.")})
    with pytest.raises(UsageError, match="No such word"):
        run_step(open_toys(store, tmp_path, toys), "train", {}, "")
    assert store.client.search_runs([store.experiment("Small")]) == []


def test_what_has_worked_with_the_same_settings_is_not_checked_again(store: Store, tmp_path: Path) -> None:
    toys = Toys()
    session = open_toys(store, tmp_path, toys)
    run_step(session, "ingest", {"word": "x"}, "")
    toys.refusals["ingest"] = UsageError("It cannot be built.")
    check_steps(session, ("ingest",), {"ingest": {"word": "x"}})
    with pytest.raises(UsageError, match="cannot be built"):
        check_steps(session, ("ingest",), {"ingest": {"word": "y"}})


def test_the_record_of_a_run_has_its_parameters_without_their_secrets(store: Store, tmp_path: Path) -> None:
    session = open_toys(store, tmp_path)
    run, _ = run_step(session, "ingest", {"word": "https://me:secret@host.example/a.csv"}, "")
    found = session.reader.load(FINGERPRINT, run.id)
    assert found.params == {"word": "https://***@host.example/a.csv"}
    assert found.components["content of rows"] == "[[1.0], [2.0], [3.0]]"
