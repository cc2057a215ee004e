"""Rules on the rows of a table, and the causes of their faults."""
