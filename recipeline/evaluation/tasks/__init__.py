"""Tasks in evaluation: uncertainty of predictions, and what is told of them."""
