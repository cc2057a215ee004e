"""A Dask cluster: the same results as in one process, also where workers are lost."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recipeline.config.recipe import Recipe
from recipeline.engine.dask import DaskWorkers, stop_clusters
from recipeline.engine.local import LocalWorkers
from recipeline.engine.workers import Call, Shared, Workers
from recipeline.errors import UnavailableError, UsageError
from recipeline.training.cross_validation import compare_candidates
from tests.conftest import as_recipe, small_recipe
from tests.engine.calls import check_alignment, end_process, refuse, weigh

pytestmark = pytest.mark.xdist_group("dask")


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def dask(said: list[str]) -> Iterator[DaskWorkers]:
    workers = DaskWorkers(n_jobs=2, announce=said.append)
    yield workers
    stop_clusters()


def weighed(values: np.ndarray, seconds: float = 0.0) -> tuple[list[Call], list[float]]:
    shared = Shared(values)
    calls: list[Call] = [(weigh, (shared, float(number), seconds)) for number in range(6)]
    return calls, [float(values.sum()) * number for number in range(6)]


def test_results_come_in_the_order_of_the_calls_or_all_of_them(dask: DaskWorkers, said: list[str]) -> None:
    calls, expected = weighed(np.arange(1000.0))
    assert list(dask.map(calls)) == expected
    assert sorted(dask.map(calls, ordered=False)) == expected
    assert list(dask.map([])) == []
    assert len(said) == 1
    assert said[0].startswith("Dask, 2 workers with 2 threads, scheduler tls://127.0.0.1:")


def test_another_command_of_the_process_takes_the_same_cluster(dask: DaskWorkers) -> None:
    list(dask.map([(refuse, (1,))]))
    again: list[str] = []
    other = DaskWorkers(n_jobs=2, announce=again.append)
    assert list(other.map([(refuse, (1,))])) == [1]
    assert other._client is dask._client
    assert again == []


def test_arrays_lie_in_a_worker_and_come_back_as_in_one_process(dask: DaskWorkers) -> None:
    """numpy adds up others in another order: the last digit would differ."""
    calls: list[Call] = []
    for size in range(1, 24):
        text = np.frombuffer(b"x" * size, dtype="S1")
        calls.append((check_alignment, (Shared((text, np.arange(5000.0), np.arange(3000))), text, np.arange(4000.0))))
    for aligned, arrays in dask.map(calls):
        assert aligned == [True] * 5
        assert [array.flags.aligned for array in arrays] == [True] * 5


def test_what_a_call_raises_is_raised_by_the_iterator_with_its_words(dask: DaskWorkers) -> None:
    with pytest.raises(UsageError, match=r"2 is not a number that is liked\. Got 2 instead\."):
        list(dask.map([(refuse, (number,)) for number in range(4)]))


def digests(recipe: Recipe, train: pd.DataFrame, workers: Workers) -> dict[str, Any]:
    results = [it for _, done in compare_candidates(recipe, list(recipe.candidates), train, "grouped", workers) for it in done]
    return {it.name: (hashlib.sha256(it.out_of_fold.tobytes()).hexdigest(), it.fold_scores.tolist()) for it in results}


def test_candidates_have_the_same_digits_as_in_one_process(dask: DaskWorkers, wines: pd.DataFrame) -> None:
    content = small_recipe()
    content["candidates"] |= {
        "Forest": {
            "alias": "rf",
            "estimator": "sklearn.ensemble.RandomForestRegressor",
            "params": {"n_estimators": 10, "random_state": 1},
        },
        "Mean": {"alias": "mean", "members": ["LinearRegression", "Forest"]},
    }
    recipe = as_recipe(content)
    assert digests(recipe, wines, dask) == digests(recipe, wines, LocalWorkers(1))


def test_a_killed_worker_costs_no_result(dask: DaskWorkers) -> None:
    calls, expected = weighed(np.arange(1000.0), 0.3)
    results = dask.map(calls)
    first = next(results)
    os.kill(next(iter(dask._client.run(os.getpid).values())), signal.SIGKILL)
    assert [first, *results] == expected


@pytest.mark.full
def test_neither_do_all_workers_killed_at_once(dask: DaskWorkers) -> None:
    calls, expected = weighed(np.arange(1000.0), 0.5)
    results = dask.map(calls)
    first = next(results)
    for process in dask._client.run(os.getpid).values():
        os.kill(process, signal.SIGKILL)
    assert [first, *results] == expected


@pytest.mark.full
def test_a_call_that_ends_every_worker_is_one_sentence(dask: DaskWorkers) -> None:
    with pytest.raises(UnavailableError, match="A call has ended several Dask workers"):
        list(dask.map([(end_process, ())]))
    calls, expected = weighed(np.arange(10.0))
    assert list(dask.map(calls)) == expected


def test_workers_with_other_code_are_refused_and_named(
    dask: DaskWorkers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Client

    list(dask.map([(refuse, (1,))]))
    dask._client.wait_for_workers(2)
    (tmp_path / "unknown_there.py").write_text("answer = 42\n", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    others = DaskWorkers(packages=("unknown_there",))
    cluster = dask._client.cluster
    same = lambda: Client(cluster.scheduler_address, security=cluster.security, set_as_default=False)  # noqa: E731
    monkeypatch.setattr(others, "_connect", same)
    with pytest.raises(UsageError, match="2 have not") as error:
        others.map([(refuse, (1,))])
    assert [line.partition(": ")[2][:40] for line in error.value.details] == ["code of unknown_there missing instead of"] * 2


def test_a_worker_that_comes_later_with_other_libraries_is_refused_by_its_first_call(
    dask: DaskWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    import recipeline.engine.dask as module

    list(dask.map([(refuse, (1,))]))
    here = module.identify(dask._packages)
    monkeypatch.setattr(module, "identify", lambda _: here | {"numpy": "1.0"})
    with pytest.raises(UsageError, match=r"other code or libraries than the command: numpy [\d.]+ instead of 1\.0"):
        list(dask.map([(refuse, (1,))]))


@pytest.mark.parametrize(
    "address", ["tcp://10.0.0.1:8786", "tcp://example.org:8786", "ws://127.0.0.1:1", "127.0.0.1:8786", "tls:///x", "tls://[::1"]
)
def test_an_address_where_anybody_could_send_code_or_read_rows_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="must be tls://host:port, or an address of this machine"):
        DaskWorkers(address)


@pytest.mark.parametrize("address", ["tls://10.0.0.1:8786", "tcp://127.0.0.1:8786", "tcp://localhost:1", "tcp://[::1]:1", ""])
def test_an_encrypted_address_or_one_of_this_machine_is_taken(address: str) -> None:
    DaskWorkers(address)


def test_a_scheduler_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(UnavailableError, match=r"The Dask scheduler at tcp://127\.0\.0\.1:9 does not answer within 1 s"):
        DaskWorkers("tcp://127.0.0.1:9", timeout=1).map([(refuse, (1,))])
