"""Every attack of the suite succeeds on the pooled rows, and tells nothing at a gateway under protection."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.protection.gateways import Ours, RawDuckDB
from benchmarks.protection.judge import World, succeeds
from benchmarks.protection.suite import Attack, read_attacks
from tests.attacks.worlds import SECRETS, build_world

ATTACKS = read_attacks()
CLASSES = sorted({attack.class_name for attack in ATTACKS})
POLICY = "version = 1\nmin_persons = 10\nmin_contributors = 10\n[budget]\nqueries_per_day = 100000\n"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """The nodes of two worlds that differ in one person."""
    base = tmp_path_factory.mktemp("suite")
    for place, secret in enumerate(SECRETS):
        build_world(base / str(place), secret, 120, POLICY)
    return tuple(base / str(place) for place in range(len(SECRETS)))


@pytest.fixture(scope="module")
def worlds(folders: tuple[Path, ...]) -> tuple[World, ...]:
    """Their pooled rows and secrets."""
    return tuple(World.of(folder) for folder in folders)


@pytest.mark.usefixtures("audited")
@pytest.mark.parametrize("class_name", CLASSES)
def test_no_attack_of_the_class_succeeds(
    class_name: str, folders: tuple[Path, ...], worlds: tuple[World, ...]
) -> None:
    """What the attacker computes from answers and errors is not the secret in both worlds."""
    gateways = [Ours(folder) for folder in folders]
    passed = [attack.name for attack in _of(class_name) if succeeds(attack, gateways, worlds)]
    assert passed == []


@pytest.mark.nightly
@pytest.mark.parametrize("class_name", CLASSES)
def test_every_attack_succeeds_without_protection(
    class_name: str,
    folders: tuple[Path, ...],
    worlds: tuple[World, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each is a real attack: on the pooled rows, it reaches its end."""
    monkeypatch.chdir(tmp_path)  # some write files
    gateways = [RawDuckDB(folder) for folder in folders]
    stopped = [attack.name for attack in _of(class_name) if not succeeds(attack, gateways, worlds)]
    assert stopped == []


def test_the_suite_is_large() -> None:
    """At least 200 attacks, each told apart by its class and name."""
    assert len(ATTACKS) >= 200
    assert len({(attack.class_name, attack.name) for attack in ATTACKS}) == len(ATTACKS)


def _of(class_name: str) -> list[Attack]:
    return [attack for attack in ATTACKS if attack.class_name == class_name]
