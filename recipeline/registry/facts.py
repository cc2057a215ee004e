"""Facts about a version: tags for searches, and version.json for programs.

The tags are few, and each can be searched for: identity, quality, origin and the gate's result. Versions that were registered
by version 0.2.0 or earlier have all facts as tags.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlflow.entities.model_registry import ModelVersion

from recipeline.artifacts import VERSION
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.tags import PREFIX, VersionTags, bare, tags_in

#: The facts that are tags of a version, besides the run IDs of its lineage and what the gate finds (`gate_*`, `held_against`).
TAGS = tuple(bare(tag) for tag in tags_in(VersionTags) if tag.writers == "`register`")

#: The digests that make two versions the same: their identity has the beginning of each of these digests, in this order.
DIGESTS = ("recipe_digest", "training_rows", "environment_digest")

#: As many hex digits of each as the identity has.
DIGEST_LENGTH = 16


def choose_tags(facts: Mapping[str, str | float]) -> dict[str, str | float]:
    """Return the facts that become tags of a version, by their names without prefix."""
    runs = [name for name in facts if name.endswith("_run_id")]
    return {name: facts[name] for name in (*TAGS, *runs) if name in facts}


def identify(facts: Mapping[str, str | float]) -> str:
    """Return the identity of a version: recipe, training rows and environment."""
    return "/".join(str(facts[name])[:DIGEST_LENGTH] for name in DIGESTS)


def digests_of(version: ModelVersion) -> dict[str, str]:
    """Return short digests of a version.

    They are empty for a version that was registered outside of the pipeline.
    """
    parts = str(version.tags.get(VersionTags.IDENTITY, "")).split("/")
    kept = parts if len(parts) == len(DIGESTS) else [""] * len(DIGESTS)
    return {
        name: str(version.tags.get(f"{PREFIX}{name}", part))[:DIGEST_LENGTH] for name, part in zip(DIGESTS, kept, strict=True)
    }


def facts_of(reader: Reader, version: ModelVersion) -> dict[str, str]:
    """Return all facts about a version as text: its tags, and those of version.json.

    Raises
    ------
    UnavailableError : the version has a run of register, whose version.json is not there.
    """
    tags = {bare(name): value for name, value in version.tags.items() if name.startswith(PREFIX)}
    if "register_run_id" not in tags:
        return tags
    made = reader.load(VERSION, tags["register_run_id"]).tags
    return {**{name: str(value) for name, value in made.items()}, **tags}
