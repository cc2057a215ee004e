"""Versions of the registered model, and which of them is the champion.

Alias `champion` is the truth and stage `Production` its mirror; `settle` makes the mirror agree, whoever left it behind.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from pipeline.errors import UnavailableError
from pipeline.store import Store, held, is_missing

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
PRODUCTION, STAGING, ARCHIVED = "Production", "Staging", "Archived"
_TAG_LENGTH = 5000


class Registry:
    """The versions of one registered model. Every change is made under the store's lock."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._client, self.name = store, store.client, name

    def version(self, version: str) -> ModelVersion:
        """Return a version. Raises UnavailableError where there is none."""
        try:
            return self._client.get_model_version(self.name, version)
        except MlflowException as error:
            if not is_missing(error):
                raise
            raise UnavailableError(
                f"Version {version} of {self.name} must be in the registry.",
                got="none",
                fix="Register the model again.",
            ) from None

    def holder(self, alias: str) -> ModelVersion | None:
        """Return the version with the alias; None where none has it."""
        try:
            return self._client.get_model_version_by_alias(self.name, alias)
        except MlflowException as error:
            if not is_missing(error):
                raise  # no answer is not "none": a champion that cannot be seen must not be replaced
            return None

    def versions(self) -> list[ModelVersion]:
        """Return all versions, newest first; none where the model is not registered."""
        found: list[ModelVersion] = []
        token = None
        while token != "":
            page = self._client.search_model_versions(f"name = '{self.name}'", max_results=1000, page_token=token)
            found, token = found + list(page), page.token or ""
        return sorted(found, key=lambda version: -int(version.version))

    def register(
        self, *, source: str, run_id: str, model_id: str, identity: str, tags: Mapping[str, object], description: str
    ) -> tuple[ModelVersion, bool]:
        """Return the version of the model, and whether it is new; it becomes the challenger unless it is the champion.

        A model whose `identity` (what it was trained on, with and by) is registered already is not registered again.
        """
        with self.locked():
            if not self._client.search_registered_models(f"name = '{self.name}'"):
                self._client.create_registered_model(self.name)
            self._settle()
            twins = [v for v in self.versions() if v.tags.get("pipeline.identity") == identity and self._is_there(v)]
            if twins:
                version = twins[0]
            else:
                texts = {f"pipeline.{name}": str(value)[:_TAG_LENGTH] for name, value in tags.items()}
                version = self._client.create_model_version(
                    self.name,
                    source,
                    run_id=run_id,
                    tags={**texts, "pipeline.identity": identity},
                    description=description,
                    model_id=model_id,
                )
            champion = self.holder(CHAMPION)
            if champion is None or champion.version != version.version:
                self._challenge(version.version)
            return self.version(version.version), not twins

    def promote(self, version: str) -> ModelVersion | None:
        """Make `version` the champion and archive the one before it, which is returned."""
        with self.locked():
            self._settle()
            before = self.holder(CHAMPION)
            if before is not None and str(before.version) == version:  # MLflow gives numbers
                return None
            # The truth first: whatever happens from here on, `settle` leads to the same end.
            self._client.set_registered_model_alias(self.name, CHAMPION, version)
            self._settle()
            return before

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands from changing the registry for the block: what is read in it still holds when it is acted on."""
        with held(self._store.lock(), self._store.uri):
            yield

    def settle(self) -> None:
        """Make stages and aliases agree where an earlier command was stopped between its writes."""
        with self.locked():
            self._settle()

    def _settle(self) -> None:
        champion = self.holder(CHAMPION)
        if champion is None:
            return
        # The new one first, so that there is a Production at every moment.
        if champion.current_stage != PRODUCTION:
            self._move(champion.version, PRODUCTION)
        for version in self.versions():
            if version.version != champion.version and version.current_stage == PRODUCTION:
                self._client.set_registered_model_alias(self.name, PREVIOUS, version.version)
                self._move(version.version, ARCHIVED)
        challenger = self.holder(CHALLENGER)
        if challenger is not None and challenger.version == champion.version:
            self._client.delete_registered_model_alias(self.name, CHALLENGER)

    def _challenge(self, version: str) -> None:
        """Put `version` in Staging as the challenger; an earlier challenger that was never promoted is archived."""
        self._client.set_registered_model_alias(self.name, CHALLENGER, version)
        for other in self.versions():
            if other.version == version and other.current_stage != STAGING:
                self._move(version, STAGING)
            elif other.version != version and other.current_stage == STAGING:
                self._move(other.version, ARCHIVED)

    def _move(self, version: str, stage: str) -> None:
        with warnings.catch_warnings():  # stages are deprecated, and what `models:/<name>/Production` reads
            warnings.simplefilter("ignore", FutureWarning)
            self._client.transition_model_version_stage(self.name, version, stage)

    def _is_there(self, version: ModelVersion) -> bool:
        """Whether the version's files can still be listed."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        try:
            uri = self._client.get_model_version_download_uri(self.name, version.version)
            if uri.startswith("models:/"):
                uri = self._client.get_logged_model(uri.removeprefix("models:/")).artifact_location
            return any(file.path == "MLmodel" for file in get_artifact_repository(uri).list_artifacts())
        except MlflowException as error:
            if not is_missing(error):
                raise
            return False
        except OSError:
            return False
