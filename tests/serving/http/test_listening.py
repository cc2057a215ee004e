"""Names and addresses that are listened on, and those that are not."""

from __future__ import annotations

import errno
import resource
import socket

import pytest
from granian._granian import ListenerSpec

from recipeline.errors import UnavailableError
from recipeline.serving.http.listening import allow_connections, claim_address, find_address, is_loopback
from tests.faults import in_fork
from tests.serving.helpers import free_port

V4, V6 = (socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0, 0, 0))


def name_of(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[int, tuple[object, ...]]) -> str:
    """Return a name that has these addresses."""
    found = [(family, socket.SOCK_STREAM, 0, "", address) for family, address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    return "a-name"


@pytest.mark.parametrize(
    ("host", "address"), [("localhost", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("0", "0.0.0.0")]
)
def test_a_name_or_an_address_is_one_that_the_server_takes(host: str, address: str) -> None:
    found = find_address(host, port := free_port())
    assert found == address
    ListenerSpec(found, port, 8)


def test_a_name_that_is_taken_in_one_family_is_not_listened_on_in_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for family, address in (V4, V6):
        with socket.socket(family) as taken:
            taken.bind(address)
            taken.listen()
            port = taken.getsockname()[1]
            name = name_of(monkeypatch, (V6[0], ("::1", port, 0, 0)), (V4[0], ("127.0.0.1", port)))
            with pytest.raises(UnavailableError, match=f"cannot listen on {name}:{port}: Address already in use"):
                find_address(name, port)


def test_of_a_name_the_address_that_this_machine_has_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = (socket.AF_INET, ("192.0.2.1", 0))
    assert find_address(name_of(monkeypatch, elsewhere, V6), 0) == "::1"
    with pytest.raises(UnavailableError, match="cannot listen on a-name:0: Cannot assign requested address"):
        find_address(name_of(monkeypatch, elsewhere), 0)


def test_a_name_has_the_address_of_the_family_that_the_system_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """`localhost` is ::1 too in /etc/hosts, whether or not the kernel has IPv6."""

    class OnlyV4(socket.socket):
        def __init__(self, family: int, *words: int) -> None:
            if family != socket.AF_INET:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, *words)

    name = name_of(monkeypatch, V6, V4)
    monkeypatch.setattr(socket, "socket", OnlyV4)
    assert find_address(name, 0) == "127.0.0.1"
    with pytest.raises(UnavailableError, match="cannot listen on a-name:0: Address family not supported"):
        find_address(name_of(monkeypatch, V6), 0)


@pytest.mark.parametrize("host", ["256.1.1.1", "a b", "x" * 300, "\u00fc.invalid", "::1%lo"])
def test_what_is_no_address_of_this_machine_is_one_sentence(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    look_up = socket.getaddrinfo

    def here_only(name: str, port: int, **options: int) -> object:
        return look_up(name, port, flags=socket.AI_NUMERICHOST, **options)  # no name server is asked

    monkeypatch.setattr(socket, "getaddrinfo", here_only)
    with pytest.raises(UnavailableError, match="The service cannot listen on "):
        find_address(host, 0)


def test_two_services_that_start_at_once_do_not_share_an_address() -> None:
    """Both find it free, and a worker lets others listen where it does."""
    port = free_port()
    first = claim_address("localhost", "127.0.0.1", port)
    assert first
    other = claim_address("::1", "::1", port)
    assert other
    with pytest.raises(UnavailableError, match=f"cannot listen on localhost:{port}: Address already in use"):
        claim_address("localhost", "127.0.0.1", port)
    first.close()
    again = claim_address("localhost", "127.0.0.1", port)
    assert again
    again.close()
    other.close()


@pytest.mark.parametrize("call", ["socket", "bind"])
def test_a_service_that_may_have_no_such_name_starts_without(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Systemd may forbid the address family, and a policy the name."""

    class Forbidden(socket.socket):
        def __init__(self, *words: int) -> None:
            if call == "socket":
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(*words)

        def bind(self, _: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "socket", Forbidden)
    assert claim_address("localhost", "127.0.0.1", 8000) is None


def test_loopback_is_what_other_machines_do_not_reach() -> None:
    assert [*map(is_loopback, ["localhost", "127.8.9.1", "::1", "0.0.0.0", "::", "a-name"])] == [True] * 3 + [False] * 3


@pytest.mark.parametrize("soft", [60, 95])
def test_a_system_that_lets_it_open_too_few_files_is_told_at_the_start(soft: int) -> None:
    def work() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, 95))
        with pytest.raises(UnavailableError, match=r"96 open files\. Got a limit of 95"):
            allow_connections()

    assert in_fork(work) == 0


@pytest.mark.parametrize(("soft", "most", "connections"), [(96, 96, 1), (256, 300, 44), (64, 4352, 4096)])
def test_as_many_connections_are_taken_as_files_may_be_open(soft: int, most: int, connections: int) -> None:
    def work() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
        assert allow_connections() == connections

    assert in_fork(work) == 0
