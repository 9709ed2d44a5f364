# Two commands do everything: `make repro` and `make test`. Both first make .venv from requirements.lock.

PYTHON ?= $(shell command -v python3.12 >/dev/null 2>&1 && python3.12 --version >/dev/null 2>&1 && echo python3.12 \
	|| (command -v python3.11 >/dev/null 2>&1 && python3.11 --version >/dev/null 2>&1 && echo python3.11) || echo python3)
# Version of pip to install with, such as 22.3; by default the one that Python brings.
WITH_PIP ?=
BIN := .venv/bin
READY := .venv/ready
# Nothing is left to a resolver: it would take releases that are newer than the lock. -I keeps PYTHONPATH out.
INSTALL := $(BIN)/python -I -m pip install --quiet --disable-pip-version-check --no-deps
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: repro test test-fast check lock container/serving.lock

repro: $(READY)
	dvc repro

# A module's tests share what its fixtures make, so they stay in one process.
test: $(READY)
	pytest --numprocesses logical --dist loadscope

# Without the tests that are marked slow, and without real recordings. It names the slowest of the rest: what stays above a
# second on an idle machine should be made cheaper, or marked.
test-fast: $(READY)
	pytest --numprocesses logical --dist loadscope -m "not slow and not corpora" --durations 10 --durations-min 1

check: $(READY)
	ruff format --check .
	ruff check .
	mypy

# Needs uv; writes hashes and no index address, and for which machines the locked wheels are.
lock:
	uv pip compile pyproject.toml --all-extras --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --quiet --output-file requirements.lock
	wheels=$$(mktemp -d) && trap 'rm -r "$$wheels"' EXIT && \
	uv pip compile requirements.lock --no-deps --universal --python-version 3.11 --generate-hashes --format pylock.toml \
		--no-header --quiet --output-file "$$wheels/pylock.toml" && \
	uv run --quiet --no-project --python 3.11 --with packaging install/supported.py "$$wheels/pylock.toml"

# After `lock`, in an environment of the new lock.
container/serving.lock: $(READY)
	python -m install.cut

# The mark is made last and removed first: an environment that was not finished, or is another lock's, is made anew.
# What is built here (deepemo, and the one package without a wheel) is built with what is locked, not with a new setuptools.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c '' 2>/dev/null || { \
		echo "error: DeepEmo needs CPython 3.11 or 3.12, found $$($(PYTHON) --version 2>&1 | head -n 1) as '$(PYTHON)';" \
			"name another with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -I install/check.py machine
	@test ! -L .venv || { echo "error: .venv is a link to $$(readlink .venv), which would be emptied;" \
			"remove the link with: rm .venv" >&2; exit 1; }
	rm -f $(READY)
	$(PYTHON) -m venv --clear .venv
	$(if $(WITH_PIP),$(INSTALL) pip==$(WITH_PIP))
	sed -n -e '/^setuptools==/,/[^\\]$$/p' -e '/^wheel==/,/[^\\]$$/p' requirements.lock | $(INSTALL) --require-hashes -r /dev/stdin
	$(INSTALL) --require-hashes --no-build-isolation -r requirements.lock
	$(INSTALL) --no-index --no-build-isolation --editable .
	$(BIN)/python -I -m pip --disable-pip-version-check check
	$(BIN)/python -I install/check.py installed
	$(BIN)/python -I -c 'from deepemo.charts.plots_page import write_template; write_template()'
	touch $(READY)
