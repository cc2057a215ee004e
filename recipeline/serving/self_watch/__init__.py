"""Self watch."""
