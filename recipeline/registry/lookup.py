"""Versions of the registered model, read by number or alias."""

from __future__ import annotations

import re

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from recipeline.errors import UnavailableError, UsageError
from recipeline.registry.stages import CHAMPION, holder
from recipeline.registry.view import View
from recipeline.tracking.connection.failures import is_missing
from recipeline.tracking.connection.store import search_versions
from recipeline.tracking.tags import VersionTags


class Lookup:
    """The versions of one registered model; nothing is changed."""

    def __init__(self, client: MlflowClient | View, name: str) -> None:
        """Use the registered model `name` of a client's store."""
        self._client, self.name = client, name

    def version(self, version: str) -> ModelVersion:
        """Return a version.

        Raises
        ------
        UnavailableError : there is none.
        UsageError : it is not a number.
        """
        if not re.fullmatch("[0-9]+", version):
            raise UsageError(
                "version must be the number of a version.", got=f"'{version}'", fix="See `history` for the numbers."
            )
        try:
            return self._client.get_model_version(self.name, version)
        except MlflowException as error:
            if not is_missing(error):
                raise
            raise UnavailableError(
                f"No version {version} of {self.name} in the registry.",
                fix="See `history` for the versions.",
            ) from None

    def holder(self, alias: str) -> ModelVersion | None:
        """Return the version with the alias; None where none has it."""
        return holder(self._client, self.name, alias)

    def champion(self) -> ModelVersion | None:
        """Return the version in Production; None where there is none."""
        return self.holder(CHAMPION)

    def versions(self) -> list[ModelVersion]:
        """Return all versions, newest first; none where the model is not registered."""
        return search_versions(self._client, self.name)

    def with_alias(self) -> frozenset[str]:
        """Return the numbers of the versions that have an alias, also one set by hand.

        A search for versions does not tell their aliases.
        """
        try:
            return frozenset(map(str, self._client.get_registered_model(self.name).aliases.values()))
        except MlflowException as error:
            if not is_missing(error):
                raise
            return frozenset()

    def champion_number(self) -> str:
        """Return the number of the version in Production; empty where there is none."""
        champion = self.champion()
        return str(champion.version) if champion else ""

    def exists(self, version: str) -> bool:
        """Whether there is a version of that number; false for an empty one."""
        return bool(version) and any(str(v.version) == version for v in self.versions())

    def withdrawn(self, version: ModelVersion) -> str:
        """Return why the version is withdrawn; empty if it may be promoted."""
        return str(version.tags.get(VersionTags.WITHDRAWN, ""))
