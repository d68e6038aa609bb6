"""What each kind of genotype, allele and record becomes in the lake, on small hand-written VCFs."""

from __future__ import annotations

from pathlib import Path

import pytest

from goe_lake.errors import InputError
from goe_lake.lake import Snapshot
from tests.lake.nodes import built, make_node, quarantined, rows, vcf_text

PEOPLE = ("a", "b", "c")
ANYTHING = "[ingest]\nmax_quarantined = 1\n"


def calls_of(snapshot: Snapshot, contig: str = "chr1") -> dict[tuple[object, ...], dict[str, list[int]]]:
    """The classes that hold anybody, by (pos, ref, alt); few persons, so all are lists."""
    found = {}
    for row in rows(snapshot, "calls", contig=contig):
        named = {key.removesuffix("_l"): value for key, value in row.items() if key.endswith("_l") and value}
        found[row["pos"], row["ref"], row["alt"]] = named
    return found


def lake_of(folder: Path, *records: str, form: str = "GT", fields: str = "[]", meta: str = "") -> Snapshot:
    """The lake of one VCF with *records* for three persons."""
    text = vcf_text(PEOPLE, records, form=form, meta=meta)
    return built(make_node(folder, [{"x.vcf": text}], people=PEOPLE, fields=fields, toml=ANYTHING))[0]


def test_genotype_classes(tmp_path: Path) -> None:
    """het, hom-alt, hemi, not called and one called reference allele; hom-ref is in none."""
    snapshot = lake_of(
        tmp_path,
        "1 100 A C | 0/0 0/1 1|1",
        "1 101 A C | ./. ./1 0|.",
        "1 102 A C | 1 0 .",
        "1 103 A C | . .|. 1/.",
        "1 104 A C | 0/0 0/0 0/0",
    )
    assert calls_of(snapshot) == {
        (100, "A", "C"): {"het": [1], "hom": [2]},
        (101, "A", "C"): {"nc": [0], "hemi": [1], "ref1": [2]},
        (102, "A", "C"): {"hemi": [0], "ref1": [1], "nc": [2]},
        (103, "A", "C"): {"nc": [0, 1], "hemi": [2]},
        (104, "A", "C"): {},
    }
    assert [row["carriers"] for row in rows(snapshot, "variants")] == [2, 1, 1, 1, 0]
    counts = [
        tuple(row[name] for name in ("n_persons", "het", "hom_alt", "hemi", "not_called", "an"))
        for row in rows(snapshot, "strata")
    ]
    assert counts == [
        (3, 1, 1, 0, 0, 6),
        (3, 0, 0, 1, 1, 2),
        (3, 0, 0, 1, 1, 2),
        (3, 0, 0, 1, 2, 1),
        (3, 0, 0, 0, 0, 6),
    ]


def test_multi_allelic_records_are_split_and_trimmed(tmp_path: Path) -> None:
    """Other alternate alleles count as called; `*` and <NON_REF> make no row and count as called too."""
    snapshot = lake_of(tmp_path, "1 100 CA C,TA,*,<NON_REF> | 1/2 2/2 1/3", "1 101 A <*> | 0/1 1/1 0/0")
    assert calls_of(snapshot) == {
        (100, "CA", "C"): {"het": [0, 2]},
        (100, "C", "T"): {"het": [0], "hom": [1]},
    }
    assert [row["an"] for row in rows(snapshot, "strata")] == [6, 6]
    assert snapshot.manifest.contigs[0].without_alt == 1


def test_rows_are_sorted_though_trimming_moves_them(tmp_path: Path) -> None:
    """An allele trimmed on the left starts later than records that follow it in the file."""
    snapshot = lake_of(
        tmp_path, "1 100 AAAT AAAC | 0/1 0/0 0/0", "1 101 A G | 1/1 0/0 0/0", "1 103 T A | 0/0 0/1 0/0"
    )
    assert list(calls_of(snapshot)) == [(101, "A", "G"), (103, "T", "A"), (103, "T", "C")]


def test_records_in_any_order_give_the_same_lake(tmp_path: Path) -> None:
    """Unsorted records are sorted on disk; the files are the same, byte for byte."""
    records = [f"{contig} {pos} A C | 0/1 0/0 ./." for contig in ("1", "2") for pos in range(100, 200)]
    shuffled = [records[place * 77 % len(records)] for place in range(len(records))]
    first, second = lake_of(tmp_path / "1", *records), lake_of(tmp_path / "2", *shuffled)
    for table in ("calls", "variants", "strata", "ploidy"):
        digests = [
            [file.sha256 for file in one.manifest.files if file.table == table] for one in (first, second)
        ]
        assert digests[0] == digests[1], table


