"""What a gateway knows of a node, and the node in this process."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from goe_lake.catalog import Catalog
from goe_lake.config import NodeConfig, read_node
from goe_lake.disclosure import Policy
from goe_lake.engine.frequencies import Frequencies, Progress, current_rows, make_release, unchanged_since
from goe_lake.engine.frequency_store import NodeRelease, folder_of, latest, numbers_in, releases
from goe_lake.engine.node import NodeAnswer, NodeEngine
from goe_lake.engine.policy import read_policy
from goe_lake.engine.sites import SiteList
from goe_lake.errors import ConfigError, LakeError, LedgerError, ReleaseRefused
from goe_lake.federation.asker import Asker
from goe_lake.federation.governed import Governed, Question, record_frequencies
from goe_lake.federation.ledger import Ledger
from goe_lake.federation.listing.kept import kept_sites, rounds_kept
from goe_lake.federation.listing.messages import Piece, Step
from goe_lake.federation.listing.node_part import listing_seat
from goe_lake.federation.listing.seat import ListingSeat
from goe_lake.federation.noisy import NoisyAnswers
from goe_lake.federation.overlap import OverlapStore, hold_to
from goe_lake.federation.sealed_sums import Parcel, SealedQuestion, Seat
from goe_lake.lake import Snapshot, open_snapshot
from goe_lake.release import Release, digest_of


@dataclass(frozen=True)
class NodeDescription:
    """The public facts of a node: who it is, its snapshot, its catalogue and its threshold.

    *rounds_kept* is how many rounds listed sites that it keeps.
    """

    node_id: str
    country: str
    name: str
    snapshot_id: str
    catalog: Catalog
    min_persons: int
    protection: str
    one_sample_a_person: bool
    indels: str = "trimmed"
    seals: bool = False
    rounds_kept: int = 0

    @property
    def protects(self) -> bool:
        """Whether a group that the node does not name may hold persons."""
        return self.protection == "on"

    def to_json(self) -> dict[str, Any]:
        """The description as plain JSON values."""
        return {**vars(self), "catalog": self.catalog.to_json()}

    def digest(self) -> str:
        """The identity of the description: sha256 of its canonical JSON."""
        return digest_of(self.to_json())

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> NodeDescription:
        """The description that `to_json` wrote; ValueError, KeyError or TypeError where it does not fit."""
        return cls(**{**data, "catalog": Catalog.from_json(data["catalog"])})


@dataclass(frozen=True)
class FrequencyRelease:
    """The public facts of a node's release of allele frequencies.

    *persons* is how many it counts; *unchanged_since* gives, for each contig, the earliest release
    since which the node tells the same of it.
    """

    number: int
    release_id: str
    snapshot_id: str
    persons: int
    min_carriers: int
    protection: str
    unchanged_since: Mapping[str, int]

    @classmethod
    def of(cls, release: NodeRelease) -> FrequencyRelease:
        """The facts of *release*."""
        return cls(
            release.number,
            release.release_id,
            release.snapshot_id,
            release.persons,
            release.rules["min_carriers"],
            release.rules["protection"],
            unchanged_since(release),
        )

    def to_json(self) -> dict[str, Any]:
        """The facts as plain JSON values."""
        return {**vars(self), "unchanged_since": dict(self.unchanged_since)}


class Node(Protocol):
    """A node as the gateway sees it, in this process or over the wire."""

    def describe(self) -> NodeDescription:
        """The node's public facts, at the snapshot that it will answer from."""

    def offer_sites(self) -> pa.Table:
        """The sites that the node may list."""

    def lay(self, site_list: SiteList) -> None:
        """Make *site_list* the list that the node answers by."""

    def answer(self, release: Release, asker: Asker, query_id: str) -> NodeAnswer:
        """The controlled cells of *release*, for *asker*."""

    def seal(self, question: SealedQuestion) -> Parcel:
        """The node's sealed numbers for *question*."""

    def open(self, question: SealedQuestion, parcels: Sequence[Parcel]) -> NodeAnswer:
        """The controlled cells over all nodes, from the *parcels* of all others."""

    def list_sites(self, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        """The node's part in one *step* of a round that lists sites."""

    def frequencies(self, contig: str) -> pa.Table:
        """The allele frequencies that the node has released (NODE_ROWS), or would release, of *contig*."""

    def release_frequencies(self, progress: Progress | None = None) -> FrequencyRelease:
        """Make the node's next release of allele frequencies; the standing one where nothing changed."""


class EmbeddedNode:
    """A node in this process, over a lake on this disk; no threshold is below *floor*."""

    def __init__(self, node_toml: Path | str, floor: int = 1) -> None:
        config = read_node(node_toml)
        self.name, self.country, self.lake, self._config = config.name, config.country, config.lake, config
        self.policy = held_to(read_policy(config.policy), floor)
        snapshot = open_snapshot(config.lake)
        check_is_lake_of(config, snapshot)
        self.node_id = config.node_id
        self._engine = NodeEngine(config.node_id, snapshot, self.policy)
        self._site_list: SiteList | None = None
        self._exact: NodeEngine | None = None
        self._ledger_folder = config.ledger
        self._ledger: Ledger | None = None
        self._overlap = OverlapStore()
        self._opening = threading.Lock()
        self._seat: Seat | None = None
        self._listing: tuple[SiteList, ListingSeat] | None = None

    def sit(self, seat: Seat) -> None:
        """Take part in sealed sums, at *seat*."""
        self._seat = seat

    def describe(self) -> NodeDescription:
        """The node's public facts."""
        engine = self._engine
        return NodeDescription(
            engine.node_id,
            self.country,
            self.name,
            engine.snapshot.snapshot_id,
            engine.snapshot.catalog,
            self.policy.min_persons,
            self.policy.protection,
            engine.snapshot.manifest.samples == engine.snapshot.manifest.persons,
            # a node without genotypes spells nothing
            ", ".join(sorted({batch.spelling for batch in engine.snapshot.batches})) or "left-aligned",
            self._seat is not None and self.policy.output == "exact",
            rounds_kept(self.lake),
        )

    def offer_sites(self) -> pa.Table:
        """The sites that the node may list, and those that were listed: once listed, always listed.

        These are what it has released, and what rounds over all nodes have found.
        """
        offered, released = self._engine.offer_sites(), self.released_frequencies()
        files = released.files if released is not None else ()
        earlier = [released.sites(part.contig) for part in files] if released is not None else []
        return pa.concat_tables([offered, *earlier, *kept_sites(self.lake)], promote_options="default")

    def lay(self, site_list: SiteList) -> None:
        """Answer by *site_list* from now on."""
        self._engine.lay(site_list)
        self._exact = None
        self._site_list = site_list

    def released_frequencies(self) -> NodeRelease | None:
        """The node's standing release of allele frequencies, None where it has made none."""
        return latest(folder_of(self.lake, protects=self.policy.protects))

    def frequencies(self, contig: str) -> pa.Table:
        """The allele frequencies that the node has released (NODE_ROWS), or would release, of *contig*."""
        released = self.released_frequencies()
        return released.rows(contig) if released is not None else current_rows(self._frequencies(), contig)

    def release_frequencies(self, progress: Progress | None = None) -> FrequencyRelease:
        """Make the node's next release of allele frequencies; the standing one where nothing changed."""
        frequencies, ledger = self._frequencies(), self.open_ledger()
        release = FrequencyRelease.of(make_release(frequencies, self.lake, progress))
        self._hold_to_releases(ledger)
        record_frequencies(ledger, release.to_json())
        return release

    def _hold_to_releases(self, ledger: Ledger) -> None:
        """Let answers be held to every released table; also to one of before such tables were compared."""
        if not self.policy.audits:
            return
        folder = folder_of(self.lake, protects=True)
        try:
            if set(numbers_in(folder)) - self._overlap.releases:
                new = [one for one in releases(folder) if one.number not in self._overlap.releases]
                hold_to(ledger, self._overlap, new, self._engine.snapshot.root)
        except LakeError as error:
            raise LedgerError(error.path, error.problem, error.mend) from None

    def _frequencies(self) -> Frequencies:
        if self._site_list is None:
            problem = "the node was given no site list yet"
            raise LakeError(self.lake, problem, "open it in a federation, or lay a list over it")
        return Frequencies(self._engine.snapshot, self.policy, self._site_list)

    def answer(self, release: Release, asker: Asker, query_id: str) -> NodeAnswer:
        """The controlled cells of *release*, for *asker*; what the ledger cannot record is not answered."""
        return self._governed().answer(self._question(release, asker, query_id))

    def _governed(self) -> Governed:
        # opened first: a ledger that is not the one before comes with an empty store
        ledger = self.open_ledger()
        self._hold_to_releases(ledger)
        return Governed(self._engine, self.policy, ledger, self._overlap, self._noisy_answers())

    def _question(self, release: Release, asker: Asker, query_id: str) -> Question:
        listed = None if self._site_list is None else self._site_list.digest
        basis = digest_of({"snapshot": self._engine.snapshot.snapshot_id, "site_list": listed})
        return Question(release, asker, query_id, basis)

    def _noisy_answers(self) -> NoisyAnswers | None:
        """Answers with noise, where the policy wants that."""
        if self.policy.output != "noisy" or not self.policy.protects:
            return None
        if self._exact is None:
            engine = self._engine
            self._exact = NodeEngine(engine.node_id, engine.snapshot, replace(self.policy, protection="off"))
            if self._site_list is not None:
                self._exact.lay(self._site_list)
        one = self.describe().one_sample_a_person
        return NoisyAnswers(self._exact, self.policy, self.open_ledger(), one_sample_a_person=one)

    def open_ledger(self) -> Ledger:
        """The node's ledger; LedgerError where it is lost, damaged, or cannot be written."""
        with self._opening:
            if self._ledger is None or not self._ledger.in_place:
                self._ledger = Ledger.open(self._ledger_folder, self.lake, self._engine.node_id)
                self._overlap = OverlapStore()
            return self._ledger

    def seal(self, question: SealedQuestion) -> Parcel:
        """The node's sealed numbers for *question*; what the ledger cannot record is not sealed."""
        seat, asked = (
            self._seated(question.site_list_digest),
            self._question(question.release, question.asker, question.query_id),
        )
        parcel, left = self._governed().sealed(
            asked, lambda purpose, settle: seat.seal(question, purpose, self._engine, settle)
        )
        return replace(parcel, left=left)

    def open(self, question: SealedQuestion, parcels: Sequence[Parcel]) -> NodeAnswer:
        """The controlled cells over all nodes, from the *parcels* of all others."""
        seat, asked = (
            self._seated(question.site_list_digest),
            self._question(question.release, question.asker, question.query_id),
        )
        answer, left = self._governed().sealed(
            asked, lambda purpose, settle: seat.open(question, parcels, purpose, self._engine, settle)
        )
        return replace(answer, budget_left=left)

    def list_sites(self, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        """The node's part in one *step* of a round that lists sites; the ledger records what is told."""
        seat = self._seated(step.site_list_digest)
        if not self.policy.site_rounds:
            raise ReleaseRefused("R226", "its policy lets it take part in no round that lists sites")
        assert self._site_list is not None
        if self._listing is None or self._listing[0] is not self._site_list:
            here = (seat, self._engine, self._site_list, step.site_list_digest)
            self._listing = (self._site_list, listing_seat(*here, self.open_ledger, self._config))
        return self._listing[1].take(step, carried, payload)

    def _seated(self, site_list_digest: str) -> Seat:
        if self._seat is None:
            raise ReleaseRefused("R225", "this node has no sealing key")
        if self._site_list is None or self._site_list.digest != site_list_digest:
            raise ReleaseRefused("R207", "the node was given another site list")
        if not self.policy.protects:
            raise ReleaseRefused("R225", "protection is off here")
        if self.policy.output != "exact":
            raise ReleaseRefused(
                "R225", "numbers leave this node rounded or with noise, and sealed ones could not"
            )
        return self._seat

    def interrupt(self) -> None:
        """Stop the statement that runs now, if any; its release fails."""
        self._engine.interrupt()
        if self._exact is not None:
            self._exact.interrupt()

    def close(self) -> None:
        """Let go of everything that was opened to answer."""
        self._engine.close()
        if self._exact is not None:
            self._exact.close()
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None


def held_to(policy: Policy, floor: int) -> Policy:
    """*policy* with thresholds of at least *floor* persons: the strictest of node and federation wins."""
    return replace(
        policy,
        min_persons=max(policy.min_persons, floor),
        min_contributors=max(policy.min_contributors, floor),
        min_carriers=max(policy.min_carriers, floor),
    )


def check_is_lake_of(config: NodeConfig, snapshot: Snapshot) -> None:
    """Raise ConfigError where node.toml names another country or assembly than the lake was built for."""
    for setting in ("country", "assembly"):
        now, then = getattr(config, setting), getattr(snapshot.manifest, setting)
        if now != then:
            problem = f"is {now!r}, and the lake was built for {then!r}"
            raise ConfigError(config.file, f"node.{setting}", problem, "ingest again: goe ingest NODE.toml")
