"""The engine: worker processes that fit models."""
