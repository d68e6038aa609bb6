"""Deliveries, and the files of one delivery: who is filled in where files are silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from goe_lake.errors import InputError
from goe_lake.lake import Snapshot
from tests.lake.nodes import built, make_node, rows, vcf_text

TABLE = "sample_id\tsex\tpopulation\na\tF\tX\nb\tM\tX\nc\tM\tY\nd\tF\tY\n"


def strata_of(snapshot: Snapshot, contig: str) -> dict[tuple[object, ...], tuple[object, ...]]:
    """(het, hom_alt, hemi, not_called, an) by site and population, summed over sex and consent."""
    found: dict[tuple[object, ...], list[int]] = {}
    for row in rows(snapshot, "strata", contig=contig):
        key = (row["pos"], row["alt"], row["population"])
        counts = [row[name] for name in ("het", "hom_alt", "hemi", "not_called", "an")]
        found[key] = [left + right for left, right in zip(found.get(key, [0] * 5), counts, strict=True)]  # type: ignore[operator]
    return {key: tuple(counts) for key, counts in found.items()}


def two_deliveries(folder: Path, first: list[str], second: list[str], rules: tuple[str, str]) -> Snapshot:
    """A node with persons a and b in one delivery, c and d in another."""
    files = [{"1.vcf": vcf_text(("a", "b"), first)}, {"2.vcf": vcf_text(("c", "d"), second)}]
    return built(make_node(folder, files, TABLE, absent_sites=rules))[0]


def test_a_site_that_a_delivery_lacks_follows_its_rule(tmp_path: Path) -> None:
    """hom_ref adds two called alleles a person, not_called none; carriers are counted over both."""
    snapshot = two_deliveries(
        tmp_path,
        ["1 100 A C | 0/1 0/0", "1 200 A C | 1/1 0/1"],
        ["1 100 A C | 1/1 ./.", "1 300 A C | 0/1 0/1"],
        ("hom_ref", "not_called"),
    )
    assert strata_of(snapshot, "chr1") == {
        (100, "C", "X"): (1, 0, 0, 0, 4),
        (100, "C", "Y"): (0, 1, 0, 1, 2),
        (200, "C", "X"): (1, 1, 0, 0, 4),
        (200, "C", "Y"): (0, 0, 0, 2, 0),
        (300, "C", "X"): (0, 0, 0, 0, 4),
        (300, "C", "Y"): (2, 0, 0, 0, 4),
    }
    assert [row["carriers"] for row in rows(snapshot, "variants")] == [2, 2, 2]


def test_filled_sites_use_the_persons_ploidy_on_the_stretch(tmp_path: Path) -> None:
    """Written ploidy first, then sex: on chrX outside PAR and on chrY; PAR is diploid."""
    snapshot = two_deliveries(
        tmp_path,
        [
            "X 3000000 A C | 0/1 1",  # outside PAR: b is haploid as written
            "X 3000001 A C | 0/1 0/.",
            "X 20000 A C | 0/1 0/1",
            "Y 3000000 A C | . 1",
        ],
        ["X 3000002 A C | 0/1 1/1", "X 20001 A C | 0/1 0/1", "Y 3000001 A C | 0 ."],
        ("hom_ref", "hom_ref"),
    )
    # c is male, and written diploid on X
    ploidy = {
        (row["stretch"], row["idx"], batch): row["ploidy"]
        for number, batch in enumerate(snapshot.batches)
        for row in rows(snapshot, "ploidy", contig="chrX", batch=batch.digest)
        for batch in [number]
    }
    assert ploidy == {
        ("nonpar", 0, 0): 2, ("nonpar", 1, 0): 1, ("par", 0, 0): 2, ("par", 1, 0): 2,
        ("nonpar", 0, 1): 2, ("nonpar", 1, 1): 2, ("par", 0, 1): 2, ("par", 1, 1): 2,
    }  # fmt: skip
    on_x = strata_of(snapshot, "chrX")
    assert on_x[20000, "C", "Y"] == (0, 0, 0, 0, 4)
    assert on_x[3000000, "C", "X"] == (1, 0, 1, 0, 3)
    assert on_x[3000000, "C", "Y"] == (0, 0, 0, 0, 4)
    assert on_x[3000002, "C", "X"] == (0, 0, 0, 0, 3)
    on_y = strata_of(snapshot, "chrY")
    assert on_y[3000000, "C", "X"] == (0, 0, 1, 1, 1)
    assert on_y[3000000, "C", "Y"] == (0, 0, 0, 1, 1), (
        "c is haploid as written, d was never called and is female"
    )
    assert on_y[3000001, "C", "X"] == (0, 0, 0, 1, 1)


def test_a_delivery_that_is_silent_on_a_contig_is_filled_by_sex(tmp_path: Path) -> None:
    """It has no calls file there."""
    snapshot = two_deliveries(
        tmp_path, ["X 3000000 A C | 0/1 1"], ["1 5 A C | 0/1 1/1"], ("hom_ref", "hom_ref")
    )
    silent = snapshot.batches[1].digest
    assert snapshot.files("calls", "chrX", silent) == ()
    assert strata_of(snapshot, "chrX")[3000000, "C", "Y"] == (0, 0, 0, 0, 3)


def test_files_of_one_delivery_may_be_cut_by_contig_or_region(tmp_path: Path) -> None:
    """In any order, with samples in another order; the lake is that of the one file."""
    records = [f"1 {pos} A C | 0/1 ./." for pos in range(100, 160)] + ["2 5 A C | 1/1 0/0"]
    whole = vcf_text(("a", "b"), records)
    turned = [record.replace("0/1 ./.", "./. 0/1").replace("1/1 0/0", "0/0 1/1") for record in records]
    cut = {
        "late.vcf.gz": vcf_text(("b", "a"), turned[30:]),
        "early.vcf": vcf_text(("a", "b"), records[:30]),
    }
    table = "sample_id\tsex\na\tF\nb\tF\n"
    one = built(make_node(tmp_path / "1", [{"x.vcf": whole}], table))[0]
    # the first file decides the order of persons
    two = built(make_node(tmp_path / "2", [dict(reversed(cut.items()))], table))[0]
    for name in ("calls", "variants", "strata", "ploidy"):
        digests = [[file.sha256 for file in lake.manifest.files if file.table == name] for lake in (one, two)]
        assert digests[0] == digests[1], name
    assert len(two.batches) == 1


def test_an_allele_trimmed_past_the_end_of_its_file_is_put_in_order(tmp_path: Path) -> None:
    """The last allele of one file may start after the first record of the next."""
    files = {
        "1.vcf": vcf_text(("a",), ["1 90 A C | 0/1", "1 100 AAAAT AAAAC | 0/1"]),
        "2.vcf": vcf_text(("a",), ["1 102 A G | 0/1", "1 104 T C | 0/1", "1 105 A T | 0/1"]),
    }
    snapshot, report = built(
        make_node(tmp_path, [files], people=("a",), toml="[ingest]\nmax_quarantined = 0.5\n")
    )
    assert [row["pos"] for row in rows(snapshot, "variants")] == [90, 102, 104, 105]
    assert report.quarantined == {"duplicate": 1}


def test_twins_in_two_files_of_a_delivery_are_found(tmp_path: Path) -> None:
    """Files that overlap: identical rows are put aside, others refused naming both files."""
    first = vcf_text(("a",), ["1 100 A C | 0/1", "1 200 A C | 0/1"])
    toml = "[ingest]\nmax_quarantined = 0.5\n"
    same = {"1.vcf": first, "2.vcf": vcf_text(("a",), ["1 200 A C | 0/1", "1 300 A C | 0/1"])}
    assert built(make_node(tmp_path / "1", [same], people=("a",), toml=toml))[1].quarantined == {
        "duplicate": 1
    }
    other = {"1.vcf": first, "2.vcf": vcf_text(("a",), ["1 200 A C | 1/1", "1 300 A C | 0/1"])}
    with pytest.raises(InputError, match=r"2\.vcf, line 6: gives other genotypes .* than line 7 of 1\.vcf"):
        built(make_node(tmp_path / "2", [other], people=("a",), toml=toml))


def test_files_of_a_delivery_that_share_some_samples_are_refused(tmp_path: Path) -> None:
    """They hold the same persons or quite others."""
    files = {
        "1.vcf": vcf_text(("a", "b"), ["1 5 A C | 0/1 0/0"]),
        "2.vcf": vcf_text(("b", "c"), ["1 5 A C | 0/1 0/0"]),
    }
    with pytest.raises(InputError, match=r"2\.vcf: holds 'b', as 1\.vcf of the same \[\[genotypes\]\]"):
        built(make_node(tmp_path, [files], people=("a", "b", "c")))


def test_a_sample_in_two_deliveries_is_refused(tmp_path: Path) -> None:
    """A person's genotypes come once."""
    files = [
        {"1.vcf": vcf_text(("a", "b"), ["1 5 A C | 0/1 0/0"])},
        {"2.vcf": vcf_text(("b",), ["1 5 A C | 0/1"])},
    ]
    with pytest.raises(InputError, match=r"2\.vcf: 1 samples are in 1\.vcf as well, e\.g\. 'b'"):
        built(make_node(tmp_path, files, people=("a", "b")))


