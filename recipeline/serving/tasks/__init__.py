"""Tasks in the service: one module per task."""
