"""Small truths about the repository itself."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import goe_lake

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]

# Absolute paths make sense on one machine only; a container's own home is not one of them.
MACHINE_PATH = re.compile(r"(?<![\w.<])/(?:home|root|work|Users)/[\w.-]+")
CHECKS = ("ruff format --check .", "ruff check .", "mypy", "lint-imports", "python -m pytest -n 2")


def repository_files() -> list[Path]:
    """Every file that is tracked, or is new and not ignored."""
    git = ["git", "-c", f"safe.directory={REPOSITORY}", "ls-files", "-co", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(git, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for name in listed.split("\0") if name and (path := REPOSITORY / name).is_file()]


def test_the_front_door_is_pinned():
    """What `goe_lake` exports is a promise: all of it exists, and a change is made on purpose."""
    assert set(goe_lake.__all__) == {"QueryRefused", "__version__", "connect", "open_federation"}
    assert [name for name in goe_lake.__all__ if not hasattr(goe_lake, name)] == []


def test_the_version_is_told_once():
    """The package, its installed metadata and the project file agree on the version."""
    assert goe_lake.__version__ == PROJECT["version"]
    installed = importlib.metadata.version("goe-lake")
    assert installed == PROJECT["version"], "install again: pip install -e '.[dev]'"


def test_the_changelog_has_a_section_for_this_version():
    """A user can read what came with the version that they run."""
    changelog = (REPOSITORY / "CHANGELOG.md").read_text()
    assert re.search(rf"^## \[{re.escape(PROJECT['version'])}\]", changelog, re.MULTILINE)


def test_the_licence_is_the_one_that_the_metadata_names():
    """Apache-2.0, in full."""
    licence = (REPOSITORY / "LICENSE").read_text()
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence


def test_the_lock_file_fits_the_project_file():
    """Each direct dependency is locked, with hashes, at a version that the project file allows."""
    lock = (REPOSITORY / "requirements-lock.txt").read_text()
    locked: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", lock, re.MULTILINE):
        locked.setdefault(name, []).append(version)
    extras = PROJECT["optional-dependencies"].values()
    wanted = [Requirement(text) for texts in (PROJECT["dependencies"], *extras) for text in texts]
    for requirement in wanted:
        if requirement.name != PROJECT["name"]:
            versions = locked.get(requirement.name, [])
            assert versions, f"{requirement.name} is not in the lock file; run `make lock`"
            assert all(version in requirement.specifier for version in versions), requirement
    assert "--hash=sha256:" in lock
    assert not re.search(r"://|^--(extra-)?index|^--find-links", lock, re.MULTILINE)


@pytest.mark.parametrize("file", ["Makefile", ".ci/run"])
def test_everyone_runs_the_same_checks(file: str):
    """`make check` and CI run the same commands; the commit hooks call the targets of the Makefile."""
    text = (REPOSITORY / file).read_text()
    missing = [check for check in CHECKS if not re.search(rf"(?<!\S){re.escape(check)}(?!\S)", text)]
    assert missing == []


def test_commit_hooks_call_targets_that_exist():
    """Each hook is a target of the Makefile."""
    makefile = (REPOSITORY / "Makefile").read_text()
    hooks = re.findall(r"entry: make ([\w-]+)", (REPOSITORY / ".pre-commit-config.yaml").read_text())
    assert hooks
    assert [hook for hook in hooks if not re.search(rf"^{hook}:", makefile, re.MULTILINE)] == []


def test_no_file_depends_on_one_machine():
    """No file names a folder of the machine that it was written on."""
    found = [
        f"{path.relative_to(REPOSITORY).as_posix()}: {match.group()}"
        for path in repository_files()
        for match in MACHINE_PATH.finditer(path.read_bytes().decode("utf-8", "replace"))
    ]
    assert found == []


def test_every_test_says_what_it_holds():
    """Each test function has a docstring, which is read before its body."""
    silent = []
    for path in sorted((REPOSITORY / "tests").rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text(), path.name)):
            if (
                isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
                and function.name.startswith("test")
                and not ast.get_docstring(function)
            ):
                silent.append(f"{path.relative_to(REPOSITORY)}:{function.lineno} {function.name}")
    assert silent == []


@pytest.mark.parametrize("folder", ["query", "disclosure"])
def test_the_order_to_read_lists_every_module(folder: str):
    """docs/architecture.md names each module of the folders that an officer reads, once."""
    text = (REPOSITORY / "docs" / "architecture.md").read_text()
    table = text.partition(f"| {folder}/ | modules |")[2].partition("\n\n")[0]
    listed = [name for line in table.splitlines()[2:] for name in re.findall(r"`([a-z_]+)/?`", line)]
    there = {path.stem for path in (REPOSITORY / "goe_lake" / folder).iterdir() if path.name[0] != "_"}
    assert sorted(listed) == sorted(there)
