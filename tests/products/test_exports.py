"""Every export holds the release's numbers, read back by the tools that people use."""

from __future__ import annotations

import subprocess
from datetime import date
from shutil import which

import cyvcf2
import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goe_lake.errors import LakeError
from goe_lake.products.frequencies.export import export_release
from goe_lake.products.frequencies.export_gdi import GDI
from goe_lake.products.frequencies.export_vcf import FIELDS
from goe_lake.products.frequencies.formats import ExportFormat
from goe_lake.products.frequencies.group_names import describe, group_names
from goe_lake.products.frequencies.store import EuropeanRelease
from tests.products.releases import cell, hidden, real_tables, site, small_release, tables, write

needs_bcftools = pytest.mark.skipif(not which("bcftools"), reason="bcftools is not installed")


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> EuropeanRelease:
    """Sites of every kind on three contigs, with withheld cells."""
    return small_release(tmp_path_factory.mktemp("release") / "R")


def rows_of(release: EuropeanRelease) -> list[dict]:
    """All rows, contigs in order."""
    return pa.concat_tables([release.frequencies(contig) for contig in release.contigs]).to_pylist()


def suffix(row: dict) -> str:
    """The suffix of a row's INFO fields, put together a second time from the description."""
    country, population, sex = row["country"], row["population"], row["sex"]
    parts = [] if country == population == "all" else [country]
    parts += [] if population == "all" else [population or "popNA"]
    parts += [] if sex == "all" else [{"F": "XX", "M": "XY", None: "sexNA"}[sex]]
    return "".join(f"_{part}" for part in parts)


def single(value):
    """A number as a VCF holds it: floats in single precision."""
    return float(np.float32(value)) if isinstance(value, float) else value


@pytest.mark.parametrize("format_", [ExportFormat.VCF, ExportFormat.BCF])
def test_vcf_and_bcf_hold_every_number(release, tmp_path, format_):
    """htslib reads back each number of each group at each site, and nothing else."""
    exported = export_release(release, format_, tmp_path / ("x.vcf.gz" if format_ == "vcf" else "x.bcf"))
    wanted: dict[tuple, dict] = {}
    for row in rows_of(release):
        key = (row["contig"], row["pos"], row["ref"], row["alt"], row["end_pos"])
        record = wanted.setdefault(key, {})
        for field in FIELDS:
            if row[field.column] is not None:
                record[field.name + suffix(row)] = single(row[field.column])
        if row["status"] != "ok":
            record["AC" + suffix(row)] = None
            if suffix(row) == "":
                record["withheld"] = True
    seen = {}
    for record in cyvcf2.VCF(str(exported.path)):
        key = (record.CHROM, record.POS, record.REF, record.ALT[0], record.end)
        own = {"END", "SVTYPE", "SVLEN", "gene", "consequence"}
        assert len(record.ALT) == 1
        seen[key] = {name: value for name, value in dict(record.INFO).items() if name not in own}
    assert list(seen) == list(wanted)
    for key, record in wanted.items():
        # a missing integer comes back as None or not at all
        found = {name: value for name, value in seen[key].items() if value is not None}
        told = {name: value for name, value in record.items() if value is not None}
        texts = {name for name, value in told.items() if isinstance(value, str)}
        assert {name: found.pop(name) for name in texts} == {name: told.pop(name) for name in texts}
        assert found == pytest.approx(told, rel=1e-6, abs=1e-44)
    assert exported.sites == len(wanted) == 40


def test_the_vcf_tells_of_the_site(release, tmp_path):
    """rsID, FILTER, gene, and END, SVTYPE and SVLEN of symbolic alleles."""
    export_release(release, ExportFormat.VCF, tmp_path / "x.vcf.gz")
    records = list(cyvcf2.VCF(str(tmp_path / "x.vcf.gz")))
    sites = pa.concat_tables([release.sites(contig) for contig in release.contigs]).to_pylist()
    for record, row in zip(records, sites, strict=True):
        assert row["rsid"] == record.ID
        assert ([] if row["filter"] is None else row["filter"].split(";")) == record.FILTERS
        assert record.INFO.get("gene") == row["gene"]
        symbolic = row["alt"].startswith("<")
        assert record.INFO.get("END") == (row["end_pos"] if symbolic else None)
        assert record.INFO.get("SVTYPE") == ("DEL" if symbolic else None)
        assert record.INFO.get("SVLEN") == row["sv_len"]


