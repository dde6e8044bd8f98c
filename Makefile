# Everything one does with a checkout of hocket; `make help` lists it.
#
# The environment is .venv with the versions of constraints.txt. A stamp file in it says what has
# been installed, so that a second `make` starts at once.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-live lint types check docs bench reference lock lock-live clean

BIN := .venv/bin
SOLVE := .venv/.has-solve
DEV := .venv/.has-dev
LIVE_BIN := .venv-live/bin
LIVE := .venv-live/.has-live
WORKERS ?= 2

# The first Python that is new enough and can make environments.
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
LIVE_PIP := $(LIVE_BIN)/python -m pip --quiet --disable-pip-version-check
LIVE_TESTS := tests/serving/live tests/serving/twin tests/cli/test_live_vllm.py tests/cli/test_twin.py

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(SOLVE)  ## compare rules and the exact solver on a job shop, batching on a GPU; write reports
	$(BIN)/hocket compare shop/ta01 --solve 30 --no-study --report report.html
	@echo
	$(BIN)/hocket compare examples/bursty_chat.yaml --seeds 5 --no-study --report serving.html
	@echo
	@echo "The schedules are in file://$(CURDIR)/report.html, and what became of the requests is"
	@echo "in file://$(CURDIR)/serving.html - open them in a browser."

test: lint types check docs  ## lint, types, tests, documentation: all that must be well

# The real engine is large and needs versions of its own, so it has an environment of its own.
test-live: $(LIVE)  ## the tests against a real vLLM on the CPU, in an environment of their own
	$(LIVE_BIN)/pytest -p no:xdist $(LIVE_TESTS)
	$(LIVE_BIN)/pytest -p no:xdist tests/docs/test_pages.py -k 'shows and (vllm or gateway or twin)'

lint: $(DEV)  ## ruff: style and mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV)  ## mypy, strict
	$(BIN)/mypy
	$(BIN)/mypy --explicit-package-bases tools examples

check: $(DEV)  ## the tests, WORKERS=2 at a time; those in a browser if Chromium is there
	$(BIN)/pytest -n $(WORKERS) -p no:benchmark

docs: $(DEV)  ## build the documentation into site/
	$(BIN)/zensical build --clean --strict
	@echo "The first page is site/index.html; \`$(BIN)/zensical serve\` shows all in a browser."

bench: $(DEV)  ## the benchmarks, one after the other
	$(BIN)/pytest -s -p no:xdist benchmarks/bench_*.py

reference: $(DEV)  ## write the generated pages of docs/reference anew
	$(BIN)/python tools/reference.py

lock: $(DEV)  ## write the versions installed now to constraints.txt
	$(BIN)/python tools/lock.py

lock-live: $(LIVE)  ## the same for the environment with the real engine
	$(LIVE_BIN)/python tools/lock.py live

clean:  ## remove the environment and everything built
	rm -rf .venv .venv-live .hocket .benchmarks .hypothesis .mypy_cache .ruff_cache .cache
	rm -rf build dist site report.html serving.html
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python $(LIVE_BIN)/python:
	@test -n "$(PYTHON)" || { echo "hocket needs Python 3.11 or later, with its module venv" \
	    "(on Debian: apt-get install python3 python3-venv)"; exit 1; }
	$(PYTHON) -m venv $(@:/bin/python=)

# Build tools are pinned like the rest, hence no isolated build, which would fetch the newest.
define install
	@echo "Installing hocket[$(1)] into .venv ..."
	@$(PIP) install -c constraints.txt hatchling editables
	@$(PIP) install -c constraints.txt --no-build-isolation --editable '.[$(1)]'
endef

$(SOLVE): pyproject.toml constraints.txt | $(BIN)/python
	$(call install,solve)
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(call install,dev)
	@touch $(SOLVE) $@

# vLLM for CPUs asks for torchvision, torchaudio and torchcodec, of which there are builds for CUDA
# only: they cannot be loaded here, nothing of ours needs them, and vLLM does without when they are
# absent.
$(LIVE): pyproject.toml constraints-live.txt | $(LIVE_BIN)/python
	@echo "Installing vLLM and hocket[llm,web] into .venv-live, 3.5 GB ..."
	@$(LIVE_PIP) install -c constraints-live.txt hatchling editables torch
	@$(LIVE_PIP) install -c constraints-live.txt --no-build-isolation --editable '.[llm,web]' \
	    pytest pytest-xdist hypothesis
	@$(LIVE_PIP) uninstall --yes torchvision torchaudio torchcodec
	@touch $@
