"""The steps of the chain: one script each, run alone or by `main`."""