def lines_within(path, region: str) -> list[str]:
    """The records that bcftools finds in a region by the index."""
    return subprocess.check_output(["bcftools", "view", "-H", "-r", region, path], text=True).splitlines()


@needs_bcftools
@pytest.mark.parametrize("format_", [ExportFormat.VCF, ExportFormat.BCF])
def test_bcftools_accepts_it(release, tmp_path, format_):
    """view and stats have no complaint, the index counts each contig's records and finds a region's."""
    path = export_release(release, format_, tmp_path / f"x.{'vcf.gz' if format_ == 'vcf' else 'bcf'}").path
    for command in (["view", "-Ou", "-o", "/dev/null"], ["stats"]):
        done = subprocess.run(["bcftools", *command, path], capture_output=True, text=True, check=True)
        assert "[W::" not in done.stderr
        assert "[E::" not in done.stderr
    lines = subprocess.check_output(["bcftools", "index", "-s", path], text=True).splitlines()
    counts = {line.split("\t")[0]: int(line.split("\t")[2]) for line in lines}
    assert counts == {contig: len(release.sites(contig)) for contig in release.contigs}
    for contig in release.contigs:
        for start, end in ((1, 20_000_000), (15_000_000, 45_000_000)):
            found = [int(line.split("\t")[1]) for line in lines_within(path, f"{contig}:{start}-{end}")]
            sites = release.sites(contig).to_pylist()
            assert found == [row["pos"] for row in sites if row["pos"] <= end and row["end_pos"] >= start]


@needs_bcftools
def test_an_index_finds_a_long_deletion_from_within(tmp_path):
    """A region inside a variant of two million bases finds it, in VCF and BCF."""
    long = site("chr1", 1_000_001, "N", "<DEL>", end_pos=3_000_000, sv_len=-2_000_000)
    others = [site("chr1", pos, "A", "C") for pos in range(900_000, 2_900_000, 3_001)]
    sites = [long, *others]
    rows = [cell(at, ("all", "all", "all"), het=20, hom_ref=100) for at in sites]
    made = write(tmp_path / "R", tables(sites, rows), "EE")
    for format_, name in ((ExportFormat.VCF, "x.vcf.gz"), (ExportFormat.BCF, "x.bcf")):
        path = export_release(made, format_, tmp_path / name).path
        for pos in (1_000_001, 2_100_000, 2_999_999, 3_000_000, 3_000_001, 950_000):
            found = [line.split("\t")[4] for line in lines_within(path, f"chr1:{pos}-{pos}")]
            assert ("<DEL>" in found) == (1_000_001 <= pos <= 3_000_000), pos


@needs_bcftools
def test_real_frequencies_as_bcftools_tells_them(test_data, tmp_path):
    """The counts of four countries at real sites, made by bcftools, come back through bcftools query."""
    release = write(tmp_path / "R", real_tables(test_data), "ES", "FI", "GB", "IT", assembly="GRCh37")
    path = export_release(release, ExportFormat.VCF).path
    form = "%POS %REF %ALT %AC_FI %AN_FI %nhomalt_GB %AC_all_TSI %AC\n"
    lines = subprocess.check_output(["bcftools", "query", "-f", form, path], text=True).splitlines()
    assert len(lines) > 590
    rows = {(row["pos"], row["ref"], row["alt"], suffix(row)): row for row in rows_of(release)}
    for line in lines:
        pos, ref, alt, *found = line.split()
        at = [rows[int(pos), ref, alt, name] for name in ("_FI", "_GB", "_all_TSI", "")]
        fi, gb, tsi, total = at
        assert [int(x) for x in found] == [fi["ac"], fi["an"], gb["n_hom_alt"], tsi["ac"], total["ac"]]


