from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from pipeline.baseline import describe_values
from samples.red_wine import draw
from serving.models import ServedModel, load_copy
from serving.self_watch import FOLDER, MIN_ROWS, Bins, Counts, SelfWatch, read_counts
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


def test_files_that_nobody_goes_on_with_are_removed_when_a_window_has_passed(tmp_path: Path) -> None:
    children = [in_child(lambda: Counts(tmp_path, 2, half=100).add(np.array([1, 0]), 1), end=False) for _ in range(3)]
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    mine = Counts(tmp_path, 2, half=100)
    for _ in range(3):
        mine.add(np.array([100, 0]), 100)
    assert list(tmp_path.glob("*.counts")) == [mine.path]


@pytest.mark.parametrize("content", [b"", b"torn", b"\xff" * 1000])
def test_a_file_of_another_size_is_left_out_and_made_anew_by_the_next_process(tmp_path: Path, content: bytes) -> None:
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
    assert model.baseline
    (file,) = (model.folder / FOLDER).iterdir()
    numbers = np.frombuffer(file.read_bytes(), dtype=np.int64)
    assert len(numbers) == 1 + 2 * (1 + Bins(model.baseline, model.schema.names).size)
    assert numbers.sum() == 150 * (1 + len(model.schema.names) + 1)


def test_a_version_without_a_baseline_is_served_and_not_watched(make_client: Make, watch: SelfWatch, copy: Path) -> None:
    (copy / "baseline.json").unlink()
    assert ask(make_client, watch, later(150), served=load_copy(copy)) == {}
    assert not (copy / FOLDER).exists()


def test_another_version_starts_anew(make_client: Make, watch: SelfWatch, copy: Path) -> None:
    client = make_client()
    client.service.self_watch = watch  # type: ignore[attr-defined]
    post(client, later(150))
    watch.flush()
    other = copy.with_name("other")
    copy.rename(other)
    client.service.serve(load_copy(other))  # type: ignore[attr-defined]
    for path in (other / FOLDER).iterdir():
        path.unlink()
    post(client, later(120))
    watch.flush()
    assert metrics(client.get("/metrics").text)["self_watch_rows"] == 120


def test_a_full_disk_ends_the_watch_and_not_the_service(
    make_client: Make, watch: SelfWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert ask(make_client, watch, later(150)) == {"self_watch_rows": 0}


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
            for row in rows[75:]:
                assert server.predict(row).status_code == 200
            time.sleep(0.5)
            found = metrics(requests.get(f"{server.url}/metrics", timeout=10).text)
            assert found["self_watch_rows"] == expected
            assert found.keys() > {"alcohol", "prediction_psi"}
        finally:
            server.end()
