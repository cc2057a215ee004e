"""The body of a request: whole, within the limit, and decompressed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from recipeline.serving.http.answers import Refusal

#: Where the environ keeps a body that was read.
_BODY = "service.body"

_GZIP = ("gzip", "x-gzip")


def read_body(environ: dict[str, Any], most: int) -> bytes:
    """Return the body as it was sent, of at most `most` bytes.

    It waits for a slow client. The body is kept in the environ: a hook may have read it before. The rest of a refused body is
    empty.

    Raises
    ------
    Refusal : it is larger, shorter than its announced length, or too slow.
    """
    if _BODY in environ:
        kept: bytes = environ[_BODY]
        if len(kept) > most:
            raise _too_large(most)
        return kept
    said = environ.get("CONTENT_LENGTH") or ""
    length = int(said) if said.isdecimal() else None
    if length is not None and length > most:
        raise _too_large(most)
    # One byte more than may come, where the server ends the stream; elsewhere it would be waited for for ever (PEP 3333).
    size = (most if length is None else length) + 1 if environ.get("wsgi.input_terminated") else length or 0
    environ[_BODY] = b""
    body: bytes = environ["wsgi.input"].read(size)
    if len(body) > most:
        raise _too_large(most)
    if length is not None and len(body) != length:
        raise Refusal(400, f"The body must have the {length} bytes that Content-Length says. It ended after {len(body)}.")
    environ[_BODY] = body
    return body


def require_plain_chunks(environ: Mapping[str, Any]) -> None:
    """Refuse a transfer coding other than chunks, which the server passes on as it is.

    A proxy that reads it otherwise would see another end of the body.

    Raises
    ------
    Refusal : there is one.
    """
    coding = environ.get("HTTP_TRANSFER_ENCODING")
    if coding is not None and coding.strip().lower() != "chunked":
        raise Refusal(501, "The only Transfer-Encoding is chunked, once. Compress a body by Content-Encoding: gzip.")


def decode_body(environ: dict[str, Any], body: bytes, most: int) -> bytes:
    """Return the body without its compression, of at most so many bytes.

    Raises
    ------
    Refusal : it is larger, is not what it says, or is compressed otherwise than by gzip.
    """
    coding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in _GZIP:
        raise Refusal(415, "The body must be compressed by gzip, or not at all.", headers={"Accept-Encoding": "gzip"})
    return _gunzip(body, most)


def require_last_line(environ: Mapping[str, Any], content: bytes) -> None:
    """Refuse lines of text of unknown length, as in chunks, that end within a line.

    A connection that breaks ends a body of unknown length like its last chunk does. JSON and gzip have an end of their own; a
    number at the end of a text may be the half of one.

    Raises
    ------
    Refusal : its last line has no end.
    """
    has_end = environ.get("CONTENT_LENGTH") or environ.get("HTTP_CONTENT_ENCODING", "").strip().lower() in _GZIP
    if not has_end and content and not content.rstrip(b"\0").endswith((b"\n", b"\r")):  # in UTF-16 a zero follows
        raise Refusal(400, "A body in chunks must end with a line break: it may have been cut off. Or send Content-Length.")


def _gunzip(body: bytes, most: int) -> bytes:
    """Return the content of a gzip file of one member, up to the limit."""
    member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        found = member.decompress(body, most + 1)
    except zlib.error:
        raise Refusal(400, "The body must be compressed by gzip, as Content-Encoding says. It is not.") from None
    if len(found) > most:
        raise _too_large(most)
    if not member.eof or member.unused_data:
        raise Refusal(400, f"The body must be one whole gzip stream. It {'goes on after it' if member.eof else 'ends early'}.")
    return found


def _too_large(most: int) -> Refusal:
    return Refusal(413, f"A body may have {most / 2**20:g} MiB at most, also when decompressed. Send more in several.")
