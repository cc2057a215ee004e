"""A store with a version, and an empty one."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipeline.orchestration.session import Session
from tests.conftest import forget_mlflow, move_store
from tests.orchestration.transfer.helpers import add_version, open_again, open_place


@pytest.fixture(scope="session")
def registered(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """The folder of a store with one version; made once, copied often."""
    forget_mlflow()
    folder = tmp_path_factory.mktemp("registered") / "dev"
    add_version(open_place(folder, empty_store))
    return folder


@pytest.fixture
def dev(registered: Path, tmp_path: Path) -> Session:
    """A registry with one version."""
    move_store(registered, tmp_path / "dev")
    return open_again(tmp_path / "dev")


@pytest.fixture
def prod(tmp_path: Path, empty_store: Path) -> Session:
    """An empty registry in another store."""
    return open_place(tmp_path / "prod", empty_store)
