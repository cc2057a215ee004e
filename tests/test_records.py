"""Records, all of them alike: written, read back, or refused in a sentence."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipeline import artifacts
from recipeline.artifacts import Artifact, type_of
from recipeline.records import LEFT_OUT, RecordError, read_record, to_plain
from tests.conftest import ROOT, Project
from tests.records import some
from tests.schemas import FOLDER, RESULT, documented, name_of, schema_of

RECORDS = {it.name: it for it in vars(artifacts).values() if isinstance(it, Artifact) and it.type}
STORES = sorted((ROOT / "tests/stores").glob("*.tar.xz"))
#: A number that JSON has, whole ones as whole numbers are.
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9)
ODD: list[Any] = [None, "text", True, 7, 0.5, [], {}, ["a"], {"a": 1}, [[1.0]]]


def drawn(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Return records of a type, drawn from its annotations."""
    return st.from_type(kind)


@pytest.fixture(autouse=True, scope="module")
def _numbers() -> Iterator[None]:
    st.register_type_strategy(float, NUMBERS)
    yield
    st.register_type_strategy(float, st.floats())


def keys_in(values: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every key, and of the first value of every list."""
    pairs = values.items() if isinstance(values, dict) else list(enumerate(values))[:1] if isinstance(values, list) else ()
    for key, value in pairs:
        yield (*place, key)
        yield from keys_in(value, (*place, key))


def changed(values: Any, place: tuple[Any, ...], change: Any) -> Any:
    """Return a copy of values, one place replaced, or deleted by `del`."""
    copy = json.loads(json.dumps(values))
    inside = copy
    for key in place[:-1]:
        inside = inside[key]
    if change is DEL:
        del inside[place[-1]]
    else:
        inside[place[-1]] = change
    return copy


DEL = object()


@pytest.mark.parametrize("name", RECORDS)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_record_is_read_as_it_was_written_and_is_as_its_schema_says(name: str, data: st.DataObject) -> None:
    kind = type_of(RECORDS[name])
    record = data.draw(drawn(kind))
    plain = json.loads(json.dumps(to_plain(record), allow_nan=False))
    assert read_record(kind, plain) == record
    assert to_plain(read_record(kind, plain)) == plain
    jsonschema_rs.validator_for(schema_of(kind)).validate(plain)


def fault_of(kind: type[Any], values: Any) -> str:
    """Return the sentence of a refusal; empty where values are a record."""
    try:
        read_record(kind, values)
    except RecordError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", RECORDS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_is_missing_or_odd_is_told_in_a_sentence_that_names_its_place(name: str, data: st.DataObject) -> None:
    kind = type_of(RECORDS[name])
    plain = to_plain(some(kind))
    place = data.draw(st.sampled_from(sorted(keys_in(plain), key=str)))
    broken = changed(plain, place, data.draw(st.sampled_from([DEL, *ODD])))
    sentence = fault_of(kind, broken)
    assert not sentence or (str(place[0]) in sentence and sentence.endswith("."))


@pytest.mark.parametrize("name", RECORDS)
def test_a_key_that_a_newer_version_writes_is_ignored_at_any_depth(name: str) -> None:
    kind = type_of(RECORDS[name])
    plain = to_plain(some(kind))

    def grown(values: Any) -> Any:
        if isinstance(values, list):
            return [grown(it) for it in values]
        if not isinstance(values, dict) or not values:  # a mapping by name may have any key
            return values
        return {key: grown(it) for key, it in values.items()} | {"of a newer version": {"a": [1]}}

    assert read_record(kind, grown(plain)) == some(kind)


@pytest.mark.parametrize("store", STORES, ids=lambda path: path.name)
def test_the_records_of_every_released_version_are_read_and_mean_the_same(store: Path, tmp_path: Path) -> None:
    with tarfile.open(store) as archive:
        archive.extractall(tmp_path, filter="data")
    found = [path for path in sorted(tmp_path.rglob("*.json")) if path.name in RECORDS]
    assert {path.name for path in found} >= {
        "metrics.json",
        "verdict.json",
        "decision.json",
        "baseline.json",
        "model_info.json",
    }
    for path in found:
        written, record = json.loads(path.read_text(encoding="utf-8")), RECORDS[path.name].read(path)
        again = to_plain(record)
        if written.get("evidence") == {}:  # nothing was measured
            assert record.evidence is None
            written.pop("evidence")
        now = as_now(path.name, written)
        assert {key: again[key] for key in now} == now


def as_now(name: str, written: dict[str, Any]) -> dict[str, Any]:
    """Return what an earlier version wrote under the keys of this one."""
    if name == "metrics.json":
        best = written["best"]
        scores = written["candidates"][best["candidate"]]
        kept = {key: value for key, value in best.items() if key not in scores or value != scores[key]}
        return written | {"best": kept}
    if name == "decision.json" and "evidence" in written:
        evidence = written["evidence"]
        scores = {key: evidence[key] for key in ("r2", "mae")}
        return written | {"evidence": {key: value for key, value in evidence.items() if key != "mae"} | {"scores": scores}}
    if name == "baseline.json":
        errors = written["errors"]
        slices = {key: renamed(it) for key, it in errors["slices"].items()}
        scores = {key: errors[key] for key in ("r2", "rmse", "mae")}
        kept = {key: it for key, it in renamed(errors).items() if key not in scores}
        return written | {"errors": kept | {"slices": slices, "scores": scores}}
    if name == "diagnosis.json":
        return written | {key: [renamed(it) for it in written[key]] for key in ("by_predicted", "slices")}
    return written


def renamed(values: dict[str, Any]) -> dict[str, Any]:
    names = {"mae": "error", "absolute_error_std": "error_std"}
    return {names.get(key, key): value for key, value in values.items()}


@dataclass(frozen=True)
class Inner:
    number: float
    word: str = "none"


@dataclass(frozen=True)
class Outer:
    from_: int
    pair: tuple[float, float]
    inner: Inner | None
    parts: tuple[Inner, ...] = ()
    either: str | float | None = None
    left: float | None = field(default=None, metadata=LEFT_OUT)


def test_keys_are_names_without_a_last_underscore_and_what_is_left_out_has_none() -> None:
    plain = to_plain(Outer(1, (0.5, 2), None, (Inner(3),), either="a"))
    assert plain == {"from": 1, "pair": [0.5, 2], "inner": None, "parts": [{"number": 3, "word": "none"}], "either": "a"}
    assert to_plain(Outer(1, (0.5, 2), None, left=0.0))["left"] == 0.0


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"from": 1, "pair": [1, 2]}, "The key inner is missing."),
        ({"from": 1, "pair": [1], "inner": None}, "The key pair must have 2 values. Got 1 instead."),
        ({"from": 1, "pair": [1, "b"], "inner": None}, "The key pair[1] must be a number. Got a text instead."),
        ({"from": 1.5, "pair": [1, 2], "inner": None}, "The key from must be a whole number. Got a number instead."),
        ({"from": True, "pair": [1, 2], "inner": None}, "The key from must be a whole number. Got true or false instead."),
        ({"from": 1, "pair": [1, 2], "inner": {"word": "a"}}, "The key inner.number is missing."),
        ({"from": 1, "pair": [1, 2], "inner": None, "parts": [{"number": 1}, 2]}, "The key parts[1] must be an object."),
        ({"from": 1, "pair": [1, 2], "inner": None, "either": []}, "The key either must be a text or a number. Got a list"),
        ([1], "The content must be an object. Got a list instead."),
    ],
)
def test_what_is_no_record_is_told_with_its_place(values: Any, sentence: str) -> None:
    with pytest.raises(RecordError) as error:
        read_record(Outer, values)
    assert str(error.value).startswith(sentence)


def test_an_empty_object_in_the_place_of_an_optional_record_is_none() -> None:
    assert read_record(Outer, {"from": 1, "pair": [1, 2], "inner": {}}).inner is None


def test_the_catalogue_of_artifacts_imports_no_type_before_a_file_is_read() -> None:
    code = "import sys, recipeline.artifacts; print([n for n in sys.modules if n.endswith('.results')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    code = code.replace(" print(", " from recipeline.artifacts import type_of, METRICS, DECISION; type_of(METRICS); print(")
    code = code.replace("n.endswith('.results')", "n in ('pandas', 'sklearn', 'mlflow', 'scipy')")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", RECORDS)
def test_an_artifact_is_annotated_with_the_type_that_it_is_read_as(name: str) -> None:
    [constant] = [key for key, it in vars(artifacts).items() if it is RECORDS[name]]
    assert artifacts.__annotations__[constant] == f"Artifact[{type_of(RECORDS[name]).__name__}]"


@pytest.mark.parametrize("name", documented())
def test_the_documents_have_the_schema_of_every_record(name: str) -> None:
    written = (FOLDER / name).read_text(encoding="utf-8")
    assert json.loads(written) == schema_of(documented()[name]), "write them anew: python -m tests.schemas"


def test_there_is_no_schema_without_a_record() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == {*documented()} | {RESULT.name}


def test_what_a_chain_writes_is_as_the_schemas_say(trained: Project) -> None:
    runs = [trained.first(step) for step in ("ingest", "split", "evaluate", "register", "promote")]
    seen = set()
    for run in runs:
        folder = Path(run.info.artifact_uri.removeprefix("file://"))
        for path in folder.glob("*.json"):
            if path.name in RECORDS:
                schema = json.loads((FOLDER / name_of(RECORDS[path.name])).read_text(encoding="utf-8"))
                jsonschema_rs.validator_for(schema).validate(json.loads(path.read_text(encoding="utf-8")))
                seen.add(path.name)
    assert seen >= {"metrics.json", "verdict.json", "decision.json", "diagnosis.json", "baseline.json", "model_info.json"}
