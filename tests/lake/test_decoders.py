"""Whichever decoder reads a delivery, the lake holds the same bytes."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from goe_lake.errors import InputError
from goe_lake.lake import convert, plan
from goe_lake.lake.progress import OneAtATime, Stopped
from goe_lake.lake.worker import call_in_worker
from goe_lake.lake_commands import build
from goe_lake.vcf import ahead, fast, scan
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
    assert aside[0] == aside[1] >= {"alt_is_ref", "gq_out_of_bounds"}
    assert lakes[0] == lakes[1]


def test_what_is_decoded_ahead_makes_the_same_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`goe ingest` decodes while it loads: all units, some, or none, every published byte is the same."""
    monkeypatch.setenv("GOE_DECODER", "fast")
    monkeypatch.setattr(scan, "UNIT", 30_000)
    # a single file would be converted at once: see test_begun
    lines, lakes, taken = records(), list[dict[str, bytes]](), list[int]()
    files = {"x.vcf.gz": vcf_text(PEOPLE, lines[:300]), "y.vcf.gz": vcf_text(PEOPLE, lines[300:])}
    units_ahead = fast.units_ahead

    def noted(*arguments: Any) -> Any:
        found = units_ahead(*arguments)
        taken.append(len(found))
        return found

    monkeypatch.setattr(fast, "units_ahead", noted)
    for most in (ahead.MOST_DECODED, 0, -1):
        monkeypatch.setattr(ahead, "MOST_DECODED", most)
        config = make_node(
            tmp_path / str(most),
            [files],
            people=PEOPLE,
            fields='["GQ", "DP"]',
            toml="[ingest]\nmax_quarantined = 1.0\n",
        )
        build(config.file, None)
        found = tree(config.lake)
        lakes.append({name: data for name, data in found.items() if not name.startswith("staging")})
    assert lakes[0] == lakes[1] == lakes[2]
    # two contigs a lake
    assert sum(taken[:2]) > sum(taken[4:]) == 0


def test_what_ends_a_worker_is_an_error_about_the_file(tmp_path: Path) -> None:
    """htslib may end its process: the one that asked goes on, and the next question has a new worker."""
    path = tmp_path / "x.vcf"
    with pytest.raises(InputError, match=r"x\.vcf: ended the decoder \(exit status 3\)"):
        call_in_worker(path, os._exit, 3)
    assert call_in_worker(path, os.getpid) != os.getpid()


def test_a_worker_of_other_settings_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process keeps the environment that it was started with."""
    path = tmp_path / "x.vcf"
    asked = []
    for decoder in ("cyvcf2", "fast", "fast"):
        monkeypatch.setenv("GOE_DECODER", decoder)
        asked.append((call_in_worker(path, os.getpid), call_in_worker(path, os.getenv, "GOE_DECODER")))
    assert [decoder for _, decoder in asked] == ["cyvcf2", "fast", "fast"]
    assert asked[0][0] != asked[1][0] == asked[2][0]


@pytest.mark.parametrize("decoder", ["cyvcf2", "fast"])
def test_whoever_stops_an_ingest_waits_for_no_partition(
    decoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `stop` a conversion ends at its next chunk, here or in its process, and leaves nothing behind."""
    monkeypatch.setenv("GOE_DECODER", decoder)
    text = vcf_text(PEOPLE, records())
    planned = plan(make_node(tmp_path, [{"x.vcf.gz": text}], people=PEOPLE), min_label_persons=1)
    part = planned.partitions[0]
    steps = OneAtATime(None)
    steps.stop()
    with pytest.raises(Stopped):
        convert(planned, part, steps, here=True)
    assert not (planned.staging / part.folder).exists()
