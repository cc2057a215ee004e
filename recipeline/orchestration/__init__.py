"""Steps and the chain: sessions, cache, fingerprints, provenance."""
