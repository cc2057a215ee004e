from __future__ import annotations

import pytest

from recipeline.errors import UnavailableError, UsageError
from recipeline.registry.stages import CHAMPION
from recipeline.registry.versions import Registry
from recipeline.tracking.connection.store import Store
from tests.registry.helpers import NAME, add, promote
from tests.toys import log_toy


def test_a_registry_without_the_model_has_no_versions_and_no_champion(registry: Registry) -> None:
    assert registry.versions() == []
    assert registry.holder(CHAMPION) is None


def test_versions_come_newest_first_also_from_ten_on(store: Store, registry: Registry) -> None:
    run, model_id = log_toy(store)
    for number in range(11):
        registry.register(
            source=f"models:/{model_id}", run_id=run.id, model_id=model_id, identity=str(number), tags={}, description=""
        )
    assert [int(version.version) for version in registry.versions()] == list(range(11, 0, -1))


def test_a_version_that_is_not_there_is_unavailable(store: Store, registry: Registry) -> None:
    with pytest.raises(UnavailableError, match=r"No version 7 of Toy in the registry"):
        registry.version("7")
    add(store, registry, "a")
    with pytest.raises(UnavailableError, match="No version 7 of Toy"):
        registry.version("7")


def test_a_version_is_named_by_its_number(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    with pytest.raises(UsageError, match="version must be the number of a version"):
        registry.version("Production")


def test_a_version_exists_until_it_is_deleted(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    assert (registry.exists("1"), registry.exists("2"), registry.exists("")) == (True, False, False)
    assert registry.champion_number() == ""
    promote(registry, "1")
    assert registry.champion_number() == "1"
    store.client.delete_model_version(NAME, "1")
    assert not registry.exists("1")
    assert registry.champion() is None
