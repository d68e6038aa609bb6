"""Left-aligned indels: equal to bcftools norm, and one site however it was spelt."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goe_lake import open_federation
from goe_lake.config import NodeConfig, read_node
from goe_lake.errors import InputError
from goe_lake.genome import GRCH38
from goe_lake.vcf.reference import Sequence, left_aligned, read_reference
from tests.lake.nodes import built, make_node, quarantined, rows, vcf_text

LENGTH = GRCH38.lengths["chrM"]
CHANCE = random.Random(5)
# runs and tandem repeats, in which an indel has many spellings
UNITS = ("A", "AC", "CAG", "T", "ACGT", "GGC")
BASES = "".join(CHANCE.choice(UNITS) * CHANCE.randint(1, 9) for _ in range(LENGTH))[:LENGTH]


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up chrM in lines of 61 bases, repeats in small letters, with its index."""
    path = tmp_path_factory.mktemp("reference") / "chrM.fa"
    text = BASES[:4000].lower() + BASES[4000:]
    lines = "".join(text[start : start + 61] + "\n" for start in range(0, LENGTH, 61))
    path.write_text(f">chrM made up\n{lines}")
    subprocess.run(["samtools", "faidx", path], check=True)
    return path


def indel(pos: int, length: int, *, deletes: bool, unit: str = "") -> tuple[int, str, str]:
    """A deletion of the bases after 1-based *pos*, or an insertion after it."""
    anchor = BASES[pos - 1]
    if deletes:
        return pos, BASES[pos - 1 : pos + length], anchor
    return pos, anchor, anchor + (unit or BASES[pos : pos + length])


def node(folder: Path, fasta: Path, records: list[str], reference: str = "") -> NodeConfig:
    """A node of one person whose files hold *records*."""
    toml = "[ingest]\nmax_quarantined = 1\n"
    setting = f'reference = "{reference or fasta}"'
    return make_node(folder, [{"x.vcf": vcf_text(("a",), records)}], people=("a",), toml=toml, node=setting)


