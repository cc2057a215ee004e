"""A version is read from its store with all that it leads to, or not at all."""

from __future__ import annotations

import shutil

import pytest

from recipeline.artifacts import DATASET, GOLDEN, ORDER, TRAINING_ROWS
from recipeline.errors import UnavailableError
from recipeline.orchestration.session import Session
from recipeline.orchestration.transfer.source import reading_version
from recipeline.registry.tries import record_looks
from recipeline.tracking.tags import run_id_tag
from tests.orchestration.transfer.helpers import IDENTITY
from tests.registry.helpers import ANN


def test_a_version_is_read_with_its_runs_its_model_and_the_looks(dev: Session) -> None:
    record_looks(dev.registry, {"a": 2}, ANN)
    version = dev.registry.version("1")
    with reading_version(dev, version, with_runs=True) as found:
        shutil.rmtree(dev.root / "mlruns")  # it is needed no more
        assert [*found.lineage] == [*ORDER[:5]]
        assert [*found.runs] == [*ORDER[:4]]
        assert found.runs["ingest"].results[DATASET.name].is_file()
        assert found.runs["evaluate"].results[GOLDEN.name].is_file()
        assert found.register.results[TRAINING_ROWS.name].is_file()
        assert found.candidate
        assert found.candidate.id == version.run_id
        assert found.model
        assert (found.model.folder / "MLmodel").is_file()
        assert "MLmodel" not in found.files
        assert "model.skops" in found.files
        assert (found.identity, found.title) == (IDENTITY, f"{version.name}/1")
        assert [entry.evidence for entry in found.looks] == ["a:2"]


def test_for_the_same_store_its_run_of_register_is_enough(dev: Session) -> None:
    with reading_version(dev, dev.registry.version("1"), with_runs=False) as found:
        assert (found.runs, found.candidate, found.model) == ({}, None, None)
        assert TRAINING_ROWS.name in found.register.results


@pytest.mark.parametrize(
    "name", ["dataset.parquet", *(pytest.param(other, marks=pytest.mark.full) for other in ("model.skops", "golden.parquet"))]
)
def test_a_changed_file_is_a_sentence(dev: Session, name: str) -> None:
    next((dev.root / "mlruns").rglob(name)).write_bytes(b"changed")
    with pytest.raises(UnavailableError, match=name), reading_version(dev, dev.registry.version("1"), with_runs=True):
        pass


def test_a_version_without_a_lineage_is_a_sentence(dev: Session) -> None:
    version = dev.registry.version("1")
    dev.store.client.delete_model_version_tag(version.name, "1", run_id_tag("split"))
    version = dev.registry.version("1")
    with pytest.raises(UnavailableError, match="has no lineage"), reading_version(dev, version, with_runs=True):
        pass
