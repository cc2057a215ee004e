"""The tests."""

import os

# Some tests fork the process that they run in, and GNU's OpenMP does not survive that once it has begun threads of its own.
# It reads this when scikit-learn is imported.
os.environ["OMP_NUM_THREADS"] = "1"
