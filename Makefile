.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo erp-demo docs test test-meltano test-warehouse test-ledger coverage mutants mutants-sql soak bench image release lint format clean fleet-demo test-fleet bench-fleet simulate-fleet

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export XDG_STATE_HOME ?= $(CURDIR)/.meltano/state

PYTHONS := $(PYTHON) python3.13 python3.12 python3.11 python3
BIN := .venv/bin
CREATED := .venv/.created
VENV := .venv/.installed
DEMO_PLUGINS := .meltano/.demo-plugins
TEST_PLUGINS := .meltano/.test-plugins
S3_SERVER := .meltano/.s3-server
DOCS := .meltano/docs
RELEASE_TOOLS := .meltano/release
WAREHOUSE_PLUGINS := .meltano/.warehouse-plugins
TRYTON := .meltano/.tryton
JUDGES := .meltano/.judges
FLEET_BIN := .venv-fleet/bin
FLEET_CREATED := .venv-fleet/.created
FLEET_VENV := .venv-fleet/.installed
# One more than the cores of a small machine: some tests mostly wait.
TESTERS := 3
MELTANO_INSTALL := $(BIN)/meltano --log-level warning install

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-14s %s\n' "$$name" "$$text"; done
	@echo '  .venv/bin/python -m sandbox   a local Pleo to try things on (--help: port, seed, world)'

demo: $(DEMO_PLUGINS) ## Load a local Pleo into a local PostgreSQL and show the result (two minutes, plus installation the first time)
	@$(BIN)/python -m demo

erp-demo: $(DEMO_PLUGINS) $(TRYTON) ## Book a local Pleo in a local Tryton and report back (three minutes, plus installation the first time)
	@$(BIN)/python -m demo.erp

test: $(DEMO_PLUGINS) $(TEST_PLUGINS) $(S3_SERVER) ## Run the tests, except those with a separate target (ARGS="-k name")
	@$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile -m "not warehouse and not ledger" --ignore tests/e2e --ignore tests/fleet/live $(ARGS)

test-meltano: $(DEMO_PLUGINS) $(TEST_PLUGINS) $(S3_SERVER) ## Run the tests with the real Meltano and PostgreSQL, including kills
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not warehouse and not ledger" $(or $(ARGS),tests/e2e)

test-warehouse: $(DEMO_PLUGINS) $(TEST_PLUGINS) $(WAREHOUSE_PLUGINS) ## Test the dbt models of transform/ on PostgreSQL and DuckDB
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m warehouse $(ARGS)

test-ledger: $(DEMO_PLUGINS) $(TRYTON) $(JUDGES) ## Book into a real Tryton, and have import files judged; the first run installs both
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m ledger $(or $(ARGS),tests/ledger tests/import_files)

coverage: $(VENV) ## Report lines that no test reaches, without the processes in Meltano's environments (.coverage/html)
	@rm -rf .coverage
	@$(BIN)/coverage run -m pytest -n 2 --dist loadfile -m "not warehouse and not ledger" --ignore tests/e2e --ignore tests/fleet/live --ignore tests/test_speed_guard.py $(ARGS); tests=$$?; \
	$(BIN)/coverage combine -q && rm -f .coverage/data.* && $(BIN)/coverage html -q && $(BIN)/coverage report && exit $$tests

mutants: $(VENV) ## Mutate the code and the booking table: a test must fail, or docs/mutants.md must explain why none does
	@rm -rf mutants && ln -sfn fleet src
	@$(BIN)/python -m tools.booking_mutants
	@$(BIN)/mutmut run --max-children 2 >/dev/null
	@$(BIN)/python -m tools.docs.mutants

mutants-sql: $(DEMO_PLUGINS) $(WAREHOUSE_PLUGINS) ## Mutate the SQL of transform/: at least 90 % must fail a test (ARGS="--sample 200 --seed 1")
	@$(BIN)/python -m tools.sql_mutants $(ARGS)

soak: $(DEMO_PLUGINS) $(WAREHOUSE_PLUGINS) ## Random kills and faults for three minutes; nothing may be missing or wrong (SECONDS=600 SEED=1)
	@$(BIN)/python -m tools.soak $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

bench: $(DEMO_PLUGINS) ## Measure speed and memory against hand-written loops (ARGS="--only cpu", ARGS="--against DIR")
	@$(BIN)/python -m tools.bench $(ARGS)

docs: $(DOCS)/.installed ## Build the docs site into .docs/site; a broken link fails
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build

image: $(VENV) ## Build the container image with docker or buildah, and load a local Pleo with it (ARGS="build options")
	@$(BIN)/python -m tools.image $(ARGS)

release: $(WAREHOUSE_PLUGINS) $(FLEET_VENV) $(RELEASE_TOOLS)/.installed ## Build wheels, source archives, the dbt package, bills of materials and notes into dist/, and test them
	@$(BIN)/python -m tools.release $(ARGS)
	@RELEASE=$(CURDIR)/dist $(BIN)/python -m pytest tests/test_release.py tests/test_package.py tests/e2e/test_readme.py \
		tests/fleet/live/test_wheels.py tests/transform/test_package.py::test_dbt_installs_the_archive_of_a_release

fleet-demo: $(DEMO_PLUGINS) $(FLEET_VENV) ## Twenty companies of a local Pleo on Dagster, with real Meltano and PostgreSQL (HOSTS=2 on Celery, one killed)
	@$(BIN)/python -m demo.fleet $(if $(HOSTS),--hosts $(HOSTS))

