"""Split: divide the rows into training and test rows, and audit twins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from recipeline.artifacts import DATASET, LEAK_AUDIT, TEST, TRAIN
from recipeline.cli.command import step_command
from recipeline.cli.options import choose_word, method_option
from recipeline.config.split import Split, refuse_random
from recipeline.errors import UsageError
from recipeline.orchestration.step import Step

if TYPE_CHECKING:
    from recipeline.config.recipe import Recipe
    from recipeline.orchestration.session import Session
    from recipeline.tracking.runs import StepRun

METHODS = get_args(Split.model_fields["method"].annotation)


def choose_method(recipe: Recipe, method: str) -> str:
    """Return `method` or the recipe's; UsageError if it does not fit."""
    if method == "random" and recipe.split.keys:
        raise UsageError(refuse_random(recipe.split.keys), fix="Leave split=random out, or take the key out of the recipe.")
    return choose_word("The split method", method, METHODS, default=recipe.split.method)


def inputs(session: Session, method: str) -> dict[str, Any]:
    """Return the settings of the split."""
    recipe = session.recipe
    split = {"method": choose_method(recipe, method)} | recipe.split.settings()
    return recipe.part(["target", "random_state"]) | {"split": split, "cv": {"folds": recipe.cv.folds}}


def check(session: Session, method: str) -> None:
    """Find the project's own function that chooses test rows, if the recipe names one."""
    from recipeline.data.splits import find_custom

    find_custom(session.recipe)


def work(session: Session, run: StepRun, method: str) -> str:
    """Split the rows and audit the split, beside a plain random split."""
    from recipeline.data.leakage import audit_split, explain_audit
    from recipeline.data.relating.relations import read_keys
    from recipeline.data.splits import split_rows

    recipe, method = session.recipe, choose_method(session.recipe, method)
    rows = run.open(DATASET)
    table = read_keys(rows, recipe) if rows.is_large else rows.read()
    train, test = split_rows(table, recipe, method)
    by = ", ".join(f"{key}: {value}" for key, value in recipe.split.keys.items())
    by += f", embargo: {recipe.split.embargo_words}" * bool(recipe.split.gap)
    audit = audit_split(table, train, test, recipe, method, rows if rows.is_large else None)
    run.tag(split_method=method, **({"split_by": by} if by else {}))
    for artifact, side in ((TRAIN, train), (TEST, test)):
        run.save_batches(artifact, rows.select(side.index.to_numpy()) if rows.is_large else [side])
    for warning in audit.warnings:
        session.reporter.say(f"warning: split: {warning}")
    run.save(LEAK_AUDIT, audit)
    run.show(
        params={"split_method": method, "test_size": recipe.split.test_size, **({"split_by": by} if by else {})},
        metrics={"train_rows": audit.train_rows, "test_rows": audit.test_rows, "leaked_rows": audit.leaked_rows},
    )
    return explain_audit(audit, recipe.split.keys)


STEP = Step("split", work, inputs, params=("method",), check=check, reads=(DATASET,), writes=(TRAIN, TEST, LEAK_AUDIT))


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
