"""A machine of Debian with Docker, Compose and Podman, in namespaces of its own.

All processes in it end with its first one. It has its own network, so that no port, bridge or rule of this machine is touched;
it reaches package indexes through slirp4netns.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipeline.hosting import object_store
from tests.conftest import ROOT
from tests.containers import make_base, run

TOOLS = ("docker", "podman")

_PACKAGES = [
    *("docker.io", "docker-cli", "docker-buildx", "docker-compose", "podman", "crun", "netavark", "aardvark-dns"),
    *("slirp4netns", "iptables", "nftables", "iproute2", "ca-certificates", "curl", "openssl", "procps"),
]

#: The machine's first process: its own files, then a network whose way out is slirp4netns.
_BOOT = r"""
set -eu
cd "$1"
mount --bind . .
cd "$1"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir -p old
pivot_root . old
umount -l /old
# One version of control groups: of both at once, crun refuses to start.
if ! grep -q "^cgroup2 /sys/fs/cgroup " /proc/mounts; then
    umount -R -l /sys/fs/cgroup
    mount -t cgroup2 none /sys/fs/cgroup
fi
mount --make-rshared /
ip netns add own
nsenter --net=/run/netns/own ip link set lo up
slirp4netns --configure --mtu=1500 --disable-host-loopback --netns-type=path /run/netns/own tap0 2>/dev/null >/dev/null &
touch /run/booted
exec sleep infinity
"""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: Podman without systemd, control groups and the right to raise limits. Its rules of the network are among Docker's, which
#: refuse what they do not know.
_PODMAN = """
[containers]
default_ulimits = ["nofile=10000:10000", "nproc=10000:10000"]
pids_limit = 0
log_driver = "k8s-file"
[network]
firewall_driver = "iptables"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
"""


def reason_to_skip() -> str | None:
    """Return what this machine lacks to make another one; None: nothing."""
    missing = [name for name in ("mmdebstrap", "unshare", "nsenter") if not shutil.which(name)]
    if missing:
        return f"not installed: {', '.join(missing)} (apt-get install mmdebstrap util-linux)"
    if platform.system() != "Linux" or os.getuid():
        return "Docker and Podman run in a machine of their own, which root makes on Linux"
    if not Path("/dev/net/tun").exists():
        return "no /dev/net/tun: the machine of Docker and Podman would have no network"
    if not object_store.find_program():
        return "no SeaweedFS: make setup EXTRAS=server"
    return None


@dataclass
class Machine:
    """The machine; its files are in a folder of this one."""

    folder: Path
    _boot: subprocess.Popen[bytes] | None = None
    _groups: list[Path] = field(default_factory=lambda: _groups())

    @property
    def files(self) -> Path:
        return self.folder / "files"

    @property
    def project(self) -> Path:
        """The project as git has it, with what is not committed."""
        return self.files / "project"

    def install(self) -> None:
        """Make its files."""
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(_PACKAGES)}", "trixie", str(self.files))
        make_base(self.files / "base.tar")
        (self.files / "etc/resolv.conf").write_text("nameserver 10.0.2.3\n", encoding="utf-8")
        (self.files / "etc/containers").mkdir(exist_ok=True)
        (self.files / "etc/containers/containers.conf").write_text(_PODMAN, encoding="utf-8")
        for name in run("git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
            if name and (ROOT / name).is_file():
                (self.project / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.project / name)

    def start(self) -> None:
        """Start it, with Docker's daemon."""
        self._boot = subprocess.Popen(
            [
                "unshare",
                "--mount",
                "--pid",
                "--ipc",
                "--uts",
                "--fork",
                "--kill-child",
                "sh",
                "-c",
                _BOOT,
                "sh",
                str(self.files),
            ],
            stdin=subprocess.DEVNULL,
        )
        self.wait(lambda: (self.root / "run/booted").exists(), "the machine")
        with (self.folder / "dockerd.log").open("ab") as log:
            subprocess.Popen(self.words("dockerd"), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait(lambda: self.ask("docker", "info").returncode == 0, f"dockerd: {self.folder}/dockerd.log")

    @property
    def pid(self) -> int:
        """The number of its first process, as this machine sees it."""
        assert self._boot
        path = Path(f"/proc/{self._boot.pid}/task/{self._boot.pid}/children")
        self.wait(path.read_text, "the first process")
        return int(path.read_text().split()[0])

    @property
    def root(self) -> Path:
        """Its files as it sees them, with what it has mounted."""
        return Path(f"/proc/{self.pid}/root")

    def words(self, *command: str, **environment: str) -> list[str]:
        """Return the words that run a command in the machine, in the project's folder."""
        given = {"PATH": _PATH, "HOME": "/root", "DISABLE_HC_SYSTEMD": "true", **environment}
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--ipc", "--uts", "--"]
        enter += ["nsenter", "--net=/run/netns/own", "env", "-i", *(f"{name}={value}" for name, value in given.items())]
        return [*enter, "sh", "-c", 'cd /project && exec "$@"', "sh", *command]

    def ask(self, *command: str, timeout: float = 1800, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it, whatever its exit code."""
        words = self.words(*command, **environment)
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=timeout, stdin=subprocess.DEVNULL)

    def run(self, *command: str, timeout: float = 1800, **environment: str) -> str:
        """Run a command in it and return its stdout."""
        done = self.ask(*command, timeout=timeout, **environment)
        assert done.returncode == 0, f"{' '.join(command)[:300]}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def beside(self, *command: str) -> subprocess.Popen[str]:
        """Start a command of this machine in the other one's network, as a client there."""
        words = ["nsenter", f"--net={self.root}/run/netns/own", "--", *command]
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def get(self, address: str, token: str = "", content: Any = None) -> tuple[int, Any]:
        """Ask an address for JSON, there; return the status (0: no answer) and the answer."""
        words = ["curl", "--silent", "--max-time", "20", "--write-out", "\n%{http_code}", address]
        words += ["--header", f"Authorization: Bearer {token}"] if token else []
        words += ["--header", "Content-Type: application/json", "--data", json.dumps(content)] if content is not None else []
        body, _, status = self.ask(*words).stdout.rpartition("\n")
        return int(status), json.loads(body) if body[:1] in ("{", "[") else body

    def wait(self, ready: Callable[[], object], what: str, seconds: float = 60) -> None:
        """Wait until something is so."""
        end = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < end, f"not in {seconds} s: {what}"
            time.sleep(0.3)

    def close(self) -> None:
        """End all that runs in it, and delete its files."""
        if self._boot:
            self._boot.kill()  # the kernel ends all that is in its namespace
            self._boot.wait(timeout=60)
            time.sleep(0.5)
        for folder in sorted(set(_groups()) - set(self._groups), reverse=True):
            with suppress(OSError):  # in use: not the machine's
                folder.rmdir()
        shutil.rmtree(self.files, ignore_errors=True)


def _groups() -> list[Path]:
    """Return the control groups of this machine."""
    top = next(path for path in (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")) if path.is_dir())
    return [path for path in top.rglob("*") if path.is_dir()]
