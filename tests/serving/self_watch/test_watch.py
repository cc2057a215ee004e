from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
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
from hypothesis import given
from hypothesis import strategies as st

from custom.red_wine import draw
from recipeline.artifacts import BASELINE as BASELINE_ARTIFACT
from recipeline.monitoring.baseline import describe_values
from recipeline.serving.model.bins import MIN_ROWS, Bins
from recipeline.serving.model.copies import WATCHED
from recipeline.serving.model.loading import ServedModel, load_copy
from recipeline.serving.self_watch.counts import Counts, read_counts
from recipeline.serving.self_watch.watch import SelfWatch
from tests.conftest import Project
from tests.serving.conftest import Make, post
from tests.serving.test_server import Server, copied

__all__ = ["copied"]  # a fixture
RANDOM = np.random.default_rng(0)
BASELINE = {
    "features": {"a": describe_values(RANDOM.normal(size=1000)), "b": describe_values(RANDOM.normal(size=1000))},
    "prediction": describe_values(RANDOM.normal(size=1000)),
}


def metrics(text: str) -> dict[str, float]:
    """Return what Prometheus is told by the self-watch, by name and feature."""
    found = re.findall(r'^(\w*psi|self_watch_rows)(?:\{feature="(.*)"\})? (\S+)$', text, re.MULTILINE)
    return {feature or name: float(value) for name, feature, value in found}


# --- bins ----------------------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.floats(-5, 5) | st.just(float("nan")), min_size=3, max_size=3), min_size=1, max_size=50))
def test_rows_are_counted_as_numpy_would_in_the_bins_of_the_baseline(rows: list[list[float]]) -> None:
    values = np.array(rows)
    expected = []
    for column, known in zip(values.T, [*BASELINE["features"].values(), BASELINE["prediction"]], strict=True):
        counts, _ = np.histogram(column[~np.isnan(column)], [-np.inf, *known["edges"], np.inf])
        expected += counts.tolist()
    assert Bins(BASELINE, ["a", "b"]).count(values[:, :2], values[:, 2]).tolist() == expected


def test_equal_shares_are_stable_and_of_few_values_nothing_is_said() -> None:
    bins = Bins(BASELINE, ["a", "b"])
    reference = np.concatenate([BASELINE["features"]["a"]["counts"], np.zeros(10), BASELINE["prediction"]["counts"]])
    a, b, prediction = bins.stability(reference.astype(int))
    assert a == prediction == pytest.approx(0, abs=1e-6)
    assert b is None


# --- counts in files -----------------------------------------------------------------------------------------------------


def in_child(work: Any, *, end: bool = True) -> int:
    """Do something in a process of its own, which is then killed; return its ID."""
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        work()
        os.write(told, b".")
        signal.pause()
    os.read(ready, 1)
    if end:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return pid


def test_the_counts_of_all_processes_add_up_and_those_of_a_killed_one_stay(tmp_path: Path) -> None:
    mine = Counts(tmp_path, 2, half=1000)
    mine.add(np.array([1, 2]), 3)
    in_child(lambda: Counts(tmp_path, 2, half=1000).add(np.array([10, 20]), 30))
    rows, counts = read_counts(tmp_path, 2)
    assert (rows, counts.tolist()) == (33, [11, 22])


def test_the_next_process_goes_on_where_one_ended_and_nothing_is_counted_twice(tmp_path: Path) -> None:
    for _ in range(3):
        in_child(lambda: Counts(tmp_path, 2, half=1000).add(np.array([1, 2]), 3))
    assert len(list(tmp_path.glob("*.counts"))) == 1
    rows, counts = read_counts(tmp_path, 2)
    assert (rows, counts.tolist()) == (9, [3, 6])


def test_a_file_that_a_process_holds_is_not_taken_by_another_one(tmp_path: Path) -> None:
    pid = in_child(lambda: Counts(tmp_path, 2, half=1000), end=False)
    try:
        mine = Counts(tmp_path, 2, half=1000)
        assert len(list(tmp_path.glob("*.counts"))) == 2
        mine.close()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_only_the_last_rows_count(tmp_path: Path) -> None:
    mine = Counts(tmp_path, 2, half=100)
    for _ in range(100):
        mine.add(np.array([10, 0]), 10)
    for _ in range(20):
        mine.add(np.array([0, 10]), 10)
    rows, counts = read_counts(tmp_path, 2)
    assert (rows, counts.tolist()) == (200, [0, 200])


def test_the_window_is_of_all_processes_and_what_an_idle_one_counted_is_forgotten_too(tmp_path: Path) -> None:
    pid = in_child(lambda: Counts(tmp_path, 2, half=100).add(np.array([50, 0]), 50), end=False)
    try:
        mine = Counts(tmp_path, 2, half=100)
        mine.add(np.array([0, 50]), 50)
        mine.add(np.array([0, 60]), 60)
        assert read_counts(tmp_path, 2)[1].tolist() == [50, 110]
        mine.add(np.array([0, 40]), 40)
        mine.add(np.array([0, 10]), 10)
        assert read_counts(tmp_path, 2)[1].tolist() == [0, 110]
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_files_of_processes_that_ended_stay_for_a_window_and_are_then_removed(tmp_path: Path) -> None:
    children = [in_child(lambda: Counts(tmp_path, 2, half=100).add(np.array([1, 0]), 1), end=False) for _ in range(3)]
    mine = Counts(tmp_path, 2, half=100)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    mine.add(np.array([0, 97]), 97)
    mine.add(np.array([0, 100]), 100)
    assert read_counts(tmp_path, 2)[1].tolist() == [3, 197]
    mine.add(np.array([0, 10]), 10)
    assert list(tmp_path.glob("*.counts")) == [mine.path]
    assert read_counts(tmp_path, 2)[1].tolist() == [0, 110]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 30)), max_size=30))
