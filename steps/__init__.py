"""The steps: one thin script per entry point of ``MLproject``."""

import gc

# Importing MLflow and scikit-learn makes objects by the hundred thousand that live as long as the process. Looking through them
# again and again while they are made, and once more at the end, costs a second in all: collect rarely, and never those.
gc.disable()
# skops looks for the module of each of scipy's functions in all modules, in the order of their import: a second less if early.
import scipy.special  # noqa: E402, F401, I001
import mlflow  # noqa: E402, F401

gc.freeze()
gc.set_threshold(100_000, 20, 20)
gc.enable()

#: The order of the chain; each step reads what the one before it wrote.
ORDER = ("ingest", "split", "train", "evaluate", "register", "promote")
