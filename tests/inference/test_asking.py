from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier

from recipeline.data.target_codes import NUMBERS, TargetCodes
from recipeline.inference.asking import ask_model, probabilities, recognise, say
from tests.classes import draw_classes


def test_a_regressor_is_asked_for_numbers() -> None:
    rows = draw_classes([1, 2])
    model = LinearRegression().fit(rows[["x"]], rows["y"])
    found = ask_model(model, rows[["x"]], NUMBERS)
    np.testing.assert_array_equal(found, model.predict(rows[["x"]]))
    np.testing.assert_array_equal(say(found, NUMBERS), found)


def test_of_two_labels_the_probability_of_the_positive_one_is_asked_for_whichever_it_is() -> None:
    rows = draw_classes(["bad", "good"])
    model = LogisticRegression().fit(rows[["x"]], rows["y"].to_numpy(dtype=object).astype(str))
    good, bad = (ask_model(model, rows[["x"]], TargetCodes("binary", labels)) for labels in (("bad", "good"), ("good", "bad")))
    np.testing.assert_allclose(good + bad, 1)
    np.testing.assert_array_equal(say(good, TargetCodes("binary", ("bad", "good"))), model.predict(rows[["x"]]))


def test_the_threshold_itself_says_the_positive_label() -> None:
    codes = TargetCodes("binary", (False, True))
    assert say(np.array([0.29, 0.3, 0.31]), codes, 0.3).tolist() == [False, True, True]


def test_a_label_that_a_fold_did_not_see_has_no_probability() -> None:
    rows = draw_classes(["a", "c"])
    model = LogisticRegression().fit(rows[["x"]], rows["y"].to_numpy(dtype=object).astype(str))
    codes = TargetCodes("multiclass", ("a", "b", "c"))
    found = ask_model(model, pd.DataFrame({"x": [0.0, 1.0]}), codes)
    assert found.shape == (2, 3)
    assert (found[:, 1] == 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert say(np.array([[0.2, 0.4, 0.4]]), codes).tolist() == ["b"]


def test_predictions_have_a_column_for_each_label() -> None:
    assert probabilities(np.array([1.5, 2.0]), NUMBERS).shape == (2, 0)
    assert probabilities(np.array([0.25]), TargetCodes("binary", ("bad", "good"))).tolist() == [[0.75, 0.25]]
    assert probabilities(np.array([[0.1, 0.9]]), TargetCodes("multiclass", ("a", "b"))).tolist() == [[0.1, 0.9]]


def test_a_model_of_which_nothing_is_known_shows_its_task_labels_and_threshold() -> None:
    rows = draw_classes(["a", "b"])
    X, y = rows[["x"]], rows["y"].astype(str).to_numpy()
    plain = LogisticRegression().fit(X, y)
    assert recognise(LinearRegression().fit(X, X["x"])) == (NUMBERS, None)
    assert recognise(plain) == (TargetCodes("multiclass", ("a", "b")), None)
    decided = FixedThresholdClassifier(plain, threshold=0.3, pos_label="a", response_method="predict_proba").fit(X, y)
    assert recognise(decided) == (TargetCodes("binary", ("b", "a")), 0.3)
    for model in (plain, decided):
        codes, threshold = recognise(model)
        assert say(ask_model(model, X, codes), codes, threshold or 0.5).tolist() == model.predict(X).tolist()
