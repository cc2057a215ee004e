"""The connection to MLflow's store, and its failures."""
