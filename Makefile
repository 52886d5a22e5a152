# Everything runs in .venv, which the first `make app` or `make test` fills. GNU make 3.81 will do.

# The Python that makes .venv. Empty: the first of python3.11, python3.12, python3.13 and python3
# that runs and has one of these versions.
PYTHON ?=
# Arguments for pytest: make test PYTEST_ARGS="tests/color/test_ciede2000.py -x"
PYTEST_ARGS ?=

# The build of torch on Linux: cpu, cuda, or auto for what this machine can use.
TORCH ?= auto
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu

.DEFAULT_GOAL := help
VENV_PYTHON := .venv/bin/python
# Each stamp is written when its installation has succeeded, and never before.
APP_STAMP := .venv/.app-installed
DEV_STAMP := .venv/.dev-installed

# Prints a Python's version, and fails if the project does not support it.
CHECK_VERSION := import sys; print("%d.%d" % sys.version_info[:2]); sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

# Succeeds if an index of packages answers at once.
CHECK_INDEX := import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)

# pip reads lists in environment variables as words, so the file is given as a URL, in which a space
# is %20. A constraint that is already in the environment stays.
PIP_INSTALL = constraints=$$($(VENV_PYTHON) -c 'import pathlib; print(pathlib.Path("build-constraints.txt").absolute().as_uri())') && \
	PIP_CONSTRAINT="$${PIP_CONSTRAINT:+$$PIP_CONSTRAINT }$$constraints" \
	PIP_BUILD_CONSTRAINT="$${PIP_BUILD_CONSTRAINT:+$$PIP_BUILD_CONSTRAINT }$$constraints" \
	$(VENV_PYTHON) -m pip install --disable-pip-version-check

# A stamp is worth nothing if the environment beside it no longer runs (say, its Python was removed).
ifeq ($(shell $(VENV_PYTHON) -m pip --version 2>/dev/null),)
$(APP_STAMP): make-environment
endif

.PHONY: help app test coverage fuzz peers lint format clean make-environment

help:
	@echo "make app      run the page on http://127.0.0.1:7860 (GRADIO_SERVER_NAME and GRADIO_SERVER_PORT change it)"
	@echo "make test     run the tests (PYTEST_ARGS=... is handed to pytest)"
	@echo "make fuzz     read 2,000 damaged files of each kind of picture, in child processes with limits"
	@echo "make peers    install the attacks that \`python -m eval peers\` compares with"
	@echo "make lint     check style, types, and which way imports point"
	@echo "make coverage run the tests and report which lines and branches of cvpire they reach"
	@echo "make format   format the code and apply the linter's safe fixes"
	@echo "make clean    remove .venv and the tools' caches"
	@echo "app, test, coverage, fuzz, peers, lint and format first make .venv and install into it what is missing."

app: $(APP_STAMP)
	@$(VENV_PYTHON) app.py

test: $(DEV_STAMP)
	@$(VENV_PYTHON) -m pytest $(PYTEST_ARGS)

coverage: $(DEV_STAMP)
	@$(VENV_PYTHON) -m pytest --cov --cov-report=term-missing:skip-covered --cov-fail-under=90 $(PYTEST_ARGS)

fuzz: $(DEV_STAMP)
	@$(VENV_PYTHON) tests/fuzz.py

# torchattacks pins an old requests, which others here need newer: it comes without what it asks for.
peers: $(DEV_STAMP)
	$(PIP_INSTALL) -r requirements-peers.txt
	$(PIP_INSTALL) --no-deps torchattacks==3.5.1

lint: $(DEV_STAMP)
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy
	.venv/bin/lint-imports --no-logo

format: $(DEV_STAMP)
	$(VENV_PYTHON) -m ruff check --fix .
	$(VENV_PYTHON) -m ruff format .

clean:
	rm -rf .venv .coverage .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build cvpire.egg-info
	find . -type d -name __pycache__ -prune -exec rm -rf {} +

make-environment:
	@python="$(PYTHON)"; \
	for candidate in python3.11 python3.12 python3.13 python3; do \
		if [ -z "$$python" ] && $$candidate -c '$(CHECK_VERSION)' >/dev/null 2>&1; then python=$$candidate; fi; \
	done; \
	python="$${python:-python3}"; \
	if ! version=$$("$$python" -c '$(CHECK_VERSION)' 2>/dev/null); then \
		echo "CV-PIRE needs Python 3.11, 3.12 or 3.13, and $$python is $${version:-not there}: install one of them, or name it with make PYTHON=/path/to/python3.11." >&2; \
		exit 1; \
	fi; \
	echo "Making .venv with Python $$version."; \
	if ! "$$python" -m venv --clear .venv; then \
		rm -rf .venv; \
		echo "Python $$version could not make .venv: on Debian and Ubuntu, apt-get install python$$version-venv, then run make again." >&2; \
		exit 1; \
	fi

$(APP_STAMP): requirements.txt build-constraints.txt
	@echo "Installing requirements.txt into .venv, which takes some minutes."
	@rm -f $@
	@if [ "$$(uname -sm)" != "Linux x86_64" ]; then exit 0; fi; \
	build="$(TORCH)"; why="as TORCH asks"; \
	if [ "$$build" = auto ]; then \
		if nvidia-smi -L >/dev/null 2>&1; then build=cuda; why="there is an NVIDIA GPU"; \
		elif $(VENV_PYTHON) -c '$(CHECK_INDEX)' "$(TORCH_CPU_INDEX)/torch/" 2>/dev/null; then \
			build=cpu; why="there is no NVIDIA GPU"; \
		else build=cuda; why="the index of CPU builds does not answer"; fi; \
	fi; \
	case "$$build" in \
	cpu) echo "torch: the CPU build, $$why: about 200 MB to download."; \
		grep -E '^(torch|torchvision)==' requirements.txt > .venv/torch-requirements.txt; \
		$(PIP_INSTALL) --no-deps --index-url "$(TORCH_CPU_INDEX)" -r .venv/torch-requirements.txt || \
			{ [ "$(TORCH)" = auto ] && echo "The CPU build could not be installed: PyPI's CUDA build takes its place."; };; \
	cuda) echo "torch: PyPI's CUDA build, $$why: about 3 GB to download, 7 GB on disk.";; \
	*) echo "expected TORCH=auto, cpu or cuda, got TORCH=$$build" >&2; exit 1;; \
	esac
	@$(PIP_INSTALL) -r requirements.txt
	@touch $@

# After the application's own stamp: so `make app` after `make test` has nothing left to install.
$(DEV_STAMP): requirements-dev.txt requirements-eval.txt $(APP_STAMP)
	@echo "Installing requirements-dev.txt into .venv."
	@rm -f $@
	@$(PIP_INSTALL) --quiet -r requirements-dev.txt
	@touch $@
