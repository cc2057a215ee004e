from __future__ import annotations

from typing import Any

import pytest

from recipeline.artifacts import CARD
from recipeline.tracking.runs import StepRun
from tests.conftest import Project
from tests.reports.helpers import card_of


@pytest.mark.xdist_group("cards")
def test_a_card_that_cannot_be_made_is_a_warning_and_fails_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:

    def fail(_: object) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr("recipeline.reports.cards.split.make_card", fail)
    outcome = project.ok("main", model="lr")
    assert "warning: split: This card could not be drawn: RuntimeError: no ink" in outcome.stderr
    split = project.first("split")
    assert split.data.tags["recipeline.card_failures"].endswith("no ink")
    assert "This card could not be drawn" in card_of(project, split.info.run_id).read_text(encoding="utf-8")
    index = card_of(project, project.first("main").info.run_id).read_text(encoding="utf-8")
    assert "split: This card could not be drawn" in index
    assert "This card could not be drawn" in outcome.stdout


@pytest.mark.xdist_group("cards")
def test_a_card_that_cannot_be_saved_is_a_warning_and_fails_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    save = StepRun.save

    def refuse(run: StepRun, artifact: Any, value: Any) -> str:
        if artifact is CARD:
            raise OSError("no room")
        return save(run, artifact, value)

    monkeypatch.setattr(StepRun, "save", refuse)
    outcome = project.ok("main", model="lr")
    assert "warning: promote: This card could not be saved: OSError: no room" in outcome.stderr
    assert list(project.versions()) == ["1"]
