"""Chains with their cards, and cards made of what such a chain saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlflow.utils.file_utils import local_file_uri_to_path

from recipeline.artifacts import ORDER
from tests.conftest import Outcome, Project

#: The steps of a chain, and the chain itself.
STEPS = (*ORDER, "main")
NASTY = "<img src=x onerror=\"document.title='broken'\">"


@dataclass(frozen=True)
class Chains:
    """A project, the output of each chain, and the card of each chain and step."""

    project: Project
    outcomes: dict[str, Outcome]
    cards: dict[tuple[str, str], Path]


def card_of(project: Project, run_id: str) -> Path:
    """Return the path of the card of a run."""
    return Path(local_file_uri_to_path(project.client.get_run(run_id).info.artifact_uri)) / "card.html"


def text_of(chains: Chains, chain: str, step: str) -> str:
    """Return the card of a step as it lies there."""
    return chains.cards[chain, step].read_text(encoding="utf-8")
