from __future__ import annotations

import gzip
import json
import random
import zlib
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.serving.helpers import Make, Row, post

LIMIT_MB, LIMIT = 0.01, int(0.01 * 2**20)
KINDS = {"/predict": ("application/json",), "/invocations": ("application/json", "text/csv")}
DOORS = [(path, kind) for path, kinds in KINDS.items() for kind in kinds]


def written(row: Row, path: str, kind: str, rows: int = 1) -> bytes:
    """Return rows as a door takes them."""
    if kind == "text/csv":
        line = ",".join(map(repr, row.values()))
        return "\n".join([",".join(row), *[line] * rows]).encode()
    return json.dumps([row] * rows if path == "/predict" else {"dataframe_records": [row] * rows}).encode()


def chunked(client: FlaskClient, path: str, kind: str, body: bytes, **headers: str) -> TestResponse:
    """Post a body whose length is not said."""
    return client.post(
        path,
        input_stream=BytesIO(body),
        headers={"Content-Type": kind, "Transfer-Encoding": "chunked", **headers},
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": ""},  # which the client would add by itself
    )


@pytest.fixture
def small(make_client: Make) -> FlaskClient:
    return make_client(max_body_mb=LIMIT_MB)


@pytest.mark.parametrize(("path", "kind"), DOORS)
@pytest.mark.parametrize("over", [1, 2, LIMIT, 20 * LIMIT])
def test_no_body_above_the_limit_is_answered_in_part(small: FlaskClient, row: Row, path: str, kind: str, over: int) -> None:
    body = written(row, path, kind, 5)
    padding = b"\n" * (LIMIT - len(body) + over)
    for response in (chunked(small, path, kind, body + padding), post(small, body + padding, path, **{"Content-Type": kind})):
        assert response.status_code == 413
        assert "predictions" not in response.get_json()


@pytest.mark.parametrize(("path", "kind"), DOORS)
def test_a_body_at_the_limit_is_answered_whole(small: FlaskClient, row: Row, path: str, kind: str) -> None:
    body = written(row, path, kind, 5)
    body += b"\n" * (LIMIT - len(body))
    for response in (chunked(small, path, kind, body), post(small, body, path, **{"Content-Type": kind})):
        assert len(response.get_json()["predictions"]) == 5


@pytest.mark.parametrize(("path", "kind", "encoding"), [*((*door, "utf-8") for door in DOORS), (*DOORS[-1], "utf-16")])
def test_of_a_body_of_unknown_length_that_is_cut_off_no_half_value_is_predicted(
    small: FlaskClient, row: Row, path: str, kind: str, encoding: str
) -> None:
    """A connection that breaks within chunks ends the body like the last one.

    Some processors round the product of one row and that of two differently, by one in the last of 16 digits.
    """
    name = [*row][-1]
    whole = written(row | {name: 12.25}, path, kind, 2) + b"\n"
    whole = whole.decode().encode(encoding)
    predicted = chunked(small, path, kind, whole).get_json()["predictions"]
    assert len(predicted) == 2
    for cut in range(len(whole) - 60, len(whole)):
        found = chunked(small, path, kind, whole[:cut])
        if found.status_code == 200:
            predictions = found.get_json()["predictions"]
            assert predictions == pytest.approx(predicted[: len(predictions)], rel=1e-12)
        else:
            assert found.status_code in (400, 422)
    assert chunked(small, path, kind, whole.rstrip(b"\0\n")).status_code == (400 if kind == "text/csv" else 200)


@pytest.mark.parametrize(("path", "kind"), DOORS)
@pytest.mark.parametrize("coding", ["gzip", "GZip", "x-gzip"])
def test_a_compressed_body_has_the_answer_of_the_same_body_as_it_is(
    small: FlaskClient, row: Row, path: str, kind: str, coding: str
) -> None:
    body = written(row, path, kind, 5)
    expected = post(small, body, path, **{"Content-Type": kind}).get_json()
    headers = {"Content-Type": kind, "Content-Encoding": coding}
    assert post(small, gzip.compress(body), path, **headers).get_json() == expected
    assert chunked(small, path, headers.pop("Content-Type"), gzip.compress(body), **headers).get_json() == expected


