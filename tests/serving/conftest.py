"""A service on what a real chain has put into Production, and a client of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from recipeline.config.profile import Service as Settings
from recipeline.registry.stages import CHAMPION
from recipeline.registry.versions import Registry
from recipeline.serving.http.app import create_app
from recipeline.serving.model.copies import fetch_version
from recipeline.serving.model.loading import ServedModel, load_copy
from recipeline.serving.prometheus import Metrics
from recipeline.serving.state import Service
from recipeline.tracking.store import Store, open_store
from tests.conftest import NAME, Project, forget_mlflow

Make = Callable[..., FlaskClient]


def store_of(project: Project) -> Store:
    """Open the store of a project, as a service does."""
    store = open_store(project.uri, root=project.folder)
    forget_mlflow()
    return store


@pytest.fixture
def copy(trained: Project, tmp_path: Path) -> Path:
    """The files of the version in Production, fetched."""
    store = store_of(trained)
    champion = Registry(store, NAME).holder(CHAMPION)
    assert champion is not None
    return fetch_version(store, champion, tmp_path / "copies")


@pytest.fixture
def model(copy: Path) -> ServedModel:
    """The version in Production, loaded."""
    return load_copy(copy)


@pytest.fixture
def make_client(model: ServedModel) -> Make:
    """Make a client of a service with settings of one's own."""

    def make(served: ServedModel | None = model, tokens: tuple[str, ...] = (), **settings: Any) -> FlaskClient:
        service = Service(NAME, Settings(**settings), Metrics(), tokens)
        if served:
            service.serve(served)
        client = create_app(service).test_client()
        client.service = service  # type: ignore[attr-defined]
        return client

    return make


@pytest.fixture
def client(make_client: Make) -> FlaskClient:
    """A client of a service with default settings."""
    return make_client()


@pytest.fixture
def row(model: ServedModel) -> dict[str, float]:
    """A row that the model takes."""
    return dict(model.info["sample"])


def post(client: FlaskClient, body: Any, path: str = "/predict", **headers: str) -> TestResponse:
    """Post a body, JSON unless it is bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(path, data=data, headers={"Content-Type": "application/json"} | headers)
