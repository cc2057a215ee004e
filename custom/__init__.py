"""The project's own estimators, transformers and loaders."""
