"""Tasks in inference: how a model is asked."""
