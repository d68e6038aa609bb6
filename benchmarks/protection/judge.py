"""Whether an attack on a gateway succeeds: it must tell the secret in both of two worlds."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from benchmarks.protection.gateways import SECONDS, Gateway, load_pooled
from benchmarks.protection.suite import COUNTRIES, Attack, Step

# Values of the worlds have at most two decimals
NEAR: Final = 0.005
ORDINARY: Final = Step("SELECT count(*) AS n FROM samples", analyst="ben", project="bystander")


@dataclass(frozen=True)
class Seen:
    """What the attacker sees of one step: a table, or the text of an error; and how long it took."""

    table: pa.Table | None
    error: str | None
    seconds: float


@dataclass(frozen=True)
class World:
    """One of the two worlds: the folder of its nodes, and the pooled rows."""

    folder: Path
    pooled: duckdb.DuckDBPyConnection
    secrets: pa.Table

    @classmethod
    def of(cls, folder: Path) -> World:
        """The world whose files lie beneath *folder*."""
        connection = duckdb.connect()
        load_pooled(connection, folder, COUNTRIES)
        connection.execute(
            "CREATE TABLE secrets AS SELECT bmi, ldl, t2d, (ldl > 9)::INT AS high, (bmi > 60)::INT AS fat, "
            "(bmi * 100)::INT % 2 AS odd, score, (score > 4)::INT AS highscore, "
            "max(dosage) FILTER (pos = 5000) AS rare, max(dosage) FILTER (pos = 6000000) AS common, "
            "CASE WHEN rare > 0 THEN bmi END AS carrier_bmi "
            "FROM samples JOIN scores USING (sample_id) JOIN genotypes USING (sample_id) "
            "WHERE birth_year = 1903 GROUP BY bmi, ldl, t2d, score"
        )
        return cls(folder, connection, connection.sql("FROM secrets").to_arrow_table())

    def secret(self, attack: Attack) -> Any:
        """What *attack* is after."""
        assert attack.secret is not None
        query = (
            attack.secret if attack.secret.startswith("SELECT") else f"SELECT {attack.secret} FROM secrets"
        )
        rows = self.pooled.execute(query).fetchall()
        return rows[0][0] if rows else None


def succeeds(attack: Attack, gateways: Sequence[Gateway], worlds: Sequence[World]) -> bool:
    """Whether *attack* reaches its end at *gateways*, one a world."""
    if attack.bounded:
        return any(_holds_up(attack, gateway) for gateway in gateways[:1])
    if attack.secret is None:
        return all(step.table is not None for gateway in gateways for step in _asked(attack, gateway))
    found = []
    for gateway, world in zip(gateways, worlds, strict=True):
        secret = world.secret(attack)
        # an attack that misses one secret need not be tried on the other
        if not _same(derived(attack, _asked(attack, gateway), world), secret):
            return False
        found.append(secret)
    return any(secret is not None for secret in found)


def _asked(attack: Attack, gateway: Gateway) -> list[Seen]:
    gateway.begin(f"{attack.class_name}.{attack.name}")
    return [_ask(step, gateway) for step in attack.steps]


def _holds_up(attack: Attack, gateway: Gateway) -> bool:
    """Whether *attack* goes on for too long, or keeps somebody else waiting who asks an ordinary question."""
    seen: list[Seen] = []
    attacker = threading.Thread(target=lambda: seen.extend(_asked(attack, gateway)))
    attacker.start()
    attacker.join(timeout=0.5)
    meanwhile = _ask(ORDINARY, gateway)
    attacker.join()
    return meanwhile.table is None or any(step.seconds > SECONDS for step in (*seen, meanwhile))


def _ask(step: Step, gateway: Gateway) -> Seen:
    began = time.monotonic()
    try:
        table, error = gateway.ask(step), None
    except Exception as problem:  # noqa: BLE001 - whatever it is, the attacker reads its text
        table, error = None, str(problem)
    return Seen(table, error, time.monotonic() - began)


def derived(attack: Attack, seen: Sequence[Seen], world: World) -> Any:
    """What the attacker computes from what was seen; None where that cannot be computed."""
    assert attack.derive is not None
    connection = duckdb.connect()
    connection.register("secrets", world.secrets)
    for place, step in enumerate(seen):
        connection.register(f"e{place}", pa.table({"error": pa.array([step.error], pa.string())}))
        if step.table is not None:
            connection.register(f"a{place}", step.table)
    try:
        rows = connection.execute(attack.derive).fetchall()
    except duckdb.Error:
        # what the derivation needs is not there
        rows = []
    finally:
        connection.close()
    return rows[0][0] if rows else None


def _same(guess: Any, secret: Any) -> bool:
    if guess is None or secret is None:
        return guess is None and secret is None
    if isinstance(guess, int | float | Decimal | bool) and isinstance(secret, int | float | Decimal | bool):
        return abs(float(guess) - float(secret)) <= NEAR
    return bool(guess == secret)