def test_carriers_are_persons_and_not_samples(tmp_path: Path) -> None:
    """Two samples of one person, in one delivery or in two, carry once; strata count genotypes."""
    table = "sample_id\tsex\tperson_id\na\tF\tp\nb\tF\tp\nc\tF\t\nd\tF\tp\n"
    files = [{"1.vcf": vcf_text(("a", "b", "c"), ["1 5 A C | 0/1 1/1 0/1", "1 6 A C | 0/1 0/0 0/0"])},
             {"2.vcf": vcf_text(("d",), ["1 5 A C | 0/1", "1 6 A C | 0/0"])}]  # fmt: skip
    snapshot, report = built(make_node(tmp_path, files, table))
    assert [row["carriers"] for row in rows(snapshot, "variants")] == [2, 1]
    assert (report.samples, report.persons, report.genotyped) == (4, 2, 4)
    assert [(row["n_persons"], row["het"], row["hom_alt"]) for row in rows(snapshot, "strata")] == [
        (2, 3, 1),
        (2, 1, 0),
    ]


def test_persons_are_counted_in_bitmaps_as_in_lists(tmp_path: Path) -> None:
    """120 samples of 100 persons, so many carriers that every class is a bitmap, over two deliveries."""
    samples = [f"s{number:03}" for number in range(120)]
    person = {sample: f"p{number % 100}" for number, sample in enumerate(samples)}
    genotypes = [("0/1", "1/1", "0/0", "0/1")[number % 4] for number in range(120)]
    table = "sample_id\tperson_id\tpopulation\n" + "".join(
        f"{sample}\t{person[sample]}\t{'XY'[number % 2]}\n" for number, sample in enumerate(samples)
    )
    files = [
        {f"{start}.vcf": vcf_text(samples[start:end], ["1 5 A C | " + " ".join(genotypes[start:end])])}
        for start, end in ((0, 70), (70, 120))
    ]
    snapshot, _ = built(make_node(tmp_path, files, table))
    carriers = {
        person[sample] for sample, genotype in zip(samples, genotypes, strict=True) if "1" in genotype
    }
    assert [row["carriers"] for row in rows(snapshot, "variants")] == [len(carriers)]
    counts = {
        row["population"]: (row["n_persons"], row["het"], row["hom_alt"]) for row in rows(snapshot, "strata")
    }
    assert counts == {"X": (50, 30, 0), "Y": (50, 30, 30)}


