from __future__ import annotations

import pytest

from tests.conftest import Project
from tests.reports.helpers import card_of


@pytest.mark.xdist_group("cards")
def test_a_last_run_that_is_gone_in_parts_is_no_reason_to_fail(project: Project) -> None:
    project.ok("main", model="lr")
    (card_of(project, project.first("evaluate").info.run_id).parent / "verdict.json").unlink()
    outcome = project.ok("main", model="lr", cache="off")
    main = max(project.runs("main"), key=lambda run: run.info.start_time)
    assert "Since the last run" not in card_of(project, main.info.run_id).read_text(encoding="utf-8")
    assert "warning" not in outcome.stderr.lower()
