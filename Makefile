# Every task of the project. `make` alone lists them.
#
# Needs make, git and any Python from 3.11 on; the rest is installed into .venv, once, from the hashed locks in
# requirements/. A stamp file in .venv tells which lock is installed, so that a second run starts at once.
# Written for GNU make 3.81, which is what macOS has.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --no-emit-package recuerda $(LOCK_ARGS)

# What a task passes on, as in `make test ARGS="-k store"`.
ARGS ?=
# The tests start a hundred processes, and each would compile the package again if compiled files were not kept.
unexport PYTHONDONTWRITEBYTECODE

# What `make lowest` runs: one folder for each technology.
LOWEST := tests/agent tests/azure_ai_search tests/cosmos tests/mem0 tests/messages tests/openai tests/postgres tests/redis \
	tests/storage tests/thread tests/window
# How many processes run the tests: one more than there are processors, because tests also wait for servers and disks.
# 0 keeps them in one, for a debugger.
JOBS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1) + 1)

.DEFAULT_GOAL := help
.PHONY: help tour test chaos chaos-tests check docs site bench wheel wheel-test lowest format picture lock clean

help:  ## List the tasks
	@awk 'BEGIN {FS = ":.*##"} /^[a-z-]+:.*##/ {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

tour: $(VENV)/.tour-installed  ## See the whole idea at work (ARGS="--lang es" for Spanish)
	@$(BIN)/recuerda tour $(ARGS)

test: $(VENV)/.dev-installed  ## Run the tests (ARGS="-k words" chooses, JOBS=0 for one process)
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

chaos: $(VENV)/.dev-installed  ## Roll storages back, remake threads, kill erasures, servers, databases (ARGS="--help" for the choices)
	@$(BIN)/python -m tests.chaos $(ARGS)

chaos-tests: $(VENV)/.dev-installed  ## Run the tests of kills and of random data in their long form
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m chaos --long --timeout 1800 $(ARGS)

check: $(VENV)/.dev-installed  ## Check style, formatting, types, import layers and dead code
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright --warnings
	$(BIN)/lint-imports
	$(BIN)/vulture

docs: $(VENV)/.dev-installed  ## Execute every example of the documentation
	@$(BIN)/python -m pytest tests/docs $(ARGS)

site: $(VENV)/.dev-installed  ## Build the documentation site into build/site; a broken link is an error
	@$(BIN)/zensical build --strict

# Warnings of the other libraries are not ours to mend.
.PHONY: peers
peers: $(VENV)-peers/.installed $(VENV)-peers-betas/.installed  ## Run the other libraries' examples in docs/coming-from
	@$(VENV)-peers/bin/python -m pytest -W ignore tests/docs/peers.py $(ARGS)
	@$(VENV)-peers-betas/bin/python -m pytest -W ignore tests/docs/peers.py $(ARGS)

.PHONY: clients
clients: $(VENV)/.dev-installed $(VENV)-clients/.installed $(VENV)-clients-older/.installed  ## Run the newest OpenAI clients on `recuerda serve`
	@$(BIN)/python -m pytest tests/clients/every_client.py $(ARGS)

.PHONY: crewai
crewai: $(VENV)-crewai/.installed  ## Run CrewAI's memory on our storages
	@$(VENV)-crewai/bin/python -m pytest -o filterwarnings= -W ignore -o "python_files=test_*.py own_memory.py" \
		tests/interop/crewai $(ARGS)

.PHONY: mcp-clients
mcp-clients: $(VENV)/.dev-installed  ## Run the MCP inspector and the protocol's conformance tests on `recuerda mcp`
	@$(BIN)/python -m pytest tests/mcp_server/other_clients.py $(ARGS)

bench: $(VENV)/.dev-installed  ## Measure what a turn costs (ARGS="--help" for the choices)
	@$(BIN)/python -m bench $(ARGS)

wheel: $(VENV)/.created  ## Build the packages that a release consists of, into dist/
	@$(PIP) install -qq --require-hashes -r requirements/tour.txt
	@rm -rf dist && mkdir dist
	$(PIP) wheel -q --no-deps --no-build-isolation -w dist .
	$(BIN)/python -m hatchling build -t sdist

