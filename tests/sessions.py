"""A session on a small store, with three steps that take no time."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from recipeline.artifacts import DATASET, TEST, TRAIN
from recipeline.config.profile import Profile
from recipeline.config.profile import Store as Place
from recipeline.engine.local import LocalWorkers
from recipeline.orchestration.session import Session
from recipeline.orchestration.step import Step
from recipeline.registry.ledger import Actor
from recipeline.reports.page import Page
from recipeline.tracking.connection.store import Store
from recipeline.tracking.runs import StepRun
from tests.conftest import as_recipe, small_recipe

NAMES = ("ingest", "split", "train")


@dataclass
class Heard:
    """Keeps what is said."""

    lines: list[str] = field(default_factory=list)

    def begin(self, name: str, reason: str = "") -> None:
        """Keep the step and the reason."""
        self.lines.append(f"{name}: {reason}")

    def say(self, text: str) -> None:
        """Keep a line."""
        self.lines.append(text)

    def advance(self, label: str, done: int, total: int) -> None:
        """Ignore it: no work takes long here."""

    tick = say


@dataclass
class Toys:
    """Three steps that hand a table on, and record which of them worked.

    They behave as they are asked to.
    """

    worked: list[str] = field(default_factory=list)
    #: What ingest finds at its source.
    rows: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"a": [1.0, 2.0, 3.0]}))
    #: By step, what its work raises.
    errors: dict[str, BaseException] = field(default_factory=dict)
    #: By step, the exit code that it ends with.
    exit_codes: dict[str, int] = field(default_factory=dict)
    #: By step, what its check raises before anything runs.
    refusals: dict[str, Exception] = field(default_factory=dict)

    def step(self, name: str) -> Step:
        """Return the step of a name."""
        content = (lambda _, **__: {"rows": str(self.rows.to_numpy().tolist())}) if name == "ingest" else None
        return Step(name, self._work(name), self._inputs, params=("word",), content=content, check=self._check(name))

    def _inputs(self, session: Session, word: str) -> dict[str, Any]:
        return {"word": word or "default", "cv": {"folds": session.recipe.cv.folds}}

    def _check(self, name: str) -> Any:
        def check(_: Session, word: str) -> None:  # noqa: ARG001
            if name in self.refusals:
                raise self.refusals[name]

        return check

    def _work(self, name: str) -> Any:
        def work(_: Session, run: StepRun, word: str) -> str:  # noqa: ARG001
            self.worked.append(name)
            if name in self.errors:
                raise self.errors[name]
            if name == "ingest":
                run.save(DATASET, self.rows)
                run.tag(data_source="uci")
            elif name == "split":
                run.save(TRAIN, run.load(DATASET).head(2))
                run.save(TEST, run.load(DATASET).tail(1))
            else:
                assert len(run.load(TRAIN)) == 2
            run.exit_code = self.exit_codes.get(name, 0)
            return f"{name} is done"

        return work


def open_toys(store: Store, root: Path, toys: Toys | None = None, **changes: Any) -> Session:
    """Return a new session of the small recipe and the three steps."""
    toys = toys or Toys()
    settled: dict[str, Any] = {
        "root": root,
        "cwd": root,
        "cache_folder": root / "cache",
        "recipe": as_recipe(small_recipe()),
        "profile": Profile(store=Place(tracking_uri=store.uri), data="auto"),
        "profile_name": "test",
        "store": store,
        "reporter": Heard(),
        "workers": LocalWorkers(1),
        "order": NAMES,
        "step": toys.step,
        "draw": lambda *_: (Page, ("<html></html>",)),
        "actor": Actor("ann", "here"),
    }
    return Session(**settled | changes)


def lines_of(session: Session) -> list[str]:
    """Return what a session's command has said."""
    assert isinstance(session.reporter, Heard)
    return session.reporter.lines
