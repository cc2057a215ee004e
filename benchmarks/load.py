"""A load generator with low overhead: open sockets, prepared requests.

One thread sends through a few sockets. In a closed loop each client sends again as soon as it is answered. In an open loop
requests are due at a fixed rate, independent of earlier ones, and an answer's latency counts from when its request was due: a
server that stops for a second is charged for all requests of this second.
"""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_HEAD_END = b"\r\n\r\n"
#: No answer for so long: the request is given up.
TIMEOUT_SECONDS = 30.0


class Answer(NamedTuple):
    """An answer: its request's number, times due, sent and answered, and content.

    The content is kept for a sample only.
    """

    request: int
    due: float
    sent: float
    done: float
    status: int
    raw: bytes

    @property
    def body(self) -> Any:
        """The body, as JSON."""
        return json.loads(self.raw[self.raw.index(_HEAD_END) + 4 :])

    def header(self, name: str) -> str:
        """Return the value of a header, "" where it is not there."""
        head = self.raw[: self.raw.index(_HEAD_END)].decode("latin-1")
        pairs = (line.partition(":") for line in head.split("\r\n")[1:])
        return next((value.strip() for key, _, value in pairs if key.lower() == name.lower()), "")


class Broken(NamedTuple):
    """A request without an answer: times due, sent and given up, and the reason.

    Sent is 0 without a connection.
    """

    request: int
    due: float
    sent: float
    at: float
    reason: str


@dataclass
class Report:
    """The results of the requests.

    `unsent` ones of an open loop were due without a free client.
    """

    answers: list[Answer] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    unsent: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers with status 200 a second."""
        return self.statuses[200] / self.seconds if self.seconds else 0.0

    @property
    def statuses(self) -> Counter[int]:
        """The number of answers by status."""
        return Counter(answer.status for answer in self.answers)

    @property
    def kept(self) -> list[Answer]:
        """The answers whose content was kept."""
        return [answer for answer in self.answers if answer.raw]

    def milliseconds(self, share: float) -> float:
        """Return the latency that this share of the answers stays within."""
        latencies = sorted(answer.done - answer.due for answer in self.answers)
        return 1000 * latencies[min(int(share * len(latencies)), len(latencies) - 1)] if latencies else float("nan")


def build_request(port: int, path: str, body: bytes, content_type: str = "application/json") -> bytes:
    """Return a POST request as it goes over the wire."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + _HEAD_END + body


def length_of(head: bytes) -> int:
    """Return the length of the body that follows this head, in small letters.

    Raises
    ------
    ValueError : the head has no length.
    """
    start = head.find(b"\r\ncontent-length:")
    if start < 0:
        raise ValueError("an answer must have a Content-Length")
    end = head.find(b"\r\n", start + 2)
    return int(head[start + 17 : end if end > 0 else None])


