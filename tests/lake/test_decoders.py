"""Whichever decoder reads a delivery, the lake holds the same bytes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from goe_lake.lake.worker import end_idle_workers
from tests.lake.nodes import built, make_node, quarantined, tree, vcf_text

PEOPLE = tuple(f"s{number}" for number in range(50))


def records() -> list[str]:
    """Ordinary records of two contigs, some odd ones among them, and a few that are put aside."""
    rng = random.Random(3)
    lines = []
    for place in range(400):
        ref, alt = rng.choice(
            [("A", "C"), ("AC", "A"), ("G", "GT,C"), ("T", "*,A"), ("C", "C"), ("C", "<DEL>")]
        )
        genotypes = rng.choices(
            ["0/0", "0/1", "1|1", "./.", "0/.", "1", "0/0/1"], [90, 8, 4, 3, 1, 1, 0.01], k=50
        )
        cells = " ".join(f"{genotype}:{rng.randrange(110)}:{rng.randrange(60)}" for genotype in genotypes)
        contig = "chr1" if place < 300 else "chrX"
        lines.append(f"{contig} {3_000_000 + 7 * place} {ref} {alt} FORMAT=GT:GQ:DP | {cells}")
    return lines


def test_both_decoders_make_the_same_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every published file has the same name, and so the same digest; quarantine and manifest too."""
    lakes, aside = [], []
    text = vcf_text(PEOPLE, records())
    for decoder in ("cyvcf2", "fast"):
        monkeypatch.setenv("GOE_DECODER", decoder)
        # a process that waits for work has the old environment
        end_idle_workers()
        config = make_node(
            tmp_path / decoder,
            [{"x.vcf.gz": text}],
            people=PEOPLE,
            fields='["GQ", "DP"]',
            toml="[ingest]\nmax_quarantined = 1.0\n",
        )
        snapshot, _ = built(config)
        files = tree(config.lake)
        lakes.append({name: data for name, data in files.items() if not name.startswith("staging")})
        aside.append({str(entry["reason"]) for entry in quarantined(snapshot)})
    end_idle_workers()
    assert aside[0] == aside[1] >= {"alt_is_ref", "gq_out_of_bounds"}
    assert lakes[0] == lakes[1]
