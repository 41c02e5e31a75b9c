# Everything a newcomer types. The first use makes .venv and installs; later ones only run.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= auto
# Workers that compute beside each other: threads that wait give their core away, memory that was freed is kept,
# and what one compiled (modules, tests with their assertions rewritten) the others and their processes load.
BESIDE := PYTHONDONTWRITEBYTECODE= OMP_WAIT_POLICY=passive OPENBLAS_NUM_THREADS=1 \
          MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=4294967296
.DEFAULT_GOAL := help

help:            ## what there is
	@grep -E '^[a-z-]+: *.*##' Makefile | sed -E 's/:.*##/  -/'

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; give another with make PYTHON=python3.12 ...")'
	$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

setup: .venv/.installed  ## make .venv and install everything into it

demo: setup      ## search on drawn faces, then an ensemble and its predictions
	$(BIN)/python -m orchestrator.tune --space search_spaces/demo.py
	$(BIN)/python -m orchestrator.ensemble --predict demo

test: setup      ## the tests, several workers side by side (WORKERS=n; `python -m pytest` runs them in one)
	$(BESIDE) $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

test-quick: setup  ## the tests that need neither Ray nor torch, in less than a minute
	$(BESIDE) $(BIN)/python -m pytest --quick --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: setup      ## ruff, its formatter and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: setup      ## the site of README and docs/, into site/ (a dead link fails)
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -c docs -d site/.doctrees . site

check: lint docs test  ## what must pass before a commit

bench-race: setup  ## the race against its baselines on learning curves, into docs/benchmarks
	$(BIN)/python -m benchmarks.race

bench-legs: setup  ## seconds per leg on Ray Tune beside a bare actor pool
	$(BIN)/python -m benchmarks.legs

gpu: setup       ## what a GPU does with this tool, proven or measured in eight minutes, into gpu.md
	$(BIN)/python -m benchmarks.gpu

bench-train: setup ## images per second, where a fold run's time goes, what orchestration costs
	$(BIN)/python -m benchmarks.train

bench-scale: setup ## a thousand GPUs in the simulator, reports per second part by part, the three stores
	$(BIN)/python -m benchmarks.scaling --figure docs/benchmarks/scaling.svg
	$(BIN)/python -m benchmarks.driver_rate
	$(BIN)/python -m benchmarks.storage

.PHONY: help setup demo test test-quick lint docs check gpu bench-race bench-legs bench-train bench-scale
