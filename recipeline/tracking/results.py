"""The type of what a run's result depends on. No library is imported to read one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Recorded:
    """The components of a run's result, as in fingerprint.json.

    They are the parameters, and digests and settings by name.
    """

    params: Mapping[str, str]
    components: Mapping[str, str]
