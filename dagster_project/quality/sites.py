"""What the sites of a snapshot look like, contig by contig, and how they differ from the snapshot before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from dagster_project.evidence import rows_from
from goe_lake.errors import LakeError
from goe_lake.genome import AUTOSOMES
from goe_lake.lake import ContigCounts, Snapshot, open_snapshot
from goe_lake.lake.layout import SNAPSHOTS

#: A site has moved when its allele frequency differs by more than this from the snapshot before.
MOST_DRIFT: Final = 0.1
STEPS: Final = 20
TABLES: Final = ("strata", "variants")


@dataclass(frozen=True)
class ContigQuality:
    """Sites of one contig: substitutions, Hardy-Weinberg, annotation; all values count sites.

    *spectrum* counts sites with an allele frequency up to 0.001, 0.01, 0.05, and above.
    """

    contig: str
    sites: int
    transitions: int
    transversions: int
    hwe_tested: int
    hwe_departing: int
    het_excess: int
    spectrum: tuple[int, ...]
    with_rsid: int
    with_gene: int
    with_consequence: int
    annotated: int


@dataclass(frozen=True, eq=False)
class Drift:
    """Allele frequencies now and in snapshot *before* (None: there is none to compare with).

    *steps* counts sites that both have, by the frequency before (rows) and now (columns), in
    twentieths; *new* and *gone* count sites that one of them has.
    """

    before: str | None = None
    shared: int = 0
    moved: int = 0
    largest: float = 0.0
    new: int = 0
    gone: int = 0
    steps: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((STEPS, STEPS), np.int64))


def contig_qualities(snapshot: Snapshot) -> list[ContigQuality]:
    """The quality of each contig of *snapshot* that has sites."""
    counts = {counts.contig: counts for counts in snapshot.manifest.contigs}
    return [_contig(snapshot, contig, counts[contig]) for contig in snapshot.contigs]


def _contig(snapshot: Snapshot, contig: str, counts: ContigCounts) -> ContigQuality:
    strata, variants = ([str(path) for path in snapshot.files(table, contig)] for table in TABLES)
    (tested,) = rows_from("site_quality", {"strata": strata, "autosome": contig in AUTOSOMES})
    (told,) = rows_from("annotated_sites", {"variants": variants})
    return ContigQuality(
        contig=contig,
        transitions=counts.transitions,
        transversions=counts.transversions,
        hwe_tested=tested["hwe_tested"],
        hwe_departing=tested["hwe_departing"],
        het_excess=tested["het_excess"],
        spectrum=tuple(count for name, count in tested.items() if name.startswith("af_")),
        **told,
    )


def drift_of(snapshot: Snapshot) -> Drift:
    """What changed since the newest earlier snapshot that is still whole."""
    before = _before(snapshot)
    if before is None:
        return Drift()
    pairs = [
        pair
        for contig in snapshot.contigs
        if contig in before.contigs and before.files("strata", contig) != snapshot.files("strata", contig)
        for pair in rows_from("frequency_drift", _drift_files(before, snapshot, contig))
    ]
    steps = np.zeros((STEPS, STEPS), np.int64)
    for pair in pairs:
        steps[pair["step_before"], pair["step_now"]] += pair["sites"]
    shared, had, has = _common(before, snapshot)
    return Drift(
        before=before.snapshot_id,
        shared=shared,
        moved=sum(pair["moved"] for pair in pairs),
        largest=max((pair["largest"] for pair in pairs), default=0.0),
        new=has - shared,
        gone=had - shared,
        steps=steps,
    )


def _drift_files(before: Snapshot, now: Snapshot, contig: str) -> dict[str, object]:
    return {
        "before": [str(path) for path in before.files("strata", contig)],
        "now": [str(path) for path in now.files("strata", contig)],
        "most": MOST_DRIFT,
    }


def _common(before: Snapshot, now: Snapshot) -> tuple[int, int, int]:
    """Sites that both have, sites before, and sites now."""
    files = {
        "before": [str(path) for path in before.files("variants")],
        "now": [str(path) for path in now.files("variants")],
    }
    (row,) = rows_from("common_sites", files)
    return row["shared"], row["before"], row["now"]


def _before(snapshot: Snapshot) -> Snapshot | None:
    """The newest snapshot that was published before *snapshot*; files of an older one may be purged."""
    manifests = sorted(
        (snapshot.root / SNAPSHOTS).glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True
    )
    for manifest in manifests:
        if manifest.stem != snapshot.snapshot_id:
            try:
                return open_snapshot(snapshot.root, manifest.stem)
            except LakeError:
                continue
    return None
