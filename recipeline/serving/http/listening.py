"""The address that the service listens on, and its connections."""

from __future__ import annotations

import errno
import ipaddress
import resource
import socket
import sys

from recipeline.errors import UnavailableError

#: Connections of a worker, most of them idle between two requests; as many as the system lets it open where that is fewer.
_CONNECTIONS, _OTHER_FILES = 4096, 256

#: With fewer open files no worker starts.
_LEAST_FILES = 96


def allow_connections() -> int:
    """Raise the limit of open files; return the possible number of connections.

    Raises
    ------
    UnavailableError : a worker could not even begin, and would be begun again for ever.
    """
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CONNECTIONS + _OTHER_FILES
    if 0 <= allowed < wanted:
        allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        if allowed < _LEAST_FILES:
            raise UnavailableError(
                f"The service needs {_LEAST_FILES} open files.",
                got=f"a limit of {allowed}",
                fix="Raise it: `ulimit -n 4352`, LimitNOFILE= of systemd, or --ulimit of a container.",
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
    return _CONNECTIONS if allowed < 0 else max(min(_CONNECTIONS, allowed - _OTHER_FILES), 1)


def find_address(host: str, port: int) -> str:
    """Return the numeric address of a host.

    An IPv4 one is preferred where the host has several.

    Raises
    ------
    UnavailableError : there is none, or one of them is taken: its clients would ask one service or another.
    """
    found, reason = "", ""
    try:
        for family, kind, protocol, _, address in sorted(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), key=_is_new):
            try:
                with socket.socket(family, kind, protocol) as probe:  # a system may lack IPv6, whose names it knows
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(address)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise
                reason = reason or str(error.strerror)
            else:
                found = found or str(ipaddress.ip_address(address[0]))
    except (OSError, ValueError) as error:
        found, reason = "", getattr(error, "strerror", None) or str(error)
    if found and "%" not in found:  # Granian takes no address of one network interface
        return found
    raise _no_address(host, port, reason)


def claim_address(host: str, address: str, port: int) -> socket.socket | None:
    """Return what keeps other services from an address until it is closed.

    A worker lets others share its address, so that two services that start at once would both listen there. None: the system
    has no such names, or forbids them; services that start one after the other are told apart all the same.

    Raises
    ------
    UnavailableError : another service of this machine has the address, or is about to listen there.
    """
    if sys.platform != "linux":
        return None
    try:
        claim = socket.socket(socket.AF_UNIX)
    except OSError:  # forbidden, as by RestrictAddressFamilies= of systemd
        return None
    try:
        claim.bind(f"\0recipeline service {address} {port}")  # a name without a file; it goes when its last holder ends
    except OSError as error:
        claim.close()
        if error.errno == errno.EADDRINUSE:
            raise _no_address(host, port, error.strerror) from None
        return None
    return claim


def _no_address(host: str, port: int, reason: str | None) -> UnavailableError:
    return UnavailableError(
        f"The service cannot listen on {host}:{port}: {reason or 'an address of one network interface only'}.",
        fix="Stop the process that listens there, or choose another port or address.",
    )


def _is_new(found: tuple[object, ...]) -> bool:
    return found[0] != socket.AF_INET


def is_loopback(host: str) -> bool:
    """Whether `host` is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
