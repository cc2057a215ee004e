"""Import all that commands need, for the process to fork others from."""

from __future__ import annotations

import gc
import importlib
import sys

from tests.conftest import ROOT
from tests.warm import import_all

gc.disable()
import_all(ROOT)
for name in ("flask", "granian.server.mp", "orjson"):  # what the service is made of
    importlib.import_module(name)
assert "prometheus_client" not in sys.modules
gc.freeze()  # each service looks for garbage before it starts workers; what is imported here is none
gc.enable()
