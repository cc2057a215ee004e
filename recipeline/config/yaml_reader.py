"""YAML files as plain values: text keys without duplicates, limited size.

Merge keys work; aliases cannot expand without limit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from recipeline.errors import UsageError

#: More values than any recipe has. Aliases count as often as they are used: few lines can stand for billions.
MOST_VALUES = 100_000

_PREFIX = "tag:yaml.org,2002:"
_KEY_TAGS = (f"{_PREFIX}str", f"{_PREFIX}merge")

#: Tags whose values JSON has no place for.
_ODD_TAGS = [f"{_PREFIX}{name}" for name in ("binary", "set", "omap", "pairs")]


class _Fault(yaml.MarkedYAMLError):
    """A construct that is valid YAML and invalid in settings, with its position."""

    def __init__(self, problem: str, node: yaml.Node) -> None:
        super().__init__(problem=problem, problem_mark=node.start_mark)


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses ambiguous keys and unlimited documents."""

    yaml_constructors = {tag: make for tag, make in yaml.SafeLoader.yaml_constructors.items() if tag not in _ODD_TAGS}

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Refuse duplicate keys and keys that are not text.

        YAML would keep the last duplicate, and read `no` as false and 1.0 as 1.
        """
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if key.tag not in _KEY_TAGS:
                raise _Fault("a key must be text; put quotes around numbers, dates, and words such as no, on and null", key)
            if key.value in seen:
                raise _Fault(f"the key '{key.value}' is written twice", key)
            seen.add(key.value)
        return node

    def construct_document(self, node: yaml.Node) -> Any:
        """Refuse a document that contains itself or expands beyond MOST_VALUES values."""
        _count_values(node, {})
        return super().construct_document(node)

    def construct_scalar(self, node: Any) -> Any:
        """Refuse half a character, as an escape may write it."""
        value = super().construct_scalar(node)
        value.encode()
        return value

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Refuse an integer of more than 64 bits, which no library below takes."""
        value: int = super().construct_yaml_int(node)
        if not -(2**63) <= value < 2**63:
            raise _Fault("an integer must have at most 64 bits", node)
        return value


_Loader.add_constructor(f"{_PREFIX}int", _Loader.construct_yaml_int)


def _count_values(node: yaml.Node, counts: dict[int, int]) -> int:
    """Return the number of values of a node with its aliases expanded.

    `counts` has the nodes counted so far; 0: in progress.
    """
    if id(node) not in counts:
        counts[id(node)] = 0
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        children = [*node.value] if isinstance(node, yaml.SequenceNode) else [child for pair in pairs for child in pair]
        counts[id(node)] = 1 + sum(_count_values(child, counts) for child in children)
    if not counts[id(node)]:
        raise _Fault("a value must not contain itself", node)
    if counts[id(node)] > MOST_VALUES:
        raise _Fault(f"a file must have at most {MOST_VALUES:,} values, with aliases expanded", node)
    return counts[id(node)]


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the keys and values in the file `path`.

    Raises
    ------
    UsageError : it cannot be read, is no YAML, or no mapping; a key is written twice or no text; a value has no end.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path} cannot be read: {reason}.", fix="Name a readable YAML file.") from None
    except (yaml.YAMLError, ValueError) as error:  # the latter of numbers and dates that look like some
        raise UsageError(f"{path} must be valid YAML.", got=f"'{' '.join(str(error).split())}'") from None
    except RecursionError:
        raise UsageError(f"{path} must be valid YAML.", got="values nested too deeply") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path} must be a mapping of keys to values.", got=type(content).__name__)
    return content
