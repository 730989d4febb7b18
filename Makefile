# mailqueue: everything runs in a virtual environment of its own; only python3, make and network are needed.
#   make test PYTHON=python3.11      another Python than the newest one found
#   make test DJANGO=5.2             another Django than the newest one that this Python can have
#   make test PYTEST="tests/wire -x" some of the tests

VENV ?= $(if $(DJANGO),build/django-$(DJANGO),.venv)
BIN = $(VENV)/bin
.SHELLFLAGS = -eu -c
.DEFAULT_GOAL = help

# The environment is made anew when another Python is asked for than the one it was made with.
MADE := $(VENV)/.made$(if $(PYTHON),-with-$(subst /,-,$(PYTHON)))

$(MADE):
	@python="$(PYTHON)"; python="$${python:-$$(scripts/find-python newest)}"; \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    || { echo "mailqueue: PYTHON=$$python does not run or is older than 3.11" >&2; exit 1; }; \
	echo "$(VENV): $$("$$python" --version)"; "$$python" -m venv --clear $(VENV); touch $(MADE)

# $(VENV)/.has-test: the group `test` of pyproject.toml is installed (and the Django that was asked for).
# pip first: dependency groups need pip >= 25.1.
$(VENV)/.has-%: pyproject.toml $(MADE)
	@echo "$(VENV): installing the group $*"
	@$(BIN)/python -m pip install -q --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install -q -e . --group $* $(if $(DJANGO),'Django==$(DJANGO).*')
	@touch $@

.PHONY: demo test lint format types docs matrix matrix-5.2 matrix-6.0 matrix-6.1 bench chaos mutation moving clean help

demo: $(VENV)/.has-demo  ## queue and deliver 1,004 mails: broker, two workers, an SMTP server, all on this machine
	@$(BIN)/python -m mailqueue.demo

# Tests wait more than they work. A file's tests stay together: they share what is slow to start.
ALL = $(if $(PYTEST),,-n 2 --dist loadfile --no-loadscope-reorder)
# Coverage, and its floor in pyproject.toml, are of the whole suite on the newest Django, of nothing less.
WHOLE = $(if $(PYTEST)$(DJANGO),,yes)
test: $(VENV)/.has-test  ## all tests, with coverage; uses servers that run, else starts its own
	$(if $(WHOLE),$(BIN)/coverage erase)
	$(BIN)/python -m $(if $(WHOLE),coverage run -m )pytest $(ALL) $(PYTEST)
	$(if $(WHOLE),$(BIN)/coverage combine -q && $(BIN)/coverage report)

lint: $(VENV)/.has-lint  ## ruff, and the import contracts of pyproject.toml
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.has-lint  ## mend what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.has-types  ## mypy, strict
	$(BIN)/mypy

docs: $(VENV)/.has-docs  ## the documentation in build/docs, warnings are errors
	$(BIN)/sphinx-build -q -W --keep-going -b html docs build/docs
	@echo "build/docs/index.html"

matrix: matrix-5.2 matrix-6.0 matrix-6.1  ## the tests on Django 5.2 (oldest Python), 6.0 and 6.1 (newest)

# Django 6 needs Python 3.12.
matrix-5.2: order = oldest 11
matrix-6.0 matrix-6.1: order = newest 12
matrix-5.2 matrix-6.0 matrix-6.1: matrix-%:
	@python="$$(scripts/find-python $(order))"; \
	$(MAKE) --no-print-directory test DJANGO=$* PYTHON="$$python"

# The admin on a million mails is pytest's: make bench PYTEST=tests/benchmarks/test_admin.py
bench: $(VENV)/.has-test  ## how fast it is, other packages beside it; BENCH="--quick", BENCH=lists: a part
	$(BIN)/python -m $(if $(PYTEST),pytest -o addopts=--import-mode=importlib -q -s $(PYTEST),tests.benchmarks $(BENCH))

# The matrix is half of it; both wait more than they work.
CHAOS = $(BIN)/python -m pytest -o addopts=--import-mode=importlib -q -s
chaos: $(VENV)/.has-test  ## long fault-injection runs, under an hour
ifdef PYTEST
	$(CHAOS) $(if $(findstring tests/,$(PYTEST)),,tests/chaos) $(PYTEST)
else
	@$(CHAOS) tests/chaos/matrix & matrix=$$!; \
	rest=0; $(CHAOS) tests/chaos --ignore=tests/chaos/matrix || rest=$$?; \
	wait $$matrix; exit $$rest
endif

# It works on copies in mutants/, and goes on where it was stopped; what survived: mutmut results, mutmut show NAME.
mutation: $(VENV)/.has-mutation  ## whether tests notice changed code; MUTANTS="mailqueue.outcome*", SAMPLE=100: a part
	nice -n 19 $(if $(SAMPLE),$(BIN)/python -m tests.mutation.sample $(SAMPLE),$(BIN)/mutmut run --max-children 1 $(if $(MUTANTS),"$(MUTANTS)"))

moving: $(VENV)/.has-test  ## the guides for moving, tried on the packages that they are about, from the index
	$(BIN)/python -m pytest -o addopts=--import-mode=importlib -q $(if $(findstring tests/,$(PYTEST)),,tests/moving) $(PYTEST)

clean:  ## remove what make made
	rm -rf .venv .venv-* build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache mutants

help:
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'
