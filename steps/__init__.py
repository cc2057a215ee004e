"""The steps of the chain: one script each, run alone or by `main`."""

from recipeline.errors import require_libraries

require_libraries()
