"""Where gVCF blocks, groups of persons, withdrawals, increments and decoders meet."""

from __future__ import annotations

import gzip
import importlib
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from goe_lake import open_federation
from goe_lake.config import NodeConfig, read_node
from goe_lake.disclosure.policy import Policy
from goe_lake.engine.frequencies import Frequencies
from goe_lake.lake import Snapshot, purge
from goe_lake.lake import callable as ranges
from tests.lake.nodes import built, make_node, rows, tree, vcf_text, write_file

META = (
    '##ALT=<ID=NON_REF,Description="Any other allele">\n'
    '##INFO=<ID=END,Number=1,Type=Integer,Description="x">\n'
    '##INFO=<ID=AA,Number=1,Type=String,Description="x">\n'
)
GONE = ("b-gone", "e-gone")
#: Positions of variants that only somebody who goes has: in a file of one person, and among others.
PRIVATE = (131, 231)


def alone(name: str, offset: int) -> str:
    """The gVCF of one person."""
    private = [f"chr1 {PRIVATE[0]} A C,<NON_REF> | 0/1:30"] if name in GONE else []
    records = [
        f"chr1 {100 + offset} A <NON_REF> INFO=END=130 | 0/0:30",
        *private,
        "chr1 150 A <NON_REF> INFO=END=180 | 0/0:30",
        f"chr1 {190 + offset} A G,<NON_REF> | 0/1:30",
    ]
    return vcf_text((name,), records, meta=META, form="GT:GQ")


def together(names: Sequence[str]) -> str:
    """A gVCF of several persons; where nobody has an allele it is a block, as in a file that was cut."""
    alt = "T,<NON_REF>" if GONE[1] in names else "<NON_REF>"
    calls = {"d": "0/0:30", "e-gone": "0/1:30", "f": "0:30", "g": "./.:0"}

    def cells(one: str, **others: str) -> str:
        return " ".join(others.get(name.partition("-")[0], one) for name in names)

    records = [
        f"chr1 110 A <NON_REF> INFO=END=230 | {cells('0/0:30', f='0:30', g='./.:0')}",
        f"chr1 {PRIVATE[1]} A {alt} | {' '.join(calls[name] for name in names)}",
        f"chr1 232 A <NON_REF> INFO=END=260 | {cells('0/0:30', f='0:30', g='./.:0')}",
        f"chr1 270 A C,<NON_REF> | {cells('0/1:30')}",
    ]
    return vcf_text(names, records, meta=META, form="GT:GQ")


SINGLE, SEVERAL = ("a", "b-gone", "c"), ("d", "e-gone", "f", "g")
#: Another delivery, with sites that the gVCFs lack.
OTHERS = vcf_text(("y", "z"), [f"chr1 {pos} A T | 0/1:9 0/0:9" for pos in range(106, 265, 3)], form="GT:GQ")


def node(folder: Path, single: Sequence[str], several: Sequence[str]) -> NodeConfig:
    """A delivery of three groups of persons, and one of ordinary files; file names name persons."""
    files = {f"{name}.g.vcf.gz": alone(name, SINGLE.index(name)) for name in single}
    files |= {"several.g.vcf.gz": together(several)}
    people = "".join(
        f"{name}\tF\n" for name in (*SINGLE, *SEVERAL, "y", "z") if name in (*single, *several, "y", "z")
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "withdrawn.txt").touch()
    return make_node(
        folder, [files, {"plain.vcf.gz": OTHERS}], "sample_id\tsex\n" + people,
        fields='["GQ"]', toml='withdrawn = "withdrawn.txt"\n[annotation]\ninfo_fields = ["AA"]\n',
    )  # fmt: skip


def range_files(lake: Path) -> Iterator[Path]:
    """Every file of callable ranges beneath the lake, published or staged."""
    yield from lake.glob("callable/**/*.parquet")
    yield from lake.rglob("callable.parquet")
    yield from lake.rglob("ranges.parquet")


def digests(snapshot: Snapshot) -> dict[str, list[str]]:
    """The digests of the files of each table."""
    found: dict[str, list[str]] = {}
    for file in snapshot.manifest.files:
        found.setdefault(file.table, []).append(file.sha256)
    return found


