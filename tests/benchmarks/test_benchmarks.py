"""The load generator counts what servers of known behaviour did."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from benchmarks import chain
from benchmarks.batch import FEW, Done, Pair, faster, row_seconds
from benchmarks.contenders import OURS, Contender
from benchmarks.load import Answer, Load, Report, ask, build_request, free_port, length_of
from benchmarks.serving import WrongAnswer, check, server_timing
from benchmarks.serving_tables import BUSY, Figure, Results
from tests.conftest import ROOT

OK = b"HTTP/1.1 200 OK\r\nServer-Timing: parse;dur=0.5, predict;dur=1.5\r\ncontent-length: 2\r\n\r\n{}"
Reply = Callable[[socket.socket], None]


@contextmanager
def serving(reply: Reply) -> Iterator[int]:
    """Answer each request of each connection with `reply`, in threads; give the port."""

    def answer(peer: socket.socket) -> None:
        with peer:
            try:
                while peer.recv(65536):
                    reply(peer)
            except OSError:
                return

    def accept(listener: socket.socket) -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(peer,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def load(reply: Reply, seconds: float = 0.3, **options: float | int) -> Report:
    """Return what becomes of requests to such a server."""
    with serving(reply) as port:
        return Load(port, [build_request(port, "/", b"[1]"), build_request(port, "/", b"[2]")], **options).run(seconds)


def after(seconds: float, text: bytes = OK) -> Reply:
    def reply(peer: socket.socket) -> None:
        time.sleep(seconds)
        peer.sendall(text)

    return reply


def test_a_closed_loop_has_one_request_a_client_under_way_and_measures_how_long_it_takes() -> None:
    report = load(after(0.02), clients=3)
    assert set(report.statuses) == {200}
    assert 3 <= len(report.answers) <= 3 * (0.3 / 0.02 + 1)
    assert 20 <= report.milliseconds(0.5) < 200
    assert report.rate == pytest.approx(len(report.answers) / report.seconds)


def test_an_open_loop_charges_a_stop_of_the_server_to_all_that_was_due_in_it() -> None:
    stopped = threading.Event()

    def reply(peer: socket.socket) -> None:
        if not stopped.is_set():
            stopped.set()
            time.sleep(0.3)
        peer.sendall(OK)

    report = load(reply, 0.6, clients=1, rate=50)
    waited = [answer for answer in report.answers if answer.done - answer.due > 0.1]
    assert len(report.answers) + report.unsent >= 29
    assert len(waited) >= 10
    assert report.milliseconds(1.0) >= 290


def test_an_open_loop_asks_at_its_rate_and_counts_what_no_client_was_free_for() -> None:
    assert 28 <= len(load(after(0), 0.6, clients=2, rate=50).answers) <= 31
    late = load(after(0.2), 0.6, clients=1, rate=50)
    assert late.unsent + len(late.answers) == pytest.approx(30, abs=2)
    assert late.unsent >= 20


def test_a_connection_that_is_cut_off_is_a_broken_request_and_the_next_one_opens_another() -> None:
    turns = iter([b"HTTP/1.1 200 OK\r\ncontent-le", b""])

    def reply(peer: socket.socket) -> None:
        text = next(turns, None)
        peer.sendall(OK if text is None else text)
        if text is not None:
            peer.shutdown(socket.SHUT_RDWR)

    report = load(reply)
    assert [broken.reason for broken in report.broken] == ["cut off", "closed"]
    assert all(broken.sent for broken in report.broken)
    assert report.statuses[200] > 0


def test_no_connection_at_all_is_a_broken_request_that_was_never_sent() -> None:
    report = Load(free_port(), [b"x"], clients=1, rate=50).run(0.1)
    assert {(broken.reason, broken.sent) for broken in report.broken} == {("Connection refused", 0.0)}
    assert report.answers == []


def test_a_server_that_closes_every_connection_is_asked_through_new_ones() -> None:
    def reply(peer: socket.socket) -> None:
        peer.sendall(OK.replace(b"content-length", b"Connection: close\r\nContent-Length"))
        peer.shutdown(socket.SHUT_WR)

    report = load(reply, clients=2, keep_every=1)
    assert (report.broken, set(report.statuses)) == ([], {200})
    assert len(report.answers) > 2, "each connection is good for one"
    assert {answer.request for answer in report.answers} == {0, 1}


def test_an_answer_that_comes_in_pieces_is_read_whole() -> None:
    def reply(peer: socket.socket) -> None:
        for place in range(len(OK)):
            peer.sendall(OK[place : place + 1])
            time.sleep(0.0005)

    with serving(reply) as port:
        answer = ask(port, build_request(port, "/", b""))
    assert (answer.status, answer.body, answer.header("server-timing")[:5]) == (200, {}, "parse")


def test_the_length_of_a_body_is_read_wherever_the_header_stands() -> None:
    assert length_of(b"http/1.1 200 ok\r\ncontent-length: 12") == 12
    assert length_of(b"http/1.1 200 ok\r\ncontent-length:7\r\nserver: x") == 7
    with pytest.raises(ValueError, match="Content-Length"):
        length_of(b"http/1.1 200 ok\r\ntransfer-encoding: chunked")


def answered(body: bytes, status: int = 200) -> Report:
    raw = OK.replace(b"{}", body)
    return Report([Answer(0, 0.0, 0.0, 0.001, status, raw)], seconds=1.0)


def test_a_wrong_prediction_another_status_and_a_broken_request_are_no_result() -> None:
    contender, expected = Contender(OURS, lambda _: []), [np.array([5.0, 6.0])]
    check(contender, answered(b'{"predictions": [5.0, 6.0]}'), expected)
    for report in (answered(b'{"predictions": [5.0, 6.1]}'), answered(b'{"predictions": [5.0]}'), answered(b"{}", 500)):
        with pytest.raises(WrongAnswer):
            check(contender, report, expected)


def test_server_timing_is_the_mean_of_each_part() -> None:
    assert server_timing(answered(b"{}")) == {"parse": 0.5, "predict": 1.5}


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    closed = {
        (name, BUSY): [Figure(rate, 1.0, 1.0, {}) for rate in rates] for name, rates in (("a", (10, 30, 90)), ("b", (1, 2, 1)))
    }
    assert Results(closed).ratio("a", "b", BUSY) == 15
    assert Results(closed).ratio("a", "c", BUSY) is None


def test_what_a_row_costs_leaves_out_what_the_command_costs() -> None:
    ours, theirs = (Pair(FEW + 1000, Done(3.0 + cost, 1.0), Done(3.0, 1.0)) for cost in (1.0, 5.0))
    assert row_seconds([ours]) == pytest.approx(0.001)
    assert faster([ours], [theirs]) == pytest.approx(5)


def test_a_target_is_held_against_the_median_of_the_rounds_ratios_to_the_textbook_script() -> None:
    rounds = {
        chain.BASE: [10.0, 20.0, 40.0],
        chain.SAME: [3.3, 8.0, 8.0],
        chain.COLD: [6.1, 12.2, 1.0],
        chain.CACHED: [1.0] * 3,
        chain.BARE: [6.1 / 1.1, 12.2 / 1.3, 1.0 / 1.21],
    }
    assert [sentence.rpartition(": ")[2] for sentence in chain.judge(rounds)] == ["met", "NOT MET", "met", "NOT MET"]
    assert "the same five, cold: 0.33 of the textbook script, target at most 0.33" in chain.judge(rounds)[0]
    assert "add 21.0% to its time, target at most 20%" in chain.judge(rounds)[3]


@pytest.mark.full
def test_the_chain_is_measured_beside_the_textbook_script() -> None:
    command = [sys.executable, "-m", "benchmarks.chain", "data=synthetic", "rounds=1"]
    before = set(ROOT.glob("mlruns/*/*"))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr
    assert set(ROOT.glob("mlruns/*/*")) == before
    for label in (chain.BASE, *chain.TARGETS, "git clone to the first answer"):
        assert label in done.stdout
