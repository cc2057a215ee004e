"""Aliases and stages: `champion` is authoritative, `Production` mirrors it.

Callers hold the store's lock: MLflow's own transitions are not isolated.
"""

from __future__ import annotations

import warnings

import mlflow.artifacts
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from recipeline.registry.view import View
from recipeline.tracking.connection.failures import is_missing
from recipeline.tracking.connection.store import search_versions

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
PRODUCTION, STAGING, ARCHIVED = "Production", "Staging", "Archived"
#: MLflow's word for no stage.
NO_STAGE = "None"


def holder(client: MlflowClient | View, name: str, alias: str) -> ModelVersion | None:
    """Return the version of the model `name` with the alias; None without one."""
    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if not is_missing(error):
            raise  # no answer is not "none": a champion that cannot be seen must not be replaced
        return None


def files_are_there(client: MlflowClient | View, version: ModelVersion) -> bool:
    """Whether the version's files can still be listed."""
    try:
        uri = client.get_model_version_download_uri(version.name, version.version)
        if uri.startswith("models:/"):
            uri = client.get_logged_model(uri.removeprefix("models:/")).artifact_location
        # Without the slash, MLflow lists the folder as one of the files of the folder above it.
        files = mlflow.artifacts.list_artifacts(artifact_uri=f"{uri.rstrip('/')}/", tracking_uri=client.tracking_uri)
        return any(file.path == "MLmodel" for file in files)
    except MlflowException as error:
        if not is_missing(error):
            raise
        return False
    except OSError:
        return False


class Stages:
    """The stages of one registered model."""

    def __init__(self, client: MlflowClient | View, name: str) -> None:
        self._client, self._name = client, name

    def lag(self) -> bool:
        """Whether `sync` has something to change."""
        champion = holder(self._client, self._name, CHAMPION)
        return champion is not None and bool(self._moves(champion) or self._is_challenger(champion))

    def sync(self) -> None:
        """Make the stages follow the alias `champion`."""
        champion = holder(self._client, self._name, CHAMPION)
        if champion is None:
            return
        for version, stage in self._moves(champion):
            self._move(version, stage)
        if self._is_challenger(champion):
            self._client.delete_registered_model_alias(self._name, CHALLENGER)

    def _moves(self, champion: ModelVersion) -> list[tuple[str, str]]:
        """Return the versions in a wrong stage, and the stage that each belongs in."""
        # The new one first, so that there is a Production at every moment.
        new = [(champion.version, PRODUCTION)] if champion.current_stage != PRODUCTION else []
        found = search_versions(self._client, self._name)
        served = [it.version for it in found if it.version != champion.version and it.current_stage == PRODUCTION]
        return [*new, *((version, ARCHIVED) for version in served)]

    def _is_challenger(self, champion: ModelVersion) -> bool:
        challenger = holder(self._client, self._name, CHALLENGER)
        return challenger is not None and bool(challenger.version == champion.version)

    def challenge(self, version: str) -> bool:
        """Make `version` the challenger in Staging; archive an earlier challenger.

        Return whether one was archived.
        """
        has_archived = False
        self._client.set_registered_model_alias(self._name, CHALLENGER, version)
        for other in search_versions(self._client, self._name):
            if other.version == version and other.current_stage != STAGING:
                self._move(version, STAGING)
            elif other.version != version and other.current_stage == STAGING:
                self._move(other.version, ARCHIVED)
                has_archived = True
        return has_archived

    def _move(self, version: str, stage: str) -> None:
        """Move a version to a stage; one that another machine deleted meanwhile has none."""
        with warnings.catch_warnings():  # stages are deprecated, and what `models:/<name>/Production` reads
            warnings.simplefilter("ignore", FutureWarning)
            try:
                self._client.transition_model_version_stage(self._name, version, stage)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
