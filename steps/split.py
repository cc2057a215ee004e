"""Split: divide the rows into training and test rows, and audit twins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from recipeline.artifacts import DATASET, LEAK_AUDIT, TEST, TRAIN
from recipeline.cli.command import step_command
from recipeline.cli.options import choose_word, method_option
from recipeline.config.table import Split
from recipeline.orchestration.step import Step

if TYPE_CHECKING:
    from recipeline.config.recipe import Recipe
    from recipeline.orchestration.session import Session
    from recipeline.tracking.runs import StepRun

METHODS = get_args(Split.model_fields["method"].annotation)


def choose_method(recipe: Recipe, method: str) -> str:
    """Return `method` or the recipe's; UsageError if unknown."""
    return choose_word("The split method", method, METHODS, default=recipe.split.method)


def inputs(session: Session, method: str) -> dict[str, Any]:
    """Return the settings of the split."""
    recipe = session.recipe
    split = {"method": choose_method(recipe, method), "test_size": recipe.split.test_size, "tolerance": recipe.split.tolerance}
    return recipe.part(["target", "random_state"]) | {"split": split, "cv": {"folds": recipe.cv.folds}}


def work(session: Session, run: StepRun, method: str) -> str:
    """Split the rows and audit the split, beside a plain random split."""
    from recipeline.data.leakage import audit_split
    from recipeline.data.splits import split_rows

    recipe = session.recipe
    method = choose_method(recipe, method)
    table = run.load(DATASET)
    train, test = split_rows(table, recipe, method)
    audit = audit_split(table, train, test, recipe, method)
    run.tag(split_method=method)
    run.save(TRAIN, train)
    run.save(TEST, test)
    for warning in audit.warnings:
        session.reporter.say(f"warning: split: {warning}")
    run.save(LEAK_AUDIT, audit)
    run.show(
        params={"split_method": method, "test_size": recipe.split.test_size},
        metrics={"train_rows": audit.train_rows, "test_rows": audit.test_rows, "leaked_rows": audit.leaked_rows},
    )
    plain = audit.random_split
    return (
        f"{method} split: {audit.train_rows} training and {audit.test_rows} test rows; "
        f"{audit.leaked_rows} test rows have a twin in training"
        + ("" if method == "random" else f" (a plain random split: {plain.leaked_rows} of {plain.test_rows})")
    )


STEP = Step("split", work, inputs, params=("method",), reads=(DATASET,), writes=(TRAIN, TEST, LEAK_AUDIT))


@step_command(STEP)
@method_option("--method")
def split() -> None:
    """Split the rows into training and test rows, and count twins between them.

    \b
    Reads:  dataset.parquet
    Writes: train.parquet, test.parquet, leak_audit.json
    Example: python -m steps.split --method random
    """


if __name__ == "__main__":
    split()
