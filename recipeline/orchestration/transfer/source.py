"""A version read from its store, with all that it leads to.

It is read whole, so that what is written elsewhere needs its store no more.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from recipeline.artifacts import ADDED_REQUESTS, VERSION
from recipeline.data.origin.uris import redact
from recipeline.errors import UnavailableError
from recipeline.evaluation.results import RegisteredVersion
from recipeline.orchestration.added_rows import find_contents, find_requests
from recipeline.orchestration.session import Session
from recipeline.registry.facts import DIGESTS, digests_of
from recipeline.registry.ledger import LOOK
from recipeline.registry.results import Entry
from recipeline.tracking.datasets import tag_digests
from recipeline.tracking.lineage import lineage_of_version
from recipeline.tracking.models import model_id_of
from recipeline.tracking.run_copies import DESCRIPTION, ModelCopy, RunCopy, read_candidate, read_model, read_run
from recipeline.tracking.tags import PREFIX, RunTags

#: The steps that read the rows, register a version, and hand on the models.
INGEST, REGISTER, TRAIN = "ingest", "register", "train"


@dataclass(frozen=True)
class SourceVersion:
    """A version as it was read from its store: runs by step, model and looks.

    `runs` and `model` are empty where the target is the same store: it has them.
    """

    entity: ModelVersion
    uri: str
    register: RunCopy
    facts: RegisteredVersion
    identity: str
    #: The sha256 of each file of its model, the description left out.
    files: Mapping[str, str]
    looks: tuple[Entry, ...]
    lineage: Mapping[str, str]
    runs: Mapping[str, RunCopy] = field(default_factory=dict)
    candidate: RunCopy | None = None
    model: ModelCopy | None = None

    @cached_property
    def model_id(self) -> str:
        """The ID of its logged model in the source."""
        return model_id_of(self.entity)

    @property
    def title(self) -> str:
        """Its name and number in the source."""
        return f"{self.entity.name}/{self.entity.version}"


@contextmanager
def reading_version(source: Session, version: ModelVersion, *, with_runs: bool) -> Iterator[SourceVersion]:
    """Yield a version of a registry with all that it needs, in a folder for the block.

    Without `with_runs` only its run of register is read, for a target in the same store.

    Raises
    ------
    UnavailableError : it was registered outside of the pipeline, or its runs or files are not whole.
    """
    reader, client = source.reader, source.store.client
    lineage = lineage_of_version(version, source.upstream("promote"))
    if [*lineage] != [*source.upstream("promote")]:
        raise UnavailableError(
            f"Version {version.version} of {version.name} has no lineage: it was registered outside of the pipeline.",
            fix="Transfer a version that `register` made.",
        )
    model_id, train = model_id_of(version), lineage[TRAIN]
    reader.require_model(model_id, train)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        steps = [*lineage] if with_runs else [REGISTER]
        runs = {step: read_run(reader, client, lineage[step], folder / step) for step in steps}
        if INGEST in runs:
            runs[INGEST] = _with_added(source, runs[INGEST], folder / INGEST)
        yield SourceVersion(
            version,
            redact(source.store.uri),
            runs.pop(REGISTER),
            reader.load(VERSION, lineage[REGISTER]),
            "/".join(digests_of(version)[name] for name in DIGESTS),
            without_description(reader.model_digests(model_id, train)),
            tuple(entry for entry in source.registry.ledger.read().entries if entry.kind == LOOK),
            lineage,
            runs,
            read_candidate(client, version.run_id) if with_runs else None,
            read_model(reader, client, model_id, train, folder / "model") if with_runs else None,
        )


def _with_added(source: Session, run: RunCopy, folder: Path) -> RunCopy:
    """Return a run of ingest with the files and requests that `retrain` added rows of.

    The runs of retrain stay in the source; without these the target would add the same rows once more.
    """
    own = run.entity.data.tags[RunTags.DATA_DIGEST]
    contents = find_contents(source, run.id, own)
    requests = find_requests(source, run.id, contents)
    results, others = dict(run.results), sorted(contents - {own})
    if len(requests):
        results[ADDED_REQUESTS.name] = folder / ADDED_REQUESTS.name
        ADDED_REQUESTS.write(pd.DataFrame({"request": requests}), results[ADDED_REQUESTS.name])
    digests = tag_digests(RunTags.ADDED_DIGEST, others) if others else {}
    return replace(run, results=results, tags={f"{PREFIX}{name}": value for name, value in digests.items()})


def without_description(digests: Mapping[str, str]) -> dict[str, str]:
    """Return the files of a model that are the same in every store."""
    return {name: digest for name, digest in digests.items() if name != DESCRIPTION}
