"""The target of `promote --to`: a profile, a URI or a model.

The process is the target's in a block only.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.tracking._tracking_service.utils import get_default_host_creds

from recipeline.cli.target import PREFIX, _environment_of_target, find_target, open_target
from recipeline.errors import UnavailableError, UsageError
from recipeline.orchestration.session import Session
from recipeline.tracking._compat import forget_storage_clients
from recipeline.tracking.connection.store import Store
from tests.conftest import NAME
from tests.sessions import open_toys


@pytest.fixture
def session(store: Store, tmp_path: Path) -> Session:
    (tmp_path / "profiles").mkdir()
    for name, text in {
        "prod": "store: {tracking_uri: 'sqlite:///prod.db', artifact_location: there}\ndata: auto\npromote: manual\n",
        "other": "store: {tracking_uri: '${OTHER_URI}'}\ndata: auto\npromote: never\n",
    }.items():
        (tmp_path / f"profiles/{name}.yaml").write_text(text, encoding="utf-8")
    return open_toys(store, tmp_path)


def test_a_profile_is_named_by_its_file_or_by_the_uri_of_its_store(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    for to in ("prod", f"sqlite:///{session.root}/prod.db", "profiles/prod.yaml"):
        target = find_target(session, to)
        assert (target.uri, target.model_name) == (f"sqlite:///{session.root}/prod.db", NAME)
        assert (target.profile_name, target.profile.promote) == ("prod", "manual")
    with pytest.raises(UsageError, match="OTHER_URI"):
        find_target(session, "other")
    monkeypatch.setenv(f"{PREFIX}OTHER_URI", "http://prod:5000/")
    for to in ("other", "http://prod:5000"):
        target = find_target(session, to)
        assert (target.uri.rstrip("/"), target.profile_name, target.profile.promote) == ("http://prod:5000", "other", "never")


def test_at_a_uri_that_no_profile_names_the_policy_is_the_default(session: Session) -> None:
    (session.root / "new").mkdir()
    shutil.copy(session.root / "mlflow.db", session.root / "new/mlflow.db")
    target = find_target(session, f"sqlite:///{session.root}/new/mlflow.db")
    assert target.profile.promote == "auto"
    assert target.profile.store.artifact_location == str(session.root / "new/mlruns")
    assert find_target(session, "http://prod:5000").profile.store.artifact_location is None


@pytest.mark.parametrize("made", [None, "empty", "another program's"])
def test_a_database_that_is_no_store_is_refused_and_left_as_it_is(session: Session, made: str | None) -> None:
    path = session.root / "sub/mlflw.db"
    path.parent.mkdir()
    if made:
        path.touch()
    if made == "another program's":
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE cash (it INTEGER)")
    before = path.read_bytes() if made else None
    for to in (f"sqlite:///{path}", f"sqlite:///sub/{path.name}"):
        reason = "is not a database of MLflow" if made else "does not exist"
        with pytest.raises(UsageError, match=rf"sub/mlflw\.db {reason} instead\. .*profiles/"):
            find_target(session, to)
    assert (path.read_bytes() if path.exists() else None) == before
    assert [it.name for it in path.parent.iterdir()] == ([path.name] if made else [])


def test_another_model_of_the_same_store_has_the_policy_of_the_command(session: Session) -> None:
    target = find_target(session, "models:/Other")
    assert (target.uri, target.model_name, target.is_same_store) == (session.store.uri, "Other", True)
    assert target.profile is session.profile
    with open_target(session, target) as there:
        assert there.store is session.store
        assert (there.registry.name, session.registry.name) == ("Other", NAME)


@pytest.mark.parametrize(
    "to",
    ["models:/Other/3", "models:/Other@champion", "models:/", f"models:/{NAME}", f"models:/{NAME}.ledger", "nosuch", "x.yaml"],
)
def test_what_is_no_target_is_refused(session: Session, to: str) -> None:
    with pytest.raises(UsageError):
        find_target(session, to)


def test_the_own_store_is_refused_however_it_is_written_except_in_another_workspace(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for uri in (session.store.uri, f"{session.store.uri}/"):
        with pytest.raises(UsageError, match="another store"):
            find_target(session, uri)
    monkeypatch.setenv(f"{PREFIX}MLFLOW_WORKSPACE", "prod")
    assert not find_target(session, session.store.uri).is_same_store
    with pytest.raises(UsageError, match="of the same workspace"):  # whose runs the other one does not have
        find_target(session, "models:/Other")


NAMES = st.sampled_from(["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_TOKEN", "AWS_ACCESS_KEY_ID", "RECIPELINE_LEDGER_KEY"])
VALUES = st.dictionaries(NAMES, st.sampled_from(["a", "b", ""]))


@settings(max_examples=10)
@given(own=VALUES, given_=VALUES, fails=st.booleans())
def test_the_environment_is_the_targets_in_the_block_and_as_it_was_after_it(
    own: dict[str, str], given_: dict[str, str], fails: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**own, **{f"{PREFIX}{name}": value for name, value in given_.items()}}.items():
            patch.setenv(name, value)
        patch.setenv("MLFLOW_RUN_ID", "f" * 32)
        before, uri = dict(os.environ), mlflow.get_tracking_uri()
        with suppress(KeyError), _environment_of_target(is_same_host=True):
            assert "MLFLOW_RUN_ID" not in os.environ
            expected = own | given_
            if given_.get("MLFLOW_TRACKING_TOKEN") and "MLFLOW_TRACKING_USERNAME" not in given_:
                expected.pop("MLFLOW_TRACKING_USERNAME", None)  # MLflow would send it in place of the token
            assert {name: os.environ[name] for name in own | given_ if name in os.environ} == expected
            mlflow.set_tracking_uri("http://prod:5000")
            if fails:
                os.environ["NO_SUCH_NAME"]
        assert dict(os.environ) == before
        assert mlflow.get_tracking_uri() == uri


def test_a_token_of_the_target_is_sent_and_no_user_or_key_of_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    source = {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "secret", "AWS_ACCESS_KEY_ID": "dev"}
    for name, value in source.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(f"{PREFIX}MLFLOW_TRACKING_TOKEN", "t")
    monkeypatch.setenv(f"{PREFIX}AWS_PROFILE", "prod")
    with _environment_of_target(is_same_host=True):
        creds = get_default_host_creds("http://prod:5000")
        assert (creds.username, creds.password, creds.token) == (None, None, "t")
        assert "AWS_ACCESS_KEY_ID" not in os.environ
    assert source.items() <= os.environ.items()


@pytest.mark.parametrize(
    ("to", "sent"),
    [("http://dev:5000/other", "ann"), ("http://x@DEV:5000", "ann"), ("http://prod:5000", None), ("https://dev:5000", None)],
)
def test_the_user_of_the_source_is_sent_to_its_own_host_only(
    session: Session, monkeypatch: pytest.MonkeyPatch, to: str, sent: str | None
) -> None:
    source = {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "secret", "MLFLOW_TRACKING_TOKEN": "t"}
    for name, value in source.items():
        monkeypatch.setenv(name, value)
    session = replace(session, store=replace(session.store, uri="http://dev:5000"))
    seen = []

    def note(uri: str, **_: object) -> Store:
        seen.append(get_default_host_creds(uri))
        raise UnavailableError("away")

    monkeypatch.setattr("recipeline.cli.target.open_store", note)
    with pytest.raises(UnavailableError), open_target(session, find_target(session, to)):
        pass
    assert [(it.username, it.password, it.token) for it in seen] == [(sent, "secret" if sent else None, "t" if sent else None)]


def test_a_session_of_the_target_has_its_store_policy_user_and_key(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MLFLOW_TRACKING_USERNAME": "bob", "RECIPELINE_LEDGER_KEY": "k"}.items():
        monkeypatch.setenv(f"{PREFIX}{name}", value)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "7")
    with open_target(session, find_target(session, "prod")) as there:
        assert there.store.uri == f"sqlite:///{session.root}/prod.db"
        assert there.store.artifact_root == (session.root / "there").as_uri()
        assert (there.profile_name, there.profile.promote, there.actor.name) == ("prod", "manual", "bob")
        assert (there.ledger_key, there.adopted, there.known_experiment_id) == ("k", None, "")
        assert there.workers is session.workers
        assert mlflow.get_tracking_uri() == there.store.uri
        there.experiment_id  # noqa: B018
    assert session.store.client.search_registered_models() == []


def test_keys_of_an_object_store_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    boto3 = pytest.importorskip("boto3")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "dev")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv(f"{PREFIX}AWS_ACCESS_KEY_ID", "prod")
    forget_storage_clients()  # those of tests before it

    def key() -> str:
        from mlflow.store.artifact.s3_artifact_repo import _get_s3_client

        return str(_get_s3_client(s3_endpoint_url="http://127.0.0.1:9")._request_signer._credentials.access_key)

    assert "boto3" in sys.modules
    assert boto3
    assert key() == "dev"
    with _environment_of_target():
        assert key() == "prod"
    assert key() == "dev"


def test_a_target_that_does_not_answer_is_one_sentence_about_it(session: Session) -> None:
    target = find_target(session, "http://127.0.0.1:9")
    with pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:9 must be reachable"), open_target(session, target):
        pass


def test_a_database_of_another_version_of_mlflow_is_one_sentence(session: Session, empty_store: Path) -> None:
    shutil.copy(empty_store, session.root / "prod.db")
    with closing(sqlite3.connect(session.root / "prod.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    target = find_target(session, "prod")
    with pytest.raises(UnavailableError, match="out-of-date database schema"), open_target(session, target):
        pass
