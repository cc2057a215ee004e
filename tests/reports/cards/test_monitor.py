from __future__ import annotations

import json

import pytest

from tests.reports.helpers import NASTY, Chains, text_of

pytestmark = pytest.mark.xdist_group("cards")


def test_the_card_of_monitor_has_the_figures_of_the_report_and_names_what_has_drifted(chains: Chains) -> None:
    text = text_of(chains, "monitor", "monitor")
    found = json.loads((chains.cards["monitor", "monitor"].parent / "drift.json").read_text(encoding="utf-8"))
    for title in ("Rows", "Findings", "Population stability", "Distributions", "Errors", "Windows"):
        assert f"<h2>{title}</h2>" in text
    assert f'data-value="{found["newest"]["features"]["alcohol"]["psi"]}"' in text
    assert "alcohol" in text.split('class="verdict"')[1].split("</p>")[0]
    assert NASTY not in text
