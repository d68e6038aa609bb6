"""A node's engine: a release in, controlled cells out. Nothing else ever leaves it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import pyarrow as pa

from goe_lake.disclosure import Policy, Reasons, decide_together
from goe_lake.disclosure.reasons import RARE
from goe_lake.engine import duck
from goe_lake.engine.alike import Asked
from goe_lake.engine.bins import sized
from goe_lake.engine.blueprint import Blueprint
from goe_lake.engine.by_class import parts_by_class, reduced_by_class
from goe_lake.engine.claims import Claims
from goe_lake.engine.derived import derive
from goe_lake.engine.draft import Audit, Draft, Told, told_cells
from goe_lake.engine.filters import filters_of
from goe_lake.engine.genotype_rows import load_alike, load_genotypes
from goe_lake.engine.genotypes import blocks
from goe_lake.engine.key_effects import without_rare_keys
from goe_lake.engine.low_effect import Part, gather_parts, grouped, whole
from goe_lake.engine.public_domain import PublicDomain, PublicSessions
from goe_lake.engine.quality import FewCarriers
from goe_lake.engine.relation import Reading, check_release
from goe_lake.engine.sealed import Shape, shape_of
from goe_lake.engine.select import at_one_site, select_sites
from goe_lake.engine.selection import Selection
from goe_lake.engine.session import Session, open_session
from goe_lake.engine.sites import SiteList, offered_sites
from goe_lake.engine.strata import SessionStrata, session_strata
from goe_lake.engine.sub_aggregate_effects import variants
from goe_lake.engine.words import Words, basis_of
from goe_lake.errors import LedgerError, NodeFailed, ReleaseRefused
from goe_lake.lake import Snapshot
from goe_lake.release import BudgetLeft, Receipt, Release, Spread

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class NodeAnswer:
    """What a node sends: cells and a receipt.

    Cells have the keys and, for each measure, its value (NULL where withheld), `<measure>_withheld` and
    `<measure>_approx`: whether a condition that changed few persons was left out.

    A group of too few persons has no row. *budget_left* is what the answer leaves of the project's day,
    *spread* how far its numbers are from the exact ones, None where they are exact. *reasons* are for the
    node's own log, and are taken out before the answer leaves.
    """

    cells: pa.Table
    receipt: Receipt
    budget_left: BudgetLeft | None = None
    spread: Spread | None = None
    reasons: Reasons | None = None


class NodeEngine:
    """Answers releases from one snapshot under one policy, one at a time."""

    def __init__(self, node_id: str, snapshot: Snapshot, policy: Policy) -> None:
        self.node_id, self.snapshot, self.policy = node_id, snapshot, policy
        self._sessions: dict[tuple[str, frozenset[str] | None], tuple[Session, SessionStrata | None]] = {}
        self._public = PublicSessions(snapshot)
        self._site_list: SiteList | None = None
        self._lock = threading.RLock()
        self._interrupted = threading.Event()

    def offer_sites(self) -> pa.Table:
        """The sites that this node may list."""
        return offered_sites(self.snapshot, self.policy.min_contributors if self.policy.protects else 0)

    def lay(self, site_list: SiteList) -> None:
        """Answer by *site_list* from now on."""
        with self._lock:
            self._site_list = site_list
            self._close_sessions()

    def close(self) -> None:
        """Let go of everything that was opened to answer; what is asked next is opened again."""
        with self._lock:
            self._close_sessions()

    def _close_sessions(self) -> None:
        for session, _ in self._sessions.values():
            session.connection.close()
        self._sessions.clear()
        self._public.close()

    def answer(self, release: Release, purpose: str, query_id: str) -> NodeAnswer:
        """The cells of *release* for *purpose*.

        Raises ReleaseRefused where the release is not one that this node computes, and NodeFailed,
        without any of the engine's text, where it cannot be computed.
        """
        return self.settle(self.draft(release, purpose, query_id), query_id)

    def draft(self, release: Release, purpose: str, query_id: str) -> Draft:
        """The cells of *release* before they are held to earlier ones; raises as `answer` does."""
        check_release(release, self.snapshot.catalog)
        with self._guarded(query_id):
            self._interrupted.clear()
            return self._run(*self._session(purpose), release)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nothing else is computed meanwhile: who settles in a transaction waits for the engine before it."""
        with self._lock:
            yield

    def settle(self, draft: Draft, query_id: str, audit: Audit | None = None) -> NodeAnswer:
        """The answer that *draft* becomes beside what *audit* remembers; raises as `answer` does."""
        with self._guarded(query_id):
            draft.settle(audit)
            if self.policy.protects:
                draft.count_rare(RARE * self.policy.min_contributors)
            cells, release = draft.cells(), draft.release
        receipt = self.receipt(release, cells, self.policy.min_persons)
        return NodeAnswer(cells, receipt, reasons=draft.reasons)

    @contextmanager
    def shape(self, release: Release, domain: PublicDomain, purpose: str, query_id: str) -> Iterator[Shape]:
        """The numbers that sealed cells of *release* have here; nothing else is computed meanwhile.

        Raises as `answer` does.
        """
        with self._guarded(query_id):
            self._interrupted.clear()
            session, strata = self._session(purpose)
            shape = shape_of(release, domain, self._public, session, strata)
            if session.last_selection is not None:
                # the words are those of listed sites, as of open cells; no later selection has this text
                session.last_selection = ("", shape.sites)
            claims = self._claims(Reading(shape.release, session))
            yield replace(shape, stopped=self._interrupted.is_set, claims=claims)

    def receipt(self, release: Release, cells: pa.Table, min_persons: int) -> Receipt:
        """The receipt for *cells* of *release*, each of at least *min_persons*."""
        return Receipt(
            node_id=self.node_id,
            snapshot_id=self.snapshot.snapshot_id,
            release_digest=release.digest(),
            cells_digest=digest_of_cells(cells),
            min_persons=min_persons,
        )

    @contextmanager
    def _guarded(self, query_id: str) -> Iterator[None]:
        """One at a time; whatever fails tells nothing."""
        try:
            with self._lock:
                yield
        except (ReleaseRefused, NodeFailed, LedgerError):
            raise
        except Exception:  # noqa: BLE001 - fail closed, whatever it is: engine errors quote values
            raise NodeFailed(self.node_id, query_id) from None

    def interrupt(self) -> None:
        """Stop the statement that runs now, if any, and what would follow it; its release fails."""
        self._interrupted.set()
        for session, _ in tuple(self._sessions.values()):
            session.connection.interrupt()

    def _session(self, purpose: str) -> tuple[Session, SessionStrata | None]:
        if self._site_list is None:
            raise ReleaseRefused("R207", "the node was given no site list yet")
        covering = self.policy.codes_for(purpose)
        key = (self._site_list.digest, covering)
        if key not in self._sessions:
            policy = self.policy
            session = open_session(
                self.snapshot, self._site_list, covering, audited=policy.audits, rounds=policy.protects
            )
            self._sessions[key] = (session, session_strata(session))
        return self._sessions[key]

    def _run(self, session: Session, strata: SessionStrata | None, release: Release) -> Draft:
        asked = derive(release, session)
        claims, tables, reasons = self._claims(asked), list[Told](), Reasons()
        for parts in _reduced(asked, strata, self.policy):
            # some parts are computed without a statement that could be stopped
            if self._interrupted.is_set():
                raise InterruptedError
            tables += controlled(parts, release, self.policy, reasons, claims, len(tables))
        if claims is not None and session.last_selection is not None:
            claims.selection = session.last_selection[1]
        return Draft(release, tables, claims, reasons)

    def _claims(self, reading: Reading) -> Claims | None:
        """What gathers who is behind the cells of *reading*; None where no audit is kept."""
        session = reading.session
        if not session.audited:
            return None
        assert self._site_list is not None
        basis = basis_of(self.snapshot.snapshot_id, session.covering)
        at_sites = reading.scans("genotypes")
        words = Words(reading, basis, self._site_list.digest if at_sites else None)
        return Claims(reading, words, session.site_keys if at_sites else None, session.persons_of_samples)


