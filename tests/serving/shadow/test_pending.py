"""Lines of the log that wait for the challenger, and for how long."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipeline.monitoring.live.log_format import DROPPED, FAILED
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.rows.beside import Beside
from recipeline.serving.shadow import pending as module
from recipeline.serving.shadow.pairing import Pairing
from recipeline.serving.shadow.pending import PatientLog, Pending, Shadowed
from tests.serving.helpers import Make, Row, post
from tests.serving.shadow.helpers import begin_shadow, challenger, wait_for_rows


@pytest.fixture
def waiting(model: ServedModel) -> Pending:
    """Two rows that wait."""
    other = challenger(model)
    values = np.zeros((2, len(model.schema.names)))
    return Pending(model, other, Pairing(model, other), values, np.zeros(2), Beside())


def test_a_row_is_settled_once_whoever_comes_first(waiting: Pending) -> None:
    assert waiting.settle(0, {"prediction": 1.5})
    assert waiting.left == 1
    assert waiting.give_up(DROPPED) == 1
    assert not waiting.settle(1, {"prediction": 2.5})
    assert waiting.give_up(FAILED) == 0
    said = [json.loads(it or b"null") for it in waiting.said]
    assert said == [{"version": "9", "prediction": 1.5}, {"version": "9", "reason": "dropped"}]


def test_threads_that_settle_the_same_rows_settle_each_once(waiting: Pending) -> None:
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(waiting.give_up(DROPPED))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(counts), waiting.left) == (2, 0)


def open_log() -> tuple[PatientLog, list[bytes]]:
    """Return a log, and what it has written so far."""
    lines: list[bytes] = []
    log = PatientLog(lines.append, _encode, lambda _: None, lambda it, reason: it.give_up(reason))
    return log, lines


def _encode(record: Any) -> bytes:
    return record if isinstance(record, bytes) else record.as_lines()


def test_lines_wait_in_their_order_until_the_challenger_has_said_its_part(waiting: Pending) -> None:
    log, lines = open_log()
    log.add(b'{"n":0}\n')
    log.add(Shadowed([b'{"n":1}\n', b'{"n":2}\n'], waiting), lines=2)
    log.add(b'{"n":3}\n')
    log.flush()
    assert b"".join(lines) == b'{"n":0}\n'
    waiting.settle(0, {"prediction": 1.5})
    log.flush()
    assert log._waiting == 3
    waiting.settle(1, {"prediction": 2.5})
    log.flush()
    assert log._waiting == 0
    found = [json.loads(line) for line in b"".join(lines).splitlines()]
    assert [line["n"] for line in found] == [0, 1, 2, 3]
    assert [line.get("shadow", {}).get("prediction") for line in found] == [None, 1.5, 2.5, None]
    log.close()


@pytest.mark.parametrize("ends", ["closed", "old", "many"])
def test_lines_do_not_wait_for_ever(waiting: Pending, ends: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log, lines = open_log()
    log.add(Shadowed([b'{"n":1}\n', b'{"n":2}\n'], waiting), lines=2)
    log.flush()
    assert lines == []
    if ends == "closed":
        log.close()
    elif ends == "old":
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.0)
        log.flush()
    else:
        monkeypatch.setattr(module, "_MOST_WAITING", 1)
        log.flush()
    found = [json.loads(line) for line in b"".join(lines).splitlines()]
    assert [line["shadow"] for line in found] == [{"version": "9", "reason": "dropped"}] * 2


def test_a_challenger_that_never_answers_holds_no_line_back_for_long(
    make_client: Make, row: Row, tmp_path: Path, model: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.3)
    hung = threading.Event()

    def hang(_: np.ndarray) -> np.ndarray:
        hung.wait(20)
        return np.zeros(1)

    client = make_client(prediction_log={"folder": str(tmp_path)})
    shadow = begin_shadow(client, challenger(model, hang), tmp_path)
    began = time.monotonic()
    for _ in range(3):
        assert post(client, row).status_code == 200
    assert wait_for_rows(client, 3) == {"dropped": 3}
    deadline = time.monotonic() + 5
    while not (files := list(tmp_path.glob("*.jsonl"))):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert time.monotonic() - began < 3
    lines = [json.loads(line) for line in files[0].read_bytes().splitlines()]
    assert [line["shadow"]["reason"] for line in lines] == ["dropped"] * 3
    hung.set()
    shadow.close()
    client.service.prediction_log.close()
    assert wait_for_rows(client, 3) == {"dropped": 3}