wheel-test: wheel  ## Test the built wheel without the sources (ARGS="--all" for every test)
	$(BIN)/python .ci/wheel_test.py $(ARGS) dist/*.whl

lowest:  ## Run the tests of every technology on the lowest versions that pyproject.toml allows (needs uv)
	uv venv --quiet --clear --python 3.11 .venv-lowest
	uv pip compile --quiet --resolution lowest-direct --python-version 3.11 --extra all --extra interop --no-header pyproject.toml \
		-o .venv-lowest/lowest.txt
	uv pip install --quiet --compile-bytecode --python .venv-lowest -r .venv-lowest/lowest.txt -r requirements/lowest.in -e .
	.venv-lowest/bin/python -m pytest -n $(JOBS) $(ARGS) $(LOWEST)

format: $(VENV)/.dev-installed  ## Put the code into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

picture: $(VENV)/.dev-installed  ## Draw the pictures of the documentation anew
	@$(BIN)/python docs/picture.py
	@$(BIN)/python docs/trace_picture.py
	@$(BIN)/python docs/interop/picture.py
	@$(BIN)/python -m docs.studio_pictures

lock:  ## Write requirements/*.txt anew from *.in (needs uv; LOCK_ARGS="--upgrade" for newer versions)
	$(LOCK) requirements/dev.in -o requirements/dev.txt
	$(LOCK) requirements/tour.in -c requirements/dev.txt -o requirements/tour.txt
	$(LOCK) requirements/peers.in -c requirements/dev.txt -o requirements/peers.txt
	$(LOCK) requirements/peers-betas.in -o requirements/peers-betas.txt
	$(LOCK) requirements/clients.in -o requirements/clients.txt
	$(LOCK) requirements/clients-older.in -o requirements/clients-older.txt
	$(LOCK) requirements/crewai.in -o requirements/crewai.txt

clean:  ## Remove .venv and everything that was built or cached
	rm -rf .venv* build dist .cache .mypy_cache .pytest_cache .hypothesis .ruff_cache .import_linter_cache .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The first Python from 3.11 on; PYTHON=... overrides.
$(VENV)/.created:
	@set -e; \
	for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
		echo "recuerda needs Python 3.11 or newer, and found none. Install one, or name it: make PYTHON=/path/to/python" >&2; \
		exit 1; \
	fi; \
	version=$$("$$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	if ! "$$found" -c 'import venv, ensurepip' >/dev/null 2>&1; then \
		echo "Python $$version has no venv module. On Debian or Ubuntu: sudo apt install python$$version-venv" >&2; \
		exit 1; \
	fi; \
	echo "Making $(VENV) with Python $$version ..."; \
	"$$found" -m venv $(VENV); \
	touch $@

# `dev` contains `tour` at the same versions, so it satisfies both stamps.
$(VENV)/.tour-installed: requirements/tour.txt pyproject.toml | $(VENV)/.created
	@echo "Installing what the tour needs (once) ..."
	@$(PIP) install -qq --require-hashes -r requirements/tour.txt
	@$(PIP) install -qq --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev-installed: requirements/dev.txt pyproject.toml | $(VENV)/.created
	@echo "Installing the development tools (once, about a minute) ..."
	@$(PIP) install -qq --require-hashes --no-deps -r requirements/dev.txt
	@$(PIP) install -qq --no-deps --no-build-isolation -e .
	@touch $(VENV)/.tour-installed $@

# The peers have environments of their own: their versions are theirs, and two of them are one package.
$(VENV)-%/.installed: requirements/%.txt pyproject.toml | $(VENV)/.created
	@echo "Installing requirements/$*.txt into $(VENV)-$* (once) ..."
	@$(BIN)/python -m venv $(VENV)-$*
	@$(VENV)-$*/bin/python -m pip --disable-pip-version-check --no-input install -qq --require-hashes --no-deps -r $<
	@$(VENV)-$*/bin/python -m pip --disable-pip-version-check --no-input install -qq --no-deps --no-build-isolation -e .
	@touch $@
