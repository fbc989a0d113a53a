# The everyday commands. Everything they make lies in $(VENV) and $(BUILD), both ignored by git; stamp files make
# a second run quick. Works with GNU make 3.81 (macOS) on.
PYTHON ?= python3
VENV ?= .venv
BUILD ?= build
PYTEST_ARGS ?=
RESULTS := benchmarks/results
BENCH_ARGS ?= layers pool --threads 1,2 --output bench-output

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo test lint cpp-test sanitize asan tsan bench bench-once figures gate docs wheel dev clean

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PATH := $(abspath $(VENV))/bin:$(PATH)
# -P keeps the repository root off sys.path: its pyconv/ has no compiled module and must not shadow the wheel.
PY := $(abspath $(VENV))/bin/python -P
PIP := $(PY) -m pip install --quiet
WHEEL_DIR := $(BUILD)/dist
# Directories too: their time changes when a file is removed.
SOURCES := $(shell find csrc pyconv -not -path '*__pycache__*') CMakeLists.txt pyproject.toml README.md LICENSE

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.wheel ## build, install and run the main job: the seed example, a photograph, a table of real layers
	@$(PY) -m pyconv demo

test: $(VENV)/.wheel $(VENV)/.test ## run the whole test suite against the installed wheel (PYTEST_ARGS=...)
	@PYCONV_BUILD_DIR=$(abspath $(BUILD)) $(PY) -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.lint ## check style and types: ruff, mypy --strict, clang-format
	@ruff check .
	@ruff format --check .
	@mypy
	@git ls-files -z 'csrc/*.h' 'csrc/*.cpp' | xargs -0 clang-format --dry-run -Werror

cpp-test: $(VENV)/.build ## build and run the C++ tests (needs doctest: apt-get install doctest-dev)
	@cmake --preset release -B $(BUILD)/release && cmake --build $(BUILD)/release --target pyconv_tests
	@$(BUILD)/release/pyconv_tests

sanitize: asan tsan ## run the C++ tests under the address, undefined-behaviour and thread sanitizers

asan: $(VENV)/.build ## run the C++ tests under the address and undefined-behaviour sanitizers
	@cmake --preset asan -B $(BUILD)/asan && cmake --build $(BUILD)/asan --target pyconv_tests
	@$(BUILD)/asan/pyconv_tests

tsan: $(VENV)/.build ## run the C++ tests under the thread sanitizer
	@cmake --preset tsan -B $(BUILD)/tsan && cmake --build $(BUILD)/tsan --target pyconv_tests
	@$(BUILD)/tsan/pyconv_tests

bench: $(VENV)/.wheel $(VENV)/.bench ## measure against PyTorch on this machine (BENCH_ARGS=...)
	@$(PY) -m pyconv bench $(BENCH_ARGS)

bench-once: $(VENV)/.wheel $(VENV)/.bench ## run each benchmark once and check its result: what CI does
	@$(PY) -m pytest benchmarks --benchmark-disable --quiet -p no:cacheprovider

figures: $(VENV)/.wheel $(VENV)/.bench ## measure every published figure again (40 minutes) and write README's tables
	@$(PY) -m pyconv bench layers pool --threads 1,2 --seconds 1 --output $(RESULTS) \
	    --rivals pyconv-layer,pyconv-function,pyconv-medium,torch,torch-prepacked
	@for threads in 1 2; do \
	    $(PY) -m pyconv bench layers --threads $$threads --seconds 1 --output $(RESULTS) --name engines-$$threads \
	        --rivals pyconv-layer,pyconv-out,onnxruntime,openvino; done
	@for suite in peak networks overhead memory scaling; do \
	    $(PY) -m pyconv bench $$suite --seconds 1 --output $(RESULTS); done
	@$(PY) -m pyconv.bench.readme README.md $(RESULTS)/layers-pool.json

gate: $(VENV)/.wheel $(VENV)/.bench ## measure `quick` and fail where a ratio against PyTorch fell below the committed run's
	@$(PY) -m pyconv bench quick --rivals pyconv-layer,pyconv-function,torch \
	    --baseline benchmarks/results/quick.json --output $(BUILD)/gate

docs: $(VENV)/.wheel $(VENV)/.docs ## build the documentation into $(BUILD)/docs, warnings are errors
	@$(PY) -m sphinx -q -W --keep-going -b html -d $(BUILD)/doctrees docs $(BUILD)/docs
	@echo "$(BUILD)/docs/index.html"

wheel: $(WHEEL_DIR)/.built ## build the wheel into $(BUILD)/dist
	@ls -l $(WHEEL_DIR)/*.whl

dev: $(VENV)/.build $(VENV)/.test $(VENV)/.lint ## install in editable mode: sources are read in place, C++ rebuilds on import
	@rm -f $(VENV)/.wheel
	@$(PIP) --no-build-isolation -Ceditable.rebuild=true -Ceditable.verbose=false \
	    -Cbuild-dir=$(BUILD)/editable -Cinstall.strip=false --editable '.[plot]'

clean: ## remove the virtual environment and everything built
	rm -rf $(VENV) $(BUILD) demo-output

# --- stamps ----------------------------------------------------------------------------------------------------

$(VENV)/.build: pyproject.toml
	@echo "== creating the environment in $(VENV)"
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade 'pip>=25.1'
	@$(PIP) --group build
	@touch $@

# Without isolation and with a kept build folder, so that only what changed is compiled again.
$(WHEEL_DIR)/.built: $(SOURCES) | $(VENV)/.build
	@echo "== building the wheel (log: $(BUILD)/wheel.log)"
	@mkdir -p $(WHEEL_DIR) && rm -f $(WHEEL_DIR)/*.whl
	@$(PY) -m pip wheel --verbose --no-deps --no-build-isolation -Cbuild-dir=$(BUILD)/wheel \
	    --wheel-dir $(WHEEL_DIR) . 2>&1 | tee $(BUILD)/wheel.log \
	    | { grep --line-buffered -E '^ *\[[0-9]+/[0-9]+\]' || true; } || { tail -n 40 $(BUILD)/wheel.log; exit 1; }
	@touch $@

$(VENV)/.wheel: $(WHEEL_DIR)/.built $(VENV)/.build
	@echo "== installing the wheel"
	@$(PIP) --force-reinstall --no-deps $(WHEEL_DIR)/*.whl
	@for wheel in $(WHEEL_DIR)/*.whl; do $(PIP) "$$wheel[plot]"; done
	@touch $@

$(VENV)/.test $(VENV)/.lint $(VENV)/.bench $(VENV)/.docs: $(VENV)/.%: pyproject.toml $(VENV)/.build
	@echo "== installing the $* dependencies"
	@$(PIP) --group $*
	@touch $@
