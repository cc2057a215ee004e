"""The domain classifier: separation of later rows from training rows.

It uses all features together.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from recipeline.inference.columns import Columns
from recipeline.monitoring.copies import count_among, row_keys
from recipeline.monitoring.results import Domain
from recipeline.monitoring.sample import MOST_OF_A_SIDE

FOLDS = 5

#: With fewer rows on a side nothing is said; more than so many times the other side's rows tell no more.
FEWEST_OF_A_SIDE, MOST_UNEQUAL = 20, 8


def measure_domain(reference: np.ndarray, live: np.ndarray, *, seed: int, known: np.ndarray | None = None) -> Domain | None:
    """Return how well a classifier tells later rows from training rows.

    It sees what no single feature shows (Lopez-Paz and Oquab 2017). Both sides have the same weight. `auc` is the mean over
    stratified folds of the area under the ROC curve of rows that the classifier has not seen. Within a fold rows of one source
    are exchangeable, so that its mean is 0.5; across folds they are not, as a row of one is missing where the others learn.
    The p-value is that of the Mann-Whitney statistic, which the area is a multiple of, with the variance over folds of Nadeau
    and Bengio (2003), because folds share most of their training rows.

    Later rows that equal a training row are left out, and the others count once. A later row that no training row equals is
    like a training row that no other one equals: those there once are the other side.

    Parameters
    ----------
    reference, live : rows of shape (rows, features), of which at most MOST_OF_A_SIDE are drawn.
    known : which of the live rows the model learned from, beside those in the reference.

    Returns
    -------
    None where a side has fewer than FEWEST_OF_A_SIDE rows left: it is not judged.
    """
    columns = Columns.of_numbers([str(place) for place in range(reference.shape[1])])
    keys, of_reference = row_keys(live, columns), row_keys(reference, columns)
    new = ~np.isin(keys, of_reference) & (True if known is None else ~known)
    _, first = np.unique(keys[new], return_index=True)
    reference, live = reference[count_among(of_reference, of_reference) == 1], live[new][first]
    least = min(len(reference), len(live))
    if least < FEWEST_OF_A_SIDE:
        return None
    random, most = np.random.RandomState(seed), min(MOST_OF_A_SIDE, MOST_UNEQUAL * least)
    sides = [np.clip(rows[random.permutation(len(rows))[:most]], -1e30, 1e30) for rows in (reference, live)]
    rows, side = np.concatenate(sides), np.repeat([0, 1], [len(rows) for rows in sides])
    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=random).split(rows, side))
    trees = ExtraTreesClassifier(50, min_samples_leaf=2, class_weight="balanced", random_state=random.randint(2**31))
    scores = cross_val_predict(trees, rows, side, cv=folds, method="predict_proba")[:, 1]
    auc = float(np.mean([roc_auc_score(side[test], scores[test]) for _, test in folds]))
    before, after = np.bincount(side) / FOLDS
    variance = (before + after + 1) / (12 * before * after) * (1 / FOLDS + 1 / (FOLDS - 1))
    return Domain(
        auc=auc,
        p_value=float(stats.norm.sf((auc - 0.5) / math.sqrt(variance))),
        strongest=int(np.argmax(trees.fit(rows, side).feature_importances_)),
    )
