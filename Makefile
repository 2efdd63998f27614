# make demo    from a bare machine to a healthy fleet of 131 agents
# make test    sets up all it needs, then runs pytest; PYTEST_ARGS="-k plan" for some of it
# make check   what a change must pass beside the tests: format, lint, types, layers
# make bench   measures it beside its peers
# make coverage  how much of the core its tests without Docker run; fails under 95 %
# make mutate  changes plan/ and state/ one small way at a time, and sees whether a test notices; MUTATE_ARGS="--seed 7 --size 30"
# make lock    renews the lock files from requirements/*.in
# make clean   removes what was made in this folder; Docker's objects are left to `sutazai destroy`

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
MUTATE_ARGS ?=

.PHONY: demo test check bench coverage mutate lock clean venv engine base-image test-images

demo: venv
	@scripts/demo.sh $(BIN)

# One worker more than the cores of a small machine: a third of the time that tests with containers take they wait for the Engine.
# pytest is the last to speak and its exit code is make's.
test: test-images
	@$(BIN)/pytest -n 3 --dist worksteal $(PYTEST_ARGS)

check: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	cd images/agent-runtime && ../../$(BIN)/mypy --strict agent.py
	$(BIN)/lint-imports

bench: test-images
	@$(BIN)/pip install -q --require-hashes -r requirements/bench.lock
	$(BIN)/python -m bench

coverage: venv
	@$(BIN)/pytest -q -n 2 $(addprefix tests/unit/,graph operations plan rollout specs state traffic) -k "not thousand" --cov

mutate: venv
	@$(BIN)/pip install -q --require-hashes -r requirements/mutation.lock
	@$(BIN)/python scripts/mutate.py $(MUTATE_ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage .hypothesis .benchmarks build dist
	find . -name __pycache__ -prune -exec rm -rf {} +
	find engine -name '*.egg-info' -prune -exec rm -rf {} +
	@echo "Containers, networks and volumes were left alone: sutazai destroy -e ENVIRONMENT takes them down first"

engine:
	@scripts/engine.sh

base-image: venv engine
	@$(BIN)/python scripts/base_image.py

test-images: base-image
	@$(BIN)/python scripts/build_images.py

# Compiled beforehand, also where Python is told to write no bytecode: each command would compile all that it loads anew.
venv: $(VENV)/.stamp
	@$(BIN)/python -m compileall -q engine

$(VENV)/.stamp: requirements/dev.lock pyproject.toml scripts/venv.sh
	@scripts/venv.sh $(VENV)
	@touch $@

lock: venv
	scripts/lock.sh $(VENV)
