"""The limit of the load generator, measured against a server without work.

Usage: python -m benchmarks.ceiling
"""

from __future__ import annotations

import multiprocessing
import select
import socket
import sys

from benchmarks.load import Load, Report, build_request


def answer_at_once(listener: socket.socket, reply: bytes) -> None:
    """Answer every request with `reply`, unread; a request is what one read gives."""
    poll, peers = select.epoll(), dict[int, socket.socket]()
    poll.register(listener, select.EPOLLIN)
    while True:
        for number, _ in poll.poll():
            if number == listener.fileno():
                peer, _ = listener.accept()
                peers[peer.fileno()] = peer
                poll.register(peer, select.EPOLLIN)
            elif peers[number].recv(65536):
                peers[number].send(reply)
            else:
                poll.unregister(number)
                peers.pop(number).close()


def measure_ceiling(seconds: float, clients: int) -> Report:
    """Return the generator's rate against a server without work.

    The server is another process.
    """
    reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = multiprocessing.get_context("fork").Process(target=answer_at_once, args=(listener, reply), daemon=True)
        server.start()
        port = listener.getsockname()[1]
        try:
            return Load(port, [build_request(port, "/predict", b"{}")], clients=clients).run(seconds)
        finally:
            server.kill()
            server.join()


def main(options: dict[str, str]) -> None:
    """Print the ceiling for 1 and 8 clients."""
    for clients in (1, 8):
        report = measure_ceiling(float(options.get("seconds", "2")), clients)
        p50, p99 = report.milliseconds(0.5), report.milliseconds(0.99)
        print(f"{clients} clients: {report.rate:,.0f} requests/s, p50 {p50:.3f} ms, p99 {p99:.3f} ms")


if __name__ == "__main__":
    main(dict(argument.split("=", 1) for argument in sys.argv[1:]))
