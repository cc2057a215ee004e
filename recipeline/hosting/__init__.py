"""A team's server on this machine, to try it: MLflow, PostgreSQL and an S3 endpoint."""
