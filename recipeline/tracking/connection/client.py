"""MLflow's client with repeated writes, for writers without a common lock.

MLflow reads a row and then inserts, changes or deletes it; another machine may do so in between. Each of these writes has
the same effect when it is made again.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel

from recipeline.tracking.connection.failures import retry_conflict


class RegistryClient(MlflowClient):  # type: ignore[misc]
    """A client that repeats registry writes after a conflict with another process.

    Each raises UnavailableError after several conflicts in a row.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._models: set[str] = set()

    def _raise_if_prompt(self, name: str) -> None:
        """Check once that a registered model is no prompt: MLflow asks at every write."""
        if name not in self._models:
            super()._raise_if_prompt(name)
            self._models.add(name)

    def create_registered_model(self, name: str, *args: Any, **options: Any) -> RegisteredModel:
        """Create a registered model."""
        model = super().create_registered_model(name, *args, **options)
        self._models.add(name)
        return model

    def create_model_version(self, *args: Any, **options: Any) -> ModelVersion:
        """Make a version, under the next number that is free."""
        return retry_conflict(partial(super().create_model_version, *args, **options))

    def transition_model_version_stage(self, *args: Any, **options: Any) -> ModelVersion:
        """Move a version to a stage."""
        return retry_conflict(partial(super().transition_model_version_stage, *args, **options))

    def update_model_version(self, *args: Any, **options: Any) -> ModelVersion:
        """Describe a version."""
        return retry_conflict(partial(super().update_model_version, *args, **options))

    def set_registered_model_alias(self, *args: Any, **options: Any) -> None:
        """Give a version an alias."""
        retry_conflict(partial(super().set_registered_model_alias, *args, **options))

    def delete_registered_model_alias(self, *args: Any, **options: Any) -> None:
        """Delete an alias."""
        retry_conflict(partial(super().delete_registered_model_alias, *args, **options))

    def set_registered_model_tag(self, *args: Any, **options: Any) -> None:
        """Set a tag of a model."""
        retry_conflict(partial(super().set_registered_model_tag, *args, **options))

    def set_model_version_tag(self, *args: Any, **options: Any) -> None:
        """Set a tag of a version."""
        retry_conflict(partial(super().set_model_version_tag, *args, **options))

    def delete_model_version_tag(self, *args: Any, **options: Any) -> None:
        """Delete a tag of a version."""
        retry_conflict(partial(super().delete_model_version_tag, *args, **options))
