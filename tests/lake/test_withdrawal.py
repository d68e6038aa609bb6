"""A person who withdraws leaves no trace: not in the next snapshot, and after a purge nowhere in the lake."""

from __future__ import annotations

import importlib
import json
import random
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from goe_lake.config import NodeConfig, read_node
from goe_lake.errors import InputError, LakeError
from goe_lake.lake import current_id, open_snapshot, purge
from goe_lake.vcf.encode import MOST_LISTED
from tests.lake.nodes import built, make_node, quarantined, rows, tree, vcf_text

purging = importlib.import_module("goe_lake.lake.purge")

FIRST = tuple(f"EE-person-{number:03}" for number in range(80))
SECOND = tuple(f"EE-other-{number:02}" for number in range(5))
GONE = (FIRST[3], FIRST[79], SECOND[2])
#: 0-based positions, by delivery, of the sites that only somebody who goes carries.
PRIVATE = (5_001, 5_002)
FORM = "GT:GQ:DP"
META = "##contig=<ID=1>\n##contig=<ID=2>\n"
TOML = (
    'withdrawn = "withdrawn.txt"\n[samples.columns.ldl]\ntype = "double"\nbounds = [0, 20]\n'
    'resolution = 0.1\n[[scores]]\nfile = "scores.tsv"\n[scores.columns.PGS1]\nbounds = [-9, 9]\n'
    "resolution = 0.01\n[ingest]\nmax_quarantined = 0.5\n"
)


def genotypes(names: Sequence[str], seed: int, *, private: Mapping[int, str]) -> list[str]:
    """Records of every class, as lists and as bitmaps, with gq and dp; at *private* only one carries."""
    draw = random.Random(seed)
    calls = ("0/0", "0/1", "1/1", "./.", "0/.", "1", "0", "2/1", "2/2")
    records = []
    for pos in range(4_000, 4_060):
        # rare at one site in three and common at others, so that classes are lists as well as bitmaps
        pool = (("0/0",) * 40 + calls, ("0/1", "./.") * 9 + calls, ("1/1",) * 20 + calls)[pos % 3]
        values = [f"{draw.choice(pool)}:{draw.randrange(99)}:{draw.randrange(60)}" for _ in names]
        records.append(f"{1 + pos % 2} {pos} A C,G | " + " ".join(values))
    for pos, carrier in private.items():
        values = ["0/1:9:9" if name == carrier else "0/0:9:9" for name in names]
        records.append(f"1 {pos} A T | " + " ".join(values))
    # nobody carries this one: it was so in the file, and stays
    records.append("1 6000 A T | " + " ".join("0/0:9:9" for _ in names))
    return sorted(records, key=lambda record: (record.split()[0], int(record.split()[1])))


