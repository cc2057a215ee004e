from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipeline.config.yaml_reader import MOST_VALUES, read_yaml
from recipeline.errors import UsageError


def read(folder: Path, text: str) -> dict[str, Any]:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return read_yaml(path)


MERGED = """
base: &base {unit: g/L, min: 0}
wide: &wide {<<: *base, max: 9}
columns:
  a: {<<: *base}
  b: {<<: *wide, min: 1}
  c: {<<: [*wide, {unit: none, scale: 2}]}
  d: {<<: *wide}
"""


def test_merge_keys_give_the_values_of_their_mappings_and_ones_own_win(tmp_path: Path) -> None:
    assert read(tmp_path, MERGED)["columns"] == {
        "a": {"unit": "g/L", "min": 0},
        "b": {"unit": "g/L", "min": 1, "max": 9},
        "c": {"unit": "g/L", "min": 0, "max": 9, "scale": 2},
        "d": {"unit": "g/L", "min": 0, "max": 9},
    }


def bomb(key: str) -> str:
    """Return ten lines that stand for 10^10 values."""
    levels = [f"a{i}: &a{i} {{{key}: [{', '.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, 11)]
    return "\n".join(["a0: &a0 {x: 1}", *levels])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must be a mapping of keys to values. Got NoneType"),
        ("- a\n", "must be a mapping of keys to values. Got list"),
        ("a: [", "valid YAML"),
        ("\x00", "valid YAML"),
        ("name: a\nname: b\n", "the key 'name' is written twice"),
        ("a: {<<: {b: 1}, <<: {c: 2}}", "the key '<<' is written twice"),
        ("a: {no: {}}", "a key must be text"),
        ("a: {1: x, '1': y}", "a key must be text"),
        ("a: {null: x}", "a key must be text"),
        ("a: {2024-01-01: x}", "a key must be text"),
        ("? [a, b]\n: c", "a key must be text"),
        ("a: &a {b: *a}", "a value must not contain itself"),
        ("a: &a [1, [*a]]", "a value must not contain itself"),
        ("a: &a {<<: *a}", "a value must not contain itself"),
        (bomb("x"), f"at most {MOST_VALUES:,} values"),
        (bomb("<<"), f"at most {MOST_VALUES:,} values"),
        ("a: " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("a: " + "9" * 5000, "valid YAML"),
        ("a: 0x" + "f" * 5000, "an integer must have at most 64 bits"),
        ("a: -9223372036854775809", "an integer must have at most 64 bits"),
        ("a: 2024-13-45", "valid YAML"),
        ("a: 0b_", "valid YAML"),
        ('a: "\\ud800"', "valid YAML"),
        ("a: !!binary aGk=", "valid YAML"),
        ("a: !!set {x, y}", "valid YAML"),
        ("a: !!python/object/apply:os.system [ls]", "valid YAML"),
    ],
    ids=lambda text: text[:20],
)
def test_what_no_settings_can_be_is_refused_in_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError) as error:
        read(tmp_path, text)
    assert words in error.value.sentence
    assert "\n" not in error.value.sentence
    assert len(error.value.sentence) < 600


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=9,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(max_size=5), values, max_size=4))
def test_whatever_yaml_writes_is_read_as_it_was(tmp_path: Path, content: dict[str, Any]) -> None:
    assert read(tmp_path, yaml.safe_dump(content)) == content


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("ab:-[]{}&*!<?|>'\"\\#%@`,. \n\t0123456789xeE_~=", max_size=30))
def test_any_text_is_settings_or_a_usage_error(tmp_path: Path, text: str) -> None:
    try:
        content = read(tmp_path, text)
    except UsageError as error:
        assert "\n" not in error.sentence  # noqa: PT017
    else:
        json.dumps(content, default=str)
