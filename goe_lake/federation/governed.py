"""A node's engine behind its ledger: whom it answers, what that spends, and the record before the answer.

The order is: the project's standing, its budget, the cells under disclosure control, then one
transaction that records what leaves. A number leaves only after that transaction is on disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import pyarrow.compute as pc

from goe_lake.disclosure import Policy, Reasons
from goe_lake.engine.draft import Draft
from goe_lake.engine.node import NodeAnswer, NodeEngine, digest_of_cells
from goe_lake.engine.sealed import Sums
from goe_lake.engine.sealed_part import OwnPart, Settle
from goe_lake.errors import Declined, NodeFailed, ReleaseRefused
from goe_lake.federation.asker import ANONYMOUS, Asker
from goe_lake.federation.ledger import (
    Kind,
    Ledger,
    Record,
    Spending,
    Standing,
    Transaction,
    budgets,
    held,
)
from goe_lake.federation.ledger.entries import canonical
from goe_lake.federation.ledger.projects import standing_of
from goe_lake.federation.ledger.shape import fingerprint, shape_of
from goe_lake.federation.noisy import NoisyAnswers
from goe_lake.federation.overlap import OverlapAudit, OverlapStore
from goe_lake.federation.rounding import rounded
from goe_lake.release import BudgetLeft, Receipt, Release, Spread, withheld_column

Part = TypeVar("Part")


@dataclass(frozen=True)
class Question:
    """A release, who asks it under which query id, and a digest of what it is answered from."""

    release: Release
    asker: Asker
    query_id: str
    basis: str


@dataclass(frozen=True)
class Tally:
    """How much of an answer is told: its rows, and its values by what became of them.

    *rules* are the values withheld by each rule, *unnamed* the groups too small to be named, *rare* the
    cells that count as rare sites, *marked* the values told as approximate by each rule.
    """

    rows: int
    told: int
    withheld: int
    rules: Mapping[str, int]
    unnamed: int
    rare: int
    # answers that were held before marks were counted have none
    marked: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """The tally as plain JSON values."""
        return {**vars(self), "rules": dict(self.rules), "marked": dict(self.marked)}


class Governed:
    """Answers for *engine* by what *ledger* knows, under *policy*."""

    def __init__(
        self,
        engine: NodeEngine,
        policy: Policy,
        ledger: Ledger,
        overlap: OverlapStore,
        noisy: NoisyAnswers | None = None,
    ) -> None:
        self._engine, self._policy, self.ledger = engine, policy, ledger
        self._overlap, self._noisy = overlap, noisy
        self._policy_digest = digest_of_policy(policy)

    def answer(self, question: Question) -> NodeAnswer:
        """The controlled cells of *question*, recorded.

        Raises Declined where the project may not ask this, ReleaseRefused and NodeFailed as the
        engine does, and LedgerError where nothing can be recorded.
        """
        account = ""
        try:
            standing = self._standing(question.asker)
            account = standing.account
            self._check_budget(standing, question)
            if not standing.hold:
                return self._given(standing, question, self._computed(standing, question))
            number, answer = self._held(standing, question)
        except (ReleaseRefused, NodeFailed) as refused:
            self._note_declined(account, question, refused)
            raise
        if answer is None:  # which was noted with the cells that wait
            raise held.waiting(number)
        return answer

    def sealed(
        self, question: Question, work: Callable[[str, Settle], Part]
    ) -> tuple[Part, BudgetLeft | None]:
        """What *work* makes for the purpose of a sealed *question*, recorded with its number of cells.

        What is told of a sum is decided where it is opened: each node counts every cell that can be told.
        Raises as `answer` does. A project on hold is asked for with open cells, which an officer can see.
        """
        account, left = "", list[BudgetLeft]()
        try:
            standing = self._standing(question.asker)
            account = standing.account
            self._check_budget(standing, question)
            if standing.hold:
                raise ReleaseRefused("R222", "answers to this project are looked at before they leave")
            part = work(standing.purpose, partial(self._settled_part, standing, question, left))
        except (ReleaseRefused, NodeFailed) as refused:
            self._note_declined(account, question, refused)
            raise
        return part, left[0] if left else None

    def _settled_part(
        self, standing: Standing, question: Question, left: list[BudgetLeft], part: OwnPart
    ) -> Sums:
        """The node's numbers for a sealed sum, recorded; what they leave of the day goes to *left*."""
        with self.ledger.transaction() as transaction:
            sums = part.settled(self._audit(standing, question, transaction))
            body = {
                **_what(question.release),
                "purpose": standing.purpose,
                "basis": question.basis,
                "policy": self._policy_digest,
                "sealed": True,
            }
            record = _of(question, standing.account, Kind.ANSWER, body, cells=part.shape.cells)
            transaction.record(record)
            spent = transaction.spent(standing.account)
            budgets.check(self._policy.budget, spent, transaction.now)
            left.append(budgets.left(self._policy.budget, spent, transaction.now))
        return sums

    def _audit(self, standing: Standing, question: Question, transaction: Transaction) -> OverlapAudit:
        """What the asker of *question* was told before.

        Projects that nobody approved are one account: who may name any gets the same answers under each.
        """
        analyst = "" if question.asker.analyst == ANONYMOUS else question.asker.analyst
        least = self._policy.min_contributors
        return OverlapAudit(self._overlap, transaction.connection, standing.account, analyst, least)

    def _standing(self, asker: Asker) -> Standing:
        known = self.ledger.decided(asker.project)
        return standing_of(
            asker, known, self._engine.node_id, self.ledger.now(), required=self._policy.projects_required
        )

    def _check_budget(self, standing: Standing, question: Question) -> None:
        """Refuse before anything is computed where nothing is left."""
        if not self._policy.protects:
            return
        spent = self.ledger.spent(standing.account)
        new = not self.ledger.knows_query(standing.account, question.query_id)
        # an answer without a row costs no cell, and yet is an answer
        asked = Spending(spent.queries + new, spent.cells + 1, spent.rare_sites)
        budgets.check(self._policy.budget, asked, self.ledger.now())

    def _computed(self, standing: Standing, question: Question) -> Callable[[Transaction], NodeAnswer]:
        """What gives the answer, as the policy lets it out, in the transaction that records it.

        Noise is not held to earlier answers: the epsilon of a project covers whatever is subtracted.
        """
        release, purpose = question.release, standing.purpose
        if self._noisy is not None:
            record = _of(question, standing.account, Kind.NOISE, {})
            noisy = self._noisy.answer(release, purpose, record, f"{question.basis} {purpose}")
            return lambda _: noisy
        draft = self._engine.draft(release, purpose, question.query_id)
        return partial(self._settled, standing, question, draft)

    def _settled(
        self, standing: Standing, question: Question, draft: Draft, transaction: Transaction
    ) -> NodeAnswer:
        """What *draft* tells beside all that was told before; which *transaction* remembers."""
        audit = self._audit(standing, question, transaction)
        answer = self._engine.settle(draft, question.query_id, audit)
        if not self._policy.protects or self._policy.output == "exact":
            return answer
        cells, spread = rounded(answer.cells, question.release)
        receipt = replace(answer.receipt, cells_digest=digest_of_cells(cells))
        return replace(answer, cells=cells, receipt=receipt, spread=spread)

    def _given(
        self,
        standing: Standing,
        question: Question,
        settle: Callable[[Transaction], NodeAnswer],
        tally: Tally | None = None,
    ) -> NodeAnswer:
        """What *settle* gives, recorded, without what is for the log alone.

        Declined where it is more than is left of the day.
        """
        with self._engine.alone(), self.ledger.transaction() as transaction:
            answer = settle(transaction)
            counted = tally or tally_of(answer, question.release)
            left = self._record(transaction, standing, question, answer, counted)
        return replace(answer, budget_left=left, reasons=None)

    def _record(
        self,
        transaction: Transaction,
        standing: Standing,
        question: Question,
        answer: NodeAnswer,
        tally: Tally,
    ) -> BudgetLeft | None:
        kind = Kind.ANSWER if self._policy.protects else Kind.UNPROTECTED
        body = {
            **_what(question.release),
            **tally.to_json(),
            "output": answer.spread.kind if answer.spread else "exact",
            "purpose": standing.purpose,
            "snapshot": answer.receipt.snapshot_id,
            "cells_digest": answer.receipt.cells_digest,
            "policy": self._policy_digest,
        }
        record = _of(question, standing.account, kind, body, cells=tally.rows)
        transaction.record(replace(record, rare_sites=tally.rare))
        if not self._policy.protects:
            return None
        spent = transaction.spent(standing.account)
        budgets.check(self._policy.budget, spent, transaction.now)
        return budgets.left(self._policy.budget, spent, transaction.now)

    def _held(self, standing: Standing, question: Question) -> tuple[int, NodeAnswer | None]:
        """The number of a held answer, and the answer if the officer allowed it.

        None the first time, when it is kept; Declined while nothing is decided, or it is decided against.
        """
        known = held.find(self.ledger, question.asker.project, question.release.digest(), question.basis)
        if known is None:
            settle = self._computed(standing, question)
            with self._engine.alone(), self.ledger.transaction() as transaction:
                answer = settle(transaction)
                tally = tally_of(answer, question.release)
                number = held.keep(
                    transaction,
                    _of(question, standing.account, Kind.DECLINED, _what(question.release)),
                    question.basis,
                    canonical(tally.to_json()),
                    canonical({"receipt": answer.receipt.to_json(), "spread": _spread_json(answer)}),
                    answer.cells,
                )
            return number, None
        if known.state is held.State.ALLOWED:
            told = json.loads(known.receipt)
            receipt = Receipt(**{**told["receipt"], "cells_digest": digest_of_cells(known.cells)})
            kept = NodeAnswer(known.cells, receipt, spread=Spread.from_json(told["spread"]))
            tally = Tally(**json.loads(known.tally))
            return known.number, self._given(standing, question, lambda _: kept, tally)
        raise held.waiting(known.number) if known.state is held.State.PENDING else held.refused(known.number)

    def _note_declined(self, account: str, question: Question, refused: ReleaseRefused | NodeFailed) -> None:
        code = refused.code if isinstance(refused, ReleaseRefused) else "failed"
        reason = refused.message if isinstance(refused, Declined) else ""
        body = {**_what(question.release), "code": code, "reason": reason}
        self.ledger.append(_of(question, account, Kind.DECLINED, body))


