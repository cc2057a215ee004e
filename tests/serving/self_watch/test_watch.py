from __future__ import annotations

import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import yaml

from custom.red_wine import draw
from recipeline.artifacts import BASELINE as BASELINE_ARTIFACT
from recipeline.serving.model.bins import MIN_ROWS
from recipeline.serving.model.copies import WATCHED, mark_served, served_copies
from recipeline.serving.model.loading import ServedModel, load_copy
from recipeline.serving.self_watch.counts import read_counts
from recipeline.serving.self_watch.watch import SelfWatch
from tests.conftest import Project
from tests.serving.helpers import Make, Server, post

RANDOM = np.random.default_rng(0)


def metrics(text: str) -> dict[str, float]:
    """Return what Prometheus is told by the self-watch, by name and feature."""
    found = re.findall(r'^(\w*psi|self_watch_rows)(?:\{feature="(.*)"\})? (\S+)$', text, re.MULTILINE)
    return {feature or name: float(value) for name, feature, value in found}


@pytest.fixture
def watch() -> Iterator[SelfWatch]:
    watch = SelfWatch(10_000, lambda _: None)
    yield watch
    watch.close()


def later(rows: int = 400, **changes: float) -> list[dict[str, float]]:
    """Rows like those of the project's training rows, some columns moved."""
    table = draw().drop(columns="quality").iloc[400 : 400 + rows].astype(float)
    moved = table.assign(**{name: table[name] + by for name, by in changes.items()})
    return [{str(name): value for name, value in row.items()} for row in moved.to_dict("records")]


def wait_for_rows(server: Server, expected: int, seconds: float = 20) -> dict[str, float]:
    """Return the metrics once so many rows are counted, which must be soon."""
    end = time.monotonic() + seconds
    while (found := metrics(requests.get(f"{server.url}/metrics", timeout=10).text)).get("self_watch_rows") != expected:
        assert time.monotonic() < end, found
        time.sleep(0.1)
    return found


def ask(make_client: Make, watch: SelfWatch, rows: list[dict[str, float]], **served: Any) -> dict[str, float]:
    client = make_client(**served)
    client.service.self_watch = watch
    for start in range(0, len(rows), 50):
        assert post(client, rows[start : start + 50]).status_code == 200
    watch.flush()
    return metrics(client.get("/metrics").text)


def test_rows_like_the_training_rows_have_a_small_psi(make_client: Make, watch: SelfWatch, model: ServedModel) -> None:
    found = ask(make_client, watch, later(1000))
    assert found.pop("self_watch_rows") == 1000
    assert found.keys() == {*model.schema.names, "prediction_psi"}
    assert max(found.values()) < 0.1


def test_a_feature_that_has_drifted_is_told_by_its_name(make_client: Make, watch: SelfWatch) -> None:
    found = ask(make_client, watch, later(alcohol=2.0))
    assert found["alcohol"] > 0.2
    assert found["prediction_psi"] > 0.2
    assert found["pH"] < 0.1


def test_of_few_rows_no_psi_is_told(make_client: Make, watch: SelfWatch) -> None:
    assert ask(make_client, watch, later(MIN_ROWS - 1)) == {"self_watch_rows": MIN_ROWS - 1}


def test_nothing_of_a_row_is_kept(make_client: Make, watch: SelfWatch, model: ServedModel) -> None:
    ask(make_client, watch, later(150))
    assert model.folder
    assert model.bins
    (file,) = (model.folder / WATCHED).iterdir()
    numbers = np.frombuffer(file.read_bytes(), dtype=np.int64)
    assert len(numbers) == 2 * (2 + model.bins.size)
    number, rows, *counts = numbers.reshape(2, -1)[1].tolist()
    assert (number, rows) == (1, 150)
    assert sum(counts) == 150 * (len(model.schema.names) + 1)


@pytest.mark.parametrize("content", [None, b"{", b"{}", b'{"features": null}'])
def test_a_version_without_a_whole_baseline_is_served_and_not_watched(
    make_client: Make, watch: SelfWatch, copy: Path, content: bytes | None
) -> None:
    (copy / BASELINE_ARTIFACT.name).unlink() if content is None else (copy / BASELINE_ARTIFACT.name).write_bytes(content)
    assert ask(make_client, watch, later(150), served=load_copy(copy)) == {}
    assert not list((copy / WATCHED).glob("*"))


def test_another_version_starts_anew(make_client: Make, watch: SelfWatch, copy: Path) -> None:
    client = make_client()
    client.service.self_watch = watch
    post(client, later(150))
    watch.flush()
    other = copy.with_name("other")
    copy.rename(other)
    client.service.serve(load_copy(other))
    for path in (other / WATCHED).iterdir():
        path.unlink()
    post(client, later(120))
    watch.flush()
    assert metrics(client.get("/metrics").text)["self_watch_rows"] == 120


