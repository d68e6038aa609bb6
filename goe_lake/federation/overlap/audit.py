"""One answer held to all that was told before: to everyone, to its project, to others of the analyst."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from goe_lake.disclosure.earlier import Claim, Memory, Record, Verdict, judge
from goe_lake.disclosure.earlier_sites import (
    BY_CLASS,
    OTHERWISE,
    Scan,
    SiteClaim,
    SiteRecord,
    Sites,
    SiteVerdict,
    judge_sites,
)
from goe_lake.disclosure.families import Counts
from goe_lake.engine.sealed_memory import SealedPart, Wanted
from goe_lake.federation.overlap.store import SEALED, OverlapStore

#: What anybody knows is older than all that was told.
KNOWN = -1
#: The account of what was told to everyone; no project can be called so.
EVERYONE = "(released)"


@dataclass(frozen=True)
class OverlapAudit:
    """The audit of an answer to *analyst* of *project*, in a transaction of *connection*.

    The caller ends the transaction. Numbers differ by at least *least* persons from earlier ones, or are
    those. An analyst without a name is known by the project alone.
    """

    store: OverlapStore
    connection: sqlite3.Connection
    project: str
    analyst: str
    least: int

    def numbers(self, person_ids: Sequence[str]) -> Counts:
        """The number of each person at the node, in every snapshot."""
        self.store.begin(self.connection)
        return self.store.numbers(self.connection, person_ids)

    def judge(
        self, claims: Sequence[Claim], site_claims: Sequence[SiteClaim], total: Record, scan: Scan
    ) -> tuple[Sequence[Verdict], Sequence[SiteVerdict]]:
        """What becomes of each claim; what is told is written down."""
        projects = [EVERYONE, *self.store.projects(self.connection, self.project, self.analyst)]
        known = Memory()
        known.add(KNOWN, total)
        memories = [known, *self.store.memories(self.connection, projects)]
        beneath = [claim.beneath[0] for claim in claims if claim.beneath]
        at_sites = self._told_at(beneath, [OTHERWISE], projects)
        judgement = judge(claims, memories, self.least, total.selection, at_sites)
        verdicts: list[SiteVerdict] = []
        site_records: list[SiteRecord] = []
        if site_claims:
            read = [claim.beneath[0] for claim in site_claims if claim.beneath]
            read += [claim.sites for claim in site_claims]
            earlier = self._told_at(read, [claim.weights for claim in site_claims], projects)
            verdicts, site_records = judge_sites(site_claims, earlier, self.least, scan)
        told = [*site_records, *judgement.at_sites]
        self.store.record(self.connection, self.project, self.analyst, judgement.records, told)
        return judgement.verdicts, verdicts

    def _told_at(
        self, read: Sequence[Sites], weights: Sequence[tuple[int, ...]], projects: Sequence[str]
    ) -> Sequence[SiteRecord]:
        """What was told of genotypes from the first to the last of the sites that are *read*."""
        ends = [(int(sites[0]), int(sites[-1])) for sites in read if len(sites)]
        if not ends:
            return ()
        first, last = min(low for low, _ in ends), max(high for _, high in ends)
        return self.store.site_records(self.connection, projects, weights, first, last)

    def sealed_before(
        self, basis: str, first: int, last: int, wanted: Wanted
    ) -> tuple[bool, Sequence[SealedPart]]:
        """Whether what is hidden in the asker's sums is of another *basis*; and *wanted* parts of them."""
        projects = self.store.projects(self.connection, self.project, self.analyst)
        bases = self.store.sealed_bases(self.connection, projects)
        others = sorted(project for project, known in bases.items() if known != basis)
        # whoever asks in two projects brings what he was told in the one to the other
        self.store.note_sealed(self.connection, self.project, bases[others[0]] if others else basis)
        records = self.store.sealed(self.connection, others or projects, first, last, wanted)
        return bool(others), [
            SealedPart(
                record.text, record.selection, record.sites, record.values.reshape(-1, len(record.sites))
            )
            for record in records
        ]

    def keep_sealed(self, parts: Sequence[SealedPart]) -> None:
        """Remember *parts*."""
        records = [
            SiteRecord(BY_CLASS, part.behind, part.sites, part.counts.reshape(-1), part.text)
            for part in parts
        ]
        if records:
            self.store.record(self.connection, SEALED.format(self.project), "", (), records)
