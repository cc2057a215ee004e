"""A service on what a real chain has put into Production, and a client of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from flask.testing import FlaskClient

from recipeline.config.profile import Service as Settings
from recipeline.registry.stages import CHAMPION
from recipeline.registry.versions import Registry
from recipeline.serving.http.app import create_app
from recipeline.serving.model.copies import fetch_version
from recipeline.serving.model.loading import ServedModel, load_copy
from recipeline.serving.prometheus import Metrics
from recipeline.serving.state import Service
from tests.conftest import NAME, Project
from tests.serving.helpers import Make, Server, store_of


@pytest.fixture(scope="session")
def _fetched(_trained: Path, wines: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = store_of(Project(_trained, wines))
    champion = Registry(store, NAME).holder(CHAMPION)
    assert champion is not None
    return fetch_version(store, champion, tmp_path_factory.mktemp("fetched"))


@pytest.fixture(scope="session")
def _loaded(_fetched: Path) -> ServedModel:
    return load_copy(_fetched)


@pytest.fixture
def copy(_fetched: Path, tmp_path: Path) -> Path:
    """The files of the version in Production, fetched."""
    return Path(shutil.copytree(_fetched, tmp_path / "copies" / _fetched.name))


@pytest.fixture
def model(_loaded: ServedModel, copy: Path) -> ServedModel:
    """The version in Production, loaded."""
    return replace(_loaded, folder=copy)


@pytest.fixture
def make_client(model: ServedModel) -> Make:
    """Make a client of a service with settings of one's own."""

    def make(served: ServedModel | None = model, tokens: tuple[str, ...] = (), add: Any = None, **settings: Any) -> FlaskClient:
        service = Service(NAME, Settings(**settings), Metrics(), tokens)
        service.find_registry()
        if served:
            service.serve(served)
        client = create_app(service, add).test_client()
        client.service = service
        return client

    return make


@pytest.fixture
def client(make_client: Make) -> FlaskClient:
    """A client of a service with default settings."""
    return make_client()


@pytest.fixture
def row(model: ServedModel) -> dict[str, float]:
    """A row that the model takes."""
    return dict(model.info.sample)


@pytest.fixture
def copied(trained: Project, tmp_path: Path) -> Project:
    """The trained project's store, under a profile of its own."""
    project = Project.__new__(Project)
    project.__dict__ |= trained.__dict__
    project.folder, project.profile_path = tmp_path, tmp_path / "serve.yaml"
    content = yaml.safe_load(trained.profile_path.read_text(encoding="utf-8"))
    content["service"] = {"workers": 2, "drain_seconds": 0.5}
    project.profile_path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return project


@pytest.fixture
def server(copied: Project) -> Iterator[Server]:
    server = Server(copied)
    yield server
    server.end()
