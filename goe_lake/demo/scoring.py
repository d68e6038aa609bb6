"""The polygenic scores of the demo: their scoring files, and their sums in one country."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goe_lake.demo.calls import Calls
from goe_lake.demo.effects import Effect, Trait

# Weights and sums have four decimals, as `effects.STEP` says.
UNITS: Final = 10_000


@dataclass(frozen=True)
class PolygenicScore:
    """One score: what it predicts, and in which unit its weights are."""

    pgs_id: str
    trait: Trait
    name: str
    reported: str
    ontology: tuple[str, str]
    weight_type: str

    @property
    def description(self) -> str:
        """One line for the catalogue."""
        return f"{self.reported}: sum of weights, each a {self.weight_type}"


SCORES: Final = (
    PolygenicScore(
        pgs_id="GOE000001",
        trait="ldl",
        name="demo_LDL",
        reported="LDL cholesterol",
        ontology=("low density lipoprotein cholesterol measurement", "EFO_0004611"),
        weight_type="beta",
    ),
    PolygenicScore(
        pgs_id="GOE000002",
        trait="t2d",
        name="demo_T2D",
        reported="Type 2 diabetes",
        ontology=("type 2 diabetes mellitus", "MONDO_0005148"),
        weight_type="log(OR)",
    ),
)


def decimal_text(units: int) -> str:
    """A whole number of ten-thousandths with its four decimals.

    >>> decimal_text(-12), decimal_text(30001)
    ('-0.0012', '3.0001')
    """
    whole, rest = divmod(abs(units), UNITS)
    return f"{'-' if units < 0 else ''}{whole}.{rest:04d}"


def extreme_sums(effects: Sequence[Effect]) -> tuple[int, int]:
    """The lowest and the highest sum that two copies of every effect allele could give."""
    weights = [2 * effect.weight for effect in effects]
    return sum(min(weight, 0) for weight in weights), sum(max(weight, 0) for weight in weights)


def sum_of_weights(calls: Calls, effects: Sequence[Effect]) -> NDArray[np.int64]:
    """Each person's sum over *effects* of one panel, whose *calls* are given; missing alleles add nothing."""
    total = np.zeros(calls.first.shape[1], np.int64)
    for effect in effects:
        counted = 0 if effect.counts_ref else effect.allele
        total += effect.weight * calls.copies(effect.row, counted)
    return total


def write_scoring_file(path: Path, score: PolygenicScore, effects: Sequence[Effect]) -> None:
    """Write *effects* as a scoring file in the format of the PGS Catalog, version 2.0."""
    mapped, efo = score.ontology
    columns = (
        "rsID", "chr_name", "chr_position", "effect_allele", "other_allele", "effect_weight",
        "allelefrequency_effect", "locus_name",
    )  # fmt: skip
    lines = [
        "###PGS CATALOG SCORING FILE - made up for the goe_lake demo, in the format of www.pgscatalog.org",
        "#format_version=2.0",
        "##POLYGENIC SCORE (PGS) INFORMATION",
        f"#pgs_id={score.pgs_id}",
        f"#pgs_name={score.name}",
        f"#trait_reported={score.reported}",
        f"#trait_mapped={mapped}",
        f"#trait_efo={efo}",
        f"#weight_type={score.weight_type}",
        "#genome_build=GRCh38",
        f"#variants_number={len(effects)}",
        "##SOURCE INFORMATION",
        "#pgp_id=NR",
        "#citation=Simulated; it says nothing about real people",
        "\t".join(columns),
        *("\t".join(_scoring_row(effect)) for effect in effects),
    ]
    # Without a time stamp the same scores give the same bytes.
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0))


def _scoring_row(effect: Effect) -> tuple[str, ...]:
    site = effect.site
    frequency = 1 - effect.frequency if effect.counts_ref else effect.frequency
    return (
        site.rsid, site.contig.removeprefix("chr"), str(site.pos), effect.effect_allele, effect.other_allele,
        decimal_text(effect.weight), f"{frequency:.4f}", site.gene,
    )  # fmt: skip
