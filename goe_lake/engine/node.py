"""A node's engine: a release in, controlled cells out. Nothing else ever leaves it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from goe_lake.disclosure import Decision, Evidence, Policy, decide
from goe_lake.engine import duck
from goe_lake.engine.blueprint import Blueprint
from goe_lake.engine.evidence import gather
from goe_lake.engine.genotypes import Indexes, SiteBlock, blocks, expand, one_chunk
from goe_lake.engine.relation import Reading, check_release
from goe_lake.engine.session import Session, open_session, parquet
from goe_lake.engine.sites import SiteList, offered_sites
from goe_lake.errors import NodeFailed, ReleaseRefused
from goe_lake.lake import Snapshot
from goe_lake.release import Receipt, Release, withheld_column


@dataclass(frozen=True)
class NodeAnswer:
    """What a node sends: cells (keys, measures; NULL where withheld, and `<measure>_withheld`) and a receipt.

    A group of too few persons has no row.
    """

    cells: pa.Table
    receipt: Receipt


class NodeEngine:
    """Answers releases from one snapshot under one policy, one at a time."""

    def __init__(self, node_id: str, snapshot: Snapshot, policy: Policy) -> None:
        self.node_id, self.snapshot, self.policy = node_id, snapshot, policy
        self._sessions: dict[tuple[str, frozenset[str] | None], Session] = {}
        self._site_list: SiteList | None = None
        self._lock = threading.Lock()

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
        for session in self._sessions.values():
            session.connection.close()
        self._sessions.clear()

    def answer(self, release: Release, purpose: str, query_id: str) -> NodeAnswer:
        """The cells of *release* for *purpose*.

        Raises ReleaseRefused where the release is not one that this node computes, and NodeFailed,
        without any of the engine's text, where it cannot be computed.
        """
        check_release(release, self.snapshot.catalog)
        try:
            with self._lock:
                cells = self._run(self._session(purpose), release)
        except ReleaseRefused:
            raise
        except Exception:  # noqa: BLE001 - fail closed, whatever it is: engine errors quote values
            raise NodeFailed(self.node_id, query_id) from None
        receipt = Receipt(
            node_id=self.node_id,
            snapshot_id=self.snapshot.snapshot_id,
            release_digest=release.digest(),
            cells_digest=digest_of_cells(cells),
            min_persons=self.policy.min_persons,
        )
        return NodeAnswer(cells, receipt)

    def interrupt(self) -> None:
        """Stop the statement that runs now, if any; its release fails."""
        for session in tuple(self._sessions.values()):
            session.connection.interrupt()

    def _session(self, purpose: str) -> Session:
        if self._site_list is None:
            raise ReleaseRefused("R207", "the node was given no site list yet")
        covering = self.policy.codes_for(purpose)
        key = (self._site_list.digest, covering)
        if key not in self._sessions:
            self._sessions[key] = open_session(self.snapshot, self._site_list, covering)
        return self._sessions[key]

    def _run(self, session: Session, release: Release) -> pa.Table:
        reading = Reading(release, session)
        parts = [controlled(*part, release, self.policy) for part in _parts(reading, self.policy)]
        return pa.concat_tables(parts)


def _parts(reading: Reading, policy: Policy) -> Iterator[tuple[pa.Table, Evidence]]:
    """The cells and their evidence; cells that each lie at one site are computed some sites at a time."""
    session = reading.session
    one_row = session.one_sample_a_person and not reading.scans("scores")
    if not reading.scans("genotypes"):
        yield gather(Blueprint(reading, one_row))
        return
    selected = session.connection.sql(reading.site_selection()).to_arrow_table()
    sites = selected.column("site").to_numpy()
    listed_only = bool(pc.all(selected.column("listed"), min_count=0).as_py())
    # symbolic alleles may share contig, pos, ref and alt, and differ in their end
    keyed = reading.keyed_by_site and bool(pc.all(selected.column("alone"), min_count=0).as_py())
    one_site = keyed or len(sites) == 1
    persons = sum(len(batch.samples) for batch in session.batches.values())
    ranges = list(blocks(len(sites), persons)) or [(0, 0)]
    for part in ([(start, end)] for start, end in ranges) if keyed else [ranges]:
        _load_genotypes(reading, sites, part)
        hidden = bool(reading.fields()) and _hides_quality(session, policy)
        yield gather(Blueprint(reading, one_row and one_site, one_site, listed_only, hidden))


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


def _load_genotypes(reading: Reading, sites: Indexes, ranges: list[tuple[int, int]]) -> None:
    """Fill the table `genotype_rows` with every row at *sites*, range by range."""
    connection = reading.session.connection
    fields = reading.fields()
    kept = "".join(f", {name} INTEGER" for name in fields)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE genotype_rows "
        f"(site INTEGER, s INTEGER, dosage TINYINT, called_alleles TINYINT{kept})"
    )
    for start, end in ranges:
        for table in _expanded(reading.session, sites[start:end], fields):
            connection.register("expanded", table)
            connection.execute("INSERT INTO genotype_rows SELECT * FROM expanded")
            connection.unregister("expanded")


def _expanded(session: Session, sites: Indexes, fields: tuple[str, ...]) -> Iterator[pa.Table]:
    """The genotype rows at *sites*, a table for each contig and batch."""
    connection = session.connection
    connection.register("wanted", pa.table({"site": pa.array(sites, pa.int32())}))
    known = connection.sql(
        "SELECT site, contig, pos, ref, alt, end_pos, listed, par "
        "FROM sites JOIN wanted USING (site) ORDER BY site"
    ).to_arrow_table()
    connection.unregister("wanted")
    contigs = known.column("contig").to_numpy(zero_copy_only=False)
    for contig in dict.fromkeys(contigs.tolist()):
        here = known.filter(pa.array(contigs == contig))
        block = SiteBlock(
            contig,
            here.column("site").to_numpy().astype(np.int64),
            here.column("listed").to_numpy(zero_copy_only=False),
            here.column("par").to_numpy(zero_copy_only=False),
        )
        for digest, batch in session.batches.items():
            stored, places = _stored(session, contig, digest, here, fields)
            rows = expand(block, stored, places, batch, fields)
            if rows is not None:
                yield rows


def _stored(
    session: Session, contig: str, batch: str, wanted: pa.Table, fields: tuple[str, ...]
) -> tuple[pa.Table, Indexes]:
    """The batch's stored calls at *wanted* sites, and the place of each among them."""
    connection = session.connection
    files = session.snapshot.files("calls", contig, batch)
    positions = wanted.column("pos").to_numpy()
    numbered = wanted.append_column("place", pa.array(np.arange(wanted.num_rows, dtype=np.int64)))
    connection.register("wanted", numbered)
    classes = ", ".join(
        f"c.{name}_{kind}" for name in ("het", "hom", "hemi", "nc", "ref1") for kind in ("l", "b")
    )
    extra = "".join(f", c.{name}" for name in fields)
    source = parquet(files) if files else _no_calls(fields)
    # DuckDB skips row groups by the range, which the join alone would not tell it
    low, high = (int(positions.min()), int(positions.max())) if len(positions) else (0, 0)
    stored = connection.sql(
        f"SELECT w.place, {classes}{extra} FROM {source} c JOIN wanted w USING (pos, ref, alt, end_pos) "
        f"WHERE c.pos BETWEEN {low} AND {high} ORDER BY w.place"
    ).to_arrow_table()
    connection.unregister("wanted")
    return stored, stored.column("place").to_numpy()


