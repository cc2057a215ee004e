"""One registered model and its ledger, read together while the lock is held.

Under the lock each question would be a request of its own: who is the champion, which versions are there, what does the ledger
end with. Two requests answer all of them. Writers on other machines may not share the lock: where their changes matter, the
caller asks again (`reread`, `forget`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import get_ident
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel, RegisteredModelAlias, RegisteredModelTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.store.entities.paged_list import PagedList

from recipeline.tracking.connection.failures import is_missing
from recipeline.tracking.connection.store import search_versions
from recipeline.tracking.filters import quoted


class View:
    """A client whose reads of one model and its ledger are pinned for a block.

    Outside of a block, and to other threads, it is the client itself. Its own writes are part of what it has read.
    """

    def __init__(self, client: MlflowClient, name: str) -> None:
        self._client, self._name = client, name
        self._names = (name, f"{name}.ledger")
        self._depth = self._thread = 0
        #: Names of models that there are, also without a version.
        self._known: set[str] = set()
        #: By name of a model and number; None: not read.
        self._versions: dict[str, dict[str, ModelVersion]] | None = None
        #: Empty or the one model; None: not read.
        self._model: list[RegisteredModel] | None = None

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the client: what this class does not have is not pinned."""
        return getattr(self._client, name)

    @contextmanager
    def pinned(self, *, goes_on: bool = False) -> Iterator[None]:
        """Read once in the block; blocks within it share what it has read.

        With `goes_on`, what the last block has read is taken for what is there.
        """
        if not self._depth and not goes_on:
            self.forget()
        self._depth, self._thread = self._depth + 1, get_ident()
        try:
            yield
        finally:
            self._depth -= 1

    def forget(self) -> None:
        """Read everything again when it is asked for."""
        self._versions = self._model = None

    def reread(self) -> None:
        """Read the versions and the entries of the ledger again."""
        self._versions = None

    def known_version(self, version: str) -> ModelVersion | None:
        """Return a version as the last block left it; None where none read it."""
        return (self._versions or {}).get(self._name, {}).get(version)

    # --- reads ---

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Return the version with the alias."""
        if not self._pins(name):
            return self._client.get_model_version_by_alias(name, alias)
        number = self._number_of(name, alias)
        if number and number not in self._read_versions()[name]:
            self.forget()  # aliases and versions were read one after the other, and a version was made or deleted in between
            number = self._number_of(name, alias)
        return self.get_model_version(name, number)

    def get_model_version(self, name: str, version: str) -> ModelVersion:
        """Return a version."""
        if not self._pins(name):
            return self._client.get_model_version(name, version)
        found = self._read_versions()[name].get(str(version))
        if found is None:
            raise MlflowException(f"There is no version {version or '(none)'} of {name}.", RESOURCE_DOES_NOT_EXIST)
        return found

    def search_model_versions(self, filter_string: str, **options: Any) -> PagedList[ModelVersion]:
        """Return the versions of a model, or those that a filter finds."""
        for name in self._names:
            if self._pins(name) and filter_string == f"name = {quoted(name)}":
                return PagedList([*self._read_versions()[name].values()], None)
        return self._client.search_model_versions(filter_string, **options)

    def get_registered_model(self, name: str) -> RegisteredModel:
        """Return the registered model."""
        if not self._pins(name) or name != self._name:
            return self._client.get_registered_model(name)
        for model in self._read_model():
            return model
        raise MlflowException(f"There is no model {name}.", RESOURCE_DOES_NOT_EXIST)

    def search_registered_models(self, filter_string: str, **options: Any) -> list[RegisteredModel]:
        """Return the models that a filter finds; one of no versions may be missing."""
        for name in self._names:
            if self._pins(name) and filter_string == f"name = {quoted(name)}":
                return [RegisteredModel(name)] if name in self._known or self._read_versions()[name] else []
        return list(self._client.search_registered_models(filter_string, **options))

    # --- writes ---

    def create_registered_model(self, name: str, **options: Any) -> RegisteredModel:
        """Create a registered model."""
        model = self._client.create_registered_model(name, **options)
        self._known.add(name)
        if name == self._name:
            self._model = [model]
        return model

    def create_model_version(self, name: str, source: str, **options: Any) -> ModelVersion:
        """Create a version."""
        version = self._client.create_model_version(name, source, **options)
        self._note(version)
        return version

    def update_model_version(self, name: str, version: str, **options: Any) -> ModelVersion:
        """Describe a version."""
        found = self._client.update_model_version(name, version, **options)
        self._note(found)
        return found

    def transition_model_version_stage(self, name: str, version: str, stage: str) -> ModelVersion:
        """Move a version to a stage."""
        found = self._client.transition_model_version_stage(name, version, stage)
        self._note(found)
        return found

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        """Give a version an alias."""
        self._client.set_registered_model_alias(name, alias, version)
        for model in self._model or []:
            model.aliases[alias] = str(version)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Delete an alias."""
        self._client.delete_registered_model_alias(name, alias)
        for model in self._model or []:
            model.aliases.pop(alias, None)

    def set_registered_model_tag(self, name: str, key: str, value: str) -> None:
        """Set a tag of the model."""
        self._client.set_registered_model_tag(name, key, value)
        self._model = self._model and [_with_tags(model, {**model.tags, key: value}) for model in self._model]

    def set_model_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        """Set a tag of a version."""
        self._client.set_model_version_tag(name, version, key, value)
        known = (self._versions or {}).get(name, {}).get(str(version))
        if known is not None:
            known.tags[key] = value

    def delete_model_version_tag(self, name: str, version: str, key: str) -> None:
        """Delete a tag of a version."""
        self._client.delete_model_version_tag(name, version, key)
        known = (self._versions or {}).get(name, {}).get(str(version))
        if known is not None:
            known.tags.pop(key, None)

    # --- what was read ---

    def _pins(self, name: str) -> bool:
        return self._depth > 0 and self._thread == get_ident() and name in self._names

    def _number_of(self, name: str, alias: str) -> str:
        """Return the number of the version with the alias; empty without one."""
        if not self._read_versions()[name]:
            return ""  # of no version there is no alias
        return next((str(model.aliases[alias]) for model in self._read_model() if alias in model.aliases), "")

    def _note(self, version: ModelVersion) -> None:
        if self._versions is not None and version.name in self._versions:
            self._versions[version.name][str(version.version)] = version

    def _read_model(self) -> list[RegisteredModel]:
        if self._model is None:
            try:
                self._model = [self._client.get_registered_model(self._name)]
            except MlflowException as error:
                if not is_missing(error):
                    raise  # no answer is not "none"
                self._model = []
        return self._model

    def _read_versions(self) -> dict[str, dict[str, ModelVersion]]:
        if self._versions is None:
            found: dict[str, dict[str, ModelVersion]] = {name: {} for name in self._names}
            for version in search_versions(self._client, *self._names):
                found[version.name][str(version.version)] = version
            self._versions = found
        return self._versions


def _with_tags(model: RegisteredModel, tags: Mapping[str, str]) -> RegisteredModel:
    """Return the model with other tags; `tags` of an entity is a copy."""
    return RegisteredModel(
        model.name,
        description=model.description,
        tags=[RegisteredModelTag(*tag) for tag in tags.items()],
        aliases=[RegisteredModelAlias(*alias) for alias in model.aliases.items()],
    )
