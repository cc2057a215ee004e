"""Rows of a JSON body, with detection of repeated keys."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from recipeline.serving.rows.faults import BadRows, Fault, Faults, TooManyRows, UnreadableBody, kind_of, shorten

#: Objects and lists that an honest body has besides its rows.
_AROUND_ROWS = 16

#: Escapes of halves of characters. Half a character can be written to no log and sent in no answer.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


class _Object(dict[str, Any]):
    """An object of a JSON text with its repeated keys."""

    repeated: tuple[str, ...] = ()


def _collect(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        found.repeated = tuple(key for key in found if counts[key] > 1)
    return found


def refuse_many_rows(body: bytes, names: Iterable[str], max_rows: int) -> None:
    """Raise TooManyRows if a JSON text opens too many objects and lists.

    The limit is that of `max_rows` rows with these names. The check is on the text before parsing: ten million brackets take
    milliseconds as bytes, and as rows seconds and gigabytes.
    """
    most = max_rows * (1 + sum(name.count("{") + name.count("[") for name in names)) + _AROUND_ROWS
    if len(body) > most and body.count(b"{") + body.count(b"[") > most:
        raise TooManyRows


def read_json(body: bytes) -> Any:
    """Return the value of a JSON text, with the repeated keys of its objects.

    NaN and infinity are read as floats.

    Raises
    ------
    UnreadableBody : it is not JSON, it is nested too deeply, or a text of it has half a character.
    """
    try:
        text = body.decode("utf-8-sig")
        value = json.loads(text, object_pairs_hook=_collect)
    except UnicodeDecodeError as error:
        raise UnreadableBody(f"The body is not UTF-8 at byte {error.start}.") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise UnreadableBody(f"The body is not JSON: {error.msg} at {place}.") from None
    except RecursionError:
        raise UnreadableBody("The JSON body is nested too deeply.") from None
    except ValueError:  # a number of thousands of digits
        raise UnreadableBody("The JSON body has a number with too many digits.") from None
    if _HALF.search(text):  # may be a whole one, of two escapes
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise UnreadableBody("The JSON body has half a character: \\ud800 to \\udfff without its other half.") from None
    return value


def require_once(value: object) -> None:
    """Raise BadRows for a repeated key, of which JSON readers keep the last value."""
    repeated = getattr(value, "repeated", ())
    if repeated:
        raise BadRows(Faults(Fault(None, shorten(name), "must be unique", "a repeated name") for name in repeated))


def require_lists(value: list[Any], name: str) -> list[list[Any]]:
    """Return a list of lists. Raise BadRows with each of its values that is none."""
    faults = Faults()
    for number, row in enumerate(value):
        if not isinstance(row, list):
            faults.add(number, name, "must be a list of values", kind_of(row))
            if faults.is_over:
                break
    if faults.count:
        raise BadRows(faults)
    return value
