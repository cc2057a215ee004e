from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pipeline.errors import UnavailableError
from pipeline.ledger import PROMOTE, Actor, Entry
from pipeline.models import load_model
from pipeline.registry import ARCHIVED, CHALLENGER, CHAMPION, PREVIOUS, PRODUCTION, STAGING, Hand, Registry
from pipeline.store import Store, open_store
from tests.pipeline.conftest import ROWS, TARGET, log_toy

NAME = "Toy"
HAND = Hand(Actor("ann", "here"), "0" * 32)


@pytest.fixture
def registry(store: Store) -> Registry:
    return Registry(store, NAME)


def add(store: Store, registry: Registry, identity: str, **tags: object) -> tuple[str, bool]:
    """Log and register a small model; return its version and whether it is new."""
    run, model_id = log_toy(store)
    version, is_new = registry.register(
        source=f"models:/{model_id}", run_id=run.id, model_id=model_id, identity=identity, tags=tags, description="a toy"
    )
    return str(version.version), is_new


def stages(registry: Registry) -> dict[str, str]:
    return {str(version.version): version.current_stage for version in registry.versions()}


def holder(registry: Registry, alias: str) -> str:
    version = registry.holder(alias)
    return str(version.version) if version else ""


def aliases(registry: Registry) -> dict[str, str]:
    return {alias: holder(registry, alias) for alias in (CHAMPION, CHALLENGER, PREVIOUS)}


def promote(registry: Registry, version: str) -> Entry | None:
    """Promote a version over whatever is the champion."""
    return registry.change(version, expected=holder(registry, CHAMPION), kind=PROMOTE, reason="better", hand=HAND)


def move(store: Store, version: str, stage: str) -> None:
    """Move a version by hand, as somebody may in MLflow's interface."""
    with pytest.warns(FutureWarning):
        store.client.transition_model_version_stage(NAME, version, stage)


def test_a_new_version_is_the_challenger_in_staging(store: Store, registry: Registry) -> None:
    assert add(store, registry, "a") == ("1", True)
    assert stages(registry) == {"1": STAGING}
    assert aliases(registry) == {CHAMPION: "", CHALLENGER: "1", PREVIOUS: ""}


def test_a_version_keeps_its_identity_its_tags_and_its_run(store: Store, registry: Registry) -> None:
    add(store, registry, "fingerprint/Linear", r2=0.5, long="x" * 6000)
    version = registry.version("1")
    assert version.tags == {"pipeline.identity": "fingerprint/Linear", "pipeline.r2": "0.5", "pipeline.long": "x" * 5000}
    assert store.client.get_run(version.run_id).data.tags["pipeline.step"] == "ingest"
    assert (load_model(f"models:/{NAME}/1").predict(ROWS) - TARGET).max() < 1e-9


def test_a_promoted_version_is_champion_and_production_and_the_one_before_archived_and_previous(
    store: Store, registry: Registry
) -> None:
    for identity, version in (("a", "1"), ("b", "2"), ("c", "3")):
        add(store, registry, identity)
        entry = promote(registry, version)
        assert entry
        assert (entry.before, entry.after) == ({"1": "", "2": "1", "3": "2"}[version], version)
        assert aliases(registry) == {CHAMPION: version, CHALLENGER: "", PREVIOUS: {"1": "", "2": "1", "3": "2"}[version]}
    assert stages(registry) == {"1": ARCHIVED, "2": ARCHIVED, "3": PRODUCTION}


def test_an_earlier_version_can_be_promoted_again(store: Store, registry: Registry) -> None:
    for identity, version in (("a", "1"), ("b", "2")):
        add(store, registry, identity)
        promote(registry, version)
    promote(registry, "1")
    assert stages(registry) == {"1": PRODUCTION, "2": ARCHIVED}
    assert aliases(registry) == {CHAMPION: "1", CHALLENGER: "", PREVIOUS: "2"}


def test_promoting_the_champion_changes_nothing(store: Store, registry: Registry) -> None:
    for identity, version in (("a", "1"), ("b", "2")):
        add(store, registry, identity)
        promote(registry, version)
    before = (stages(registry), aliases(registry))
    assert promote(registry, "2") is None
    assert (stages(registry), aliases(registry)) == before