def test_withdrawn_persons_of_gvcfs_leave_no_trace(tmp_path: Path) -> None:
    """One with a file of their own and one among others: the lake equals that of files without them."""
    staying = tuple(tuple(name for name in names if name not in GONE) for names in (SINGLE, SEVERAL))
    cut, _ = built(node(tmp_path / "cut", *staying))
    config = node(tmp_path / "whole", SINGLE, SEVERAL)
    before, _ = built(config)
    assert {row["idx"] for row in rows(before, "callable")} == set(range(7))
    assert {row["pos"] for row in rows(before, "variants")} >= set(PRIVATE)
    (tmp_path / "whole" / "withdrawn.txt").write_text("\n".join(GONE))
    after, report = built(read_node(config.file))
    assert "2 samples of the VCF files are withdrawn and left out" in report.warnings
    assert after.manifest.genotyped == 7
    purge(read_node(config.file))
    expected = digests(cut)
    assert digests(after) == expected
    assert len(expected["callable"]) == 1
    found = list(range_files(config.lake))
    assert len(found) == 1
    for path in found:
        table = pq.read_table(path, partitioning=None)
        # a, c, d, f, g; nobody has a number beyond, and no range begins or ends at a private variant
        assert {*table["idx"].to_pylist()} == {0, 1, 2, 3, 4}
        ends = {*table["pos"].to_pylist(), *table["end_pos"].to_pylist()}
        assert ends.isdisjoint({place + step for place in PRIVATE for step in (-1, 0, 1)} - {130})
    for name, data in tree(config.lake).items():
        for gone in GONE:
            assert gone not in name
            assert gone.encode() not in data, name
    for path in config.lake.rglob("*.parquet"):
        table = pq.read_table(path, partitioning=None)
        for column in ("pos", "end_pos"):
            assert column not in table.column_names or not {*table[column].to_pylist()} & {*PRIVATE}, path
        assert not any(gone in str(table.to_pylist()) for gone in GONE), path


def test_persons_who_join_a_group_give_the_lake_of_all_at_once(tmp_path: Path) -> None:
    """A file more in a delivery of single-person files; then one of them again, with other calls."""
    grown = node(tmp_path / "grown", SINGLE[:1], SEVERAL)
    built(grown)
    snapshots = []
    for folder in ("grown", "fresh"):
        snapshots.append(built(node(tmp_path / folder, SINGLE, SEVERAL))[0])
    assert snapshots[0].snapshot_id == snapshots[1].snapshot_id
    again, report = built(read_node(grown.file))
    assert again.snapshot_id == snapshots[0].snapshot_id
    assert report.converted == ()
    for folder in ("grown", "fresh"):
        path = tmp_path / folder / "a.g.vcf.gz"
        write_file(path, gzip.decompress(path.read_bytes()).decode().replace("END=130", "END=120"))
    changed = [built(read_node(tmp_path / folder / "node.toml"))[0] for folder in ("grown", "fresh")]
    assert changed[0].snapshot_id == changed[1].snapshot_id != again.snapshot_id
    purge(grown)
    assert digests(changed[0]) == digests(changed[1])


def test_a_sex_that_is_mended_changes_who_is_filled(tmp_path: Path) -> None:
    """At chrX a person without blocks there is filled by sex; the batch is converted anew."""
    files = {
        f"{name}.vcf.gz": vcf_text((name,), [f"chrX {pos} A C | 0/1"])
        for name, pos in (("a", 5_000_000), ("b", 6_000_000))
    }
    found = []
    for sexes in (("F", "F"), ("F", "M")):
        table = "sample_id\tsex\n" + "".join(
            f"{name}\t{sex}\n" for name, sex in zip("ab", sexes, strict=True)
        )
        config = make_node(tmp_path, [files], table, absent_sites=["hom_ref"])
        snapshot, _ = built(config)
        found.append(sorted((row["pos"], row["ref1_l"]) for row in rows(snapshot, "calls")))
    # b's own calls are diploid, and stand before what the sex says
    assert found[0] == found[1] == [(5_000_000, None), (6_000_000, None)]


