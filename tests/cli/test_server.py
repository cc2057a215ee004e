from __future__ import annotations

from pathlib import Path

import pytest

from recipeline.cli.server import count_workers, describe
from recipeline.errors import UsageError
from recipeline.hosting.stack import Part, ServerStatus
from recipeline.hosting.state import ServerFolder


@pytest.mark.parametrize(
    ("wanted", "cores", "count"), [("", None, 2), ("", 1, 2), ("", 3, 3), ("", 64, 4), ("1", 8, 1), ("64", 2, 64)]
)
def test_there_is_a_worker_per_core_two_to_four_unless_a_number_is_wanted(wanted: str, cores: int | None, count: int) -> None:
    assert count_workers(wanted, cores) == count


@pytest.mark.parametrize("wanted", ["0", "65", "-1", "two", "2.0", "٢"])
def test_a_number_of_workers_is_one(wanted: str) -> None:
    with pytest.raises(UsageError, match="workers must be a number from 1 to 64"):
        count_workers(wanted, 2)


def status(*pids: int | None) -> ServerStatus:
    names = ("PostgreSQL", "object store", "MLflow")
    parts = [Part(name, f"http://127.0.0.1:{5000 + i}", pid) for i, (name, pid) in enumerate(zip(names, pids, strict=True))]
    return ServerStatus(ServerFolder(Path("/srv/my project/.server")), tuple(parts))


def test_what_runs_is_told_with_the_lines_to_type() -> None:
    lines = describe(status(1, 2, 3)).splitlines()
    assert lines[0].split() == ["PostgreSQL", "process", "1", "http://127.0.0.1:5000"]
    assert "  export MLFLOW_TRACKING_URI=http://127.0.0.1:5002" in lines
    assert "  . '/srv/my project/.server/direct.env'" in lines


def test_what_does_not_run_is_told_with_the_command_that_starts_it() -> None:
    text = describe(status(1, None, 3))
    assert text.splitlines()[1].split() == ["object", "store", "stopped", "http://127.0.0.1:5001"]
    assert text.endswith("make server-up")
    assert "export" not in text
