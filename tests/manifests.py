"""Manifests of Kubernetes, checked against its schemas."""

from __future__ import annotations

from typing import Any


def require_valid(manifest: dict[str, Any], version: str = "") -> None:
    """Raise ValueError if a manifest is not valid or has an unknown field.

    `version` is that of Kubernetes; empty: the newest that there are schemas of.
    """
    # Not above: with it grammars are built for a second, in each worker that collects a test which needs none.
    from kubernetes_validate import ValidationError, latest_version, validate

    try:
        validate(manifest, version or latest_version(), strict=True)
    except ValidationError as error:
        raise ValueError(str(error)) from error
