"""Files of rows: what their bytes are, what a header is, and the pieces that they are read in."""
