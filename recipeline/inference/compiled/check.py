"""The check that a compiled form gives the answers of its model."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from recipeline.data.target_codes import NUMBERS, TargetCodes
from recipeline.inference.asking import ask_model
from recipeline.inference.columns import Columns
from recipeline.inference.compiled.form import Compiled

#: Error that answers may have where `exact` is not promised, in standard deviations of the answers.
TOLERANCE = 1e-6


def differences(
    compiled: Compiled, model: BaseEstimator, rows: pd.DataFrame, columns: Columns, codes: TargetCodes = NUMBERS
) -> str:
    """Return "" if `compiled` equals `model` on `rows`, else the worst difference.

    Rows are predicted at once, in both orders in memory, and one by one. Equal means bit for bit if `compiled.exact`, else
    within 1e-6 of the standard deviation of the answers, which does not depend on the target's origin. An error of 1e-12 of
    the largest answer is rounding.

    Parameters
    ----------
    rows : the model's features as its columns, in its order, at least one row, no NaN.
    """
    values = columns.matrix(rows)
    expected = ask_model(model, rows, codes)
    answers = {
        "at once": compiled.predict(values),
        "column by column": compiled.predict(np.asfortranarray(values)),
        "one by one": np.concatenate([compiled.predict(values[[row]]) for row in range(len(values))]),
    }
    allowed = 0.0 if compiled.exact else TOLERANCE * expected.std() + 1e-12 * np.abs(expected).max()
    for how, answer in answers.items():
        error = np.abs(answer - expected)
        wrong = ~(error <= allowed)  # a NaN is wrong, too
        if wrong.any():
            worst, *label = map(int, np.unravel_index(np.argmax(error - allowed), error.shape))
            place, rows_wrong = (worst, *label), wrong.reshape(len(values), -1).any(axis=1).sum()
            return (
                f"{rows_wrong} of {len(values)} rows, asked {how}, are answered otherwise than by the model; "
                f"the worst is row {worst}: {float(answer[place])!r} instead of {float(expected[place])!r}."
            )
    return ""


def random_rows(columns: Columns, *, rows: int, seed: int) -> pd.DataFrame:
    """Return random rows with the features of `columns`, a third of each kind.

    Numbers are within the training range; beyond it by up to 20 % of the range on either side; and rounded to 1 to 4 decimals,
    because trees split between values that were rounded, and a row on the split itself reveals small errors.
    """
    rng = np.random.default_rng(seed)
    share = rng.random((rows, len(columns.features)))
    share[1::3] = 1.4 * share[1::3] - 0.2
    decimals = rng.integers(1, 5, size=share.shape)
    decimals[np.arange(rows) % 3 != 2] = 0
    codes = [it.kind.draw(it, share[:, place], decimals[:, place]) for place, it in enumerate(columns.features)]
    return columns.frame(np.column_stack(codes))