def test_spelling_equals_bcftools_norm(fasta: Path, tmp_path: Path) -> None:
    """300 insertions, deletions and substitutions, multi-allelic ones among them."""
    chance = random.Random(11)
    records: dict[int, str] = {}
    for _ in range(300):
        pos, length = chance.randint(2, LENGTH - 40), chance.randint(1, 8)
        kind = chance.randint(0, 3)
        if kind < 2:
            _, ref, alt = indel(pos, length, deletes=kind == 0)
        else:
            ref = BASES[pos - 1 : pos + length]
            alt = "".join(chance.choice("ACGT") for _ in range(chance.randint(1, 9)))
        if kind == 3:
            alt += "," + ref + BASES[pos + length : pos + length + 3]
        if ref not in alt.split(","):
            records.setdefault(pos, f"chrM {pos} {ref} {alt} | .")
    text = vcf_text(
        ("a",), [records[pos] for pos in sorted(records)], meta=f"##contig=<ID=chrM,length={LENGTH}>\n"
    )
    (tmp_path / "in.vcf").write_text(text)
    shown = subprocess.run(
        f"bcftools norm -m -any -f {fasta} {tmp_path}/in.vcf -Ou | bcftools query -f '%POS %REF %ALT\\n'",
        shell=True, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    expected = {tuple(line.split()) for line in shown.upper().splitlines()}
    snapshot, _ = built(node(tmp_path / "node", fasta, [records[pos] for pos in sorted(records)]))
    sites = [(str(row["pos"]), row["ref"], row["alt"]) for row in rows(snapshot, "variants")]
    assert set(sites) == expected
    assert [int(pos) for pos, _, _ in sites] == sorted(int(pos) for pos, _, _ in sites)
    assert {row["end_pos"] - row["pos"] + 1 - len(row["ref"]) for row in rows(snapshot, "variants")} == {0}  # type: ignore[operator, arg-type]
    assert [batch.spelling for batch in snapshot.batches] == ["left-aligned"]


@given(st.integers(2, 12_000), st.integers(1, 6), st.booleans(), st.integers(0, 40))
def test_every_spelling_of_an_indel_becomes_one(pos: int, length: int, deletes: bool, padding: int) -> None:
    """Wherever it is written, and with how many bases around; what it makes of the contig stays the same."""
    sequence = _in_memory()
    start, ref, alt = indel(pos, length, deletes=deletes)
    found = left_aligned(sequence, start, ref, alt)
    left, right = BASES[max(0, start - 1 - padding) : start - 1], BASES[start - 1 + len(ref) :][:padding]
    padded = left_aligned(sequence, start - len(left), left + ref + right, left + alt + right)
    assert padded == found
    assert _changed(start, ref, alt) == _changed(*found)
    new_pos, new_ref, new_alt = found
    assert 1 in (len(new_ref), len(new_alt))
    # nothing further left makes the same
    assert new_pos == 1 or new_ref[-1] != new_alt[-1]


def _changed(pos: int, ref: str, alt: str) -> str:
    """The contig with the allele in it."""
    assert BASES[pos - 1 : pos - 1 + len(ref)] == ref
    return BASES[: pos - 1] + alt + BASES[pos - 1 + len(ref) :]


def _in_memory() -> Sequence:
    class Held(Sequence):
        """The bases without a file."""

        def at(self, positions: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
            return np.frombuffer(BASES.encode(), np.uint8)[positions - 1]

    return Held(Path(), LENGTH, 0, 1, 1)


def test_a_ref_that_is_not_in_the_reference_is_put_aside(fasta: Path, tmp_path: Path) -> None:
    """With its record, and what the reference has; N and what lies beside it are not."""
    wrong = "ACGT"[("ACGT".index(BASES[99]) + 1) % 4]
    alt = next(base for base in "ACGT" if base not in (wrong, BASES[99], BASES[199]))
    records = [
        f"MT 100 {wrong} {alt} | 1",
        f"MT 200 {BASES[199]} {alt} | 1",
        "MT 300 N <DEL> INFO=END=400 | 1",
    ]
    snapshot, _ = built(node(tmp_path, fasta, records))
    assert [row["pos"] for row in rows(snapshot, "variants")] == [200, 300]
    (entry,) = quarantined(snapshot)
    assert (entry["record"], entry["reason"], entry["pos"]) == ("line 6", "ref_not_in_reference", 100)
    assert entry["value"] == f"{wrong} where the reference has {BASES[99]}"


def test_a_reference_that_cannot_be_used_is_refused(fasta: Path, tmp_path: Path) -> None:
    """No index, another assembly, a packed file: each with the mend, before anything is converted."""
    records = ["MT 200 A T | 1"]
    bare = tmp_path / "bare.fa"
    bare.write_text(">chrM\nACGT\n")
    with pytest.raises(InputError, match=r"cannot be read with its index.*samtools faidx"):
        built(node(tmp_path / "1", fasta, records, str(bare)))
    subprocess.run(["samtools", "faidx", bare], check=True)
    with pytest.raises(InputError, match="its chrM has 4 bases, which is not GRCh38"):
        built(node(tmp_path / "2", fasta, records, str(bare)))
    packed = tmp_path / "packed.fa"
    packed.write_bytes(subprocess.run(["bgzip", "-c", fasta], capture_output=True, check=True).stdout)
    (tmp_path / "packed.fa.fai").write_text(fasta.with_name("chrM.fa.fai").read_text())
    with pytest.raises(InputError, match=r"is not a plain FASTA.*bgzip -d"):
        built(node(tmp_path / "3", fasta, records, str(packed)))
    with pytest.raises(InputError, match=r"chrM\.fa: has no chr1"):
        built(node(tmp_path / "4", fasta, ["1 200 A T | 0/1"]))
    assert read_reference(fasta, GRCH38)["chrM"].bases(1, 70) == BASES[:70]


def test_nodes_that_spell_indels_differently_are_told_apart(fasta: Path, tmp_path: Path) -> None:
    """The answer says which node is not left-aligned; it says nothing where all are."""
    off = 'policy = "policy.toml"\n'
    for name, country, reference in (("one", "EE", f'reference = "{fasta}"'), ("two", "FI", "")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "policy.toml").write_text('version = 1\nprotection = "off"\n')
        text = vcf_text((name,), [f"MT 200 {BASES[199]} {'ACGT'.replace(BASES[199], '')[0]} | 1"])
        config = make_node(folder, [{"x.vcf": text}], people=(name,), node=off + reference)
        config.file.write_text(config.file.read_text().replace('"EE"', f'"{country}"'))
        built(read_node(config.file))
    query = "SELECT count(*) AS n FROM genotypes WHERE dosage > 0"
    federation = open_federation([tmp_path / name / "node.toml" for name in ("one", "two")], project="demo")
    notices = federation.sql(query).envelope.notices
    assert "indels are not left-aligned at GOE-FI-NODE-1: one may count as two variants" in notices
    alone = open_federation([tmp_path / "one" / "node.toml"], project="demo")
    assert not [notice for notice in alone.sql(query).envelope.notices if "left-aligned" in notice]
