from __future__ import annotations

import numpy as np
import pyarrow as pa

from recipeline.inference.model_info import Feature
from recipeline.inference.row_checks import check_rows, is_unseen


def test_a_nullable_feature_may_be_missing_and_an_integer_must_be_whole() -> None:
    features = (Feature("a", nullable=True), Feature("b", type="integer"))
    rows = pa.RecordBatch.from_pydict({"a": ["", "1", "x"], "b": ["1", "2.0", "2.5"]})
    checked = check_rows(rows, features)
    assert np.isnan(checked.codes[0, 0])
    assert [fault.text.split(". ")[0] for fault in checked.faults(np.arange(1, 4))] == [
        "a: must be a number",
        "b: must be a whole number",
    ]


def test_of_a_value_that_breaks_several_rules_the_first_names_the_fault() -> None:
    feature = Feature("a", type="integer", min=0, max=5)
    checked = check_rows(pa.RecordBatch.from_pydict({"a": [-0.5, 7.0, 3.0]}), (feature,))
    assert [fault.text for fault in checked.faults(np.array([4, 5, 6]))] == [
        "a: must be a whole number. Got -0.5 instead.",
        "a: must be at most 5. Got 7.0 instead.",
    ]
    assert (checked.count, checked.good.tolist()) == (2, [False, False, True])


def test_what_the_model_has_not_seen_is_beyond_its_training_range_and_a_missing_value_is_not() -> None:
    feature = Feature("a", min=0, max=9, train_min=2, train_max=4)
    assert is_unseen(feature, np.array([1.9, 2, 4, 4.1, np.nan])).tolist() == [True, False, False, True, False]
