"""The steps of the chain: one script each, run alone or by `main`."""

import sys

try:
    from recipeline.errors import require_libraries
except ModuleNotFoundError as error:
    if error.name != "recipeline":
        raise
    print(
        f"The project's environment is not active: no recipeline in {sys.executable}. "
        "Run `make setup`, then `source .venv/bin/activate`.",
        file=sys.stderr,
    )
    sys.exit(2)

require_libraries()
