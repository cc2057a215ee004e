"""Split: divide the rows into training and test rows, and audit twins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from recipeline.artifacts import DATASET, LEAK_AUDIT, TEST, TRAIN
from recipeline.cli.command import step_command
from recipeline.cli.options import choose_word, method_option
from recipeline.config.table import Split, refuse_random
from recipeline.errors import UsageError
from recipeline.orchestration.step import Step

if TYPE_CHECKING:
    from recipeline.config.recipe import Recipe
    from recipeline.orchestration.session import Session
    from recipeline.tracking.runs import StepRun

METHODS = get_args(Split.model_fields["method"].annotation)


def choose_method(recipe: Recipe, method: str) -> str:
    """Return `method`, or the recipe's where it is empty.

    Raises
    ------
    UsageError : there is no such method, or it is random, and the recipe names what is to stay together.
    """
    if method == "random" and recipe.split.keys:
        sentence = refuse_random(recipe.split.keys)
        raise UsageError(
            f"{sentence[0].upper()}{sentence[1:]}", fix="Leave split=random out, or take the key out of the recipe."
        )
    return choose_word("The split method", method, METHODS, default=recipe.split.method)


def inputs(session: Session, method: str) -> dict[str, Any]:
    """Return the settings of the split."""
    recipe = session.recipe
    split = {"method": choose_method(recipe, method), "test_size": recipe.split.test_size, "tolerance": recipe.split.tolerance}
    split |= recipe.split.named | ({"embargo": recipe.split.embargo} if recipe.split.time else {})
    if recipe.split.custom is not None:
        split["custom"] = recipe.split.custom.model_dump(mode="json")
    return recipe.part(["target", "random_state"]) | {"split": split, "cv": {"folds": recipe.cv.folds}}


def check(session: Session, method: str) -> None:
    """Find the project's own function that chooses test rows, where the recipe names one."""
    if session.recipe.split.custom is not None:
        from recipeline.data.splits import find_custom

        find_custom(session.recipe)


def work(session: Session, run: StepRun, method: str) -> str:
    """Split the rows and audit the split, beside a plain random split."""
    from recipeline.data.leakage import audit_leaks, compare_columns, find_warnings, measure_memory
    from recipeline.data.smells import find_unnamed
    from recipeline.data.splits import split_rows

    recipe = session.recipe
    method = choose_method(recipe, method)
    table = run.load(DATASET)
    train, test = split_rows(table, recipe, method)
    audit = audit_leaks(train, test, recipe)
    left_out = (
        {"embargo": recipe.split.embargo, "embargo_rows": len(table) - len(train) - len(test)} if recipe.split.time else {}
    )
    plainly = (train, test) if method == "random" else split_rows(table, recipe, "random")
    plain = audit_leaks(*plainly, recipe)
    named: dict[str, Any] = {**recipe.split.keys, **({"embargo": recipe.split.embargo} if recipe.split.embargo else {})}
    run.tag(split_method=method, **{f"split_{key}": column for key, column in named.items()})
    run.save(TRAIN, train)
    run.save(TEST, test)
    warnings = find_warnings(train, test, recipe, method) + find_unnamed(table, recipe)
    for warning in warnings:
        session.reporter.say(f"warning: split: {warning}")
    shown = {"memory": measure_memory(*plainly, recipe), "columns": compare_columns(train, test, recipe), "warnings": warnings}
    run.save(
        LEAK_AUDIT,
        {"method": method, "columns_of_split": recipe.split.named, **left_out, **audit, "random_split": plain, **shown},
    )
    run.show(
        params={
            "split_method": method,
            "test_size": recipe.split.test_size,
            **{f"split_{key}": it for key, it in named.items()},
        },
        metrics={name: audit[name] for name in ("train_rows", "test_rows", "leaked_rows")},
    )
    how = "".join(f", {key}: {name}" for key, name in named.items())
    if left_out.get("embargo_rows"):
        how += f", {left_out['embargo_rows']} rows between training and test rows left out"
    return (
        f"{method} split{how}: {audit['train_rows']} training and {audit['test_rows']} test rows; "
        f"{audit['leaked_rows']} test rows have a twin in training"
        + ("" if method == "random" else f" (a plain random split: {plain['leaked_rows']} of {plain['test_rows']})")
    )


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
