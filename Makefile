# `make run` runs the example and `make test` the tests; each creates its environment first.

PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: run run-gpu run-pdfs test test-fast test-fuzz test-trainers check lock clean

run: .venv/ready
	$(BIN)/datagen run examples/python-reference.yaml

# The lock is for the CPU. For a GPU, pip resolves the extra, so that torch and CUDA match vLLM.
run-gpu: .venv-gpu/ready
	.venv-gpu/bin/datagen run examples/python-reference.yaml

# PDFS is a folder of PDFs; the results are in outputs/pdf-folder.
run-pdfs: .venv/ready
	@test -d "$(PDFS)" || { echo "make: name a folder: make run-pdfs PDFS=FOLDER" >&2; exit 1; }
	PDFS="$(abspath $(PDFS))" $(BIN)/datagen run examples/pdf-folder.yaml

# Tests start hundreds of processes; without bytecode each would compile every module that it imports.
unexport PYTHONDONTWRITEBYTECODE

# One process per core, files in the order of their folders: those with clusters, which take longest, are not last.
PARALLEL := --numprocesses auto --dist loadfile --no-loadscope-reorder

# An engine needs all cores.
test: .venv/ready check
	$(BIN)/pytest $(PARALLEL) -m "not engine"
	$(BIN)/pytest -m engine

# Without engines, clusters, browsers, PyTorch and slow tests; at most 20 examples of each property.
test-fast: .venv/ready
	$(BIN)/pytest $(PARALLEL) -m "not engine and not cluster and not slow and not browser"

# Properties on new random examples. `make test` tries the same ones each time.
test-fuzz: .venv/ready
	$(BIN)/pytest $(PARALLEL) --hypothesis-profile fuzz -m "hypothesis and not engine and not cluster and not browser"

# Each trainer in a separate environment (tests/trainers/*.txt) of several GB, so not part of `make test`.
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
	$(BIN)/pytest tests/test_layers.py

# The lock is complete, so nothing is resolved and nothing else is installed. torch comes first: with its plain version,
# an ordinary index offers the CUDA build, which needs libraries that are not in the lock.
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

.venv-gpu/ready: pyproject.toml
	$(PYTHON) -m venv .venv-gpu
	.venv-gpu/bin/pip install --quiet --editable ".[gpu]"
	touch $@

# Resolve the dependencies again. Needs uv, and an index or folder (UV_FIND_LINKS) with torch's CPU build.
# torch's local version is removed: pip then prefers the CPU build if an index offers it.
lock:
	uv pip compile pyproject.toml --extra cpu --extra train --extra dev --python-version 3.11 --no-header --no-annotate \
		--no-emit-find-links --quiet | sed 's/^torch==\([0-9.]*\)+cpu/torch==\1/' > requirements.lock

clean:
	rm -rf .venv .venv-gpu .trainers build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