class _Client:
    """A connection, and the request that is under way on it."""

    __slots__ = ("buffer", "busy", "due", "ends", "length", "port", "request", "sent", "socket")

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket: socket.socket | None = None
        self.buffer, self.length, self.ends, self.busy = b"", 0, False, False
        self.request, self.due, self.sent = 0, 0.0, 0.0

    def send(self, text: bytes, request: int, due: float) -> None:
        """Send a request. Raises OSError."""
        self.request, self.due, self.sent, self.buffer, self.length = request, due, 0.0, b"", 0
        connection = self.socket
        if connection is None:
            connection = self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(None)  # else Python itself waits where MSG_DONTWAIT says not to
        self.sent, self.busy = time.perf_counter(), True
        connection.sendall(text)

    def receive(self) -> bytes | None:
        """Return the answer as soon as all of it is there. Raises OSError."""
        data = self.socket.recv(262_144) if self.socket else b""
        if not data:
            raise ConnectionResetError("cut off" if self.buffer else "closed")
        self.buffer = buffer = self.buffer + data if self.buffer else data
        if not self.length:
            end = buffer.find(_HEAD_END)
            if end < 0:
                return None
            head: bytes = buffer[:end].lower()
            self.length, self.ends = end + 4 + length_of(head), b"\r\nconnection: close" in head
        if len(buffer) < self.length:
            return None
        self.busy = False
        if self.ends:
            self.close()
        return buffer

    def drop_if_closed(self) -> None:
        """Close the connection if the server has closed it, as HTTP clients do."""
        if self.socket is None:
            return
        try:
            self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            pass
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another one."""
        if self.socket is not None:
            self.socket.close()
        self.socket, self.busy = None, False


class Load:
    """Requests in turn over a number of connections.

    `run` sends for `seconds`, or until `stop` is called. The results so far are in `report`, also for another thread.

    Parameters
    ----------
    rate : requests due in a second: an open loop; None: a closed one.
    keep_every : one of so many answers is kept whole; 0: none.
    """

    def __init__(
        self, port: int, requests: Sequence[bytes], *, clients: int = 1, rate: float | None = None, keep_every: int = 0
    ) -> None:
        self._port, self._requests, self._rate, self._keep_every = port, requests, rate, keep_every
        self._clients = [_Client(port) for _ in range(clients)]
        self._free = deque(self._clients)
        self.report, self._begun, self._asked = Report(), 0.0, 0
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Begin no further request."""
        self._stopped.set()

    def run(self, seconds: float) -> Report:
        """Ask, wait for what is under way, and tell what became of it."""
        self._begun = now = time.perf_counter()
        end, report = self._begun + seconds, self.report
        while now < end and not self._stopped.is_set():
            self._receive(max(0.0, min(self._ask(now, end), end) - time.perf_counter()))
            now = time.perf_counter()
        report.seconds = now - self._begun
        if self._rate:
            report.unsent = max(0, int(report.seconds * self._rate) - self._asked)
        while any(client.busy for client in self._clients):
            self._receive(TIMEOUT_SECONDS)
        for client in self._clients:
            client.close()
        return report

    def _ask(self, now: float, end: float) -> float:
        """Send the requests that are due; return the time of the next one.

        It is `end` if that depends on an answer.
        """
        free, rate = self._free, self._rate
        while free:
            due = self._begun + self._asked / rate if rate else now
            if due > now:
                return due
            client = free.popleft()
            if rate:
                client.drop_if_closed()
            number = self._asked % len(self._requests)
            self._asked += 1
            try:
                client.send(self._requests[number], number, due)
            except OSError as error:
                self._give_up(client, error)
                return now + 0.001
        return end

    def _receive(self, seconds: float) -> None:
        """Wait for answers, and take those that are there."""
        busy = {client.socket: client for client in self._clients if client.busy and client.socket}
        if not busy:
            self._stopped.wait(min(seconds, 0.1))
            return
        ready, _, _ = select.select(list(busy), [], [], seconds)
        for sock in ready:
            client = busy[sock]
            try:
                raw = client.receive()
            except OSError as error:
                self._give_up(client, error)
                continue
            if raw is not None:
                self._take(client, raw)
        if not ready and seconds:
            self._give_up_late()

    def _take(self, client: _Client, raw: bytes) -> None:
        answers, every = self.report.answers, self._keep_every
        keep = raw if every and len(answers) % every == 0 else b""
        answers.append(Answer(client.request, client.due, client.sent, time.perf_counter(), int(raw[9:12]), keep))
        self._free.append(client)

    def _give_up(self, client: _Client, error: OSError) -> None:
        reason = error.strerror or str(error)
        self.report.broken.append(Broken(client.request, client.due, client.sent, time.perf_counter(), reason))
        client.close()
        self._free.append(client)

    def _give_up_late(self) -> None:
        late = time.perf_counter() - TIMEOUT_SECONDS
        for client in self._clients:
            if client.busy and client.sent < late:
                self._give_up(client, TimeoutError("timed out"))


def ask(port: int, request: bytes) -> Answer:
    """Return the answer to one request. Raises OSError where there is none."""
    client = _Client(port)
    try:
        client.send(request, 0, time.perf_counter())
        raw = None
        while raw is None:
            raw = client.receive()
    finally:
        client.close()
    return Answer(0, client.due, client.sent, time.perf_counter(), int(raw[9:12]), raw)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
