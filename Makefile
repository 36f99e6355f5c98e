# Two commands do everything on a fresh machine with Python 3.11+: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
XLA_VENV := .venv-xla

.PHONY: install demo up test test-slow test-chaos test-gpu test-xla check format clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: install
	$(BIN)/spinesearch demo

up: install
	$(BIN)/spinesearch up

# Half of the tests wait for processes of their own: three at a time keep two cores busy.
test: install
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile

test-slow: install
	$(BIN)/python -m pytest -m slow

# About an hour on two idle cores; the last command takes most of it.
test-chaos: install
	$(BIN)/python -m pytest -m chaos --numprocesses 2 --dist worksteal
	$(BIN)/python -m tests.chaos.simulated_kills --kills 900
	$(BIN)/python -m tests.chaos.service_kills --kills 100 --lanes 2 --minutes 36

# Where there is a GPU; elsewhere they are skipped.
test-gpu: install
	$(BIN)/python -m pytest tests/trainer/test_trainer_cuda.py

# The compiler's optimizer is off: it takes longer than it saves these tests.
test-xla: $(XLA_VENV)/.installed
	PJRT_DEVICE=CPU XLA_FLAGS=--xla_backend_optimization_level=0 $(XLA_VENV)/bin/python -m pytest tests/xla

$(XLA_VENV)/.installed: pyproject.toml constraints-tpu.txt
	$(PYTHON) -m venv $(XLA_VENV)
	$(XLA_VENV)/bin/python -m pip install --quiet --upgrade pip
	$(XLA_VENV)/bin/python -m pip install --quiet --constraint constraints-tpu.txt --editable ".[tpu]" pytest
	touch $@

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(XLA_VENV) .spinesearch .mypy_cache .ruff_cache .pytest_cache .hypothesis
