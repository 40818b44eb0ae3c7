# Two commands, in either order, on a machine that has Python 3.11-3.13 and make:
#
#   make demo     a DrQ-v2 agent learns to balance a pole from pixels (about six minutes on two cores)
#   make test     the tests
#
# Both install everything first (into .venv) and skip that when it has been done. PYTHON=python3.12 chooses the interpreter.

VENV := .venv
export PYTHON

.PHONY: help demo test docs setup
.DEFAULT_GOAL := help

help:
	@sed -n '3,4s/^# //p' Makefile

demo: $(VENV)/.installed
	$(VENV)/bin/unified train
	@$(VENV)/bin/unified runs list

# a process on each core: torch needs no second thread in any of them
test: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(VENV)/bin/pytest -n auto --dist worksteal

# the reference of every public name, component, option and hook, written from the code
docs: $(VENV)/.installed
	$(VENV)/bin/python tools/reference.py docs/reference

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml tools/setup.sh
	@bash tools/setup.sh $(VENV)
