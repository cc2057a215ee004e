"""A team's server on this machine: MLflow, PostgreSQL and an S3 endpoint."""
