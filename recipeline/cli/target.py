"""The target of `promote --to`: another store, or another model of this one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import mlflow

from recipeline.artifacts import DECISION
from recipeline.cli.environment import find_actor
from recipeline.config.profile import Profile, find_profile, load_profile
from recipeline.config.profile import Store as Place
from recipeline.data.origin.paths import split_uri
from recipeline.data.origin.uris import redact
from recipeline.errors import UnavailableError, UsageError
from recipeline.orchestration.chain import run_step
from recipeline.orchestration.session import Session
from recipeline.orchestration.transfer.source import reading_version
from recipeline.orchestration.transfer.writing import write_version
from recipeline.registry.decision import gains_of
from recipeline.tracking._compat import forget_storage_clients
from recipeline.tracking.connection.abilities import require_abilities
from recipeline.tracking.connection.failures import store_errors
from recipeline.tracking.connection.sqlite import absolute, holds_store, path_of
from recipeline.tracking.connection.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from recipeline.tracking.runs import StepRun

#: Variables with this prefix replace those without it for the target: its user, its token, its keys.
PREFIX = "RECIPELINE_TO_"

#: Variables of the source's store and run, which are not the target's.
_OF_SOURCE = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME")

#: By variables of the target, those of the source that clients would use in their place, or together with them.
_REPLACES = {
    "MLFLOW_TRACKING_TOKEN": ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"),
    "AWS_ACCESS_KEY_ID": ("AWS_SESSION_TOKEN",),
    "AWS_PROFILE": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
}

#: The user of the source's server, whom no other server is told of.
_LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")

_WORKSPACE = "MLFLOW_WORKSPACE"

_MODEL = re.compile(r"^models:/(?P<name>[^/:@?#%\\\"]+)$")


@dataclass(frozen=True)
class Target:
    """A store, a registered model in it, and the profile whose policy applies."""

    uri: str
    model_name: str
    profile: Profile
    profile_name: str
    #: Whether it is the store of the command, in the same workspace.
    is_same_store: bool

    def __str__(self) -> str:
        return f"{self.model_name} in {redact(self.uri)}"


def find_target(session: Session, to: str) -> Target:
    """Return the target that `to` names.

    It is a profile, the URI of a store, or models:/<name> for another model of the command's own store. The policy at a URI is
    that of the profile that names it, else the default of a profile.

    Raises
    ------
    UsageError : there is no such profile or database; it is the model that the version is in.
    """
    environment = {**os.environ, **_given()}
    named, name = _MODEL.match(to), session.recipe.model_name
    if named and (named["name"].endswith(".ledger") or environment.get(_WORKSPACE) != os.environ.get(_WORKSPACE)):
        raise UsageError(
            "to must be models:/<name> for another model of the same workspace, and no ledger.",
            got=f"'{to}'",
            fix=f"Name another model; for another workspace, name the URI of the store, with {PREFIX}{_WORKSPACE}.",
        )
    if to.startswith("models:") and not named:
        raise UsageError("to must be models:/<name> for another model.", got=f"'{to}'", fix="Leave out version and alias.")
    if named:
        target = Target(session.store.uri, named["name"], session.profile, session.profile_name, is_same_store=True)
        is_same = named["name"] == name
    else:
        profile, profile_name = _profile_of(session, to, environment)
        uri = absolute(profile.store.tracking_uri, session.root)
        is_same = _plain(uri) == _plain(session.store.uri) and environment.get(_WORKSPACE) == os.environ.get(_WORKSPACE)
        target = Target(uri, name, profile, profile_name, is_same)
    if is_same:
        raise UsageError(
            "to must be another store, or another model of this one.",
            got=f"'{redact(to)}', where the version is",
            fix="Name a profile, the URI of a store, or models:/<name>; without to, promote decides here.",
        )
    return target


def _given() -> dict[str, str]:
    """Return the variables of the target, by the names that MLflow knows."""
    return {name.removeprefix(PREFIX): value for name, value in os.environ.items() if name.startswith(PREFIX)}


def _plain(uri: str) -> str:
    return uri.rstrip("/")


def _host(uri: str) -> str:
    """Return scheme, host and port of a server's URI, without a user."""
    parts = split_uri(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"


def _profile_of(session: Session, to: str, environment: dict[str, str]) -> tuple[Profile, str]:
    """Return the profile that `to` names, itself or by its store, and its name."""
    folder = session.root / "profiles"
    if "://" not in to:
        path = find_profile(to, folder, session.cwd)
        return load_profile(path, environment), path.stem
    uri = absolute(to, session.cwd)
    for path in sorted(folder.glob("*.yaml")):
        with suppress(UsageError):  # one of an environment whose variables are not set here
            profile = load_profile(path, environment)
            if _plain(absolute(profile.store.tracking_uri, session.root)) == _plain(uri):
                return profile, path.stem
    file = path_of(uri)
    if file and not holds_store(file):
        # A profile may name a store that the first command makes; in words that are typed once it is a slip of the keyboard,
        # and what was promoted there would be looked for elsewhere.
        raise UsageError(
            "to must be the URI of a store that exists.",
            got=f"'{to}': {file} {'is not a database of MLflow' if file.exists() else 'does not exist'}",
            fix="Correct it; for a new store, name it in a file of profiles/, and give the name of that file.",
        )
    place = Place(tracking_uri=uri, artifact_location=_beside(file))
    unnamed = Profile(store=place, data=session.profile.data)
    return unnamed.model_copy(update={"service": session.profile.service}), session.profile_name


def _beside(file: Path | None) -> str | None:
    """Return the artifact folder beside a SQLite file; None for a server."""
    return str(file.with_name("mlruns")) if file else None


@contextmanager
def open_target(session: Session, target: Target) -> Iterator[Session]:
    """Yield a session of the target for the block; the process is the target's there.

    Its settings are the profile's; recipe and workers are those of `session`.

    Raises
    ------
    UnavailableError : it does not answer, does not know the user, or lacks what a transfer needs.
    """
    with _environment_of_target(is_same_host=_host(target.uri) == _host(session.store.uri)), store_errors(target.uri):
        store = session.store
        if not target.is_same_store:
            store = open_store(
                target.uri,
                root=session.root,
                artifact_location=target.profile.store.artifact_location,
                cache=session.cache_folder,
            )
            require_abilities(store, target.model_name)
        recipe = session.recipe
        if target.model_name != recipe.model_name:
            recipe = recipe.stated.model_copy(update={"model_name": target.model_name})
        yield replace(
            session,
            store=store,
            recipe=recipe,
            profile=target.profile,
            profile_name=target.profile_name,
            experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", ""),
            known_experiment_id="",
            adopted=None,
            actor=find_actor(),
            ledger_key=os.environ.get("RECIPELINE_LEDGER_KEY", ""),
            cards={},
        )


@contextmanager
def _environment_of_target(*, is_same_host: bool = False) -> Iterator[None]:
    """Set the environment of the target for the block, and restore it.

    Another host than the source's does not get the source's user.
    """
    before, uri, given = dict(os.environ), mlflow.get_tracking_uri(), _given()
    replaced = [other for name, others in _REPLACES.items() if given.get(name) for other in others]
    for name in (*_OF_SOURCE, *replaced, *(() if is_same_host else _LOGIN)):
        os.environ.pop(name, None)
    os.environ.update({name: value for name, value in given.items() if name not in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID")})
    forget_storage_clients()
    try:
        yield
    finally:
        mlflow.set_tracking_uri(uri)
        os.environ.clear()
        os.environ.update(before)
        forget_storage_clients()


def promote_there(session: Session, run: StepRun, number: str, to: str, promote: str) -> str:
    """Transfer a version to the target `to`, let the gate decide there, tell of it.

    `promote` is the policy; empty: that of the target's profile. The decision is saved in `run` too, a run of promote in the
    command's own store.

    Raises
    ------
    UnavailableError : the version was rolled back, or is not whole; the target cannot be reached or written to.
    """
    version, target, say = session.registry.version(number), find_target(session, to), session.reporter.say
    policy = promote or target.profile.promote
    if policy != "always" and (reason := session.registry.withdrawn(version)):
        raise UnavailableError(
            f"Version {version.version} of {version.name} was rolled back: {reason}.",
            fix="Transfer another version, or force it with promote=always.",
        )
    say(f"reading version {version.version} of {version.name} and the runs that it leads to")
    with reading_version(session, version, with_runs=not target.is_same_store) as found, open_target(session, target) as there:
        say(f"transferring it to {target}")
        transferred = write_version(there, found)
        words = f"version {version.version} of {version.name} is version {transferred.version} of {target}"
        words += "" if transferred.is_new else "; it was there already, with equal files: nothing was transferred"
        say(words)
        closed, told = run_step(there, "promote", {"promote": policy}, transferred.register_run_id)
        decision = there.reader.load(DECISION, closed.id)
        run.outcome = closed.outcome
    run.save(DECISION, decision)
    run.tag(
        model_version=version.version,
        decision_rule=decision.rule,
        decision_reason=decision.reason,
        target_uri=redact(target.uri),
        target_version=f"{target.model_name}/{transferred.version}",
        target_run_id=closed.id,
    )
    run.show(
        params={"model_version": version.version, "decision_rule": decision.rule},
        metrics=gains_of(decision.evidence),
        title=f"promote · v{version.version} {decision.outcome} in {target}",
        note=decision.reason,
    )
    return f"{words}\n{told}\nits run of promote there is {closed.id}"
