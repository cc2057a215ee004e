"""A Dask cluster as engine, on this machine or on others."""

from __future__ import annotations

import importlib.util
import ipaddress
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from recipeline.engine.dask_batch import Batch, reason_of
from recipeline.engine.identity import differences, identify
from recipeline.engine.local import interrupts_ignored
from recipeline.engine.workers import Call, Workers
from recipeline.errors import UnavailableError, UsageError

#: So many workers with other code or libraries are named.
_NAMED = 3
#: The clients of this process, by scheduler and code: commands of a notebook share a cluster.
_CLIENTS: dict[tuple[Any, ...], Any] = {}


@dataclass(frozen=True)
class Tls:
    """The certificate files of scheduler, workers and client."""

    ca: str
    cert: str
    key: str


class DaskWorkers(Workers):
    """The workers of a Dask scheduler, or of a cluster started on this machine.

    Parameters
    ----------
    address : of the scheduler, `tls://host:port`; `tcp://` on this machine only, since workers run what they are sent. Empty:
        a cluster of `n_jobs` workers of one thread is started, with certificates of its own, and ends with this process.
    wait_for_workers, timeout : so many workers must be there within so many seconds; a cluster without any is waited for as
        long.
    packages : modules whose code must be the same on each worker, besides this library.
    announce : is called with a sentence on the cluster.
    """

    def __init__(
        self,
        address: str = "",
        *,
        n_jobs: int = -1,
        wait_for_workers: int = 1,
        timeout: float = 60.0,
        tls: Tls | None = None,
        packages: Sequence[str] = (),
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        if address and not _is_safe(address):
            raise UsageError(
                "engine.address must be tls://host:port, or an address of this machine: Dask workers run what they are sent.",
                got=f"'{address}'",
                fix="Start scheduler and workers with certificates, and name yours in engine.tls.",
            )
        self._address, self._n_jobs, self._wait, self._timeout = address, n_jobs, wait_for_workers, timeout
        self._tls, self._packages, self._announce = tls, ("recipeline", *packages), announce
        self._key = (address, n_jobs, tls, self._packages)

    @property
    def _client(self) -> Any:
        """The client that is connected already; None: there is none."""
        client = _CLIENTS.get(self._key)
        return client if client is not None and client.status == "running" else None

    def start(self) -> None:
        """Do nothing: a cluster is asked for when there are calls."""

    def map(self, calls: list[Call], *, ordered: bool = True) -> Iterator[Any]:
        """Start `calls` and return an iterator over their results.

        Raises
        ------
        UsageError : the workers have other code or library versions than this process, or Dask is not installed.
        UnavailableError : scheduler or workers cannot be reached, now or while the results are waited for.
        """
        if not calls:
            return iter(())
        batch = Batch(self._open(), calls, identify(self._packages), self._packages, self._timeout)
        batch.submit(range(len(calls)))
        return batch.in_order() if ordered else (result for _, result in batch.results())

    def _open(self) -> Any:
        if (known := self._client) is not None:
            return known
        client = self._connect()
        try:
            self._require_workers(client)
            self._refuse_strangers(client)
        except BaseException:
            _close(client)
            raise
        _CLIENTS[self._key] = client
        self._announce(_describe(client))
        return client

    def _require_workers(self, client: Any) -> None:
        try:
            client.wait_for_workers(self._wait, timeout=self._timeout)
        except TimeoutError:
            there = len(client.scheduler_info(n_workers=-1)["workers"])
            raise UnavailableError(
                f"The Dask scheduler {self._address or 'of this machine'} has {there} of {self._wait} workers "
                f"after {self._timeout:g} s.",
                fix="Start workers, or change engine.wait_for_workers and engine.timeout in the profile.",
            ) from None

    def _connect(self) -> Any:
        try:
            from distributed import Client, LocalCluster, Security
        except ImportError:
            raise UsageError(
                "The engine dask needs the package distributed, which is not installed.",
                fix='Type: make setup EXTRAS="dask".',
            ) from None
        if not self._address:
            from joblib import effective_n_jobs

            with interrupts_ignored():
                cluster = LocalCluster(
                    n_workers=effective_n_jobs(self._n_jobs),
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    security=Security.temporary(),
                    silence_logs=50,
                )
            return Client(cluster)
        files = self._tls
        security = Security(
            **(
                {
                    "tls_ca_file": files.ca,
                    "tls_client_cert": files.cert,
                    "tls_client_key": files.key,
                    "require_encryption": True,
                }
                if files
                else {}
            )
        )
        try:
            return Client(self._address, security=security, timeout=self._timeout, set_as_default=False)
        except (OSError, TimeoutError, ValueError, TypeError) as error:
            raise UnavailableError(
                f"The Dask scheduler at {self._address} does not answer within {self._timeout:g} s: {reason_of(error)}.",
                fix="Start it, or correct engine.address in the profile.",
            ) from error

    def _refuse_strangers(self, client: Any) -> None:
        """Raise UsageError if workers have other code or library versions."""
        here = identify(self._packages)
        strangers = {
            address: differences(here, there)
            for address, there in client.run(identify, self._packages, on_error="return").items()
            if there != here
        }
        if strangers:
            named = list(strangers.items())[:_NAMED]
            raise UsageError(
                f"Dask workers must have the code and the libraries of this process; {len(strangers)} have not.",
                fix="Start them from the same image, in a folder with the same project.",
                details=[f"{address}: {words}" for address, words in named],
            )


def stop_clusters() -> None:
    """Leave all schedulers; end the clusters that this process has started."""
    while _CLIENTS:
        _close(_CLIENTS.popitem()[1])


def _close(client: Any) -> None:
    cluster = client.cluster
    client.close()
    if cluster is not None:
        cluster.close()


def _is_safe(address: str) -> bool:
    """Whether what is sent to an address is encrypted, or stays on this machine."""
    try:
        parts = urlsplit(address)
        if parts.scheme == "tls":
            return bool(parts.hostname)
        if parts.scheme != "tcp" or not parts.hostname:
            return False
        return parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return False


def _describe(client: Any) -> str:
    found = client.scheduler_info(n_workers=-1)
    count = len(found["workers"])
    threads = sum(it["nthreads"] for it in found["workers"].values())
    words = (
        f"Dask, {count} worker{'s' * (count != 1)} with {threads} thread{'s' * (threads != 1)}, scheduler {found['address']}"
    )
    has_pages = client.cluster is None or importlib.util.find_spec("bokeh") is not None
    return f"{words}, dashboard {client.dashboard_link}" if has_pages and "dashboard" in found["services"] else words
