# Run in an environment made by: pip install -e '.[dev]'
.PHONY: check format lint types imports test test-all fix lock

check: format lint types imports test

format:
	ruff format --check .

lint:
	ruff check .

types:
	mypy

imports:
	lint-imports

test:
	python -m pytest -n 2 -m "not slow"

test-all:
	python -m pytest -n 2

fix:
	ruff check --fix .
	ruff format .

# The exact versions that CI installs, for every supported Python; needs uv
lock:
	uv pip compile pyproject.toml --extra dev --extra postgres --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command "make lock" --quiet --output-file requirements-lock.txt
