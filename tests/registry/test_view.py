"""The pinned view answers as the client does, whatever is written through it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from recipeline.registry.stages import CHALLENGER, CHAMPION, PREVIOUS, PRODUCTION, STAGING
from recipeline.registry.versions import Registry
from recipeline.registry.view import View
from recipeline.tracking.connection.failures import is_missing
from recipeline.tracking.connection.store import Store, search_versions
from tests.registry.helpers import NAME, add

NUMBERS, ALIASES = ("1", "2", "3"), (CHAMPION, CHALLENGER, PREVIOUS)


def answers(client: Any) -> dict[str, Any]:
    """Return all that the room asks of a client."""
    found: dict[str, Any] = {}
    for alias in ALIASES:
        try:
            found[alias] = str(client.get_model_version_by_alias(NAME, alias).version)
        except MlflowException as error:
            found[alias] = "missing" if is_missing(error) else error
    for number in (*NUMBERS, "9"):
        try:
            found[number] = client.get_model_version(NAME, number).current_stage
        except MlflowException as error:
            found[number] = "missing" if is_missing(error) else error
    versions = search_versions(client, NAME)
    found["versions"] = [(str(it.version), it.current_stage, dict(it.tags), it.description, it.source) for it in versions]
    found["entries"] = [(str(it.version), dict(it.tags)) for it in search_versions(client, f"{NAME}.ledger")]
    found["tags"] = dict(client.get_registered_model(NAME).tags)
    return found


def act(client: Any, write: tuple[str, str, str]) -> None:
    kind, number, alias = write
    if kind == "alias":
        client.set_registered_model_alias(NAME, alias, number)
    elif kind == "no alias":
        client.delete_registered_model_alias(NAME, alias)
    elif kind == "stage":
        client.transition_model_version_stage(NAME, number, PRODUCTION if alias == CHAMPION else STAGING)
    elif kind == "tag":
        client.set_model_version_tag(NAME, number, f"recipeline.{alias}", number)
    elif kind == "no tag":
        client.set_model_version_tag(NAME, number, "recipeline.x", "1")
        client.delete_model_version_tag(NAME, number, "recipeline.x")
    elif kind == "head":
        client.set_registered_model_tag(NAME, "recipeline.ledger_head", f"{number} {alias}")
    elif kind == "describe":
        client.update_model_version(NAME, number, description=alias)
    else:
        client.create_model_version(NAME, "s3://bucket/model", run_id=None, tags={"recipeline.identity": alias})


WRITES = st.tuples(
    st.sampled_from(["alias", "no alias", "stage", "tag", "no tag", "head", "describe", "version"]),
    st.sampled_from(NUMBERS),
    st.sampled_from(ALIASES),
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WRITES, min_size=1, max_size=4), st.integers(0, 3))
def test_its_own_writes_are_part_of_what_it_has_read(
    toy_store: Store, writes: list[tuple[str, str, str]], read_at: int
) -> None:
    view = View(toy_store.client, NAME)
    with view.pinned():
        for place, write in enumerate(writes):
            if place == read_at:
                answers(view)
            act(view, write)
        assert answers(view) == answers(toy_store.client)


@pytest.mark.parametrize("kind", ["alias", "no alias", "stage", "tag", "no tag", "head", "describe", "version"])
def test_each_kind_of_write_is_seen_after_a_reading(toy_store: Store, kind: str) -> None:
    view = View(toy_store.client, NAME)
    with view.pinned():
        answers(view)
        act(view, (kind, "3", CHAMPION))
        assert answers(view) == answers(toy_store.client)


def test_a_block_asks_twice_and_blocks_within_it_share_the_answers(toy_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    for name in ("get_registered_model", "search_model_versions", "get_model_version", "get_model_version_by_alias"):
        method = getattr(toy_store.client, name)
        monkeypatch.setattr(
            toy_store.client, name, lambda *a, _name=name, _method=method, **k: (asked.append(_name), _method(*a, **k))[1]
        )
    view = View(toy_store.client, NAME)
    with view.pinned(), view.pinned():
        assert answers(view) == answers(view)
    assert sorted(asked) == ["get_registered_model", "search_model_versions"]


def test_outside_of_a_block_it_sees_what_others_write_and_within_when_it_is_told_to(toy_store: Store) -> None:
    view, other = View(toy_store.client, NAME), toy_store.client
    with view.pinned():
        assert view.get_model_version_by_alias(NAME, CHAMPION).version == 2
        other.set_registered_model_alias(NAME, CHAMPION, "3")
        assert view.get_model_version_by_alias(NAME, CHAMPION).version == 2
        other.set_model_version_tag(NAME, "1", "recipeline.x", "y")
        view.reread()
        assert view.get_model_version(NAME, "1").tags["recipeline.x"] == "y"
        view.forget()
        assert view.get_model_version_by_alias(NAME, CHAMPION).version == 3
    other.set_registered_model_alias(NAME, CHAMPION, "1")
    assert view.get_model_version_by_alias(NAME, CHAMPION).version == 1
    with view.pinned():
        assert view.get_model_version_by_alias(NAME, CHAMPION).version == 1
    other.set_registered_model_alias(NAME, CHAMPION, "2")
    with view.pinned(goes_on=True):
        assert view.get_model_version_by_alias(NAME, CHAMPION).version == 1


def test_an_alias_of_a_version_made_after_the_versions_were_read_is_found(toy_store: Store) -> None:
    view, other = View(toy_store.client, NAME), toy_store.client
    with view.pinned():
        assert len(search_versions(view, NAME)) == 3
        version = other.create_model_version(NAME, "s3://bucket/model")
        other.set_registered_model_alias(NAME, CHAMPION, version.version)
        assert view.get_model_version_by_alias(NAME, CHAMPION).version == 4
        other.delete_model_version(NAME, "4")
        view.reread()
        with pytest.raises(MlflowException, match=r"\(none\)"):
            view.get_model_version_by_alias(NAME, CHAMPION)


def test_a_store_that_does_not_answer_is_not_an_empty_registry(
    store: Store, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, registry, "a")

    def silent(*_: object, **__: object) -> None:
        raise MlflowException("API request to http://away failed")

    view = View(store.client, NAME)
    monkeypatch.setattr(store.client, "get_registered_model", silent)
    with view.pinned(), pytest.raises(MlflowException, match="away"):
        view.get_model_version_by_alias(NAME, CHAMPION)
    monkeypatch.setattr(store.client, "search_model_versions", silent)
    with view.pinned(), pytest.raises(MlflowException, match="away"):
        view.get_model_version(NAME, "1")


@pytest.mark.parametrize("name", ["it's", 'the "best" one', "a, b", "50%_"])
def test_versions_of_several_models_are_found_whatever_their_names(store: Store, name: str) -> None:
    for each in (name, f"{name}.ledger", f"{name}x"):
        store.client.create_registered_model(each)
        store.client.create_model_version(each, "s3://bucket/model")
    found = search_versions(store.client, name, f"{name}.ledger")
    assert sorted(it.name for it in found) == [name, f"{name}.ledger"]


def test_a_server_without_lists_of_names_is_asked_for_each(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    search = store.client.search_model_versions

    def older(filter_string: str, **options: Any) -> Any:
        if " IN " in filter_string:
            raise MlflowException("Invalid comparator", INVALID_PARAMETER_VALUE)
        return search(filter_string, **options)

    for name in ("a", "b"):
        store.client.create_registered_model(name)
        store.client.create_model_version(name, "s3://bucket/model")
    monkeypatch.setattr(store.client, "search_model_versions", older)
    assert sorted(it.name for it in search_versions(store.client, "a", "b")) == ["a", "b"]
