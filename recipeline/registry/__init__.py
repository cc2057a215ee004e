"""The registry: versions, the ledger of their changes, and loading with golden rows."""
