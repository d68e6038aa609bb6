"""One answer held to all that was told before: to everyone, to its project, to others of the analyst."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from goe_lake.disclosure.earlier import Claim, Memory, Record, Verdict, judge
from goe_lake.disclosure.earlier_sites import Scan, SiteClaim, SiteRecord, SiteVerdict, judge_sites
from goe_lake.disclosure.families import Counts
from goe_lake.federation.overlap.store import OverlapStore

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
        judgement = judge(claims, memories, self.least, total.selection)
        verdicts: list[SiteVerdict] = []
        site_records: list[SiteRecord] = []
        if site_claims:
            ends = [claim.sites for claim in site_claims if len(claim.sites)]
            earlier = self.store.site_records(
                self.connection,
                projects,
                [claim.weights for claim in site_claims],
                min(int(sites[0]) for sites in ends),
                max(int(sites[-1]) for sites in ends),
            )
            verdicts, site_records = judge_sites(site_claims, earlier, self.least, scan)
        self.store.record(self.connection, self.project, self.analyst, judgement.records, site_records)
        return judgement.verdicts, verdicts
