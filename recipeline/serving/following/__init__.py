"""The version in Production, followed by polling the registry."""
