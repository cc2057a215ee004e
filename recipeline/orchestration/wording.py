"""Markdown descriptions of the experiment and the registered model in MLflow."""

from __future__ import annotations

from recipeline.config.recipe import Recipe
from recipeline.escape import for_markdown
from recipeline.metrics.catalogue import MAIN, metrics_of


def describe_experiment(recipe: Recipe) -> str:
    """Return a description of the experiment's runs and how to find them."""
    scores = ", ".join(f"`best.{it.name}`" for it in metrics_of(recipe.task)[:MAIN])
    return (
        f"Runs of the recipe **{for_markdown(recipe.name)}**, which predicts *{for_markdown(recipe.target)}* from "
        f"{len(recipe.features)} features.\n\n"
        "- A chain is a run named `main · …` with one nested run per step; `train` has one nested run per candidate. "
        "To list chains: ``tags.`recipeline.step` = 'main'``.\n"
        f"- {scores} and `best.cv_mean_score` are the best candidate's; without a prefix they are on the candidates' own "
        "runs.\n"
        "- Each run has its result as an HTML file, `card.html`, among its artifacts.\n"
    )


def describe_registered_model(recipe: Recipe) -> str:
    """Return a description of the model, its Production version and its ledger."""
    name = for_markdown(recipe.model_name)
    use = recipe.model_card.intended_use
    return (
        f"Predicts *{for_markdown(recipe.target)}* from {len(recipe.features)} features, by the best candidate of the recipe "
        f"**{for_markdown(recipe.name)}**.\n\n"
        "- The alias `champion` is the version in Production; `challenger` is the newest one registered.\n"
        f"- Every change of Production is an entry of {name}.ledger: `recipeline history`, `recipeline why`.\n"
        + (f"- Intended use: {for_markdown(use)}\n" if use else "")
    )
