from __future__ import annotations

import io
import struct

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.data import thrift
from recipeline.data.thrift import BINARY, BYTE, DOUBLE, FALSE, I16, I32, I64, LIST, SET, STRUCT, TRUE, List

INTEGERS = {I16: st.integers(-(2**15), 2**15 - 1), I32: st.integers(-(2**31), 2**31 - 1), I64: st.integers(-(2**63), 2**63 - 1)}
PLAIN = {
    **INTEGERS,
    BINARY: st.binary(max_size=200),
    BYTE: st.binary(min_size=1, max_size=1),
    DOUBLE: st.floats().map(struct.Struct("<d").pack),
}


def lists(kinds: dict[int, st.SearchStrategy]) -> st.SearchStrategy:
    return st.sampled_from(sorted(kinds)).flatmap(
        lambda kind: st.lists(kinds[kind], max_size=20).map(lambda it: List(kind, it))
    )


def structs(kinds: dict[int, st.SearchStrategy]) -> st.SearchStrategy:
    values = [st.tuples(st.just(kind), one) for kind, one in kinds.items()]
    return st.dictionaries(st.integers(1, 2**15 - 1) | st.integers(1, 30), st.one_of(values), max_size=8)


LEAVES = {**PLAIN, TRUE: st.booleans()}
STRUCTS = structs(LEAVES | {LIST: lists({**PLAIN, FALSE: st.booleans()}), SET: lists(PLAIN)})
ALL = structs(LEAVES | {STRUCT: STRUCTS, LIST: lists({STRUCT: STRUCTS})})


@given(ALL)
def test_a_struct_is_read_as_it_was_written(value: thrift.Struct) -> None:
    assert thrift.read(thrift.write(value)) == value


def test_a_footer_of_pyarrow_is_written_byte_for_byte() -> None:
    stream = io.BytesIO()
    pq.write_table(pa.table({"a": [1.5, None], "b": [["x"], []], "c": [True, False]}), stream)
    content = stream.getvalue()
    footer = content[-8 - int.from_bytes(content[-8:-4], "little") : -8]
    assert thrift.write(thrift.read(footer)) == footer


@pytest.mark.parametrize("content", [b"", b"\x15", b"\x18\x05ab\x00", b"\x1d\x00"])
def test_what_is_no_struct_is_refused(content: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        thrift.read(content)