def test_alleles_split_into_records_are_no_blocks(tmp_path: Path) -> None:
    """A record whose one allele is `*`, as `bcftools norm -m-` leaves it, makes nobody a gVCF's person."""
    records = ["chr1 100 A C | 0/1 0/0", "chr1 100 A * | 0/0 0/1", "chr1 200 A G | 0/0 0/1"]
    for decoder in ("cyvcf2", "fast"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GOE_DECODER", decoder)
            config = make_node(
                tmp_path / decoder,
                [
                    {"1.vcf": vcf_text(("a", "b"), records)},
                    {"2.vcf": vcf_text(("c",), ["chr1 150 A T | 0/1"])},
                ],
                people="abc",
                absent_sites=("hom_ref", "hom_ref"),
            )
            snapshot, _ = built(config)
        assert [(row["pos"], row["an"]) for row in rows(snapshot, "strata")] == [(100, 6), (150, 6), (200, 6)]


def lake_files(config: NodeConfig, decoder: str) -> dict[str, bytes]:
    """All but staging of the lake that one decoder makes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOE_DECODER", decoder)
        built(config)
    return {name: data for name, data in tree(config.lake).items() if not name.startswith("staging")}


@pytest.mark.parametrize(
    ("pattern", "assembly", "fields"),
    [
        ("grch38-chr22-1000g/HG00[36]*.g.vcf.gz", "GRCh38", '["GQ", "DP"]'),
        ("deepvariant/deepvariant2.*.g.vcf", "GRCh38", "[]"),
        ("grch37-chr20.NA12878.gatk.large.g.vcf.gz", "GRCh37", '["GQ"]'),
        ("grch37-chr20-21.NA12878.gatk34.g.vcf.gz", "GRCh37", "[]"),
        ("grch38.HG00096.excerpt.g.vcf", "GRCh38", '["DP"]'),
    ],
)
def test_both_decoders_make_the_same_lake_of_real_gvcfs(
    pattern: str, assembly: str, fields: str, test_data: Path, tmp_path: Path
) -> None:
    """Every published file has the same bytes: calls, callable ranges, strata, quarantine and manifest."""
    paths = sorted((test_data / "gvcf").glob(pattern))
    assert paths
    listed = [
        subprocess.run(["bcftools", "query", "-l", str(path)], capture_output=True, text=True, check=True)
        for path in paths
    ]
    people = {name for one in listed for name in one.stdout.split()}
    names = ", ".join(f'"{path}"' for path in paths)
    found = []
    for decoder in ("cyvcf2", "fast"):
        folder = tmp_path / "node"
        folder.mkdir(exist_ok=True)
        (folder / "samples.tsv").write_text(
            "sample_id\tsex\n" + "".join(f"{one}\tF\n" for one in sorted(people))
        )
        (folder / "node.toml").write_text(
            f'[node]\ncountry = "GB"\nassembly = "{assembly}"\nlake = "{decoder}"\n'
            f'[[genotypes]]\nfiles = [{names}]\nformat_fields = {fields}\n[samples]\nfile = "samples.tsv"\n'
            "[ingest]\nmax_quarantined = 1.0\n"
        )
        found.append(lake_files(read_node(folder / "node.toml"), decoder))
    assert any(name.startswith("callable/") for name in found[0])
    assert found[0] == found[1]


def test_blocks_far_behind_the_first_variants_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where rows before the first block are too many to wait, the files are read again; the same lake."""
    records = [f"chr1 {pos} A C | 0/1:9 0/0:9" for pos in range(1_000, 9_000, 2)]
    records += ["chr1 20000 A <NON_REF> INFO=END=20100 | 0/0:30 0/0:30"]
    others = {
        "2.vcf": vcf_text(("c",), ["chr1 1002 A G | 0/1", "chr1 1003 A G | 0/1", "chr1 20050 A G | 0/1"])
    }
    text = vcf_text(("a", "b"), records, meta=META, form="GT:GQ")
    found = []
    for most in (ranges.MOST_WAITING, 10_000):
        # a worker process reads the same constant from its environment only, so convert in this one
        monkeypatch.setattr(ranges, "MOST_WAITING", most)
        monkeypatch.setattr(importlib.import_module("goe_lake.lake.convert"), "convert_in_worker", _here)
        snapshot, _ = built(make_node(tmp_path / str(most), [{"1.vcf": text}, others], people="abc"))
        found.append(digests(snapshot))
        an = {row["pos"]: row["an"] for row in rows(snapshot, "strata") if row["alt"] == "G"}
        assert an == {1_002: 6, 1_003: 2, 20_050: 6}
    assert found[0] == found[1]


def test_ranges_sorted_on_disk_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a partition has more ranges than memory holds, the files are those of one that has fewer."""
    records = [
        f"chr1 {pos} A <NON_REF> INFO=END={pos + 90} | 0/0:{pos % 40} 0/0:30"
        for pos in range(1_000, 900_000, 700)
    ]
    records += ["chr1 900000 A C | 0/1:9 0/0:9"]
    text = vcf_text(("a", "b"), records, meta=META, form="GT:GQ")
    found = []
    for most in (ranges.MOST_HELD, 50):
        monkeypatch.setattr(ranges, "MOST_HELD", most)
        monkeypatch.setattr(importlib.import_module("goe_lake.lake.convert"), "convert_in_worker", _here)
        snapshot, _ = built(make_node(tmp_path / str(most), [{"1.vcf": text}], people="ab"))
        assert snapshot.files("callable", "chr1")
        found.append(digests(snapshot))
    assert found[0] == found[1]


def _here(job, report):  # type: ignore[no-untyped-def]
    from goe_lake.lake.partition import convert_job

    return convert_job(job, report)


def test_counts_equal_calls_where_ranges_decide(tmp_path: Path) -> None:
    """Strata as the ingest counts them, the engine's counts by class, and its rows of persons agree."""
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "policy.toml").write_text('version = 1\nprotection = "off"\n')
    (tmp_path / "node" / "x.bed").write_text("chr1\t104\t150\n")
    config = node(tmp_path / "node", SINGLE, SEVERAL)
    text = config.file.read_text().replace("[node]\n", '[node]\npolicy = "policy.toml"\n')
    text = text.replace('files = ["plain.vcf.gz"]', 'files = ["plain.vcf.gz"]\ncallable = "x.bed"')
    config.file.write_text(text)
    snapshot, _ = built(read_node(config.file))
    stored: Counter[tuple[object, object]] = Counter()
    for row in rows(snapshot, "strata"):
        stored[row["pos"], row["alt"]] += row["an"]  # type: ignore[assignment, operator]
    federation = open_federation([config.file], project="demo")

    def asked(query: str) -> dict[tuple[object, object], int]:
        return {(row["pos"], row["alt"]): int(row["an"]) for row in federation.sql(query).table.to_pylist()}

    by_class = asked("SELECT pos, alt, sum(called_alleles) AS an FROM genotypes GROUP BY pos, alt")
    # a FORMAT field makes the engine read and fill every person's row
    by_row = asked(
        "SELECT pos, alt, sum(called_alleles) AS an FROM genotypes "
        "WHERE gq IS NULL OR gq >= 0 GROUP BY pos, alt"
    )
    assert by_class == dict(stored)
    assert by_row == {key: an for key, an in stored.items() if an or key in by_row}
    # 109: y and z vary; a, b-gone and c have blocks from 100, 101 and 102 on; d, e-gone and f from 110
    assert stored[109, "T"] == 4 + 6
    assert stored[115, "T"] == 4 + 6 + 5
    # 190: a's own variant, whole blocks of d, e-gone and f, and beyond the BED y and z are not called
    assert stored[190, "G"] == 2 + 5


def test_ranges_are_among_what_released_frequencies_are_made_from(tmp_path: Path) -> None:
    """A block that ends elsewhere changes one file of the lake, and with it what a release rests on."""
    inputs, files = [], []
    for text in (alone("a", 0), alone("a", 0).replace("END=180", "END=181")):
        config = make_node(tmp_path, [{"a.g.vcf": text}], people="a")
        snapshot, _ = built(config)
        sites = open_federation([config.file], project="demo").site_list
        frequencies = Frequencies(snapshot, Policy(), sites)
        inputs.append(frequencies.input("chr1", frequencies.sites("chr1")))
        files.append(digests(snapshot))
    assert {table for table in files[0] if files[0][table] != files[1][table]} == {"callable"}
    assert inputs[0] != inputs[1]
