"""Writes to the registry while another machine makes the same one.

Between the look and the write of MLflow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy import event
from sqlalchemy.orm import Session

from recipeline.errors import UnavailableError
from recipeline.tracking.connection.client import RegistryClient
from recipeline.tracking.connection.failures import is_conflict
from recipeline.tracking.connection.store import Store, require_registered

Act = Callable[[MlflowClient], Any]
NAME = "Toy"


def add(client: MlflowClient) -> Any:
    return client.create_model_version(NAME, "/nowhere/model", tags={"a": "b"})


#: What we do, and what the other machine does at that moment.
RACES: dict[str, tuple[Act, Act]] = {
    "both give an alias": (
        lambda c: c.set_registered_model_alias(NAME, "champion", "1"),
        lambda c: c.set_registered_model_alias(NAME, "champion", "2"),
    ),
    "an alias that is deleted": (
        lambda c: c.set_registered_model_alias(NAME, "previous", "1"),
        lambda c: c.delete_registered_model_alias(NAME, "previous"),
    ),
    "both delete an alias": (lambda c: c.delete_registered_model_alias(NAME, "previous"),) * 2,
    "both set a tag of the model": (lambda c: c.set_registered_model_tag(NAME, "head", "1 abc"),) * 2,
    "both set a tag of a version": (lambda c: c.set_model_version_tag(NAME, "1", "state", "open"),) * 2,
    "both delete a tag": (lambda c: c.delete_model_version_tag(NAME, "1", "withdrawn"),) * 2,
    "a tag that is deleted": (
        lambda c: c.set_model_version_tag(NAME, "1", "withdrawn", "again"),
        lambda c: c.delete_model_version_tag(NAME, "1", "withdrawn"),
    ),
    "both move a version": (lambda c: c.transition_model_version_stage(NAME, "1", "Production"),) * 2,
    "both describe a version": (lambda c: c.update_model_version(NAME, "1", "words"),) * 2,
    "both make a version": (add, add),
    "both make a model": (lambda c: require_registered(c, "Other"),) * 2,
}


@pytest.fixture
def registered(store: Store) -> Store:
    """A model of two versions; 2 is `previous`, 1 has a tag."""
    client = store.client
    require_registered(client, NAME)
    for _ in range(2):
        add(client)
    client.set_registered_model_alias(NAME, "previous", "2")
    client.set_model_version_tag(NAME, "1", "withdrawn", "why")
    return store


@contextmanager
def overtaken(act: Act, client: MlflowClient, times: int) -> Iterator[list[int]]:
    """Let another client `act` before each of so many writes; yield numbers."""
    done, writing, is_busy = list[int](), set[int](), False

    def first(session: Session, *_: object) -> None:
        nonlocal is_busy
        # What the other one does is not overtaken; and of a transaction that has written, nobody overtakes the rest.
        if is_busy or id(session) in writing or len(done) >= times:
            return
        writing.add(id(session))
        is_busy = True
        act(client)
        done.append(len(done))
        is_busy = False

    def begin_anew(session: Session, *_: object) -> None:
        writing.discard(id(session))

    events = {"before_flush": first, "after_soft_rollback": begin_anew, "after_commit": begin_anew}
    for name, listener in events.items():
        event.listen(Session, name, listener)
    try:
        yield done
    finally:
        for name, listener in events.items():
            event.remove(Session, name, listener)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("times", [1, 2, 4])
@pytest.mark.parametrize("race", RACES)
def test_a_write_that_another_machine_makes_at_the_same_moment_succeeds(registered: Store, race: str, times: int) -> None:
    ours, theirs = RACES[race]
    other = MlflowClient(registered.uri)
    with overtaken(theirs, other, times) as done:
        ours(registered.client)
    assert done
    client = registered.client
    version = client.get_model_version(NAME, "1")
    tags, aliases = version.tags, {name: int(it) for name, it in client.get_registered_model(NAME).aliases.items()}
    found = {
        "both give an alias": aliases.get("champion") == 1,
        "an alias that is deleted": aliases.get("previous") == 1,
        "both delete an alias": aliases == {},
        "both set a tag of the model": client.get_registered_model(NAME).tags.get("head") == "1 abc",
        "both set a tag of a version": tags.get("state") == "open",
        "both delete a tag": "withdrawn" not in tags,
        "a tag that is deleted": tags.get("withdrawn") == "again",
        "both move a version": version.current_stage == "Production",
        "both describe a version": version.description == "words",
        "both make a version": len(client.search_model_versions(f"name = '{NAME}'")) == 3 + len(done),
        "both make a model": len(client.search_registered_models("name = 'Other'")) == 1,
    }
    assert found[race]


def test_a_write_that_is_overtaken_for_ever_is_one_sentence(registered: Store) -> None:
    def turn_over(client: MlflowClient) -> None:
        if "previous" in client.get_registered_model(NAME).aliases:
            client.delete_registered_model_alias(NAME, "previous")
        else:
            client.set_registered_model_alias(NAME, "previous", "2")

    other = MlflowClient(registered.uri)
    with (
        overtaken(turn_over, other, 1000),
        pytest.raises(UnavailableError, match="the same row of the store 5 times: "),
    ):
        registered.client.set_registered_model_alias(NAME, "previous", "1")


def test_mlflows_own_client_does_not_bear_it(registered: Store) -> None:
    """Else there would be nothing to mend."""
    ours, theirs = RACES["both give an alias"]
    plain = MlflowClient(registered.uri)
    with overtaken(theirs, MlflowClient(registered.uri), 1), pytest.raises(MlflowException) as raised:
        ours(plain)
    assert is_conflict(raised.value)
    assert isinstance(registered.client, RegistryClient)
