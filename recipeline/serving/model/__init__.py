"""Versions as the service has them: copied, checked, loaded."""
