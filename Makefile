# One command each; `make` alone lists them. Needs Python ≥ 3.11 and nothing else:
# everything is installed in the virtual environment $(VENV).
#
#   make test PYTHON=python3.13        with another Python
#   make test ARGS="-k idempotency"    ARGS goes to the program behind the target

.DEFAULT_GOAL := help
.SUFFIXES:

PORT ?= 8311
SIZE ?= 100000
ARGS ?=
VENV ?= .venv

new_enough := import sys; sys.exit(sys.version_info < (3, 11))
ifndef PYTHON
PYTHON := $(shell for python in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$python -c '$(new_enough)' 2>/dev/null && { echo $$python; break; }; done)
endif

run := $(VENV)/bin/python -m
# Tests wait for disks and processes: one more of them than cores ends sooner.
processes = $(shell echo $$(( $$(nproc 2>/dev/null || echo 2) + 1 )))
made := $(VENV)/made-by-$(subst /,_,$(PYTHON))
installed := $(VENV)/installed
installed_for_tests := $(VENV)/installed-for-tests
# A name of its own, since a comma would part the arguments of a call.
with_tests := .[test,test-tools]

.PHONY: help venv venv-test demo test test-delivery test-slow-tools bench prove-durability prove-delivery prove-conformance lint openapi clean

help:  ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

venv: $(installed)  ## make the virtual environment and install the server

venv-test: $(installed_for_tests)  ## the same with what tests and checks need

demo: $(installed)  ## start a server with French territories and reports (PORT=8311, 0 = a free one)
	@exec $(VENV)/bin/open311 demo --port $(PORT) $(ARGS)

test: $(installed_for_tests)  ## run the server's suite, on SQLite and on a private PostgreSQL
	@exec $(run) pytest --numprocesses $(processes) --dist loadfile --no-loadscope-reorder --ignore tests/delivery --ignore tests/adapters $(ARGS)

test-delivery: $(installed_for_tests)  ## run the suite of delivery: adapters, workers, real tools really started
	@exec $(run) pytest --numprocesses $(processes) --dist loadfile --no-loadscope-reorder tests/delivery tests/adapters $(ARGS)

test-slow-tools: $(installed_for_tests)  ## the tests that start a real Redmine or a browser, where installed
	@exec $(run) pytest -m slow_tools -rs tests/adapters tests/acceptance/test_agent_page.py $(ARGS)

bench: $(installed_for_tests)  ## run the benchmarks (SIZE=100000 requests)
	@exec $(run) tests.benchmarks --size $(SIZE) $(ARGS)

prove-durability: $(installed_for_tests)  ## kill the server and cut its power under load: nothing may be lost
	@exec $(run) tests.durability.prove $(ARGS)

prove-delivery: $(installed_for_tests)  ## deliver to a failing tool while workers are killed: once each, or flagged
	@exec $(run) tests.delivery.prove $(ARGS)

prove-conformance: $(installed_for_tests)  ## show that the conformance suite catches every broken server
	@exec $(run) open311_conformance.proving $(ARGS)

lint: $(installed_for_tests)  ## check format, style, types and the arrows between packages
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

openapi: $(installed)  ## write schemas/openapi.json anew from the code
	$(VENV)/bin/open311 openapi > schemas/openapi.json.new
	mv schemas/openapi.json.new schemas/openapi.json

clean:  ## remove the virtual environment, caches and the demo's database
	rm -rf $(VENV) var build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .schemathesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# --- how the environment is made --------------------------------------------

# The name of the Python is part of the stamp: another PYTHON makes it anew.
$(made):
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer found. Install one (Debian: apt install python3 python3-venv) or name it: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c '$(new_enough)' || { echo "$(PYTHON) cannot be run or is older than Python 3.11. Name another: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments: install what is missing (Debian, Ubuntu: apt install python3-venv), then run make again."; exit 1; }
	@echo "==> Making a virtual environment in $(VENV) with `$(PYTHON) --version`"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(installed): $(made) pyproject.toml
	$(call pip_install,the server,-e .)

$(installed_for_tests): $(made) pyproject.toml conformance/pyproject.toml
	$(call pip_install,the server with what its tests need,-e '$(with_tests)' -e './conformance[test]')
	@touch $(installed)

# One dot per package; the whole of pip's words only if it fails.
# (A plain sh has no pipefail, so pip's exit status travels as the last line.)
define pip_install
	@printf '==> Installing $(1) (a minute or two the first time) '
	@{ $(run) pip install --disable-pip-version-check --no-input $(2) 2>&1; echo "status $$?"; } \
		| tee $(VENV)/pip.log \
		| awk '/^(Collecting|Installing|Building|Obtaining)/ { printf "."; fflush() } \
			/^status/ { status = $$2 } END { print ""; exit status }' \
		|| { tail -n 20 $(VENV)/pip.log; echo "pip failed; everything it said is in $(VENV)/pip.log"; exit 1; }
	@touch $@
endef
