# Two commands do everything: `make repro` and `make test`. Both first make .venv from requirements.lock.

PYTHON ?= $(shell command -v python3.12 >/dev/null 2>&1 && python3.12 --version >/dev/null 2>&1 && echo python3.12 \
	|| (command -v python3.11 >/dev/null 2>&1 && python3.11 --version >/dev/null 2>&1 && echo python3.11) || echo python3)
BIN := .venv/bin
READY := .venv/ready
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: repro test check lock

repro: $(READY)
	dvc repro

test: $(READY)
	pytest

check: $(READY)
	ruff format --check .
	ruff check .
	mypy

# Needs uv; writes hashes and no index address.
lock:
	uv pip compile pyproject.toml --extra dev --extra onnx --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --quiet --output-file requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null || { \
		echo "error: DeepEmo needs Python 3.11 or 3.12, found $$($(PYTHON) --version 2>&1 | head -n 1) as '$(PYTHON)';" \
			"name another with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test ! -L .venv || { echo "error: .venv is a link to $$(readlink .venv), which would be emptied;" \
			"remove the link with: rm .venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

