"""Which types a saved model may be made of."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from recipeline.errors import UsageError
from recipeline.inference._compat import TREES

__all__ = ["PACKAGES", "TREES", "types_to_trust"]

#: Packages whose types are trusted in every model; a candidate's own packages are trusted in that candidate only.
PACKAGES = frozenset({"sklearn", "numpy", "scipy"})


def types_to_trust(model: Any, packages: Collection[str]) -> list[str]:
    """Return the types that skops must be told to trust in order to load `model`; it is written once to find out.

    This is what a model is *logged* with; a service holds an allow-list of its own, because whoever can write a model can write
    its list.

    Raises
    ------
    UsageError : the model holds a type from outside `packages` and PACKAGES.
    """
    import skops.io

    types: list[str] = skops.io.get_untrusted_types(data=skops.io.dumps(model))
    foreign = [name for name in types if name.split(".")[0] not in PACKAGES | set(packages)]
    if foreign:
        raise UsageError(
            f"A model must be made of types from {', '.join(sorted(PACKAGES | set(packages)))}.",
            got=", ".join(foreign),
            fix="Replace that part of the candidate in the recipe.",
        )
    return types