def _reduced(asked: Reading, strata: SessionStrata | None, policy: Policy) -> Iterator[list[Part]]:
    """The cells and their evidence, without what changes too few persons in keys and sub-aggregates."""
    least, session = least_effect(policy), asked.session
    reading, rare_keys = without_rare_keys(asked, least)
    if not asked.release.relation.derived:
        for computed in _parts(reading, strata, policy):
            yield [part.marked(rare_keys) for part in computed]
        return
    parts: list[Part] = []
    for variant in variants(reading, least):
        here, rarer_keys = derive(variant.release, session), False
        if rare_keys or variant.release != reading.release:
            here, rarer_keys = without_rare_keys(here, least)
        for computed in _parts(here, strata, policy):
            marked = [
                part.marked_where(variant.approximate).marked(rare_keys or rarer_keys) for part in computed
            ]
            if variant.own is None:
                yield marked
            else:
                parts += [part.of_keys(variant.own) for part in marked]
    if parts:
        yield grouped(parts, list(reading.public_keys), reading.release.margins)


def _parts(reading: Reading, strata: SessionStrata | None, policy: Policy) -> Iterator[list[Part]]:
    """The cells and their evidence; cells that each lie at one site are computed some sites at a time."""
    least = least_effect(policy)
    answer = partial(gather_parts, policy=policy, least=least)
    if not reading.scans("genotypes"):
        yield answer(Blueprint(reading, reading.session.one_sample_a_person and not reading.scans("scores")))
        return
    # where no cell of fewer persons is named, sites that cannot have a larger one need no look
    sites = select_sites(reading, policy.min_persons if policy.protects and not policy.tell_zero else 0)
    yield from (
        _by_class(reading, sites, strata, least)
        or parts_of_alike(reading, sites, policy, answer)
        or parts_by_rows(reading, sites, policy, answer)
    )


