# Targets of the library's own checkout; projects do not have them.
.PHONY: setup-dev lock test test-full lint docs audit sbom licences bench bench-server bench-serving bench-batch bench-scale bench-capacity calibrate coverage

# --- development -----------------------------------------------------------------------------------------------------------

setup-dev:
	@scripts/venv "$(VENV)" "$(PYTHON)" "$(EXTRAS)" requirements.txt requirements-dev.txt

lock: setup-dev ## the newest compatible versions; KEEP=1: the locked ones where compatible
	scripts/lock $(if $(KEEP),--keep)

test: setup-dev ## the tests; ARGS="-k name"
	$(PY) -m pytest $(ARGS)

test-full: setup-dev ## all tests, with those that build environments or take minutes
	$(PY) -m pytest -m "full or not full"

lint: setup-dev ## ruff, types (also those of macOS), and the direction of imports
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy --platform darwin --cache-dir .mypy_cache/darwin recipeline steps custom
	$(VENV)/bin/lint-imports

docs: setup-dev ## the docs site: build/docs/html/index.html; ARGS=--external lists its addresses
	@$(PY) -m website.build $(ARGS)

audit: setup-dev ## known vulnerabilities of all locks; ARGS="--vulnerability-service osv"
	@scripts/audit $(ARGS)

sbom: setup-dev ## build/sbom.json: the packages of the lock, with hashes and licences; EXTRAS="s3 postgres"
	@mkdir -p build
	@$(PY) scripts/packages.py sbom $(EXTRAS) >build/sbom.json

licences: setup-dev ## docs/licences.md; extras that are not installed are, in a folder of their own
	@extras=$$(mktemp -d) && trap 'rm -rf "$$extras"' EXIT && \
	for lock in requirements/*.txt; do \
	    $(PY) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target "$$extras" --upgrade -r "$$lock" || exit; \
	done && PYTHONPATH="$$extras" $(PY) scripts/packages.py licences >docs/licences.md

bench: setup ## the chain against a textbook script, side by side; ratios
	@$(PY) -m benchmarks.chain $(ARGS)

bench-serving: setup ## the service against mlflow models serve, MLServer, BentoML and a bare echo; data= seconds= rounds= only=
	@$(PY) -m benchmarks.serving $(ARGS)

bench-server: setup-dev ## the chain through MLflow's server: requests by purpose, and time against SQLite; data= rounds= models= list=
	@$(PY) -m benchmarks.server $(ARGS)

bench-batch: setup ## a file of rows against mlflow models predict and plain pandas; data= rows= rounds=
	@$(PY) -m benchmarks.batch $(ARGS)

bench-scale: setup ## each step on up to 16 million rows: seconds, memory, slopes; data= sizes= steps= model=
	@$(PY) -m benchmarks.scale $(ARGS)

bench-capacity: setup ## on paper: what breaks first at a scale, and what it costs; measured= prices=
	@$(PY) -m benchmarks.capacity $(ARGS)

calibrate: setup ## error rate and power of the promotion gate on simulated data; datasets= jobs= engine= only=
	@$(PY) -m benchmarks.calibration $(ARGS)

coverage: setup ## width and coverage of the 90 % interval; data= splits= model=
	@$(PY) -m benchmarks.coverage $(ARGS)