def _no_calls(fields: tuple[str, ...]) -> str:
    """SQL of an empty `calls` table, for a batch whose files are silent on a contig."""
    lists = ", ".join(
        f"NULL::UINTEGER[] AS {name}_l, NULL::BLOB AS {name}_b"
        for name in ("het", "hom", "hemi", "nc", "ref1")
    )
    extra = "".join(f", NULL::INTEGER[] AS {name}" for name in fields)
    key = "0::INTEGER AS pos, '' AS ref, '' AS alt, 0::INTEGER AS end_pos"
    return f"(SELECT {key}, {lists}{extra} WHERE false)"


def controlled(cells: pa.Table, evidence: Evidence, release: Release, policy: Policy) -> pa.Table:
    """*cells* with everything taken out that may not leave."""
    decision: Decision = decide(evidence, policy)
    columns: dict[str, pa.Array[Any]] = {key.name: one_chunk(cells.column(key.name)) for key in release.keys}
    for measure, told in zip(release.measures, decision.values, strict=True):
        values = one_chunk(cells.column(measure.name))
        columns[measure.name] = pc.if_else(pa.array(told), values, pa.scalar(None, values.type))
        columns[withheld_column(measure.name)] = pa.array(~told)
    return pa.table(columns).filter(pa.array(decision.cells))


def digest_of_cells(cells: pa.Table) -> str:
    """sha256 of the cells, as they travel."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, cells.schema) as writer:
        writer.write_table(cells.combine_chunks())
    return hashlib.sha256(memoryview(sink.getvalue())).hexdigest()