def node(folder: Path, withdrawn: Sequence[str] | None, *, gone: Sequence[str] = ()) -> NodeConfig:
    """Two deliveries; *withdrawn* are listed, and the samples table is without those *gone*."""
    private = ({PRIVATE[0]: GONE[0], 5_100: FIRST[4]}, {PRIVATE[1]: GONE[2]})
    deliveries = [
        {
            f"{number}.vcf.gz": vcf_text(
                names, genotypes(names, number, private=sites), meta=META, form="GT:GQ:DP"
            )
        }
        for number, (names, sites) in enumerate(zip((FIRST, SECOND), private, strict=True))
    ]
    people = [name for name in (*FIRST, *SECOND) if name not in gone]
    table = "sample_id\tsex\tpopulation\tldl\n" + "".join(
        f"{name}\t{'FM'[len(name) % 2]}\t{'XY'[place % 2]}\t{99 if name in GONE else place % 20}\n"
        for place, name in enumerate(people)
    )
    folder.mkdir(parents=True, exist_ok=True)
    scores = "".join(f"{name}\tPGS1\t{number / 10}\n" for number, name in enumerate((*FIRST, *SECOND)))
    (folder / "scores.tsv").write_text("sample_id\tpgs_id\tscore\n" + scores[: len(scores) // 2 * 2])
    (folder / "withdrawn.txt").write_text("# as of today\n" + "\n".join(withdrawn or ()) + "\n")
    return make_node(
        folder, deliveries, table, absent_sites=("hom_ref", "not_called"), fields='["GQ", "DP"]', toml=TOML
    )


def texts_in(lake: Path) -> Iterator[tuple[Path, str]]:
    """Every text that the lake holds: decoded Parquet values and metadata, plain files, and file names."""
    for path in sorted(lake.rglob("*")):
        yield path, str(path.relative_to(lake))
        if path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            yield path, str(file.metadata.metadata) + str(file.schema_arrow)
            for column in file.read().columns:
                yield (
                    path,
                    "\n".join(str(value) for value in column.unique().to_pylist())
                    if (str(column.type) in ("string", "int64", "int32"))
                    else "",
                )
        elif path.is_file():
            yield path, path.read_text()


def members(lake: Path) -> Iterator[tuple[str, int]]:
    """Every person index of every file of calls in the lake, published or staged, decoded bit by bit."""
    sizes = {path.parent.name.split("=")[1]: pq.read_metadata(path).num_rows
             for path in lake.glob("persons/*/*.parquet")}  # fmt: skip
    files = [(path, path.parent.name.split("=")[1]) for path in lake.glob("calls/*/*/*.parquet")]
    files += [(path, path.parent.parent.name) for path in lake.rglob("staging/partitions/*/*/calls.parquet")]
    for path, batch in files:
        for row in pq.read_table(path, partitioning=None).to_pylist():
            for name, value in row.items():
                if name.endswith("_l"):
                    yield from ((batch, person) for person in value or ())
                elif name.endswith("_b") and value is not None:
                    assert len(value) == (sizes[batch] + 7) // 8, "a bitmap has a bit a person who is there"
                    bits = np.unpackbits(np.frombuffer(value, np.uint8))
                    yield from ((batch, int(person)) for person in np.flatnonzero(bits))
                elif name in ("gq", "dp") and value is not None:
                    assert len(value) == sizes[batch], "there is a byte a person who is there"
    for table in ("ploidy", "staging/partitions"):
        for path in (lake / table).rglob("*ploidy*/**/*.parquet" if "/" in table else "*.parquet"):
            assert max(pq.read_table(path, partitioning=None)["idx"].to_pylist()) < max(sizes.values())


def assert_no_trace(lake: Path) -> None:
    """No id, no index, no bit and no private site of those who went, in any file beneath the lake."""
    for path, text in texts_in(lake):
        for name in GONE:
            assert name not in text, path
        for pos in PRIVATE:
            assert path.suffix != ".parquet" or str(pos) not in text.split(), path
    sizes = {path.parent.name.split("=")[1]: pq.read_metadata(path).num_rows
             for path in lake.glob("persons/*/*.parquet")}  # fmt: skip
    assert sorted(sizes.values()) == [4, 78]
    found = set(members(lake))
    assert {batch for batch, _ in found} == set(sizes), "a batch of before is still there"
    assert all(person < sizes[batch] for batch, person in found)


def test_withdrawing_and_purging_leaves_no_trace(tmp_path: Path) -> None:
    """Ids, indexes, bits, scores, values put aside, private sites, notes in staging: all are gone."""
    config = node(tmp_path, ())
    old, before = built(config)
    assert any(name in text for _, text in texts_in(config.lake) for name in GONE)
    assert any(entry["record"] == f"sample {GONE[0]}" for entry in quarantined(old))
    (tmp_path / "withdrawn.txt").write_text("\n".join(GONE))
    with pytest.raises(
        LakeError, match=r"the published snapshot holds 3 withdrawn samples\. run: goe ingest"
    ):
        purge(config, keep=9)
    new, report = built(read_node(tmp_path / "node.toml"))
    assert (report.persons, before.persons) == (82, 85)
    assert "3 samples of the VCF files are withdrawn and left out" in report.warnings
    (config.lake / "frequencies").mkdir()
    (config.lake / "frequencies" / "0123456789abcdef.parquet").write_bytes(b"released")
    done = purge(config, keep=9)
    assert done.kept == (new.snapshot_id,)
    assert (done.ended, done.holding) == ((old.snapshot_id,), 1)
    assert (config.lake / "frequencies" / "0123456789abcdef.parquet").read_bytes() == b"released"
    (config.lake / "frequencies" / "0123456789abcdef.parquet").unlink()
    (config.lake / "frequencies").rmdir()
    assert_no_trace(config.lake)
    with pytest.raises(LakeError, match="there is no snapshot"):
        open_snapshot(config.lake, old.snapshot_id)
    open_snapshot(config.lake).verify()
    left = tree(config.lake)
    assert purge(config).ended == ()
    again, report = built(read_node(tmp_path / "node.toml"))
    assert again.snapshot_id == new.snapshot_id
    assert report.converted == ()
    assert_no_trace(config.lake)
    assert tree(config.lake) == left


def test_a_person_absent_from_the_samples_table_is_withdrawn(tmp_path: Path) -> None:
    """The same lake as with a list, without one; the VCF files stay as they are."""
    listed = built(node(tmp_path / "listed", GONE))[0]
    config = node(tmp_path / "absent", (), gone=GONE)
    absent, report = built(config)
    assert (
        "3 samples of the VCF files are not in samples.tsv, and are left out as withdrawn" in report.warnings
    )
    for table in ("calls", "variants", "ploidy", "persons"):
        assert digests(listed, table) == digests(absent, table), table
    purge(config)
    assert_no_trace(config.lake)


def digests(snapshot, table: str) -> list[str]:  # type: ignore[no-untyped-def]
    """The digests of a table's files."""
    return [file.sha256 for file in snapshot.manifest.files if file.table == table]


def test_withdrawing_equals_cutting_the_vcf(tmp_path: Path) -> None:
    """bcftools cuts the columns, and the sites that nobody else carries: the same bytes in every table."""
    listed = node(tmp_path / "listed", GONE)
    cut = node(tmp_path / "cut", GONE)
    for number in range(2):
        whole, part = (tmp_path / name / f"{number}.vcf.gz" for name in ("listed", "cut"))
        # alleles that nobody has even before the cut are trimmed from both, with records that have none left
        for source, target, *cuts in (
            (whole, whole),
            (whole, part, "--force-samples", "-s", "^" + ",".join(GONE)),
        ):
            target.write_bytes(bcftools("view", "-a", *cuts, str(source)))
            target.write_bytes(bcftools("view", "-e", 'ALT="."', str(target)))
    for table in ("calls", "variants", "strata", "ploidy", "persons", "samples", "scores"):
        expected = digests(built(read_node(cut.file))[0], table)
        assert digests(built(read_node(listed.file))[0], table) == expected, table


def bcftools(*arguments: str) -> bytes:
    """What bcftools writes, packed."""
    return subprocess.run(["bcftools", *arguments, "-Oz"], capture_output=True, check=True).stdout


def test_sites_that_nobody_carries_stay_and_private_ones_go(tmp_path: Path) -> None:
    """A site whose one carrier stays is kept, one whose carrier goes is not, and one of nobody is kept."""
    snapshot, _ = built(node(tmp_path, GONE))
    sites = {row["pos"]: row["carriers"] for row in rows(snapshot, "variants") if row["pos"] >= 5000}  # type: ignore[operator]
    assert sites == {5_100: 1, 6_000: 0}


def test_all_samples_of_a_person_go(tmp_path: Path) -> None:
    """One sample or the person is named: every sample of that person goes, and nobody else."""
    table = "sample_id\tperson_id\na\tp\nb\tp\nc\t\nd\tq\n"
    text = vcf_text(("a", "b", "c", "d"), ["1 5 A C | 0/1 0/1 0/1 0/1"])
    for listed, stay in (("a", ["c", "d"]), ("p", ["c", "d"]), ("q", ["a", "b", "c"])):
        (tmp_path / "w").write_text(listed)
        config = make_node(tmp_path, [{"x.vcf": text}], table, toml='withdrawn = "w"\n')
        snapshot, _ = built(config)
        assert [row["sample_id"] for row in rows(snapshot, "samples")] == stay
        assert [row["sample_id"] for row in rows(snapshot, "persons")] == stay


def test_a_delivery_of_nobody_who_stays_is_not_named(tmp_path: Path) -> None:
    """A file of a single sample often has its name: neither sources nor quarantine name the file."""
    (tmp_path / "w").write_text("NA12878\n")
    files = [{"NA12878.vcf": vcf_text(("NA12878",), ["1 5 A C | 0/1", "weird 7 A C | 0/1"])},
             {"b.vcf": vcf_text(("b",), ["1 6 A C | 0/1"])}]  # fmt: skip
    config = make_node(tmp_path, files, people=("NA12878", "b"), toml='withdrawn = "w"\n')
    snapshot, _ = built(config)
    assert [batch.persons for batch in snapshot.batches] == [1]
    assert [row["pos"] for row in rows(snapshot, "variants")] == [6]
    assert not any("NA12878" in text for _, text in texts_in(config.lake))


def test_everybody_may_go(tmp_path: Path) -> None:
    """An empty lake is a lake."""
    (tmp_path / "w").write_text("a\nb\n")
    text = vcf_text(("a", "b"), ["1 5 A C | 0/1 0/0"])
    config = make_node(tmp_path, [{"x.vcf": text}], people=("a", "b"), toml='withdrawn = "w"\n')
    snapshot, report = built(config)
    assert (report.persons, report.sites, snapshot.batches) == (0, 0, ())
    assert purge(config).kept == (snapshot.snapshot_id,)


def test_ids_that_nobody_has_are_told_by_number(tmp_path: Path) -> None:
    """A misspelt id would leave a person in: it shows, without the id being kept in any report."""
    (tmp_path / "w").write_text("a\nnobody\n")
    text = vcf_text(("a", "b"), ["1 5 A C | 0/1 0/0"])
    _, report = built(make_node(tmp_path, [{"x.vcf": text}], people=("a", "b"), toml='withdrawn = "w"\n'))
    assert report.warnings == (
        "1 samples of the VCF files are withdrawn and left out",
        "w: 1 of 2 ids are neither in samples.tsv nor in a VCF: withdrawn before, or misspelt",
    )


def test_ids_spelt_otherwise_are_no_withdrawal(tmp_path: Path) -> None:
    """Where most samples of a file are unknown, the table is of other ids, and nothing is published."""
    text = vcf_text(("a", "b", "c"), ["1 5 A C | 0/1 0/0 0/0"])
    with pytest.raises(
        InputError, match=r"2 samples are not in samples\.tsv: b, c\. .*list them in the file"
    ):
        built(make_node(tmp_path, [{"x.vcf": text}], people=("a",)))
    assert current_id(tmp_path / "lake") is None


def test_a_delivery_of_one_may_be_absent_and_a_large_one_not(tmp_path: Path) -> None:
    """One of many single-sample files is a person who left; a delivery of other ids is a mistake."""
    names = [f"s{number}" for number in range(24)]
    files = [{"many.vcf": vcf_text(names, ["1 5 A C | " + "0/1 " * 24])},
             {"one.vcf": vcf_text(("left",), ["1 6 A C | 0/1"])}]  # fmt: skip
    assert built(make_node(tmp_path / "1", files, people=names))[1].persons == 24
    other = [f"x{number}" for number in range(12)]
    files[1] = {"other.vcf": vcf_text(other, ["1 6 A C | " + "0/1 " * 12])}
    with pytest.raises(InputError, match=r"other\.vcf: 12 samples are not in samples\.tsv"):
        built(make_node(tmp_path / "2", files, people=names))


def test_purging_keeps_as_many_as_asked(tmp_path: Path) -> None:
    """The newest others stay whole and readable; files that only ended ones name go; twice does nothing."""
    text = vcf_text(("a", "b"), ["1 5 A C | 0/1 0/0", "2 5 A C | 0/1 0/0"])
    ids = []
    for number in range(4):
        people = f"sample_id\tpopulation\na\tX\nb\t{number}\n"
        config = make_node(tmp_path, [{"x.vcf": text}], people)
        ids.append(built(config)[0].snapshot_id)
    assert purge(config, keep=2).kept == (ids[3], ids[2])
    for snapshot_id in ids[2:]:
        open_snapshot(config.lake, snapshot_id).verify()
    done = purge(config, keep=1)
    assert (done.kept, done.ended, done.holding) == ((ids[3],), (ids[2],), 0)
    open_snapshot(config.lake).verify()
    named = {file.path for file in open_snapshot(config.lake).manifest.files}
    held = {name for name in tree(config.lake) if name.endswith(".parquet") and "=" in name}
    assert held == {name for name in named if "=" in name}
    assert purge(config).files == 0


def test_a_purge_that_is_killed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After any number of removals the published snapshot is whole; the next purge ends without a trace."""
    config = node(tmp_path, ())
    built(config)
    (tmp_path / "withdrawn.txt").write_text("\n".join(GONE))
    new, _ = built(read_node(tmp_path / "node.toml"))
    shutil.copytree(config.lake, tmp_path / "before")
    real = purging._remove
    for last in (0, 1, 2, 5, 12):
        shutil.rmtree(config.lake)
        shutil.copytree(tmp_path / "before", config.lake)
        done: list[Path] = []

        def remove(path: Path, last: int = last, done: list[Path] = done) -> tuple[int, int]:
            done.append(path)
            if len(done) > last:
                raise KeyboardInterrupt
            return real(path)

        monkeypatch.setattr(purging, "_remove", remove)
        with pytest.raises(KeyboardInterrupt):
            purge(config)
        assert open_snapshot(config.lake).snapshot_id == new.snapshot_id
        open_snapshot(config.lake).verify()
        # ids end first: what is half gone cannot be opened
        assert last == 0 or len(list((config.lake / "snapshots").glob("*.json"))) == 1
        monkeypatch.setattr(purging, "_remove", real)
        purge(config)
        assert_no_trace(config.lake)


def test_a_label_of_those_who_went_is_not_public_any_more(tmp_path: Path) -> None:
    """Labels taken from the data are those of persons who are there."""
    (tmp_path / "w").write_text("a\n")
    table = "sample_id\tpopulation\na\tOnlyHers\nb\tX\n"
    config = make_node(tmp_path, [], table, toml='withdrawn = "w"\n')
    snapshot, _ = built(config)
    assert snapshot.catalog.column("samples", "population").values == ("X",)
    assert "OnlyHers" not in json.dumps(snapshot.manifest.to_json())


def test_the_classes_of_the_trial_are_lists_and_bitmaps(tmp_path: Path) -> None:
    """What the trace tests look through holds both, and gq: otherwise they would show nothing."""
    snapshot, _ = built(node(tmp_path, ()))
    found = rows(snapshot, "calls")
    assert len(FIRST) > 2 * MOST_LISTED
    for name in ("het", "hom", "nc"):
        assert any(row[f"{name}_l"] for row in found), name
    assert any(row["hom_b"] or row["het_b"] or row["nc_b"] for row in found)
    assert any(row["gq"] for row in found)
