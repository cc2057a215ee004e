"""The engine that a profile names."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipeline.cli import engine as engines
from recipeline.cli.engine import fork_workers, open_workers
from recipeline.config.profile import Engine
from recipeline.engine.dask import DaskWorkers
from recipeline.engine.local import LocalWorkers
from recipeline.errors import UsageError
from tests.conftest import ROOT, as_recipe, small_recipe


def opened(tmp_path: Path, **engine: object) -> object:
    content = small_recipe()
    content["candidates"]["ElasticNet"] = {"alias": "en", "estimator": "own_code.models.Net"}
    (tmp_path / "own_code").mkdir(exist_ok=True)
    return open_workers(Engine.model_validate(engine), as_recipe(content), tmp_path, lambda _: None)


def test_without_a_word_it_is_the_local_one(tmp_path: Path) -> None:
    assert isinstance(opened(tmp_path), LocalWorkers)
    assert isinstance(opened(tmp_path, kind="local", n_jobs=2), LocalWorkers)


def test_workers_that_were_forked_early_are_those_of_the_next_session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[tuple[object, bool]] = []
    monkeypatch.setattr(LocalWorkers, "start", lambda self, *, forks=False: started.append((self, forks)))
    fork_workers(Engine.model_validate({"n_jobs": 2}))
    fork_workers(Engine.model_validate({"n_jobs": 2}))
    fork_workers(Engine.model_validate({"kind": "dask", "n_jobs": 3}))
    assert [forks for _, forks in started] == [True]
    assert opened(tmp_path, n_jobs=3) is not started[0][0]
    assert opened(tmp_path, n_jobs=2) is started[0][0]
    assert opened(tmp_path, n_jobs=2) is not started[0][0]


def test_dask_compares_the_code_of_the_library_and_of_the_projects_modules_that_the_recipe_names(tmp_path: Path) -> None:
    tls = {"ca": "ca.pem", "cert": "/etc/cert.pem", "key": "key.pem"}
    found = opened(tmp_path, kind="dask", address="tls://10.0.0.1:8786", tls=tls)
    assert isinstance(found, DaskWorkers)
    assert found._packages == ("recipeline", "own_code")
    assert found._tls is not None
    assert (found._tls.ca, found._tls.cert) == (str(tmp_path / "ca.pem"), "/etc/cert.pem")


def test_an_address_without_encryption_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Dask workers run what they are sent"):
        opened(tmp_path, kind="dask", address="tcp://10.0.0.1:8786")


@pytest.mark.parametrize("key", ["address", "timeout", "wait_for_workers"])
def test_keys_of_dask_are_refused_with_the_local_engine(key: str) -> None:
    with pytest.raises(ValueError, match=f"{key} must be left out, or kind be dask"):
        Engine.model_validate({key: {"address": "tls://a:1"}.get(key, 3)})


def test_a_cluster_that_the_command_starts_is_not_waited_for() -> None:
    with pytest.raises(ValueError, match="wait_for_workers must be left out without an address"):
        Engine.model_validate({"kind": "dask", "n_jobs": 2, "wait_for_workers": 3})
    Engine.model_validate({"kind": "dask", "n_jobs": 2, "timeout": 3})


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> list[Engine]:
    """Engines whose workers would have been forked."""
    seen: list[Engine] = []
    monkeypatch.setattr(engines, "fork_workers", seen.append)
    for name in engines._ELSEWHERE:
        monkeypatch.delenv(name, raising=False)
    return seen


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "steps").mkdir()
    (tmp_path / "profiles").mkdir()
    (tmp_path / "recipe.yaml").write_bytes((ROOT / "recipe.yaml").read_bytes())
    (tmp_path / "rows.csv").write_text("a", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(folder: Path, store: str = "sqlite:///mlflow.db", *, data: str = "rows.csv", recipe: str = "recipe.yaml") -> None:
    (folder / "profiles" / "local.yaml").write_text(f"store: {{tracking_uri: '{store}'}}\ndata: {data}\n", encoding="utf-8")
    engines.fork_for_chain(folder / "steps" / "__init__.py", recipe=recipe, profile="local", data="")


def test_workers_are_forked_for_a_new_sqlite_file(folder: Path, forked: list[Engine]) -> None:
    start(folder)
    start(folder, f"sqlite:///{folder}/other.db")
    assert [it.kind for it in forked] == ["local", "local"]


@pytest.mark.parametrize(
    ("options"),
    [
        {"store": "sqlite:///there.db"},
        {"store": "http://127.0.0.1:1"},
        {"store": "sqlite:///a%20b.db"},
        {"store": "postgresql://localhost/mlflow"},
        {"data": "no_such.csv"},
        {"recipe": "no_such.yaml"},
    ],
)
def test_nothing_is_forked_for_a_store_that_may_hold_results_or_a_faulty_command(
    folder: Path, forked: list[Engine], options: dict[str, str]
) -> None:
    (folder / "there.db").touch()
    start(folder, **options)
    assert forked == []


@pytest.mark.parametrize("name", engines._ELSEWHERE)
def test_nothing_is_forked_where_the_environment_names_another_place(
    folder: Path, forked: list[Engine], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "elsewhere")
    start(folder)
    assert forked == []
