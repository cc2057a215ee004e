from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.entities.model_registry import ModelVersion, ModelVersionTag

from recipeline.artifacts import VERSION
from recipeline.errors import UnavailableError
from recipeline.evaluation.results import RegisteredVersion
from recipeline.registry.facts import DIGEST_LENGTH, DIGESTS, choose_tags, digests_of, facts_of, identify
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.store import Store
from recipeline.tracking.runs import open_run
from recipeline.tracking.tags import VersionTags
from tests.records import some
from tests.registry.helpers import NAME

digests = st.fixed_dictionaries({name: st.text("0123456789abcdef", min_size=64, max_size=64) for name in DIGESTS})


def version_with(**tags: object) -> ModelVersion:
    return ModelVersion(NAME, "7", 0, tags=[ModelVersionTag(f"recipeline.{name}", str(it)) for name, it in tags.items()])


@given(digests)
def test_a_version_is_the_same_whether_its_digests_are_tags_of_their_own_or_in_its_identity(facts: dict[str, str]) -> None:
    """Versions of 0.2.0 have both."""
    now, before = version_with(identity=identify(facts)), version_with(identity=identify(facts), **facts)
    assert digests_of(now) == digests_of(before) == {name: value[:DIGEST_LENGTH] for name, value in facts.items()}


@given(digests, digests)
def test_two_versions_have_one_identity_exactly_where_their_digests_begin_alike(
    one: dict[str, str], other: dict[str, str]
) -> None:
    are_alike = all(one[name][:DIGEST_LENGTH] == other[name][:DIGEST_LENGTH] for name in DIGESTS)
    assert (identify(one) == identify(other)) == are_alike


@pytest.mark.parametrize("identity", ["", "m-0123", "a/b", "a/b/c/d"])
def test_of_a_version_that_was_registered_by_other_means_no_digest_is_known(identity: str) -> None:
    assert set(digests_of(version_with(identity=identity)).values()) == {""}
    assert set(digests_of(ModelVersion(NAME, "7", 0)).values()) == {""}


def test_tags_are_what_people_look_for_and_the_runs_and_no_digest_of_the_programs() -> None:
    runs = {f"{step}_run_id": "0" * 32 for step in ("ingest", "register")}
    asked: dict[str, str | float] = {"candidate": "RF", "verdict": "VALIDATED", "data_digest": "ab", "r2": 0.5, "cv_std": 0.1}
    for_programs: dict[str, str | float] = {**dict.fromkeys(DIGESTS, "ab"), "candidates_compared": 3, "train_fingerprint": "cd"}
    assert choose_tags({**runs, **asked, **for_programs}) == {**runs, **asked}
    assert VersionTags.IDENTITY == "recipeline.identity"


def test_the_facts_are_the_tags_and_what_version_json_has_besides(store: Store) -> None:
    with open_run(store.client, "register", store.experiment("toy"), {}) as run:
        facts = {"candidates_compared": 3, "register_run_id": "an earlier one", "r2": 0.5}
        run.save(VERSION, some(RegisteredVersion, {"tags": facts}))
    reader = Reader(store.client)
    found = facts_of(reader, version_with(register_run_id=run.id, r2=0.25))
    assert found == {"candidates_compared": "3", "register_run_id": run.id, "r2": "0.25"}
    assert facts_of(reader, version_with(r2=0.25)) == {"r2": "0.25"}
    with pytest.raises(UnavailableError):
        facts_of(reader, version_with(register_run_id="0" * 32))
