"""The registry: versions, the ledger of changes, loading with golden rows."""