def test_a_site_given_twice_is_kept_once(tmp_path: Path) -> None:
    """Identical twins are put aside and counted, also where only trimming makes them twins."""
    snapshot = lake_of(
        tmp_path, "1 100 A C | 0/1 0/0 ./.", "1 100 A C | 0|1 0/0 ./.", "1 99 GA GC | 0/1 0/0 ./."
    )
    assert calls_of(snapshot) == {(100, "A", "C"): {"het": [0], "nc": [2]}}
    assert snapshot.manifest.quarantined == {"duplicate": 2}
    assert [(row["record"], row["reason"], row["value"]) for row in quarantined(snapshot)] == [
        ("line 7", "duplicate", "A C"),
        ("line 8", "duplicate", "A C"),
    ]


def test_a_site_given_twice_with_other_genotypes_is_refused(tmp_path: Path) -> None:
    """The message names the file and both records."""
    with pytest.raises(
        InputError, match=r"x\.vcf, line 8: gives other genotypes for chr1:100 A C than line 6"
    ):
        lake_of(tmp_path, "1 100 A C | 0/1 0/0 ./.", "1 100 A T | 0/0 0/0 0/1", "1 100 A C | 0/1 0/0 0/0")


def test_symbolic_alleles_are_told_apart_by_their_end(tmp_path: Path) -> None:
    """Two deletions from one base are two sites; INFO is read whether the header declares it or not."""
    snapshot = lake_of(
        tmp_path,
        "1 100 A <DEL> INFO=END=300;SVLEN=-200 | 0/1 0/0 0/0",
        "1 100 A <DEL> INFO=END=400 | 0/0 0/1 0/0",
        "1 100 A <DUP>,<INS> INFO=SVLEN=50,60 | 0/1 1/2 0/0",
    )
    facts = [
        tuple(row[name] for name in ("variant_id", "end_pos", "type", "sv_len"))
        for row in rows(snapshot, "variants")
    ]
    assert facts == [
        ("chr1-100-<DEL>-300", 300, "DEL", -200),
        ("chr1-100-<DEL>-400", 400, "DEL", None),
        ("chr1-100-<DUP>-150", 150, "DUP", 50),
        ("chr1-100-<INS>-100", 100, "INS", 60),
    ]


def test_identifiers_and_filters_are_kept(tmp_path: Path) -> None:
    """PASS, a missing FILTER and a failed one; rs numbers only; AC, AN and AF of INFO are not read."""
    snapshot = lake_of(
        tmp_path,
        "1 100 A C ID=rs5 FILTER=PASS INFO=AC=99;AN=1;AF=0.5 | 0/1 0/0 0/0",
        "1 101 A C ID=x7;rs6 FILTER=. | 0/1 0/0 0/0",
        "1 102 A C ID=x8 FILTER=q10;s50 | 0/1 0/0 0/0",
        meta='##FILTER=<ID=q10,Description="x">\n##FILTER=<ID=s50,Description="x">\n'
        '##INFO=<ID=AC,Number=A,Type=Integer,Description="x">\n',
    )
    facts = [(row["rsid"], row["filter"], row["carriers"]) for row in rows(snapshot, "variants")]
    assert facts == [("rs5", "PASS", 1), ("rs6", None, 1), (None, "q10;s50", 1)]


def test_quality_and_depth_are_kept_where_asked(tmp_path: Path) -> None:
    """One value a person, missing ones NULL; a record without the field has NULL; bounds are facts."""
    records = (
        "1 100 A C FORMAT=GT:GQ:DP | 0/1:99:10 0/0:.:70000 ./.",
        "1 101 A C FORMAT=GT:DP | 0/1:1 0/0:2 0/0:3",
        "1 102 A C,T FORMAT=GT:GQ | 0/1:100 0/2:0 0/0:-1",
    )
    snapshot = lake_of(tmp_path / "1", *records, fields='["GQ", "DP"]')
    kept = [(row["alt"], row["gq"], row["dp"]) for row in rows(snapshot, "calls")]
    # a byte a person: the value plus one, 0 where there is none
    assert kept == [
        ("C", bytes([100, 0, 0]), bytes([11, 0, 0])),
        ("C", None, bytes([2, 3, 4])),
        ("C", bytes([0, 1, 0]), None),
        ("T", bytes([0, 1, 0]), None),
    ]
    assert snapshot.manifest.quarantined == {"dp_out_of_bounds": 1, "gq_out_of_bounds": 2}
    assert snapshot.batches[0].format_fields == ("GQ", "DP")
    without = lake_of(tmp_path / "2", *records)
    assert [(row["gq"], row["dp"]) for row in rows(without, "calls")] == [(None, None)] * 4


