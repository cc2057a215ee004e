"""Batch prediction of many parts: division, output folder, manifest."""
