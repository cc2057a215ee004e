"""Images and containers without a daemon.

buildah builds, crun runs, and mmdebstrap makes a stand-in of the base.

The stand-in has the name of the real base, Debian's own Python of that version, so that the Dockerfile is built as it is.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

BASE = "docker.io/library/python:3.13-slim-trixie"

#: The system's certificates: pip asks an index behind a proxy of its own with them.
_CERTIFICATES = "/etc/ssl/certs"

_NAMESPACES = ("pid", "network", "ipc", "uts", "mount")

#: crun refuses to start where control groups of both versions are mounted: it gets mounts of its own with one, and uses none.
_ONE_VERSION = 'umount -R -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; exec "$@"'


def reason_to_skip() -> str | None:
    """Return what this machine lacks to build and run images; None: nothing."""
    missing = [name for name in ("buildah", "crun", "mmdebstrap", "nsenter") if not shutil.which(name)]
    if missing:
        return f"not installed: {', '.join(missing)} (apt-get install buildah crun mmdebstrap util-linux)"
    if os.getuid():
        return "images are built and run as root here: a container's user 1000 has to be mapped"
    if platform.system() != "Linux":
        return "containers need Linux"
    return None


def run(*words: str, timeout: float = 1800) -> str:
    """Run a command and return its stdout; its stderr is in the error."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{' '.join(words)[:200]}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@dataclass
class Images:
    """The images in a folder of their own."""

    folder: Path

    def buildah(self, *words: str) -> str:
        places = ("--root", str(self.folder / "images"), "--runroot", str(self.folder / "run"))
        return run("buildah", *places, "--storage-driver", "overlay", *words)

    def add_base(self) -> None:
        """Make the stand-in of the base."""
        table, as_python = self.folder / "base.tar", 'ln -s /usr/bin/python3 "$1/usr/local/bin/{}"'
        hooks = [f"--customize-hook={as_python.format(name)}" for name in ("python", "python3")]
        packages = "python3,python3-venv,ca-certificates"
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", *hooks, "trixie", str(table))
        made = self.buildah("from", "scratch").strip()
        self.buildah("add", "--quiet", made, str(table), "/")
        self.buildah("commit", "--quiet", "--rm", made, BASE)
        table.unlink()

    def build(self, target: str, name: str, project: Path = ROOT, **arguments: str) -> None:
        """Build a target of a project's Dockerfile as an image called `name`."""
        words = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        options = ("--layers", "--isolation", "chroot", "--format", "docker", "--pull=never")
        certificates = f"{_CERTIFICATES}:{_CERTIFICATES}:ro"
        self.buildah("build", *options, "--volume", certificates, *words, "--target", target, "-t", name, str(project))

    def config(self, name: str) -> dict[str, Any]:
        """Return what Docker calls the configuration of an image."""
        found: dict[str, Any] = json.loads(self.buildah("inspect", "--type", "image", name))["Docker"]
        return found

    def mount(self, name: str) -> Path:
        """Return the folder with the files of an image."""
        return Path(self.buildah("mount", self.buildah("from", "--pull=never", name).strip()).strip())

    def close(self) -> None:
        self.buildah("rm", "--all")
        self.buildah("rmi", "--all", "--force")


@dataclass
class Container:
    """A container with a read-only root, a tmpfs at /tmp and volumes."""

    images: Images
    image: str
    folder: Path
    volumes: dict[str, Path]
    environment: dict[str, str] = field(default_factory=dict)
    user: int = 1000

    @property
    def name(self) -> str:
        return f"recipeline-{self.folder.name}"

    def crun(self, *words: str) -> list[str]:
        state = ("--root", str(self.images.folder / "crun"), "--cgroup-manager=disabled")
        return ["unshare", "--mount", "sh", "-c", _ONE_VERSION, "sh", "crun", *state, *words]

    def start(self, command: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Start it, by the entry point of the image; `command` replaces the image's own."""
        self.folder.mkdir()
        (self.folder / "config.json").write_text(json.dumps(self._bundle(command)), encoding="utf-8")
        words = self.crun("run", "--bundle", str(self.folder), "--pid-file", str(self.folder / "pid"), self.name)
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)

    def run(self, *command: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run a command in it to its end."""
        started = self.start(command)
        out, err = started.communicate(timeout=timeout)
        shutil.rmtree(self.folder)
        return subprocess.CompletedProcess([*command], started.returncode, out, err)

    @property
    def pid(self) -> int:
        """The number of its first process, as this machine sees it."""
        for _ in range(300):
            path = self.folder / "pid"
            if path.exists() and path.read_text().strip():
                return int(path.read_text())
            time.sleep(0.1)
        raise TimeoutError(f"{self.name} has not started")

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run another command in it, as a health check is run."""
        return subprocess.run(self.crun("exec", self.name, *command), capture_output=True, text=True, check=False, timeout=60)

    def beside(self, *command: str) -> subprocess.Popen[str]:
        """Start a command of this machine in the container's network, as a client of it."""
        words = ["nsenter", "--target", str(self.pid), "--net", "--", *command]
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _bundle(self, command: Sequence[str]) -> dict[str, Any]:
        config = self.images.config(self.image)["config"]
        given = dict(line.split("=", 1) for line in config["Env"]) | self.environment
        empty = ["nosuid", "nodev", "mode=1777"]
        mounts = [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": [*empty, "size=65536k"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": empty},
        ]
        for place, folder in self.volumes.items():
            mounts.append({"destination": place, "type": "bind", "source": str(folder), "options": ["rbind", "rw"]})
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": self.user, "gid": self.user},
                "args": [*config["Entrypoint"], *(command or config["Cmd"])],
                "env": [f"{name}={value}" for name, value in given.items()],
                "cwd": config["WorkingDir"],
                "noNewPrivileges": True,
                "capabilities": {kind: [] for kind in ("bounding", "effective", "permitted")},
            },
            "root": {"path": str(self.images.mount(self.image)), "readonly": True},
            "hostname": self.name,
            "mounts": mounts,
            "linux": {"namespaces": [{"type": kind} for kind in _NAMESPACES]},
        }
