from __future__ import annotations

import pandas as pd
import pytest

from recipeline.artifacts import VIOLATIONS
from recipeline.errors import DataError
from recipeline.reports.blocks import Table
from recipeline.reports.cards.failure import describe_failure
from tests.conftest import Project
from tests.reports.cards.helpers import Saved, notes
from tests.reports.helpers import NASTY, Chains, card_of, text_of

pytestmark = pytest.mark.xdist_group("cards")


def test_a_failed_step_has_a_card_with_the_sentence_and_all_violations(chains: Chains) -> None:
    text = text_of(chains, "failed", "ingest")
    assert "ingest: failed" in text
    assert "Details" in text


def test_text_of_the_data_is_text_on_the_card(chains: Chains) -> None:
    for step in ("ingest", "main"):
        text = text_of(chains, "failed", step)
        assert "<img src=x" not in text
        assert "<b>strong" not in text
        assert "&lt;img src=x" in text
    assert NASTY not in text_of(chains, "failed", "main")


def test_a_bug_in_a_step_has_a_card_and_keeps_its_traceback(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    import recipeline.data.splits

    def fail(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(recipeline.data.splits, "split_rows", fail)
    outcome = project.run("main", model="lr")
    assert outcome.exit_code == 1
    assert "Traceback" in outcome.stderr
    (split,) = project.runs("split")
    assert "This is a bug" in card_of(project, split.info.run_id).read_text(encoding="utf-8")


def test_an_expected_failure_is_refused_and_a_bug_is_called_one() -> None:
    expected = describe_failure("train", Saved({}), DataError("The rows must be good.", got="bad ones"))
    assert expected.verdict == "The step failed; later steps were not run."
    assert notes(expected) == ["The rows must be good. Got bad ones instead."]
    bug = describe_failure("train", Saved({}), ZeroDivisionError("a bug"))
    assert "This is a bug" in bug.verdict
    assert notes(bug) == ["ZeroDivisionError: a bug"]


@pytest.mark.parametrize(
    ("rows", "shown", "caption"), [(3, 3, "All violations"), (250, 200, "The first 200 of 250 violations")]
)
def test_of_many_violations_the_first_are_listed(rows: int, shown: int, caption: str) -> None:
    violations = pd.DataFrame({"row": range(rows), "column": "pH", "rule": "must be finite", "got": "inf"})
    card = describe_failure("ingest", Saved({VIOLATIONS: violations}), DataError("No."))
    listed = card.sections[0].blocks[1]
    assert isinstance(listed, Table)
    assert (len(listed.rows), listed.caption) == (shown, caption)