test-fleet: $(DEMO_PLUGINS) $(FLEET_VENV) ## Run the tests of many companies on Dagster's real daemon (ARGS="-k webhook")
	@$(BIN)/python -m pytest tests/fleet/live -n 2 --dist loadfile $(ARGS)

bench-fleet: $(DEMO_PLUGINS) $(FLEET_VENV) ## Measure discovery of 1,000 companies against runs, and minutes from job to rows
	@$(BIN)/python -m tools.bench.fleet $(ARGS)
	@$(BIN)/python -m tools.bench.webhook

simulate-fleet: $(VENV) ## Simulate a month's end of ten thousand companies, and print its table (two minutes)
	@PYTHONPATH=fleet $(BIN)/python -m tools.bench.fleet_simulation $(ARGS)

lint: $(VENV) ## Check style, formatting, types and imports between folders
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=fleet $(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/hadolint image/Dockerfile

format: $(VENV) ## Format the code and fix what can be fixed automatically
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## Remove everything the other targets made
	rm -rf .venv .venv-fleet .meltano .demo .docs .coverage mutants src .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(CREATED):
	@for python in $(PYTHONS); do \
		if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; \
		python=; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Python 3.11 or newer with venv is required; tried $(PYTHONS) (Debian: apt install python3-venv)" >&2; \
		exit 1; \
	fi; \
	echo "Making .venv with $$($$python --version) ..."; \
	$$python -m venv --clear .venv
	@touch $@

$(VENV): $(CREATED) pyproject.toml constraints.txt
	@echo "Installing Python packages into .venv, once (about a minute) ..."
	@$(BIN)/python -m pip install -qq --no-input -c constraints.txt -e '.[dev]'
	@touch $@

$(FLEET_CREATED): $(CREATED) pyproject.toml fleet/pyproject.toml constraints.txt
	@echo "Installing Dagster into .venv-fleet, once (about a minute) ..."
	@$(BIN)/python -m venv --clear .venv-fleet
	@$(FLEET_BIN)/python -m pip install -qq --no-input -c constraints.txt . './fleet[celery,kubernetes]'
	@touch $@

# As wheels: an editable install would put the whole checkout on the import path.
$(FLEET_VENV): $(FLEET_CREATED) $(shell find tap_pleo_export schemas fleet -name '*.py' -o -name '*.json')
	@$(FLEET_BIN)/python -m pip install -qq --no-input --no-deps --force-reinstall . ./fleet
	@touch $@

$(DEMO_PLUGINS): $(VENV) meltano.yml transform/constraints.txt
	@echo "Installing taps, mappers, targets and dbt into .meltano, once (a minute) ..."
	@$(MELTANO_INSTALL) tap-pleo-export map-pleo-validation map-pleo-attachments target-postgres target-pleo-export tap-pleo-outbox dbt-postgres
	@touch $@

$(TEST_PLUGINS): $(DEMO_PLUGINS)
	@echo "Installing target-jsonl and tap-jsonl into .meltano, once ..."
	@$(MELTANO_INSTALL) target-jsonl tap-jsonl
	@touch $@

# A separate environment: 60 packages that nothing else here needs.
$(S3_SERVER): $(VENV)
	@echo "Installing an S3 server for the tests into .meltano/moto, once ..."
	@$(BIN)/python -m venv --clear .meltano/moto
	@.meltano/moto/bin/python -m pip install -qq --no-input 'moto[server]==5.2.5'
	@touch $@

$(DOCS)/.installed: $(VENV)
	@echo "Installing mkdocs-material into $(DOCS), once ..."
	@$(BIN)/python -m venv --clear $(DOCS)
	@$(DOCS)/bin/python -m pip install -qq --no-input mkdocs==1.6.1 mkdocs-material==9.8.2
	@touch $@

$(RELEASE_TOOLS)/.installed: $(VENV)
	@echo "Installing twine and cyclonedx-bom into $(RELEASE_TOOLS), once ..."
	@$(BIN)/python -m venv --clear $(RELEASE_TOOLS)
	@$(RELEASE_TOOLS)/bin/python -m pip install -qq --no-input twine==7.0.0 cyclonedx-bom==7.5.0
	@touch $@

# A separate environment: Tryton is GPL software, which nothing here imports.
$(TRYTON): $(VENV)
	@echo "Installing Tryton into .meltano/tryton, once ..."
	@rm -rf .meltano/tryton
	@$(BIN)/python -m venv --clear .meltano/tryton/venv
	@.meltano/tryton/venv/bin/python -m pip install -qq --no-input \
		'trytond[postgresql]==8.0.12' 'trytond-account-invoice==8.0.2' 'proteus==8.0.0' 'psycopg[binary,pool]==3.3.9'
	@touch $@

$(WAREHOUSE_PLUGINS): $(DEMO_PLUGINS)
	@echo "Installing dbt for DuckDB into .meltano, once ..."
	@$(MELTANO_INSTALL) dbt-duckdb
	@touch $@

# A separate environment: a reader of DATEV's files, and 200 MB of packages that nothing else here needs.
$(JUDGES): $(VENV)
	@echo "Installing a reader of DATEV's files into .meltano/judges, once ..."
	@$(BIN)/python -m venv --clear .meltano/judges
	@.meltano/judges/bin/python -m pip install -qq --no-input 'mloda-community-german-ledger==0.11.0'
	@touch $@