def test_tsv_holds_every_number(release, tmp_path):
    """DuckDB reads the text back as the same rows, comments aside; plain and compressed are one text."""
    packed = export_release(release, ExportFormat.TSV, tmp_path / "x.tsv.gz").path
    plain = export_release(release, ExportFormat.TSV, tmp_path / "x.tsv").path
    text = subprocess.run(["gzip", "-dc", packed], capture_output=True, check=True).stdout
    assert text == plain.read_bytes()
    schema = release.frequencies("chr2").schema
    kinds = {"string": "VARCHAR", "int32": "INTEGER", "int64": "BIGINT", "double": "DOUBLE"}
    columns = {field.name: kinds[str(field.type)] for field in schema}
    lines = [line for line in plain.read_text().splitlines(keepends=True) if not line.startswith("#")]
    (tmp_path / "rows.tsv").write_text("".join(lines))
    found = duckdb.sql(
        f"SELECT * FROM read_csv('{tmp_path}/rows.tsv', delim='\t', header=true, columns={columns}, quote='')"
    ).to_arrow_table()
    assert found.to_pylist() == rows_of(release)
    described = [line for line in plain.read_text().splitlines() if line.startswith("# column ")]
    assert [line.split()[2].rstrip(":") for line in described] == schema.names


def test_one_parquet_file_holds_every_row(release, tmp_path):
    """All contigs in one file, in order."""
    path = export_release(release, ExportFormat.PARQUET, tmp_path / "x.parquet").path
    assert pq.read_table(path).to_pylist() == rows_of(release)


def test_gdi_files_have_the_schema_that_the_mini_node_publishes(release, test_data, tmp_path):
    """Names, types and order of its own file."""
    theirs = pq.read_schema(test_data / "gdi-genome-of-europe" / "allele-freq-chr3-40-50Mb.2504.parquet")
    assert theirs.equals(GDI)
    out = export_release(release, ExportFormat.GDI, tmp_path / "GOE-1").path
    for path in out.rglob("*.parquet"):
        assert pq.read_schema(path).equals(theirs)


def test_gdi_metadata_has_the_names_that_the_mini_node_reads(release, test_data, tmp_path):
    """No name that its own file lacks, and every one that it demands."""
    yaml = pytest.importorskip("yaml")
    text = (test_data / "gdi-genome-of-europe" / "allele-freq-metadata.yaml").read_text()
    theirs = yaml.safe_load(text)
    out = export_release(release, ExportFormat.GDI, tmp_path / "x", issued=date(2026, 11, 1)).path
    ours = yaml.safe_load((out / "metadata.yaml").read_text())
    assert theirs.keys() - ours.keys() == {"min_age", "max_age"}  # ages are not part of a release
    assert ours.keys() <= theirs.keys()
    assert {name: type(value) for name, value in ours.items()} == {n: type(theirs[n]) for n in ours}
    assert ours["record_count"] == sum(pq.read_metadata(path).num_rows for path in out.rglob("*.parquet"))


def test_gdi_files_hold_what_the_mini_node_can_serve(release, tmp_path):
    """Known counts by country and sex, 0-based, each in the file of its ten million bases."""
    out = export_release(release, ExportFormat.GDI, tmp_path / "GOE-1").path
    found = {}
    for path in sorted((out / "GRCh38").iterdir()):
        contig, number = path.name.removeprefix("allele-freq-").removesuffix(".parquet").split(".")
        rows = pq.read_table(path).to_pylist()
        assert [row["POS"] for row in rows] == sorted(row["POS"] for row in rows)
        for row in rows:
            assert row["POS"] // 10_000_000 == int(number)
            key = (contig, row["POS"] + 1, row["REF"], row["ALT"], row["POPULATION"])
            assert key not in found
            found[key] = row
    wanted = {}
    for row in rows_of(release):
        if row["population"] != "all" or row["sex"] is None or row["ac"] is None or "<" in row["alt"]:
            continue
        sex = "" if row["sex"] == "all" else row["sex"]
        country = "" if row["country"] == "all" else row["country"]
        name = "_".join(part for part in (country, sex) if part) or "Total"
        wanted[row["contig"], row["pos"], row["ref"].upper(), row["alt"], name] = row
    assert found.keys() == wanted.keys()
    kinds = {("A", "C"): "SNP", ("AT", "A"): "INDEL", ("G", "GTTT"): "INDEL", ("AC", "GT"): "UNKNOWN"}
    for key, row in wanted.items():
        ours = found[key]
        assert (ours["AC"], ours["AN"], ours["AF"]) == (row["ac"], row["an"], row["af"])
        assert ours["VT"] == kinds.get(key[2:4], "SNP")
        classes = [ours[name] for name in ("AC_HET", "AC_HOM", "AC_HEMI")]
        if row["n_het"] is None:
            assert classes == [None] * 3
        else:
            assert sum(classes) == ours["AC"]


