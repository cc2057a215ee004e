"""The card of a step: drawn from its results, saved with its run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from recipeline.artifacts import CARD, Artifact, plot
from recipeline.config.recipe import Recipe
from recipeline.orchestration.session import Session
from recipeline.tracking.runs import StepRun

T = TypeVar("T")


@dataclass(frozen=True)
class StepResults:
    """What a card is made of: what the run has saved, and the runs that it was made from."""

    recipe: Recipe
    run: StepRun

    def load(self, artifact: Artifact[T]) -> T:
        """Return what was saved, by this run or an upstream one."""
        return self.run.load(artifact)

    def has(self, artifact: Artifact[Any]) -> bool:
        """Whether it was saved, by this run or an upstream one."""
        return self.run.has(artifact)

    def tag(self, name: str) -> str:
        """Return a tag of the run; empty where it has none."""
        return self.run.own_tag(name)


def draw_card(
    session: Session, run: StepRun, name: str, results: Callable[[], object], error: BaseException | None = None
) -> None:
    """Save the card of a step, made of `results()`, and its plots.

    What cannot be made, drawn or saved is said, on the card where there is one, and here; it fails nothing.
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