def test_the_window_is_the_last_rows_whoever_counted_them(added: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workers = [Counts(Path(folder), 1, half=50) for _ in range(3)]
        for worker, rows in added:
            workers[worker].add(np.array([rows]), rows)
        found, counts = read_counts(Path(folder), 1)
        for worker in workers:
            worker.close()
    total = sum(rows for _, rows in added)
    assert found == counts.tolist()[0]
    assert found == total if total <= 50 else 50 < found < 2 * (50 + 30)
    sums = np.cumsum([0, *(rows for _, rows in reversed(added))])
    assert found in sums  # none is missing in between


def test_a_process_that_is_killed_at_any_moment_doubles_nothing(tmp_path: Path) -> None:
    def work() -> None:
        mine = Counts(tmp_path, 1, half=7)
        os.write(told, b".")
        while True:
            mine.add(np.array([1]), 1)

    for number in range(20):
        ready, told = os.pipe()
        pid = os.fork()
        if pid == 0:
            work()
        os.read(ready, 1)
        time.sleep(0.001 * number)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        rows, counts = read_counts(tmp_path, 1)
        assert 0 <= rows <= 14
        assert counts[0] - rows in (0, 1)
    assert len(list(tmp_path.glob("*.counts"))) == 1


@pytest.mark.parametrize("content", [b"", b"torn", b"\xff" * 1000, b"\xff" * 64, b"\x7f" * 64])
def test_a_file_that_is_cut_off_or_broken_is_left_out_and_made_anew_by_the_next_process(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "torn.counts").write_bytes(content)
    assert read_counts(tmp_path, 2)[0] == 0
    Counts(tmp_path, 2, half=100).add(np.array([1, 1]), 1)
    assert read_counts(tmp_path, 2)[0] == 1
    assert [path.name for path in tmp_path.glob("*.counts")] == ["torn.counts"]


# --- a service -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def watch() -> Iterator[SelfWatch]:
    watch = SelfWatch(10_000, lambda _: None)
    yield watch
    watch.close()


def later(rows: int = 400, **changes: float) -> list[dict[str, float]]:
    """Rows like those of the project's training rows, some columns moved."""
    table = draw().drop(columns="quality").iloc[400 : 400 + rows].astype(float)
    moved = table.assign(**{name: table[name] + by for name, by in changes.items()})
    found: list[dict[str, float]] = moved.to_dict("records")
    return found


def ask(make_client: Make, watch: SelfWatch, rows: list[dict[str, float]], **served: Any) -> dict[str, float]:
    client = make_client(**served)
    client.service.self_watch = watch  # type: ignore[attr-defined]
    for start in range(0, len(rows), 50):
        assert post(client, rows[start : start + 50]).status_code == 200
    watch.flush()
    return metrics(client.get("/metrics").text)


def test_rows_like_the_training_rows_have_a_small_psi(make_client: Make, watch: SelfWatch, model: ServedModel) -> None:
    found = ask(make_client, watch, later())
    assert found.pop("self_watch_rows") == 400
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
    assert not list((copy / WATCHED).iterdir())


def test_another_version_starts_anew(make_client: Make, watch: SelfWatch, copy: Path) -> None:
    client = make_client()
    client.service.self_watch = watch  # type: ignore[attr-defined]
    post(client, later(150))
    watch.flush()
    other = copy.with_name("other")
    copy.rename(other)
    client.service.serve(load_copy(other))  # type: ignore[attr-defined]
    for path in (other / WATCHED).iterdir():
        path.unlink()
    post(client, later(120))
    watch.flush()
    assert metrics(client.get("/metrics").text)["self_watch_rows"] == 120


def test_counting_never_makes_another_copy_the_newest_one(make_client: Make, watch: SelfWatch, copy: Path) -> None:
    os.utime(copy, (1, 1))
    ask(make_client, watch, later(150))
    assert copy.stat().st_mtime == 1


def test_rows_that_two_versions_answer_meanwhile_are_counted_by_version(copy: Path, model: ServedModel, tmp_path: Path) -> None:
    other = load_copy(shutil.copytree(copy, tmp_path / "other"))
    watch = SelfWatch(10_000, lambda _: None)
    for served in (model, other, model, other, other):
        watch.take(served, np.ones((10, len(served.schema.names))), np.ones(10))
    watch.close()
    found = [read_counts(served.folder / WATCHED, served.bins.size)[0] for served in (model, other)]  # type: ignore[operator, union-attr]
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
        patched.setattr(os, "posix_fallocate", full)
        assert ask(make_client, watch, later(150)) == {"self_watch_rows": 0}
    assert sum(dropped) == 150
    assert ask(make_client, watch, later(120))["self_watch_rows"] == 120
    watch.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
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
    (folder,) = (tmp_path / "cache").rglob(WATCHED)
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
            time.sleep(0.5)
            worker = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()[0]
            os.kill(int(worker), signal.SIGKILL)
            time.sleep(1)
            server.wait()  # for the worker in its place, on a busy machine
            for row in rows[75:]:
                assert server.predict(row).status_code == 200
            time.sleep(0.5)
            found = metrics(requests.get(f"{server.url}/metrics", timeout=10).text)
            assert found["self_watch_rows"] == expected
            assert found.keys() > {"alcohol", "prediction_psi"}
        finally:
            server.end()