def test_an_assembly_that_the_mini_node_does_not_serve_is_refused(tmp_path):
    """It serves two."""
    sites = [site("chr1", 5, "A", "C")]
    made = write(tmp_path / "R", tables(sites, []), "EE", assembly="T2T-CHM13v2.0")
    with pytest.raises(LakeError, match="serves no T2T"):
        export_release(made, ExportFormat.GDI, tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["R"]


@pytest.mark.parametrize("format_", list(ExportFormat))
def test_exports_of_one_contig(release, tmp_path, format_):
    """A named contig, in either spelling, is all that is written; the release's own folder is the default."""
    first = export_release(release, format_, contigs=["10"], force=True)
    assert "chr10" in first.path.name
    assert first.path.parent == release.root / "exports"
    assert first.sites == len(release.sites("chr10"))
    again = export_release(release, format_, contigs=["chr10"], force=True)
    assert (again.sha256, again.bytes) == (first.sha256, first.bytes)
    release.verify()


@pytest.mark.parametrize("format_", list(ExportFormat))
def test_an_export_is_not_overwritten_by_chance(release, tmp_path, format_):
    """What stands there is refused, and after a failure it still stands."""
    out = tmp_path / ("x.vcf.gz" if format_ == ExportFormat.VCF else "x")
    out.write_text("mine")
    with pytest.raises(LakeError, match="exists already"):
        export_release(release, format_, out)
    with pytest.raises(LakeError, match="no contig chr7"):
        export_release(release, format_, out, contigs=["chr7"], force=True)
    assert out.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert export_release(release, format_, out, force=True).sites == 40


def test_a_broken_release_leaves_no_export(tmp_path):
    """An error half way leaves neither the export nor its beginnings."""
    release = small_release(tmp_path / "R")
    path = release.root / "frequencies/contig=chrX.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(LakeError):
        export_release(release, ExportFormat.VCF, tmp_path / "out" / "x.vcf.gz")
    assert not list((tmp_path / "out").iterdir())


def test_labels_become_names_of_their_own(tmp_path):
    """Labels that INFO cannot hold, or that look like another, keep apart; the header tells which."""
    at = site("chr1", 500, "A", "C", gene="A=B;C, D%")
    labels = ["all", "nord est", "nord-est", "XX", "Åland", None]
    rows = [cell(at, ("EE", label, "all"), het=20 + i, hom_ref=100) for i, label in enumerate(labels)]
    rows += [cell(at, ("EE", "all", "F"), het=11, hom_ref=50), hidden(cell(at, ("all",) * 3, hom_ref=9), 26)]
    release = write(tmp_path / "R", tables([at], rows), "EE")
    vcf = cyvcf2.VCF(str(export_release(release, ExportFormat.VCF).path))
    record = next(iter(vcf))
    names = group_names([(row["country"], row["population"], row["sex"]) for row in rows])
    assert len(set(names.values())) == len(rows)
    for row in rows[:-1]:
        group = (row["country"], row["population"], row["sex"])
        assert record.INFO[f"AC_{names[group]}"] == row["ac"]
        assert describe(group) in vcf.get_header_type(f"AC_{names[group]}")["Description"]
    assert record.INFO["AC_lower"] == 26
    assert record.INFO["withheld"]
    assert record.INFO["gene"] == "A%3DB%3BC%2C%20D%25"


def test_a_site_without_rows_is_listed(tmp_path):
    """A listed site at which no group is large enough has a line, and no numbers."""
    sites = [site("chr1", 5, "A", "C"), site("chr1", 9, "A", "C"), site("chr1", 12, "G", "C")]
    rows = [cell(sites[1], ("all", "all", "all"), het=20, hom_ref=100)]
    release = write(tmp_path / "R", tables(sites, rows), "EE")
    for format_, name in ((ExportFormat.VCF, "x.vcf.gz"), (ExportFormat.BCF, "x.bcf")):
        found = list(cyvcf2.VCF(str(export_release(release, format_, tmp_path / name).path)))
        assert [(record.POS, record.INFO.get("AC")) for record in found] == [(5, None), (9, 20), (12, None)]


def test_a_plain_vcf_is_refused(release, tmp_path):
    """An index needs block compression; the error names the mend."""
    with pytest.raises(LakeError, match=r"\.vcf\.gz"):
        export_release(release, ExportFormat.VCF, tmp_path / "x.vcf")


cells = st.fixed_dictionaries(
    {name: st.integers(0, 3_000) for name in ("het", "hom", "hemi", "hom_ref", "hap_ref", "not_called")}
)
labels = st.one_of(st.none(), st.just("all"), st.text("aé _-.XY1", min_size=1, max_size=4))
groups = st.tuples(st.sampled_from(["all", "EE", "FI"]), labels, st.sampled_from(["all", "F", "M", None]))


@given(
    drawn=st.lists(st.tuples(st.integers(1, 40), groups, cells, st.booleans()), max_size=25),
    texts=st.text('aé;=,% \\"', max_size=6),
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_release_survives_a_vcf(tmp_path, drawn, texts):
    """Whatever the labels and numbers, htslib finds the fields of each group, and the counts in them."""
    sites = {pos: site("chr1", pos, "A", "C", gene=texts or None) for pos, *_ in drawn}
    rows = {}
    for pos, group, counts, secret in drawn:
        if sum(counts.values()):
            row = cell(sites[pos], group, **counts)
            rows[pos, group] = hidden(row) if secret else row
    made = write(tmp_path / "R", tables(list(sites.values()), list(rows.values())), "EE", force=True)
    path = export_release(made, ExportFormat.VCF, tmp_path / "x.vcf.gz", force=True).path
    names = group_names({("all", "all", "all"), *(group for _, group in rows)})
    found = {record.POS: dict(record.INFO) for record in cyvcf2.VCF(str(path))}
    assert sorted(found) == sorted(sites)
    for (pos, group), row in rows.items():
        name = f"_{names[group]}" if names[group] else ""
        assert found[pos].get(f"AC{name}") == row["ac"]
        assert found[pos][f"AN{name}"] == row["an"]
        assert found[pos].get(f"nhomalt{name}") == row["n_hom_alt"]
    assert sum(key.startswith("AN") for record in found.values() for key in record) == len(rows)


def test_a_label_that_breaks_lines_breaks_no_file(tmp_path):
    """The VCF header and INFO stay whole; TSV, which has no word for it, refuses."""
    at = site("chr1", 9, "A", "C", gene="a\nb")
    rows = [cell(at, ("EE", "x\n##y", "all"), het=20, hom_ref=100)]
    rows.append(cell(at, ("EE", "all", "all"), het=20, hom_ref=100, grpmax="x\n##y", grpmax_faf95=0.1))
    release = write(tmp_path / "R", tables([at], rows), "EE")
    (record,) = cyvcf2.VCF(str(export_release(release, ExportFormat.VCF).path))
    assert record.INFO["gene"] == "a%0Ab"
    assert record.INFO["AC_EE_x___y"] == 20
    assert record.INFO["grpmax_EE"] == "x%0A##y"
    with pytest.raises(LakeError, match="export it as parquet"):
        export_release(release, ExportFormat.TSV)
