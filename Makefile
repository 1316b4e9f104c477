# Two commands do all the set-up: `make run` runs the main job, `make test` passes the tests.

PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: run test check lock clean

run: .venv/ready
	$(BIN)/datagen run examples/python-reference.yaml

test: .venv/ready check
	$(BIN)/pytest

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The lock is complete, so nothing is resolved and nothing else is installed.
.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-deps --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# Resolve the dependencies anew. Needs uv, and an index or folder (UV_FIND_LINKS) with torch's CPU build.
# torch's local version is cut off: pip then takes the CPU build where it is offered.
lock:
	uv pip compile pyproject.toml --extra cpu --extra train --extra dev --python-version 3.11 --no-header --no-annotate \
		--no-emit-find-links --quiet | sed 's/^torch==\([0-9.]*\)+cpu/torch==\1/' > requirements.lock

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
