"""The service watches its own rows for drift; no row is kept."""
