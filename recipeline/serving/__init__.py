"""The REST service of the model in Production."""
