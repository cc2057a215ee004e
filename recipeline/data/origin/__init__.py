"""Sources of rows: paths, URIs, downloads, queries."""
