.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test coverage mutants soak bench lint format clean fleet-demo test-fleet bench-fleet

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export XDG_STATE_HOME ?= $(CURDIR)/.meltano/state

PYTHONS := $(PYTHON) python3.13 python3.12 python3.11 python3
BIN := .venv/bin
CREATED := .venv/.created
VENV := .venv/.installed
DEMO_PLUGINS := .meltano/.demo-plugins
TEST_PLUGINS := .meltano/.test-plugins
FLEET_BIN := .venv-fleet/bin
FLEET_VENV := .venv-fleet/.installed
MELTANO_INSTALL := $(BIN)/meltano --log-level warning install

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-11s %s\n' "$$name" "$$text"; done

demo: $(DEMO_PLUGINS) ## Load a local Pleo into a local PostgreSQL and show what arrived
	@$(BIN)/python -m demo

test: $(DEMO_PLUGINS) $(TEST_PLUGINS) ## Run every test, up to Meltano into a real PostgreSQL (ARGS="-k name")
	@$(BIN)/python -m pytest -n 2 --dist loadfile --ignore tests/fleet/live $(ARGS)

coverage: $(VENV) ## Tell which lines no test reaches, without those of Meltano's environments (.coverage/html)
	@rm -rf .coverage
	@$(BIN)/coverage run -m pytest -n 2 --dist loadfile --ignore tests/e2e --ignore tests/fleet/live --ignore tests/test_speed_guard.py $(ARGS); tests=$$?; \
	$(BIN)/coverage combine -q && rm -f .coverage/data.* && $(BIN)/coverage html -q && $(BIN)/coverage report && exit $$tests

mutants: $(VENV) ## Change the pure modules bit by bit: some test must notice, or docs/mutants.md say why none does
	@rm -rf mutants
	@$(BIN)/mutmut run --max-children 2 >/dev/null
	@$(BIN)/python -m docs.mutants

soak: $(DEMO_PLUGINS) ## Random kills and faults for three minutes; nothing may be missing (SECONDS=600 SEED=1)
	@$(BIN)/python -m harness.soak $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

bench: $(DEMO_PLUGINS) ## Measure against a raw loop and the peers, and write docs/benchmarks.md (ARGS="--only cpu")
	@$(BIN)/python -m bench $(ARGS)
	@$(BIN)/python bench/mapper_cost.py
	@$(BIN)/python -m bench.reporting

fleet-demo: $(DEMO_PLUGINS) $(FLEET_VENV) ## Twenty companies of a local Pleo on Dagster, with real Meltano and PostgreSQL
	@$(BIN)/python -m demo.fleet

test-fleet: $(DEMO_PLUGINS) $(FLEET_VENV) ## Run the tests of many companies on Dagster's real daemon (ARGS="-k webhook")
	@$(BIN)/python -m pytest tests/fleet -n 2 --dist loadfile $(ARGS)

bench-fleet: $(DEMO_PLUGINS) $(FLEET_VENV) ## Measure discovery of 1,000 companies against runs, and minutes from job to rows
	@$(BIN)/python -m bench.fleet $(ARGS)

lint: $(VENV) ## Check style, formatting, types and which room imports which
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache

format: $(VENV) ## Format the code and repair what can be repaired
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## Remove what the other targets made
	rm -rf .venv .venv-fleet .meltano .demo .coverage mutants .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(CREATED):
	@for python in $(PYTHONS); do \
		if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; \
		python=; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Python 3.11 or newer with venv is needed, but $(PYTHONS) is not it (Debian: apt install python3-venv)" >&2; \
		exit 1; \
	fi; \
	echo "Making .venv with $$($$python --version) ..."; \
	$$python -m venv --clear .venv
	@touch $@

$(VENV): $(CREATED) pyproject.toml constraints.txt
	@echo "Installing Python packages into .venv, once (about a minute) ..."
	@$(BIN)/python -m pip install -qq --no-input -c constraints.txt -e '.[dev]'
	@touch $@

$(FLEET_VENV): $(CREATED) pyproject.toml constraints.txt
	@echo "Installing Dagster into .venv-fleet, once (about a minute) ..."
	@$(BIN)/python -m venv --clear .venv-fleet
	@$(FLEET_BIN)/python -m pip install -qq --no-input -c constraints.txt -e '.[fleet]'
	@touch $@

$(DEMO_PLUGINS): $(VENV) meltano.yml
	@echo "Installing tap, mapper and both targets into .meltano, once (half a minute) ..."
	@$(MELTANO_INSTALL) tap-pleo-export map-pleo-validation target-postgres target-pleo-export
	@touch $@

$(TEST_PLUGINS): $(DEMO_PLUGINS)
	@echo "Installing target-jsonl and tap-jsonl into .meltano, once ..."
	@$(MELTANO_INSTALL) target-jsonl tap-jsonl
	@touch $@