def test_the_same_model_is_not_registered_twice_and_the_champion_stays(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    promote(registry, "1")
    assert add(store, registry, "a") == ("1", False)
    assert stages(registry) == {"1": PRODUCTION}
    assert aliases(registry) == {CHAMPION: "1", CHALLENGER: "", PREVIOUS: ""}


def test_registering_another_model_leaves_the_champion_where_it_is(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    promote(registry, "1")
    assert add(store, registry, "b") == ("2", True)
    assert stages(registry) == {"1": PRODUCTION, "2": STAGING}
    assert aliases(registry) == {CHAMPION: "1", CHALLENGER: "2", PREVIOUS: ""}


def test_an_older_challenger_is_archived_and_comes_back_when_it_is_registered_again(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    add(store, registry, "b")
    assert stages(registry) == {"1": ARCHIVED, "2": STAGING}
    assert add(store, registry, "a") == ("1", False)
    assert stages(registry) == {"1": STAGING, "2": ARCHIVED}
    assert holder(registry, CHALLENGER) == "1"


def test_a_twin_whose_files_are_gone_is_registered_anew(store: Store, registry: Registry, tmp_path: Path) -> None:
    add(store, registry, "a")
    for path in (tmp_path / "mlruns").rglob("MLmodel"):
        path.unlink()
    assert add(store, registry, "a") == ("2", True)
    assert add(store, registry, "a") == ("2", False)


def test_settling_finishes_a_promotion_that_was_stopped_after_the_alias(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    promote(registry, "1")
    add(store, registry, "b")
    store.client.set_registered_model_alias(NAME, CHAMPION, "2")
    assert load_model(f"models:/{NAME}/Production") is not None
    registry.settle(HAND)
    assert stages(registry) == {"1": ARCHIVED, "2": PRODUCTION}
    assert (holder(registry, CHAMPION), holder(registry, CHALLENGER)) == ("2", "")


def test_settling_an_interrupted_promotion_names_the_version_that_was_replaced(store: Store, registry: Registry) -> None:
    for version in ("1", "2", "3"):
        add(store, registry, version)
        if version != "3":
            promote(registry, version)
    store.client.set_registered_model_alias(NAME, CHAMPION, "3")
    registry.settle(HAND)
    assert holder(registry, PREVIOUS) == "2"


def test_a_registry_that_does_not_answer_is_not_one_without_a_champion(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = replace(store, client=MlflowClient(tracking_uri="http://127.0.0.1:9"))
    with pytest.raises(MlflowException):
        Registry(away, NAME).holder(CHAMPION)


def test_settling_leaves_one_production_where_there_were_two(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    add(store, registry, "b")
    promote(registry, "1")
    move(store, "2", PRODUCTION)
    registry.settle(HAND)
    assert stages(registry) == {"1": PRODUCTION, "2": ARCHIVED}


@pytest.mark.parametrize("stage", [STAGING, ARCHIVED, "None"])
def test_settling_brings_a_champion_back_to_production(store: Store, registry: Registry, stage: str) -> None:
    add(store, registry, "a")
    promote(registry, "1")
    move(store, "1", stage)
    registry.settle(HAND)
    assert stages(registry) == {"1": PRODUCTION}


def test_settling_twice_is_settling_once(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    add(store, registry, "b")
    promote(registry, "1")
    move(store, "2", PRODUCTION)
    registry.settle(HAND)
    once = (stages(registry), aliases(registry))
    registry.settle(HAND)
    assert (stages(registry), aliases(registry)) == once


@pytest.mark.parametrize("act", ["register", "promote"])
def test_registering_and_promoting_settle_first(store: Store, registry: Registry, act: str) -> None:
    for identity in "abc":
        add(store, registry, identity)
    promote(registry, "1")
    move(store, "2", PRODUCTION)
    if act == "register":
        add(store, registry, "d")
        assert stages(registry) == {"1": PRODUCTION, "2": ARCHIVED, "3": ARCHIVED, "4": STAGING}
    else:
        promote(registry, "3")
        assert stages(registry) == {"1": ARCHIVED, "2": ARCHIVED, "3": PRODUCTION}
        assert holder(registry, PREVIOUS) == "1"


def test_without_a_champion_there_is_nothing_to_settle(store: Store, registry: Registry) -> None:
    registry.settle(HAND)
    add(store, registry, "a")
    registry.settle(HAND)
    assert stages(registry) == {"1": STAGING}


def test_a_registry_without_the_model_has_no_versions_and_no_champion(registry: Registry) -> None:
    assert registry.versions() == []
    assert registry.holder(CHAMPION) is None


def test_versions_come_newest_first_also_from_ten_on(store: Store, registry: Registry) -> None:
    run, model_id = log_toy(store)
    for number in range(11):
        registry.register(
            source=f"models:/{model_id}", run_id=run.id, model_id=model_id, identity=str(number), tags={}, description=""
        )
    assert [int(version.version) for version in registry.versions()] == list(range(11, 0, -1))


def test_a_version_that_is_not_there_is_unavailable(store: Store, registry: Registry) -> None:
    with pytest.raises(UnavailableError, match=r"Version 7 of Toy must be in the registry\. Got none instead"):
        registry.version("7")
    add(store, registry, "a")
    with pytest.raises(UnavailableError, match="Version 7 of Toy"):
        registry.version("7")


def test_a_version_that_is_not_there_cannot_take_the_champions_place(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    promote(registry, "1")
    with pytest.raises(UnavailableError, match="Version 7 of Toy"):
        promote(registry, "7")
    assert stages(registry) == {"1": PRODUCTION}
    assert holder(registry, CHAMPION) == "1"


def test_the_models_of_one_store_do_not_touch_each_other(store: Store, registry: Registry) -> None:
    other = Registry(store, "Other")
    for each in (registry, other):
        add(store, each, "a")
        add(store, each, "b")
    promote(registry, "1")
    promote(other, "2")
    assert (holder(registry, CHAMPION), holder(other, CHAMPION)) == ("1", "2")
    assert (stages(registry), stages(other)) == ({"1": PRODUCTION, "2": STAGING}, {"1": ARCHIVED, "2": PRODUCTION})


def test_there_is_a_production_at_every_moment_of_a_promotion(store: Store, registry: Registry) -> None:
    for identity in "ab":
        add(store, registry, identity)
    promote(registry, "1")
    done, counts = threading.Event(), []

    def watch() -> None:
        while not done.is_set():
            counts.append(list(stages(registry).values()).count(PRODUCTION))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for version in ("2", "1") * 5:
        promote(registry, version)
    done.set()
    watcher.join()
    assert len(counts) > 10
    assert min(counts) >= 1


def promote_anew(root: Path, version: str) -> bool:
    """Promote in a store opened anew, whatever is the champion by then; return whether that changed anything."""
    registry = Registry(open_store("sqlite:///mlflow.db", root=root), NAME)
    while holder(registry, CHAMPION) != version:
        if promote(registry, version):
            return True
    return False


def assert_one_production(registry: Registry, versions: int) -> None:
    champion = holder(registry, CHAMPION)
    assert stages(registry)[champion] == PRODUCTION
    assert sorted(stages(registry).values()) == [ARCHIVED] * (versions - 1) + [PRODUCTION]
    assert holder(registry, CHALLENGER) == ""


def test_promotions_at_once_from_several_threads_leave_exactly_one_production(
    store: Store, registry: Registry, tmp_path: Path
) -> None:
    versions = [add(store, registry, str(i))[0] for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(promote_anew, [tmp_path] * 12, versions * 3))
    # The last version was the challenger; whoever was promoted last, everything else is archived.
    assert_one_production(registry, 4)


def test_promotions_at_once_from_several_processes_leave_exactly_one_production(
    store: Store, registry: Registry, tmp_path: Path
) -> None:
    versions = [add(store, registry, str(i))[0] for i in range(2)]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(promote_anew, [tmp_path] * 6, versions * 3))
    assert_one_production(registry, 2)
