# Of the checkout that the library is developed in; a project of its own has no use for it, and does without.
.PHONY: setup-dev lock test test-full lint bench bench-serving bench-batch calibrate coverage

# --- development -----------------------------------------------------------------------------------------------------------

setup-dev:
	@scripts/venv "$(VENV)" "$(PYTHON)" "$(EXTRAS)" requirements.txt requirements-dev.txt

lock: setup-dev ## the newest versions that fit; KEEP=1: the locked ones where they fit
	scripts/lock $(if $(KEEP),--keep)

test: setup-dev ## the tests; ARGS="-k name"
	$(PY) -m pytest $(ARGS)

test-full: setup-dev ## the tests, and those that build environments or take minutes
	$(PY) -m pytest -m "full or not full"

lint: setup-dev ## ruff, types (also those of macOS), and the direction of imports
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy --platform darwin --cache-dir .mypy_cache/darwin recipeline steps custom
	$(VENV)/bin/lint-imports

bench: setup ## the chain against a textbook script, side by side; ratios
	@$(PY) -m benchmarks.chain $(ARGS)

bench-serving: setup ## the service against mlflow models serve, MLServer, BentoML and a bare echo; data= seconds= rounds= only=
	@$(PY) -m benchmarks.serving $(ARGS)

bench-batch: setup ## a file of rows against mlflow models predict and plain pandas; data= rows= rounds=
	@$(PY) -m benchmarks.batch $(ARGS)

calibrate: setup ## how often the promotion gate is wrong, on generated data; datasets=
	@$(PY) -m benchmarks.calibration $(ARGS)

coverage: setup ## how wide the 90 % interval must be, and which rows it holds; data= splits= model=
	@$(PY) -m benchmarks.coverage $(ARGS)