def test_ploidy_above_two_is_put_aside(tmp_path: Path) -> None:
    """The whole record is; a record written with a third, absent allele is not."""
    snapshot = lake_of(tmp_path, "1 100 A C | 0/0/1 0/1 0/0", "1 101 A C | 0/1 0/0 0/0")
    assert list(calls_of(snapshot)) == [(101, "A", "C")]
    (entry,) = quarantined(snapshot)
    assert (entry["file"], entry["record"], entry["reason"], entry["pos"]) == (
        "x.vcf",
        "line 6",
        "ploidy_above_2",
        100,
    )


def test_records_that_cannot_be_used_are_listed(tmp_path: Path) -> None:
    """Unknown contigs, missing REF, positions beyond the contig: counted by reason, with their place."""
    snapshot = lake_of(
        tmp_path,
        "1 100 A C | 0/1 0/0 0/0",
        "GL000191.1 5 A C | 0/1 0/0 0/0",
        "GL000191.1 6 A C | 0/1 0/0 0/0",
        "1 248956423 A C | 0/1 0/0 0/0",
        "1 200 . C | 0/1 0/0 0/0",
        "1 201 A A | 0/1 0/0 0/0",
    )
    assert snapshot.manifest.quarantined == {
        "alt_is_ref": 1,
        "contig_not_held": 2,
        "pos_outside_contig": 1,
        "ref_not_a_sequence": 1,
    }
    assert snapshot.contigs == ("chr1",)


def test_a_record_without_genotypes_is_not_called(tmp_path: Path) -> None:
    """FORMAT without GT: the site is there, and nobody is called."""
    snapshot = lake_of(tmp_path, "1 100 A C FORMAT=DP | 1 2 3")
    assert calls_of(snapshot) == {(100, "A", "C"): {"nc": [0, 1, 2]}}
    assert rows(snapshot, "strata")[0]["an"] == 0


def test_contig_names_are_made_one(tmp_path: Path) -> None:
    """1 and chr1, MT and chrM are the same contig, also within one file."""
    snapshot = lake_of(
        tmp_path,
        "1 100 A C | 0/1 0/0 0/0",
        "MT 5 A C | 1 0 0",
        "chr1 50 A C | 0/1 0/0 0/0",
        "chrM 9 A C | 1 0 0",
    )
    assert snapshot.contigs == ("chr1", "chrM")
    assert [row["pos"] for row in rows(snapshot, "variants", contig="chr1")] == [50, 100]
    assert [row["pos"] for row in rows(snapshot, "variants", contig="chrM")] == [5, 9]


def test_too_many_refused_records_stop_the_ingest(tmp_path: Path) -> None:
    """One of three is more than the default share of 1 %; the message names file, record, reason and mend."""
    text = vcf_text(
        PEOPLE, ["1 100 A C | 0/1 0/0 0/0", "1 101 A C | 0/1/1 0/0 0/0", "1 102 A C | 0/1 0/0 0/0"]
    )
    config = make_node(tmp_path, [{"x.vcf": text}], people=PEOPLE)
    with pytest.raises(
        InputError, match=r"x\.vcf, line 7: more than 0 records .* ploidy_above_2 .*max_quarantined"
    ):
        built(config)


def test_too_many_values_out_of_bounds_stop_the_ingest(tmp_path: Path) -> None:
    """A caller whose GQ passes 99 is told so."""
    text = vcf_text(PEOPLE, ["1 100 A C FORMAT=GT:GQ | 0/1:150 0/0:120 0/0:1"])
    config = make_node(tmp_path, [{"x.vcf": text}], people=PEOPLE, fields='["GQ"]')
    with pytest.raises(InputError, match="2 of 3 values of FORMAT/GQ lie out of bounds"):
        built(config)


@pytest.mark.parametrize("genotype", ["0/2", "0/99999"])
def test_a_genotype_that_names_an_absent_allele_is_refused(genotype: str, tmp_path: Path) -> None:
    """htslib reads such genotypes, and wraps large numbers around."""
    with pytest.raises(InputError, match=r"line 6: a genotype names an allele that the record lacks"):
        lake_of(tmp_path, f"1 100 A C | {genotype} 0/0 0/0")


@pytest.mark.parametrize("genotype", ["a/b", "-1/1", "/", ""])
def test_an_unreadable_genotype_is_refused(genotype: str, tmp_path: Path) -> None:
    """The decoder's complaint becomes an error about the file."""
    text = vcf_text(PEOPLE, ["1 90 A C | 0/0 0/0 0/0", "1 100 A C | GENOTYPE 0/0 0/0"])
    config = make_node(tmp_path, [{"x.vcf": text.replace("GENOTYPE", genotype)}], people=PEOPLE)
    with pytest.raises(
        InputError, match=r"x\.vcf, line 7: htslib cannot read it \(\[E::vcf_parse.*Couldn't read GT data"
    ):
        built(config)
