# `make run` delivers the sample, `make test` runs the tests; both set up what is missing first. CI calls the same.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Newer tools than the machine's own are looked for here first (cosign is built here where it is missing).
export PATH := $(CURDIR)/.tools/bin:$(PATH)

.PHONY: help run test cluster-up cluster-enrol cluster-down test-cluster images lint sync bench clean setup lock

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

run: setup ## deliver the sample, or MODEL, judged by VALIDATORS and described in CONFIG
	@$(BIN)/python -m laptop.deliver $(if $(MODEL),--repository="$(MODEL)") \
		$(if $(VALIDATORS),--validators="$(VALIDATORS)") $(if $(CONFIG),--config="$(CONFIG)")

# Deliveries come after the rest and one by one: they use all processors, and are measured.
test: setup lint ## everything that CI runs
	$(BIN)/pytest --numprocesses=auto --dist=loadfile tests/unit tests/contract
	$(BIN)/pytest tests/scenarios

cluster-up: $(READY) ## a real Kubernetes with Tekton, registries and Gitea on this machine, and Hallmark on it
	@$(BIN)/python -m cluster.up

cluster-enrol: $(READY) ## have that cluster deliver MODEL, judged by VALIDATORS, described in CONFIG
	@$(BIN)/python -m cluster.enrol --repository="$(MODEL)" --validators="$(VALIDATORS)" --config="$(CONFIG)"

cluster-down: $(READY) ## end that cluster and remove everything of it
	@$(BIN)/python -m cluster.down

images: setup ## the images that the steps run in; prints their sizes
	@$(BIN)/python -m cluster.step_images

test-cluster: setup cluster-up ## what only a real Tekton can prove
	$(BIN)/pytest tests/cluster tests/unit/hallmark/inputs/test_lfs.py

lint: $(READY) ## formatting, lint, types, generated parts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python tools/sync.py --check

sync: $(READY) ## write the parts of tasks/ and docs/ that derive from the commands
	$(BIN)/python tools/sync.py

bench: setup ## measure; prints ratios against the bare tools
	$(BIN)/python bench/tkn_solo/overhead.py
	$(BIN)/python bench/delivery.py

setup: $(READY) ## the virtual environment, the Debian packages and cosign
	@$(BIN)/python -m laptop.setup

$(READY): requirements-dev.lock pyproject.toml
	@echo "setting up $(VENV) (a minute)"
	@$(PYTHON) -m venv $(VENV) || { echo "install Python's venv module first (Debian: python3-venv)" >&2; exit 2; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

lock: ## resolve the dependencies anew
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
		pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
		--extra dev pyproject.toml -o requirements-dev.lock

clean: ## remove what make run and make test left here, and end what they started
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m laptop.clean; fi
	rm -rf .hallmark .tkn-solo .mypy_cache .ruff_cache .pytest_cache .hypothesis
