"""The type of each command's values, which ``--json`` prints."""

from __future__ import annotations

import importlib
from typing import Any

from recipeline.artifacts import ORDER

_TYPES = "recipeline.cli.output.results"

#: The type of each command's values, by its path; with [] a list of them.
VALUES = {
    **dict.fromkeys(ORDER, f"{_TYPES}.StepValues"),
    "main": f"{_TYPES}.ChainValues",
    "retrain": f"{_TYPES}.RetrainValues",
    "monitor": f"{_TYPES}.MonitorValues",
    "predict": "recipeline.cli.scoring.results.PredictValues",
    "compare": f"{_TYPES}.CompareValues",
    "report": f"{_TYPES}.ReportValues",
    "approve": "recipeline.registry.results.Entry",
    "rollback": "recipeline.registry.results.Entry",
    "history": "recipeline.registry.history.Term[]",
    "who-served": "recipeline.registry.history.Term[]",
    "why": "recipeline.orchestration.provenance.Provenance",
    "doctor": "recipeline.maintenance.doctor.Finding[]",
    "repair": f"{_TYPES}.RepairValues",
    "prune": f"{_TYPES}.PruneValues",
    "backup": f"{_TYPES}.BackupValues",
    "restore": f"{_TYPES}.RestoreValues",
    "check": f"{_TYPES}.CheckValues",
    "new": f"{_TYPES}.NewValues",
    "upgrade": f"{_TYPES}.UpgradeValues",
    "serve": f"{_TYPES}.ServeValues",
    "server-up": "recipeline.cli.server.ServerValues",
    "server-down": "recipeline.cli.server.StoppedValues",
    "server-status": "recipeline.cli.server.ServerValues",
}


def type_of_values(command: str) -> Any:
    """Return the type of a command's values."""
    module, _, name = VALUES[command].removesuffix("[]").rpartition(".")
    found: Any = getattr(importlib.import_module(module), name)
    return tuple[found, ...] if VALUES[command].endswith("[]") else found