def least_effect(policy: Policy) -> int:
    """How many persons a condition changes at least where it is not left out; 0 where none ever is."""
    return policy.min_contributors if policy.protects else 0


def _by_class(
    reading: Reading, sites: Selection, strata: SessionStrata | None, least: int
) -> Iterator[list[Part]] | None:
    filters = filters_of(reading) if least > 1 else None
    if filters is not None and filters.anywhere is not None:
        return None
    if filters is not None:
        return reduced_by_class(filters, sites, strata, least)
    found = parts_by_class(reading, sites, strata)
    return None if found is None else ([whole(computed, reading.release)] for computed in found)


def parts_by_rows(
    reading: Reading, sites: Selection, policy: Policy, answer: Callable[[Blueprint], Answer]
) -> Iterator[Answer]:
    """What *answer* makes of the cells at *sites*, from one row a site and person."""
    session = reading.session
    one_site, listed_only = at_one_site(reading, sites), bool(sites.listed.all())
    single = session.one_sample_a_person and not reading.scans("scores") and one_site
    keyed = reading.keyed_by_site and sites.alone
    ranges = list(blocks(len(sites), session.genotyped)) or [(0, 0)]
    for part in ([(start, end)] for start, end in ranges) if keyed else [ranges]:
        load_genotypes(reading, sites, part)
        hidden = bool(reading.fields()) and _hides_quality(session, policy)
        yield answer(Blueprint(reading, single, one_site, listed_only, hidden))


def parts_of_alike(
    reading: Reading, sites: Selection, policy: Policy, answer: Callable[[Blueprint], Answer]
) -> Iterator[Answer] | None:
    """The same over several sites from rows that stand for many.

    None where each cell lies at one site, or where more is asked of quality than its sums.
    """
    if at_one_site(reading, sites) or not reading.adds_quality():
        return None
    fields = reading.fields()
    few = FewCarriers(policy.min_contributors) if fields else None
    load_alike(reading.session, sites, Asked(reading.reads_classes(), fields, few))
    hidden = few is not None and few.are_told()
    return iter([answer(Blueprint(reading, False, False, bool(sites.listed.all()), hidden, weighted=True))])


def _hides_quality(session: Session, policy: Policy) -> bool:
    """Whether gq and dp would tell that a node's own files hold a site because of a few carriers.

    A listed site that the files lack has neither, so that they being there tells of a carrier.
    """
    (carriers,) = duck.one_row(
        session.connection,
        "SELECT count(DISTINCT s) FROM genotype_rows WHERE dosage > 0 AND site IN ("
        "SELECT site FROM genotype_rows GROUP BY site "
        f"HAVING count(*) FILTER (dosage > 0) BETWEEN 1 AND {policy.min_contributors - 1})",
    )
    return bool(0 < carriers < policy.min_contributors)


def controlled(
    parts: Sequence[Part],
    release: Release,
    policy: Policy,
    reasons: Reasons,
    claims: Claims | None = None,
    first: int = 0,
) -> list[Told]:
    """The cells of *parts* with everything taken out that may not leave; *reasons* counts why.

    *claims* gathers what they tell; the tables are numbered from *first* there.
    """
    seen = [sized(part.cells, part.evidence, release) for part in parts]
    decisions = decide_together(seen, policy)
    for evidence, decision in zip(seen, decisions, strict=True):
        reasons.add(evidence, decision, policy)
    for number, (part, decision) in enumerate(zip(parts, decisions, strict=True), first):
        if claims is not None:
            claims.gather(number, part, decision)
    return [told_cells(part, decision, release) for part, decision in zip(parts, decisions, strict=True)]


def digest_of_cells(cells: pa.Table) -> str:
    """sha256 of the cells, as they travel."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, cells.schema) as writer:
        writer.write_table(cells.combine_chunks())
    return hashlib.sha256(memoryview(sink.getvalue())).hexdigest()
