"""Structured fields of HTTP headers (RFC 9651): a list of counted texts."""

from __future__ import annotations

from collections.abc import Mapping

#: A header of as many characters fits into the buffers of the usual proxies, beside the others.
LONGEST = 2000

_NOT_AS_IT_IS = frozenset(b'%"')


def as_counts(counts: Mapping[str, int]) -> str:
    """Return names with counts as a List: ``"alcohol";count=2, "pH";count=1``.

    If it would exceed LONGEST, the token ``*`` has the count of the last names, which are left out.
    """
    members, left, size = list[str](), sum(counts.values()), 0
    for name, count in counts.items():
        member = f"{as_text(name)};count={count}"
        size += len(member) + 2
        if size > LONGEST:
            break
        members.append(member)
        left -= count
    return ", ".join([*members, f"*;count={left}"] if left else members)


def as_text(value: str) -> str:
    """Return a text as a String; as a Display String if not visible ASCII."""
    if value.isascii() and value.isprintable():
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    encoded = value.encode(errors="replace")
    return '%"' + "".join(chr(byte) if _is_plain(byte) else f"%{byte:02x}" for byte in encoded) + '"'


def _is_plain(byte: int) -> bool:
    return 0x20 <= byte <= 0x7E and byte not in _NOT_AS_IT_IS
