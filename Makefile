# One environment, created once from the lock; every entry point is a target. `make` alone lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.SUFFIXES:

VENV := .venv
PY := $(VENV)/bin/python
# The parameters of an entry point, as `mlflow run -P` takes them: make train ARGS="model=rf"
ARGS ?=
# The interpreter; empty: the newest of Python 3.13, 3.12 and 3.11 that is there, else any from 3.11 on.
PYTHON ?=
# Extras of .venv, from [project.optional-dependencies]; empty: no change.
EXTRAS ?=
EXTRAS_THERE = $(sort $(basename $(notdir $(wildcard requirements/*.txt))))
export ARGS

STEPS := ingest split train evaluate register promote report compare predict serve monitor retrain
REGISTRY := check approve rollback history who-served why doctor repair prune backup restore server-up server-down server-status

.PHONY: help setup pipeline main $(STEPS) $(REGISTRY) ui test clean

# --- start -----------------------------------------------------------------------------------------------------------------

help: ## this list
	@awk -f scripts/help $(MAKEFILE_LIST)
	@echo
	@echo 'Parameters     make train ARGS="model=rf,lr"'
	@echo 'Python         make setup PYTHON=python3.13 (rebuilds .venv where it differs)'
	@echo 'Extras         make setup EXTRAS="s3 postgres", any of:'
	@echo '               $(wordlist 1,8,$(EXTRAS_THERE))'
	$(if $(wordlist 9,99,$(EXTRAS_THERE)),@echo '               $(wordlist 9,99,$(EXTRAS_THERE))')

.DEFAULT:
	@awk -v word='$@' -f scripts/help $(MAKEFILE_LIST)

setup: ## .venv from the lock; again when it or PYTHON= changed; EXTRAS= adds
	@scripts/venv "$(VENV)" "$(PYTHON)" "$(EXTRAS)" requirements.txt

# --- pipeline --------------------------------------------------------------------------------------------------------------

pipeline: main ## the whole chain: data to Production (the same as `main`)

main: setup ## the whole chain; data= split= model= cache= promote=
	@scripts/step main

ingest: setup ## fetch and check the rows; data=
	@scripts/step ingest

split: setup ## training and test rows; method= ingest_run_id=
	@scripts/step split

train: setup ## cross-validate and log the candidates; model= split_run_id=
	@scripts/step train

evaluate: setup ## test scores, gates of the best; train_run_id=
	@scripts/step evaluate

register: setup ## a version of the best, as the challenger; evaluate_run_id=
	@scripts/step register

promote: setup ## the challenger to Production, if the gate passes; promote= to= register_run_id=
	@scripts/step promote

check: setup ## all faults of recipe, profile and candidates, before anything runs
	@scripts/step check

report: setup ## the newest cards; inspection of the best model; nested=
	@scripts/step report

compare: setup ## a card of the differences between two versions or runs; before= after=
	@scripts/step compare

predict: setup ## a file of rows, or the sample row, by the model in Production; input= output= shard= model_uri= on_bad_rows=
	@scripts/step predict

serve: setup ## the model in Production as a REST service, on http://127.0.0.1:8000; host= port= insecure=
	@scripts/step serve

monitor: setup ## drift of live rows against training rows; data= labels= window= fail_on= on_drift=
	@scripts/step monitor

retrain: setup ## the chain on new rows, with the same gates; data= mode= model= promote= labels=
	@scripts/step retrain

# --- Production ------------------------------------------------------------------------------------------------------------

approve: setup ## promote a challenger that awaits approval; version= reason=
	@scripts/step approve

rollback: setup ## restore the previous Production, or version=; reason=
	@scripts/step rollback

history: setup ## the versions in Production, with times and reasons
	@scripts/step history

who-served: setup ## the version in Production at a time, or that answered a request; at= request=
	@scripts/step who-served

why: setup ## the lineage of a version and the decision on it; version=
	@scripts/step why

doctor: setup ## problems, and the commands that repair them
	@scripts/step doctor

repair: setup ## safe repairs of these problems
	@scripts/step repair

prune: setup ## delete old, unneeded runs and models; dry_run=
	@scripts/step prune

backup: setup ## the local store in one archive; output=
	@scripts/step backup

restore: setup ## replace the local store by an archive; input=
	@scripts/step restore

ui: setup ## MLflow's user interface, on http://127.0.0.1:5000
	@echo "The experiments: http://127.0.0.1:5000/#/experiments?workflowType=machine_learning" >&2
	@$(VENV)/bin/mlflow ui --host 127.0.0.1

# --- a team's server, on this machine (EXTRAS=server) --------------------------------------------------------------------------

server-up: setup ## MLflow on PostgreSQL and an S3 endpoint; port= workers=
	@scripts/step server-up

server-down: setup ## stop it; its data stays
	@scripts/step server-down

server-status: setup ## what of it runs, addresses, what to type
	@scripts/step server-status

# --- project ---------------------------------------------------------------------------------------------------------------

ifneq ($(wildcard development.mk),)
include development.mk
else
test: ## the tests; ARGS="-k name"
	@scripts/venv "$(VENV)" "$(PYTHON)" "$(EXTRAS) test" requirements.txt
	$(PY) -m pytest $(ARGS)
endif

clean: ## .venv and caches; never the store (mlflow.db, mlruns)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './mlruns/*' -prune -exec rm -rf {} +