def record_frequencies(ledger: Ledger, release: Mapping[str, object]) -> None:
    """Note in the log that the node made *release* of allele frequencies, or that the standing one stands."""
    names = ("number", "release_id", "snapshot_id", "persons", "min_carriers", "protection")
    ledger.append(Record(Kind.FREQUENCIES, body={name: release[name] for name in names}))


def _spread_json(answer: NodeAnswer) -> dict[str, object] | None:
    return answer.spread.to_json() if answer.spread is not None else None


def _of(
    question: Question, account: str, kind: Kind, body: Mapping[str, object], *, cells: int = 0
) -> Record:
    return Record(
        kind,
        asker=question.asker,
        account=account,
        query_id=question.query_id,
        release=question.release.digest(),
        cells=cells,
        body=body,
    )


def _what(release: Release) -> dict[str, object]:
    shape = shape_of(release)
    return {"shape": shape, "fingerprint": fingerprint(shape)}


def tally_of(answer: NodeAnswer, release: Release) -> Tally:
    """How much the controlled cells of *answer* tell of *release*, and what withheld the rest."""
    cells, reasons = answer.cells, answer.reasons or Reasons()
    values = cells.num_rows * len(release.measures)
    withheld = sum(
        pc.sum(cells.column(withheld_column(measure.name))).as_py() or 0 for measure in release.measures
    )
    told = values - withheld
    return Tally(cells.num_rows, told, withheld, reasons.values, reasons.groups, reasons.rare, reasons.marked)


def digest_of_policy(policy: Policy) -> str:
    """The identity of the rules that an answer was held to."""
    facts = {
        **vars(policy),
        "budget": vars(policy.budget),
        "noise": vars(policy.noise),
        "consent": {code: sorted(purposes) for code, purposes in sorted(policy.consent.items())},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
