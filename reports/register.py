"""The card of register: the version, and where it comes from."""

from __future__ import annotations

from pipeline.artifacts import VERDICT, VERSION
from pipeline.gates import VALIDATED, failures
from reports.card import Card, Facts, Note, Results, Section, Table

_SCORES = ("cv_mean_score", "cv_std", "r2", "rmse", "mae")


def make_card(results: Results) -> Card:
    """Return the card of a run of register."""
    verdict = results.load(VERDICT)
    if verdict["verdict"] != VALIDATED:
        return Card(
            "register: nothing is registered",
            f"{verdict['candidate']} fails a gate of the recipe.",
            [Section("Why", [Note(line, "bad") for line in failures(verdict)])],
            tone="bad",
        )
    version = results.load(VERSION)
    tags = version["tags"]
    is_new = "registered, as the challenger" if version["new"] else "registered already: the same recipe on the same rows"
    scores = {name: tags[name] for name in _SCORES if name in tags}
    lineage = [[name.replace("_", " "), str(value)] for name, value in tags.items() if name not in _SCORES]
    return Card(
        f"register: {version['name']} version {version['version']}",
        f"{version['candidate']} is {is_new}.",
        [
            Section(
                "Version", [Facts({"Model": version["name"], "Version": version["version"], "Candidate": version["candidate"]})]
            ),
            Section("Scores", [Facts(scores)]),
            Section("Where it comes from", [Table(["what", "value"], lineage, "The tags of the version")]),
        ],
        tone="good",
    )