def test_facts_of_a_site_are_taken_over_deliveries(tmp_path: Path) -> None:
    """The first rs number stands; PASS only where no delivery says otherwise."""
    meta = '##FILTER=<ID=q10,Description="x">\n'
    first = vcf_text(("a",), ["1 5 A C FILTER=PASS | 0/1", "1 6 A C ID=rs1 FILTER=. | 0/1", "1 7 A C | 0/1"])
    second = vcf_text(("b",), ["1 5 A C ID=rs2 FILTER=q10 | 0/1", "1 6 A C ID=rs3 | 0/1"], meta=meta)
    snapshot, _ = built(make_node(tmp_path, [{"1.vcf": first}, {"2.vcf": second}], people=("a", "b")))
    facts = [(row["rsid"], row["filter"]) for row in rows(snapshot, "variants")]
    assert facts == [("rs2", "q10"), ("rs1", "PASS"), (None, "PASS")]


def test_many_sites_over_two_deliveries_meet_in_windows(tmp_path: Path) -> None:
    """More sites than one window holds, each delivery with gaps of its own: every site once, counts right."""
    first = [f"1 {pos} A C | 0/1 0/0" for pos in range(1, 21001) if pos % 3]
    second = [f"1 {pos} A C,G | 1/2 0/0" for pos in range(1, 9001) if pos % 2]
    snapshot = two_deliveries(tmp_path, first, second, ("hom_ref", "hom_ref"))
    sites = rows(snapshot, "variants")
    expected = {(pos, "C") for pos in range(1, 21001) if pos % 3 or (pos % 2 and pos < 9001)}
    expected |= {(pos, "G") for pos in range(1, 9001) if pos % 2}
    assert [(row["pos"], row["alt"]) for row in sites] == sorted(expected)
    assert {row["an"] for row in rows(snapshot, "strata")} == {2}
    for row in sites:
        pos, alt = row["pos"], row["alt"]
        carriers = (alt == "C" and pos % 3 > 0) + (pos % 2 > 0 and pos < 9001)  # type: ignore[operator]
        assert row["carriers"] == carriers
