# Each target makes its own virtual environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# JAX and PyTorch get an environment of their own: `make test` then checks what
# a user without them has, and their installation cannot move its packages.
BACKENDS_VENV := .venv-backends
BACKENDS_STAMP := $(BACKENDS_VENV)/.installed
# What must hold on every backend; the rest of the suite does not use one.
BACKEND_TESTS := tests/contracts tests/heads tests/losses tests/balancing \
	tests/layers tests/representations tests/finetuning tests/derived \
	tests/training tests/test_model.py
# One PyTorch thread per test process: more of them wait for each other. JAX
# compiles every new model; tests that build the same one share the result.
BACKEND_SETTINGS := OMP_NUM_THREADS=1 \
	JAX_COMPILATION_CACHE_DIR=$(CURDIR)/$(BACKENDS_VENV)/jax-cache \
	JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 \
	JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1

.PHONY: demo test test-fast test-notebooks notebooks test-backends test-wheel \
	bench lint types format clean

demo: $(STAMP)
	$(BIN)/umsrep demo --out demo

# Tracing makes the tests that train take twice as long, so coverage is that of
# the others.
test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" \
		--cov --cov-report=term

# At most two minutes on two idle cores.
test-fast: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

# Each in a fresh kernel; a failing cell fails.
test-notebooks: $(STAMP)
	$(BIN)/python notebooks/run.py

# The same, and keeps the new outputs in the files.
notebooks: $(STAMP)
	$(BIN)/python notebooks/run.py --write

test-backends: $(BACKENDS_STAMP)
	for backend in torch jax; do \
		KERAS_BACKEND=$$backend $(BACKEND_SETTINGS) \
		$(BACKENDS_VENV)/bin/python -m pytest -n 2 --dist load \
		--disable-warnings \
		$(BACKEND_TESTS) || exit 1; \
	done
	$(BACKENDS_VENV)/bin/python -m pytest --disable-warnings tests/benchmarks

# The sdist, the wheel from it, and the wheel in an environment of its own.
test-wheel: $(STAMP)
	.ci/wheel $(BIN)/python

# Half an hour on an idle machine; see docs/performance.md. PyTorch is compared.
bench: $(BACKENDS_STAMP)
	$(BACKENDS_VENV)/bin/python -m benchmarks --page docs/performance.md

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(STAMP): setup.py requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	"umsrep needs Python 3.11 or newer; this is " + sys.version.split()[0] + \
	". Run: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(STAMP)

$(BACKENDS_STAMP): setup.py requirements.txt pyproject.toml
	$(PYTHON) -m venv $(BACKENDS_VENV)
	$(BACKENDS_VENV)/bin/python -m pip install --quiet --upgrade pip
	$(BACKENDS_VENV)/bin/python -m pip install --quiet \
		--editable '.[dev,backends]'
	touch $(BACKENDS_STAMP)

clean:
	rm -rf $(VENV) $(BACKENDS_VENV) demo build dist *.egg-info .coverage