@pytest.mark.parametrize(("path", "kind"), DOORS)
def test_the_limit_is_that_of_the_decompressed_body(small: FlaskClient, row: Row, path: str, kind: str) -> None:
    body = written(row, path, kind)
    for size in (LIMIT, LIMIT + 1, 10 * LIMIT, 10**8):  # the last is a hundred kilobytes as it is sent
        sent = gzip.compress(body + b"\n" * (size - len(body)))
        response = post(small, sent, path, **{"Content-Type": kind, "Content-Encoding": "gzip"})
        assert response.status_code == (200 if size <= LIMIT else 413)


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip, gzip", "gzip, br", "chunked", "x"])
def test_another_coding_is_refused_with_the_one_that_is_taken(client: FlaskClient, row: Row, coding: str) -> None:
    response = post(client, zlib.compress(json.dumps(row).encode()), **{"Content-Encoding": coding})
    assert (response.status_code, response.headers["Accept-Encoding"]) == (415, "gzip")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(data=st.data())
def test_a_broken_gzip_is_never_answered_in_part(client: FlaskClient, row: Row, data: Any) -> None:
    whole = gzip.compress(written(row, "/invocations", "text/csv", 20), mtime=0)
    cut = data.draw(st.integers(0, len(whole) - 1))
    more = data.draw(st.binary(min_size=1, max_size=30))
    flipped = bytearray(whole)
    place = data.draw(st.integers(10, len(whole) - 1))
    flipped[place] ^= 1 << random.Random(place).randrange(8)
    for sent in (whole[:cut], whole + more, whole + whole, bytes(flipped)):
        response = post(client, sent, "/invocations", **{"Content-Type": "text/csv", "Content-Encoding": "gzip"})
        assert response.status_code == 400


@pytest.mark.parametrize(("path", "kind"), DOORS)
def test_a_byte_order_mark_is_no_part_of_the_text(client: FlaskClient, row: Row, path: str, kind: str) -> None:
    body = written(row, path, kind, 2)
    headers = {"Content-Type": kind}
    assert post(client, b"\xef\xbb\xbf" + body, path, **headers).get_json() == post(client, body, path, **headers).get_json()
    assert post(client, body[:10] + b"\xef\xbb\xbf" + body[10:], path, **headers).status_code in (400, 422)
    other = post(client, b"\xff\xfe" + body.decode().encode("utf-16-le"), path, **headers)
    if kind == "text/csv":  # as a file is read
        assert other.get_json() == post(client, body, path, **headers).get_json()
    else:
        assert other.status_code == 400


@pytest.mark.parametrize(("path", "kind"), DOORS)
def test_a_body_that_ends_before_the_length_it_says_is_refused(client: FlaskClient, row: Row, path: str, kind: str) -> None:
    body = written(row, path, kind, 5)
    response = client.post(
        path,
        input_stream=BytesIO(body),
        content_type=kind,
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": str(len(body) + 1)},
    )
    assert response.status_code == 400


@pytest.mark.parametrize(("path", "kind"), DOORS)
@pytest.mark.parametrize("coding", ["gzip, chunked", "identity,chunked", "chunked,chunked", "chunked;q=1", ""])
def test_a_transfer_coding_that_a_proxy_may_read_otherwise_is_refused(
    client: FlaskClient, row: Row, path: str, kind: str, coding: str
) -> None:
    found = chunked(client, path, kind, written(row, path, kind) + b"\n", **{"Transfer-Encoding": coding})
    assert (found.status_code, found.get_json()["error_code"]) == (501, "NOT_IMPLEMENTED")


@pytest.mark.parametrize(("path", "kind"), DOORS)
@pytest.mark.parametrize("coding", ["chunked", "Chunked", " chunked"])
def test_chunks_are_read(client: FlaskClient, row: Row, path: str, kind: str, coding: str) -> None:
    found = chunked(client, path, kind, written(row, path, kind) + b"\n", **{"Transfer-Encoding": coding})
    assert found.status_code == 200
