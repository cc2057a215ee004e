"""Rows of a JSON body, repeated keys included."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from recipeline.serving.rows.faults import TooManyRows, UnreadableBody

#: Objects and lists that an honest body has besides its rows.
_AROUND_ROWS = 16


class _Object(dict[str, Any]):
    """An object of a JSON text, which remembers the keys that it had more than once."""

    repeated: tuple[str, ...] = ()


def _collect(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        found.repeated = tuple(key for key in found if counts[key] > 1)
    return found


def refuse_many_rows(body: bytes, names: Iterable[str], max_rows: int) -> None:
    """Raise TooManyRows where a JSON text begins more objects and lists than so many rows with these names have.

    It is asked before anything is made of the text: ten million brackets take milliseconds as bytes, and as rows seconds and
    gigabytes.
    """
    most = max_rows * (1 + sum(name.count("{") + name.count("[") for name in names)) + _AROUND_ROWS
    if len(body) > most and body.count(b"{") + body.count(b"[") > most:
        raise TooManyRows


def read_json(body: bytes) -> Any:
    """Return the value of a JSON text, its objects with the keys that they repeat; NaN and infinity are read as floats.

    Raises
    ------
    UnreadableBody : it is none, or it is nested too deeply.
    """
    try:
        return json.loads(body.decode("utf-8-sig"), object_pairs_hook=_collect)
    except UnicodeDecodeError as error:
        raise UnreadableBody(f"The body must be UTF-8. Byte {error.start} is not.") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise UnreadableBody(f"The body must be JSON. At {place}: {error.msg}.") from None
    except RecursionError:
        raise UnreadableBody("The body must be JSON of few levels. It is nested too deeply.") from None
    except ValueError:  # a number of thousands of digits
        raise UnreadableBody("The body must be JSON with numbers of fewer digits.") from None
