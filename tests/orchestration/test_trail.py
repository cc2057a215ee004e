from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.orchestration.trail import Place, Stop, Trail, card_address, describe_trail, list_places

RUN = "0123456789abcdef" * 2
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Cf"]), min_size=1, max_size=30)


def test_a_run_without_a_version_has_pages_of_its_own_and_none_of_a_model() -> None:
    assert [place.title for place in list_places("7", RUN, "wines", "")] == ["run", "all runs"]
    assert list_places("7", RUN, "wines", "3")[-1] == Place(
        "version 3", "#/models/wines/versions/3?workflowType=machine_learning"
    )


@given(NAMES)
def test_any_name_of_a_model_is_one_part_of_an_address(name: str) -> None:
    *_, model, version = list_places("7", RUN, name, "3")
    for place, parts in ((model, 3), (version, 5)):
        path, _, query = place.address.removeprefix("#").partition("?")
        assert path.count("/") + 1 == parts
        assert unquote(path.split("/")[2]) == name
        assert query == "workflowType=machine_learning"


@given(NAMES)
def test_a_description_links_every_card_that_exists_and_the_version_whatever_its_name(name: str) -> None:
    stops = (Stop("main", RUN, "", card_address("7", RUN)), Stop("ingest", RUN, "", card_address("7", RUN)), Stop("split"))
    text = describe_trail(Trail(RUN, stops, list_places("7", RUN, name, "3")))
    assert text.startswith(f"Cards: [main]({card_address('7', RUN)}), [ingest](")
    assert "split" not in text
    assert len(re.findall(r"\]\(#/[^()\s]*\)", text)) == 4
    assert "\n" not in text


@pytest.mark.parametrize("page", ["", "<html>"])
def test_only_pages_that_are_there_are_packed(page: str) -> None:
    trail = Trail(RUN, (Stop("main", RUN, page=page), Stop("split")), ())
    assert trail.packed == ({RUN: page} if page else {})
