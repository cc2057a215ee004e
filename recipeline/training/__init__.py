"""Training: candidates, cross-validation, search and quantile models."""
