from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest

from recipeline.errors import UnavailableError, UsageError
from recipeline.hosting.state import PORTS, Secrets, ServerFolder


@pytest.fixture
def folder(tmp_path: Path) -> ServerFolder:
    made = ServerFolder(tmp_path / ".server")
    made.make()
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_its_user_reads_the_folder_also_one_that_was_made_open(tmp_path: Path) -> None:
    (tmp_path / ".server").mkdir(mode=0o755)
    folder = ServerFolder(tmp_path / ".server")
    folder.make()
    folder.write("a.json", {"a": 1})
    folder.write("a.json", {"a": 2})
    assert [mode(path) for path in (folder.path, folder.logs, folder.path / "a.json")] == [0o700, 0o700, 0o600]
    assert folder.read("a.json") == {"a": 2}


def test_secrets_are_made_once_and_no_two_are_alike(folder: ServerFolder) -> None:
    secrets = folder.secrets()
    assert folder.secrets() == secrets
    assert mode(folder.path / "secrets.json") == 0o600
    others = [*vars(Secrets.generate()).values(), *vars(secrets).values()]
    assert len({*others}) == len(others)
    assert all(len(value) >= 20 for value in others)
    assert len(base64.urlsafe_b64decode(secrets.webhook_key)) == 32


def test_secrets_that_are_gone_are_not_made_anew_for_data_that_needs_the_old_ones(folder: ServerFolder) -> None:
    folder.secrets()
    folder.write("ports.json", folder.ports())
    folder.forget("secrets.json")
    with pytest.raises(UnavailableError, match=r"The secrets of the server are gone"):
        folder.secrets()


def test_ports_are_free_and_apart_and_stay(folder: ServerFolder) -> None:
    assert not folder.exists
    ports = folder.ports()
    assert list(ports) == list(PORTS)
    assert len({*ports.values()}) == len(PORTS)
    folder.write("ports.json", ports)
    assert folder.exists
    assert folder.ports() == ports
    assert folder.ports("5000") == {**ports, "mlflow": 5000}


@pytest.mark.parametrize("wanted", ["0", "65536", "x", "-1", "5000.0", "٥٠٠٠"])
def test_a_port_is_a_number_that_a_port_can_have(folder: ServerFolder, wanted: str) -> None:
    with pytest.raises(UsageError, match="port must be a number from 1 to 65535"):
        folder.ports(wanted)


def test_a_file_that_is_no_json_is_one_sentence(folder: ServerFolder) -> None:
    assert folder.read("ports.json") is None
    folder.write("ports.json", json.dumps({"mlflow": 1})[:-2])
    with pytest.raises(UnavailableError, match=r"ports\.json is not valid JSON"):
        folder.read("ports.json")
