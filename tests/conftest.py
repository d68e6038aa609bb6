"""Fixtures and settings that all tests share."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, Phase, settings

from goe_lake.disclosure import Policy

REPOSITORY = Path(__file__).resolve().parent.parent
#: Whether a policy holds numbers to earlier ones, as it is outside tests.
AUDITS = Policy.audits

#: What tests compare with, or make files by.
PROGRAMS = ("bcftools", "bgzip", "plink2", "samtools", "tabix")

# Tests leave the number of examples to the profile. `ci` repeats the same examples, so that a change is
# judged by what it changes; `dev` draws new ones on each run, and `deep` draws many.
# `ci` is what runs unless GOE_HYPOTHESIS_PROFILE says otherwise.
# How long drawing takes says more of who else uses the machine than of the strategy.
ANYWHERE = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
# ci does not shrink what fails: each step may build lakes, and the blob repeats the failure anywhere.
AS_DRAWN = (Phase.explicit, Phase.generate)
settings.register_profile("ci", **ANYWHERE, max_examples=30, derandomize=True, phases=AS_DRAWN)
settings.register_profile("dev", **ANYWHERE, max_examples=30)
settings.register_profile("deep", **ANYWHERE, max_examples=500)
settings.load_profile(os.environ.get("GOE_HYPOTHESIS_PROFILE", "ci"))


def pytest_configure(config: pytest.Config) -> None:
    """Draw one seed for all workers where examples are new ones: --hypothesis-seed gives it again."""
    if not settings.default.derandomize and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(secrets.randbits(32))


def pytest_report_header(config: pytest.Config) -> str | None:
    """Tell the seed."""
    seed = config.option.hypothesis_seed
    return None if seed is None else f"again with the same examples: --hypothesis-seed={seed}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    """What is compared with a program of others skips where that is not installed."""
    with _without_programs():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """What is compared with a program of others skips where that is not installed."""
    with _without_programs():
        yield


@contextmanager
def _without_programs() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if error.filename not in PROGRAMS:
            raise
        pytest.skip(f"{error.filename} is not installed")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real VCF, PGS and phenotype files made by others; not part of the repository."""
    folder = Path(os.environ.get("GOE_TEST_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("the real test data are not here; set GOE_TEST_DATA to their folder")
    return folder.resolve()


@pytest.fixture(scope="session", autouse=True)
def quiet_surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Report nothing to vendors, ask no proxy for loopback, and keep no state of Dagster between runs."""
    dagster_home = tmp_path_factory.mktemp("dagster_home")
    (dagster_home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(dagster_home))
        patch.setenv("NO_PROXY", "127.0.0.1,localhost,::1")
        patch.setenv("no_proxy", "127.0.0.1,localhost,::1")
        yield


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Undo what the command line sets for its own process."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session", autouse=True)
def no_audit_between_tests() -> Iterator[None]:
    """Many tests ask unrelated questions of one node as one project: none is held to another's answers.

    The fixture `audited` is for tests of the overlap audit.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Policy, "audits", property(lambda _: False))
        yield


@contextmanager
def with_the_audit() -> Iterator[None]:
    """Numbers are held to earlier ones, as they are outside tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Policy, "audits", AUDITS)
        yield


@pytest.fixture
def audited() -> Iterator[None]:
    """The same of one test."""
    with with_the_audit():
        yield
