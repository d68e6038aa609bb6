"""Whatever a VCF holds, the lake says of each person what a plain reading of the text says."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from tests.lake.nodes import built, make_node, member_table, rows, vcf_text

PEOPLE = tuple(f"s{number}" for number in range(40))
ALLELE = st.sampled_from([".", "0", "0", "0", "1", "1", "2"])
GENOTYPE = st.one_of(ALLELE, st.builds("{}{}{}".format, ALLELE, st.sampled_from("/|"), ALLELE))
BASES = st.text("ACGT", min_size=1, max_size=4)
ALTS = st.lists(st.one_of(BASES, st.sampled_from(["*", "<DEL>"])), min_size=2, max_size=2, unique=True)


@st.composite
def records(draw: st.DrawFn) -> str:
    """One record with two alternate alleles; its place comes later."""
    ref = draw(BASES)
    alts = draw(ALTS.filter(lambda alts: ref not in alts))
    common = draw(st.lists(GENOTYPE, min_size=1, max_size=4))
    # few distinct genotypes over many persons, so that lists and bitmaps both occur
    people = [draw(st.sampled_from(common)) for _ in PEOPLE]
    return f"{ref} {','.join(alts)} | {' '.join(people)}"


def plain_class(genotype: str, allele: str) -> str | None:
    """The class of one genotype for one allele, by the words of the design."""
    called = [number for number in re.split(r"[/|]", genotype) if number != "."]
    dosage = called.count(allele)
    if not called:
        return "nc"
    if len(called) == 1:
        return "hemi" if dosage else "ref1"
    return {0: None, 1: "het", 2: "hom"}[dosage]


@given(st.lists(st.tuples(st.sampled_from(["1", "chrX"]), records()), min_size=1, max_size=20), st.randoms())
def test_classes_are_those_of_the_text(made, random) -> None:  # type: ignore[no-untyped-def]
    """Each row's classes, for records in any order over two contigs."""
    lines = []
    expected: dict[str, set[tuple[int, str, str]]] = {"chr1": set(), "chrX": set()}
    for place, (contig, record) in enumerate(made):
        ref, alts, _, *genotypes = record.split()
        pos = 3_000_000 + 20 * place
        lines.append(f"{contig} {pos} {record}")
        for allele, alt in enumerate(alts.split(","), 1):
            for person, genotype in zip(PEOPLE, genotypes, strict=True):
                name = plain_class(genotype, str(allele))
                if alt != "*" and name:
                    expected[f"chr{contig.removeprefix('chr')}"].add((place, name, f"{person} {allele}"))
    random.shuffle(lines)
    with tempfile.TemporaryDirectory() as folder:
        config = make_node(Path(folder), [{"x.vcf.gz": vcf_text(PEOPLE, lines)}], people=PEOPLE)
        snapshot, _ = built(config)
        for contig in snapshot.contigs:
            with duckdb.connect() as connection:
                member_table(connection, snapshot, contig)
                members = connection.execute("SELECT pos, ref, alt, class, sample_id FROM member").fetchall()
            found = set()
            for pos, ref, alt, name, sample in members:
                place = (pos - 3_000_000) // 20
                old_ref, alts = made[place][1].split()[:2]
                allele = next(
                    number
                    for number, old in enumerate(alts.split(","), 1)
                    if same_change(3_000_000 + 20 * place, old_ref, old, pos, ref, alt)
                )
                found.add((place, name, f"{sample} {allele}"))
            assert found == expected[contig]
            keys = [(row["pos"], row["ref"], row["alt"]) for row in rows(snapshot, "variants", contig=contig)]
            assert keys == sorted(set(keys))


def same_change(pos: int, ref: str, alt: str, new_pos: int, new_ref: str, new_alt: str) -> bool:
    """Whether two spellings of an allele make the same change."""
    if alt.startswith("<") or new_alt.startswith("<"):
        return alt == new_alt
    start = new_pos - pos
    return ref[start : start + len(new_ref)] == new_ref and (
        ref[:start] + new_alt + ref[start + len(new_ref) :] == alt
    )