def test_counting_never_makes_another_copy_the_one_served_last(make_client: Make, watch: SelfWatch, copy: Path) -> None:
    mark_served(copy)
    other = shutil.copytree(copy, copy.with_name("other"))
    os.utime(copy / "served", (1, 1))
    ask(make_client, watch, later(150))
    assert served_copies(copy.parent) == [other, copy]


def test_rows_that_two_versions_answer_meanwhile_are_counted_by_version(copy: Path, model: ServedModel, tmp_path: Path) -> None:
    other = load_copy(shutil.copytree(copy, tmp_path / "other"))
    watch = SelfWatch(10_000, lambda _: None)
    for served in (model, other, model, other, other):
        watch.take(served, np.ones((10, len(served.schema.names))), np.ones(10))
    watch.close()
    found = [read_counts(served.folder / WATCHED, served.bins.size)[0] for served in (model, other)]
    assert found == [20, 30]


def test_requests_of_any_size_are_counted_row_by_row_with_their_predictions(model: ServedModel) -> None:
    assert model.bins
    assert model.folder
    table = draw().drop(columns="quality").to_numpy(dtype=float)
    watch, expected = SelfWatch(100_000, lambda _: None), np.zeros(model.bins.size, dtype=int)
    for size in [*[1] * 1500, 1024, 1025, 700, 700, 1]:  # a thousand rows are gathered, and what does not fit begins anew
        values, predicted = table[RANDOM.integers(len(table), size=size)], RANDOM.uniform(3, 8, size)
        watch.take(model, values, predicted)
        expected += model.bins.count(values, predicted)
    watch.close()
    rows, counts = read_counts(model.folder / WATCHED, model.bins.size)
    assert rows == 1500 + 1024 + 1025 + 700 + 700 + 1
    assert counts.tolist() == expected.tolist()


def test_rows_that_threads_take_while_others_flush_are_counted_once(model: ServedModel) -> None:
    assert model.bins
    assert model.folder
    table = draw().drop(columns="quality").to_numpy(dtype=float)
    requests = [(table[RANDOM.integers(len(table), size=size)], RANDOM.uniform(3, 8, size)) for size in [1, 7, 300, 1025] * 25]
    watch, ended = SelfWatch(1_000_000, lambda _: None), threading.Event()

    def flush() -> None:
        while not ended.is_set():
            watch.flush()

    flushing = [threading.Thread(target=flush) for _ in range(2)]
    for thread in flushing:
        thread.start()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda request: watch.take(model, *request), requests))
    ended.set()
    for thread in flushing:
        thread.join()
    watch.close()
    rows, counts = read_counts(model.folder / WATCHED, model.bins.size)
    assert rows == sum(len(values) for values, _ in requests)
    assert counts.tolist() == sum(model.bins.count(*request) for request in requests).tolist()


def test_a_full_disk_drops_rows_and_is_no_reason_not_to_answer(make_client: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    dropped: list[int] = []
    watch = SelfWatch(10_000, dropped.append)
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        assert ask(make_client, watch, later(150)) == {"self_watch_rows": 0}
    assert sum(dropped) == 150
    assert ask(make_client, watch, later(120))["self_watch_rows"] == 120
    watch.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.full)])
def test_what_is_still_in_the_queues_when_a_service_ends_is_counted_and_logged(
    copied: Project, tmp_path: Path, number: signal.Signals
) -> None:
    profile = yaml.safe_load(copied.profile_path.read_text())
    profile["service"] |= {"drain_seconds": 0, "prediction_log": {"folder": str(tmp_path / "log")}}
    copied.profile_path.write_text(yaml.safe_dump(profile))
    server = Server(copied)
    server.wait()
    for row in later(20):
        assert server.predict(row).status_code == 200
    server.end(number)
    (folder,) = Path(os.environ["XDG_CACHE_HOME"]).rglob(WATCHED)
    sizes = {path.stat().st_size for path in folder.iterdir()}
    assert read_counts(folder, sizes.pop() // 16 - 2)[0] == 20
    assert sum(len(path.read_text().splitlines()) for path in (tmp_path / "log").iterdir()) == 20


def test_workers_add_up_also_one_that_was_killed_and_a_restart_goes_on(copied: Project) -> None:
    rows = later(150)
    for expected in (150, 300):
        server = Server(copied)
        try:
            server.wait()
            for row in rows[:75]:
                assert server.predict(row).status_code == 200
            wait_for_rows(server, expected - 75)  # they wait for a second until they are counted
            worker = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()[0]
            os.kill(int(worker), signal.SIGKILL)
            time.sleep(0.5)
            server.wait()  # for the worker in its place, on a busy machine
            for row in rows[75:]:
                assert server.predict(row).status_code == 200
            found = wait_for_rows(server, expected)
            assert found.keys() > {"alcohol", "prediction_psi"}
        finally:
            server.end()
