"""Noisy answers at a node: what was drawn is stored and repeated, and a project's epsilon is spent once."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import duckdb
import pyarrow as pa

from goe_lake.disclosure import Policy
from goe_lake.engine.genotypes import one_chunk
from goe_lake.engine.node import NodeAnswer, NodeEngine, digest_of_cells
from goe_lake.errors import Declined
from goe_lake.federation.domains import node_domain
from goe_lake.federation.ledger import Kind, Ledger, Record, Transaction
from goe_lake.federation.ledger.entries import canonical
from goe_lake.federation.noise import Noise, check_one_row_a_person, cost, noises, sensitivity, with_noise
from goe_lake.federation.wire import read_table, write_table
from goe_lake.release import Measure, MeasureFunction, Receipt, Release, Spread, digest_of

MICRO: Final = 1_000_000  # epsilon is counted in millionths, as a whole number


class NoisyAnswers:
    """Answers with noise from *exact*, an engine that withholds nothing and whose cells never leave."""

    def __init__(
        self, exact: NodeEngine, policy: Policy, ledger: Ledger, *, one_sample_a_person: bool
    ) -> None:
        self._exact, self._policy, self._ledger = exact, policy, ledger
        self._one_sample = one_sample_a_person

    def answer(self, release: Release, purpose: str, record: Record, basis: str) -> NodeAnswer:
        """The noisy cells of *release*; those drawn before, where the account of *record* asked the same.

        Raises Declined where no noise covers it, or the project's epsilon is spent.
        """
        rules = {"basis": basis, "noise": vars(self._policy.noise), "least": self._policy.min_persons}
        key = (record.account, record.release, digest_of(rules))
        stored = find(self._ledger, key)
        return stored if stored is not None else self._drawn(release, purpose, record, key)

    def _drawn(self, release: Release, purpose: str, record: Record, key: tuple[str, str, str]) -> NodeAnswer:
        check_one_row_a_person(release, one_sample_a_person=self._one_sample)
        catalog = self._exact.snapshot.catalog
        noise = noises(release, catalog, self._policy.noise.per_release)
        reach = [*(sensitivity(measure, release, catalog) for measure in release.measures), 1]
        micro = sum(
            math.ceil(round(cost(one.scale, most) * MICRO, 3)) for one, most in zip(noise, reach, strict=True)
        )
        exact, domain = self._exact_cells(release, purpose, record.query_id), self._domain(release)
        with self._ledger.transaction() as transaction:
            # within the transaction, so that nobody else draws for the same question meanwhile
            stored = find_in(transaction, key)
            if stored is not None:
                return stored
            self._spend(transaction, record, micro)
            told = with_noise(exact.cells, release, domain, noise, self._policy.min_persons)
            answer = self._as_answer(release, told, exact.receipt, noise)
            keep(transaction, key, answer)
            body = {"micro_epsilon": micro, "scales": [one.scale for one in noise]}
            transaction.record(
                Record(Kind.NOISE, record.asker, record.account, record.query_id, record.release, body=body)
            )
        return answer

    def _spend(self, transaction: Transaction, record: Record, micro: int) -> None:
        """Declined where *micro* is more than is left of the epsilon of the project."""
        whole = self._policy.noise.epsilon
        if spent(transaction, record.account) + micro > whole * MICRO:
            mend = "questions that were answered are repeated as they were; nothing renews an epsilon"
            raise Declined("G802", f"the project may spend an epsilon of {whole:g} at this node", mend)

    def _exact_cells(self, release: Release, purpose: str, query_id: str) -> NodeAnswer:
        """The exact keys and measures, and the number of persons of each group; they never leave."""
        measures = (*release.measures, Measure(f"m{len(release.measures)}", MeasureFunction.ROWS))
        exact = self._exact.answer(replace(release, measures=measures), purpose, query_id)
        names = [*(key.name for key in release.keys), *(measure.name for measure in measures)]
        return replace(exact, cells=exact.cells.select(names))

    def _as_answer(
        self, release: Release, told: pa.Table, receipt: Receipt, noise: Sequence[Noise]
    ) -> NodeAnswer:
        none = pa.array([False] * told.num_rows, pa.bool_())
        columns = {name: one_chunk(told.column(name)) for name in told.column_names}
        # beside keys and values cells have flags, of what was withheld or left out: nothing was
        names = list(release.cell_columns())
        cells = pa.table([columns.get(name, none) for name in names], names=names)
        scales = {measure.name: one.scale for measure, one in zip(release.measures, noise, strict=False)}
        facts = replace(
            receipt,
            release_digest=release.digest(),
            cells_digest=digest_of_cells(cells),
            min_persons=self._policy.min_persons,
        )
        return NodeAnswer(cells, facts, spread=Spread("noisy", scales))

    def _domain(self, release: Release) -> list[tuple[Any, ...]]:
        """Every group that there can be; Declined where public facts do not list them."""
        with duckdb.connect() as connection:
            domain = node_domain(release, self._exact.snapshot.catalog, connection)
        if domain.combinations is None or domain.keys != tuple(key.name for key in release.keys):
            problem = "the node adds noise, and the groups cannot be listed"
            raise Declined("G804", problem, "group by columns with declared labels")
        return sorted(domain.combinations, key=lambda group: tuple(map(str, group)))


def spent(transaction: Transaction, account: str) -> int:
    """The millionths of epsilon that *account* has ever spent."""
    sql = "SELECT sum(json_extract(body, '$.micro_epsilon')) FROM log WHERE account = ? AND kind = ?"
    (micro,) = transaction.connection.execute(sql, (account, Kind.NOISE.value)).fetchone()
    return int(micro or 0)


FIND: Final = "SELECT cells, receipt, spread FROM noisy WHERE account = ? AND release = ? AND rules = ?"


def find(ledger: Ledger, key: tuple[str, str, str]) -> NodeAnswer | None:
    """What was drawn for *key*: an account, a release, and the rules and data that it rests on."""
    return _of(ledger.rows(FIND, key))


def find_in(transaction: Transaction, key: tuple[str, str, str]) -> NodeAnswer | None:
    """The same, within a transaction."""
    return _of(transaction.connection.execute(FIND, key).fetchall())


def keep(transaction: Transaction, key: tuple[str, str, str], answer: NodeAnswer) -> None:
    """Store *answer*, to be repeated."""
    assert answer.spread is not None
    facts = (canonical(answer.receipt.to_json()), canonical(answer.spread.to_json()))
    transaction.connection.execute(
        "INSERT INTO noisy (account, release, rules, cells, receipt, spread) VALUES (?, ?, ?, ?, ?, ?)",
        (*key, write_table(answer.cells), *facts),
    )


def _of(rows: Sequence[tuple[Any, ...]]) -> NodeAnswer | None:
    if not rows:
        return None
    cells, receipt, spread = rows[0]
    table = read_table(cells)
    told = Receipt(**{**json.loads(receipt), "cells_digest": digest_of_cells(table)})
    return NodeAnswer(table, told, spread=Spread.from_json(json.loads(spread)))
