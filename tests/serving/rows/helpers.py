"""Rows of two columns, parsed, and their faults."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from recipeline.inference.model_info import Feature
from recipeline.serving.rows.faults import BadRows
from recipeline.serving.rows.schema import Schema

PH = Feature("pH", train_min=2.7, train_max=4)
SCHEMA = Schema((Feature("alcohol", "% vol", min=0, max=25, train_min=8, train_max=15), PH))
GOOD = {"alcohol": 10, "pH": 3.5}


def parse(body: Any, schema: Schema = SCHEMA, max_rows: int = 1000) -> np.ndarray:
    return schema.parse(body if isinstance(body, bytes) else json.dumps(body).encode(), max_rows=max_rows)


def faults(body: Any, schema: Schema = SCHEMA) -> list[tuple[int | None, str | None, str, str]]:
    with pytest.raises(BadRows) as caught:
        parse(body, schema)
    assert caught.value.count >= len(caught.value.faults) > 0
    return [(fault.row, fault.field, fault.rule, fault.got) for fault in caught.value.faults]
