"""What the persons of a batch are at sites that its files lack, as a snapshot says."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow.parquet as pq

from goe_lake.genome import ASSEMBLIES, Sex
from goe_lake.lake.callable import Fill
from goe_lake.lake.ploidy import ploidy_by_sexes
from goe_lake.lake.snapshot import Snapshot
from goe_lake.vcf.arrow import pc


def fill_of(
    snapshot: Snapshot, contig: str, batch: str, absent_sites: str, sexes: Sequence[Sex | None]
) -> Fill:
    """The fill of one batch, by its digest, on *contig*; *sexes* are those of its persons by index.

    The ploidy is that which the ingest saw, or by sex where the batch's files are silent on the contig.
    """
    ploidy = ploidy_by_sexes(ASSEMBLIES[snapshot.manifest.assembly], contig, sexes)
    for path in snapshot.files("ploidy", contig, batch):
        known = pq.read_table(path, partitioning=None)
        for stretch, alleles in ploidy.items():
            rows = known.filter(pc.equal(known["stretch"], stretch))
            alleles[rows["idx"].to_numpy()] = rows["ploidy"].to_numpy()
    return Fill(ploidy, absent_sites, snapshot.files("callable", contig, batch))
