"""The card of a step: drawn from its results, saved with its run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from recipeline.artifacts import CARD, Artifact, plot
from recipeline.config.recipe import Recipe
from recipeline.orchestration.session import Session
from recipeline.tracking.artifact_folders import local_copy
from recipeline.tracking.runs import StepRun

T = TypeVar("T")


@dataclass(frozen=True)
class StepResults:
    """The inputs of a card: the artifacts of a run and of its upstream runs."""

    recipe: Recipe
    run: StepRun

    def load(self, artifact: Artifact[T]) -> T:
        """Return an artifact of this run or an upstream one."""
        return self.run.load(artifact)

    def has(self, artifact: Artifact[Any]) -> bool:
        """Whether this run or an upstream one has the artifact."""
        return self.run.has(artifact)

    def tag(self, name: str) -> str:
        """Return a tag of the run; empty where it has none."""
        return self.run.own_tag(name)


def page_of(session: Session, run_id: str) -> str:
    """Return the card of an earlier run; empty if it cannot be read."""
    with (
        suppress(Exception),
        local_copy(session.reader.root(run_id), CARD.name, session.store.client.tracking_uri) as path,
    ):
        return CARD.read(path)
    return ""


def draw_card(
    session: Session, run: StepRun, name: str, results: Callable[[], object], error: BaseException | None = None
) -> None:
    """Save the card of a step, made of `results()`, and its plots.

    A failure of making, drawing or saving is reported on the card, if there is one, and as a warning; the step does not fail.
    """
    try:
        drawn = session.draw(name, results, f"{session.recipe.name}, run {run.id}", error)
        failures = list(drawn.failures)
        run.save(CARD, drawn.html)
        for plot_name, png in drawn.plots.items():
            run.save(plot(plot_name), png)
    except Exception as problem:  # whatever it is, the step has done its work
        failures = [f"This card could not be saved: {type(problem).__name__}: {' '.join(str(problem).split())[:300]}"]
    for sentence in failures:
        session.reporter.say(f"warning: {name}: {sentence}")
    if failures:
        with suppress(Exception):
            run.tag(card_failures="; ".join(failures))
