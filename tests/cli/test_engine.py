"""The engine that a profile names."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipeline.cli.engine import open_workers
from recipeline.config.profile import Engine
from recipeline.engine.dask import DaskWorkers
from recipeline.engine.local import LocalWorkers
from recipeline.errors import UsageError
from tests.conftest import as_recipe, small_recipe


def opened(tmp_path: Path, **engine: object) -> object:
    content = small_recipe()
    content["candidates"]["ElasticNet"] = {"alias": "en", "estimator": "own_code.models.Net"}
    (tmp_path / "own_code").mkdir(exist_ok=True)
    return open_workers(Engine.model_validate(engine), as_recipe(content), tmp_path, lambda _: None)


def test_without_a_word_it_is_the_local_one(tmp_path: Path) -> None:
    assert isinstance(opened(tmp_path), LocalWorkers)
    assert isinstance(opened(tmp_path, kind="local", n_jobs=2), LocalWorkers)


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
