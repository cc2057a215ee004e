"""The tests."""

import importlib
import os

# Some tests fork the process that they run in, and GNU's OpenMP does not survive that once it has begun threads of its own.
# It reads this when scikit-learn is imported.
os.environ["OMP_NUM_THREADS"] = "1"

# Before all others, as in commands: skops looks for each of its functions in all modules, in the order of their import.
importlib.import_module("scipy.special")
