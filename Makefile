# Two commands do all the set-up: `make run` runs the main job, `make test` passes the tests.

PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: run test test-trainers check lock clean

run: .venv/ready
	$(BIN)/datagen run examples/python-reference.yaml

test: .venv/ready check
	$(BIN)/pytest

# Each trainer in an environment of its own (tests/trainers/*.txt): several GB, so not a part of `make test`.
test-trainers: .venv/ready .trainers/llamafactory/ready .trainers/axolotl/ready
	DATAGEN_TRAINERS=$(CURDIR)/.trainers $(BIN)/pytest tests/trainers

.trainers/%/ready: tests/trainers/%.txt
	$(PYTHON) -m venv .trainers/$*
	.trainers/$*/bin/pip install --quiet --no-deps --requirement $<
	touch $@

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The lock is complete, so nothing is resolved and nothing else is installed. torch comes first: under its plain version
# an ordinary index offers the CUDA build, which needs libraries that the lock leaves out.
TORCH := $(shell sed -n 's/^\(torch==[0-9.]*\)$$/\1+cpu/p' requirements.lock)
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-deps "$(TORCH)" 2>/dev/null \
		|| $(BIN)/pip install --quiet --no-deps --index-url "$(TORCH_CPU_INDEX)" "$(TORCH)" \
		|| { echo "make: no index offers $(TORCH); set TORCH_CPU_INDEX to an index or folder that does" >&2; exit 1; }
	$(BIN)/pip install --quiet --no-deps --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# Resolve the dependencies anew. Needs uv, and an index or folder (UV_FIND_LINKS) with torch's CPU build.
# torch's local version is cut off: pip then takes the CPU build where it is offered.
lock:
	uv pip compile pyproject.toml --extra cpu --extra train --extra dev --python-version 3.11 --no-header --no-annotate \
		--no-emit-find-links --quiet | sed 's/^torch==\([0-9.]*\)+cpu/torch==\1/' > requirements.lock

clean:
	rm -rf .venv .trainers build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
