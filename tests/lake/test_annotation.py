"""What is known about sites: INFO fields, VEP, SnpEff and bcftools csq, genes, rs numbers, ClinVar."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from goe_lake.catalog import ColumnType
from goe_lake.config import read_node
from goe_lake.errors import ConfigError, InputError
from goe_lake.lake import Snapshot
from goe_lake.lake.consequences import SEVERITY, ConsequenceFormat, Effect, consequence_format, most_severe
from goe_lake.vcf.alleles import Record
from tests.lake.nodes import built, make_node, quarantined, rows, vcf_text

CSQ = (
    "##INFO=<ID=CSQ,Number=.,Type=String,"
    'Description="From VEP. Format: Allele|Consequence|SYMBOL|Gene|PICK">\n'
)
META = (
    '##INFO=<ID=DB,Number=0,Type=Flag,Description="In dbSNP">\n'
    '##INFO=<ID=CADD.phred,Number=A,Type=Float,Description="CADD">\n'
    '##INFO=<ID=RANK,Number=1,Type=Integer,Description="A rank">\n'
    '##INFO=<ID=AA,Number=1,Type=String,Description="Ancestral allele">\n'
    '##INFO=<ID=PER,Number=R,Type=Integer,Description="One a allele">\n'
    '##INFO=<ID=gnomAD_AF,Number=A,Type=Float,Description="Frequency">\n'
)


COMPUTED = ("AC", "AN", "AF", "NS", "DP", "QD", "nhomalt", "ExcHet")
LIKE_COUNTS = ("EUR_AF", "AC_nfe", "AF-male", "gnomAD_AF", "n_samples", "aFrequency")


def with_samples(path: Path, *arguments: str) -> str:
    """A sites-only VCF as text with one sample that is heterozygous everywhere, on GRCh38's contig names."""
    text = subprocess.run(
        ["bcftools", "view", *arguments, str(path)], capture_output=True, text=True, check=True
    )
    lines: list[str] = []
    for line in text.stdout.splitlines():
        if line.startswith("##contig"):
            continue
        if line.startswith("#CHROM"):
            lines.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">')
        more = "\tFORMAT\ta" if line.startswith("#CHROM") else "" if line.startswith("#") else "\tGT\t0/1"
        lines.append(line + more)
    return "\n".join(lines) + "\n"


def sites(snapshot: Snapshot) -> dict[tuple[object, ...], dict[str, object]]:
    """The rows of `variants` by pos, ref and alt."""
    return {(row["pos"], row["ref"], row["alt"]): row for row in rows(snapshot, "variants")}


def test_chosen_info_fields_become_typed_columns(tmp_path: Path) -> None:
    """Typed from the header, one value an allele, missing where missing; documented in the catalogue."""
    records = [
        "1 100 A C INFO=DB;CADD.phred=0.1;RANK=7;AA=a;PER=1,2;gnomAD_AF=0.25 | 0/1",
        "1 200 A C,AG INFO=CADD.phred=1e-05,.;PER=4,5,6;RANK=. | 1/2",
        "1 300 A C | 0/1",
    ]
    toml = (
        '[annotation]\ninfo_fields = ["DB", "CADD.phred", "RANK", "AA", "PER", "gnomAD_AF"]\n'
        '[annotation.info_sources]\ngnomAD_AF = "gnomAD v4.1"\n'
    )
    config = make_node(tmp_path, [{"x.vcf": vcf_text(("a",), records, meta=META)}], people=("a",), toml=toml)
    snapshot, _ = built(config)
    found = {
        key: tuple(row[name] for name in row if name.startswith("info_"))
        for key, row in sites(snapshot).items()
    }
    assert found == {
        (100, "A", "C"): (True, 0.1, 7, "a", 2, 0.25),
        (200, "A", "C"): (False, 1e-05, None, None, 5, None),
        (200, "A", "AG"): (False, None, None, None, 6, None),
        (300, "A", "C"): (False, None, None, None, None, None),
    }
    columns = snapshot.catalog.tables["variants"].columns
    assert [column.name for column in columns[11:]] == [
        "filter", "info_db", "info_cadd_phred", "info_rank", "info_aa", "info_per", "info_gnomad_af"
    ]  # fmt: skip
    assert [column.type for column in columns[12:]] == [
        ColumnType.BOOLEAN, ColumnType.DOUBLE, ColumnType.INTEGER, ColumnType.TEXT, ColumnType.INTEGER,
        ColumnType.DOUBLE,
    ]  # fmt: skip
    assert columns[-1].description == "Frequency (gnomAD v4.1)"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        *((name, "is computed from the persons") for name in COMPUTED),
        *((name, "looks like counts") for name in LIKE_COUNTS),
        ("CSQ", "is read anyway"),
    ],
)  # fmt: skip
def test_fields_counted_in_persons_are_refused(tmp_path: Path, name: str, problem: str) -> None:
    """A singleton's AC, or the depth of its only carrier, as a column of the site would leave freely."""
    text = vcf_text(("a",), ["1 5 A C | 0/1"])
    toml = f'[annotation]\ninfo_fields = ["{name}"]\n'
    with pytest.raises(ConfigError, match=rf"annotation\.info_fields: {name} {problem}"):
        built(make_node(tmp_path, [{"x.vcf": text}], people=("a",), toml=toml))


@pytest.mark.parametrize(
    "name", ["CADD", "phyloP", "AFFECTS", "ANCESTRAL", "SpliceAI", "REVEL", "MANE", "RS"]
)
def test_fields_about_sites_are_not(tmp_path: Path, name: str) -> None:
    """Names that only look a little like counts pass."""
    meta = f'##INFO=<ID={name},Number=1,Type=String,Description="x">\n'
    text = vcf_text(("a",), [f"1 5 A C INFO={name}=y | 0/1"], meta=meta)
    toml = f'[annotation]\ninfo_fields = ["{name}"]\n'
    snapshot, _ = built(make_node(tmp_path, [{"x.vcf": text}], people=("a",), toml=toml))
    assert rows(snapshot, "variants")[0][f"info_{name.lower()}"] == "y"


def test_fields_that_no_header_declares_or_two_declare_otherwise(tmp_path: Path) -> None:
    """Each is an error that names the file and the field."""
    one = vcf_text(("a",), ["1 5 A C | 0/1"], meta=META)
    two = vcf_text(
        ("b",),
        ["1 5 A C | 0/1"],
        meta=META.replace("ID=AA,Number=1,Type=String", "ID=AA,Number=1,Type=Integer"),
    )
    with pytest.raises(InputError, match="no genotype file declares INFO/ZZ"):
        built(
            make_node(tmp_path, [{"1.vcf": one}], people=("a",), toml='[annotation]\ninfo_fields = ["ZZ"]\n')
        )
    toml = '[annotation]\ninfo_fields = ["AA"]\n'
    with pytest.raises(
        InputError, match=r"2\.vcf: INFO/AA is Number=1, Type=Integer here and .* in other files"
    ):
        built(make_node(tmp_path, [{"1.vcf": one}, {"2.vcf": two}], people=("a", "b"), toml=toml))


def test_a_consequence_is_read_for_each_allele(tmp_path: Path) -> None:
    """VEP leaves the shared first base away where an allele has another length; several transcripts rank."""
    info = (
        "CSQ=C|intron_variant|G1|E1|,C|missense_variant&splice_region_variant|G2|E2|,"
        "-|frameshift_variant|G3|E3|,C|missense_variant|G4|E4|1"
    )
    records = [
        f"1 100 A C INFO={info.split(',-', maxsplit=1)[0]},C|missense_variant|G4|E4|1 | 0/1",
        "1 200 CA CC,C INFO=CSQ=C|stop_gained|G1|E1|,-|intron_variant||E9| | 1/2",
        "1 300 A T | 0/1",
    ]
    text = vcf_text(("a",), records, meta=CSQ)
    found = sites(built(make_node(tmp_path, [{"x.vcf": text}], people=("a",)))[0])
    assert {key: (row["gene"], row["consequence"]) for key, row in found.items()} == {
        (100, "A", "C"): ("G4", "missense_variant"),
        (201, "A", "C"): ("G1", "stop_gained"),
        (200, "CA", "C"): ("E9", "intron_variant"),
        (300, "A", "T"): (None, None),
    }


def vep_entries(path: Path) -> Iterator[tuple[str, int, str, str, list[list[str]], list[str]]]:
    """Records of a VEP file read by plain text: contig, pos, ref, alt, entries, columns."""
    columns: list[str] = []
    for line in subprocess.run(
        ["bcftools", "view", str(path)], capture_output=True, text=True, check=True
    ).stdout.splitlines():
        if line.startswith("##INFO=<ID=CSQ"):
            columns = re.search(r'Format: ([^"]+)', line)[1].split("|")  # type: ignore[index]
        elif not line.startswith("#"):
            fields = line.split("\t")
            text = next((item[4:] for item in fields[7].split(";") if item.startswith("CSQ=")), "")
            yield (
                fields[0],
                int(fields[1]),
                fields[3],
                fields[4],
                [e.split("|") for e in text.split(",")],
                columns,
            )


@pytest.mark.parametrize("name", ["vep-csq-802-sites.vcf", "1000g-chr1-742-sites.vep-csq.vcf.gz"])
def test_real_vep_files(tmp_path: Path, test_data: Path, name: str) -> None:
    """Sites of one alternate allele: the worst term that the file's text holds, and a gene that has it."""
    path = test_data / "annotation" / name
    config = make_node(tmp_path, [{"x.vcf": with_samples(path)}], people=("a",),
                       toml="[ingest]\nmax_quarantined = 0.2\n")  # fmt: skip
    (tmp_path / "node.toml").write_text((tmp_path / "node.toml").read_text().replace("GRCh38", "GRCh37"))
    snapshot, _ = built(read_node(config.file))
    found = sites(snapshot)
    seen = 0
    for _, pos, ref, alt, entries, columns in vep_entries(path):
        row = found.get((pos, ref, alt))
        if row is None or "," in alt or entries == [[""]]:
            continue
        place = columns.index("Consequence")
        terms = {term for entry in entries for term in entry[place].split("&")}
        worst = min(terms & set(SEVERITY), key=SEVERITY.index)
        assert row["consequence"] == worst
        symbol = columns.index("SYMBOL" if "SYMBOL" in columns else "Gene")
        genes = {entry[symbol] for entry in entries if worst in entry[place].split("&")}
        assert row["gene"] in genes | ({None} if genes == {""} or worst == "intergenic_variant" else set())
        seen += 1
    assert seen > 500


def test_the_worst_consequences_are_those_of_split_vep(tmp_path: Path, test_data: Path) -> None:
    """bcftools +split-vep, with its own severity scale, agrees wherever the scales order terms alike."""
    path = test_data / "annotation" / "vep-csq-802-sites.vcf"
    query = ["bcftools", "+split-vep", str(path), "-s", "worst", "-f", "%POS\t%REF\t%ALT\t%Consequence\n"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this bcftools has no plugin split-vep")
    form = consequence_format("CSQ", re.search(r'ID=CSQ[^"]*"([^"]*)"', path.read_text())[1])  # type: ignore[index]
    assert form is not None
    theirs = {tuple(line.split("\t")[:3]): line.split("\t")[3] for line in done.stdout.splitlines()}
    same = compared = 0
    for _, pos, ref, alt, entries, _ in vep_entries(path):
        if "," in alt or entries == [[""]]:
            continue
        record = Record(1, pos, ref, (alt,), None, None)
        (effect,) = form.effects(",".join("|".join(entry) for entry in entries), record)
        compared += 1
        worst = theirs[str(pos), ref, alt].split("&")
        # its scale knows terms by their beginnings, so that an exon of a non-coding transcript ranks low
        low = (effect.consequence, worst[0]) == ("non_coding_transcript_exon_variant", "intron_variant")
        same += low or effect.consequence in worst
    assert same == compared > 600


def test_real_snpeff_file(tmp_path: Path, test_data: Path) -> None:
    """SnpEff's ANN, its own words turned into VEP's; its pairs of neighbours are no gene."""
    path = test_data / "annotation" / "1000g-OR4F-840-sites.snpeff-ann.vcf.gz"
    config = make_node(tmp_path, [{"x.vcf": with_samples(path)}], people=("a",))
    found = sites(built(config)[0])
    assert found[46285, "ATAT", "A"]["consequence"] == "intergenic_variant"
    assert found[46285, "ATAT", "A"]["gene"] is None
    terms = {row["consequence"] for row in found.values()}
    assert terms <= {*SEVERITY, None}
    assert {"missense_variant", "synonymous_variant", "upstream_gene_variant"} <= terms
    assert {row["gene"] for row in found.values() if row["consequence"] == "missense_variant"} == {"OR4F5"}


def test_bcftools_csq() -> None:
    """Its short words become terms; alleles are known by the change; pointers and stars are understood."""
    form = consequence_format("BCSQ", "")
    assert form is not None
    two = Record(1, 100, "A", ("C", "G"), None, None)
    text = "missense|G1|T1|x|+|5K>5N|100A>C,synonymous|G1|T1|x|+|5K|100A>G,intron|G2|T2|x"
    assert form.effects(text, two) == (Effect("G1", "missense_variant"), Effect("G1", "synonymous_variant"))
    one = Record(1, 100, "A", ("C",), None, None)
    assert form.effects("@90", one) == (Effect(None, None),)
    assert form.effects("*stop_gained&inframe_altering|G1|T1|p|+||", one) == (Effect("G1", "stop_gained"),)


def test_real_bcftools_csq(tmp_path: Path) -> None:
    """bcftools csq itself, on a gene made for it: missense, synonymous and intron come through."""
    exon = "ATGAAAGCTTTTTAA"
    sequence = "C" * 100 + exon[:9] + "GTAAGTCCCCCCCCCCCCAG" + exon[9:] + "C" * 100
    (tmp_path / "ref.fa").write_text(">1\n" + sequence + "\n")
    end = 100 + len(exon) + 20

    def line(feature: str, start: int, stop: int, more: str) -> str:
        return f"1\tx\t{feature}\t{start}\t{stop}\t.\t+\t{0 if feature == 'CDS' else '.'}\t{more}\n"

    gff = "##gff-version 3\n" + line("gene", 101, end, "ID=gene:G;biotype=protein_coding;Name=MADE")
    gff += line("mRNA", 101, end, "ID=transcript:T;Parent=gene:G;biotype=protein_coding")
    gff += line("exon", 101, 109, "Parent=transcript:T") + line("exon", 130, end, "Parent=transcript:T")
    gff += line("CDS", 101, 109, "Parent=transcript:T") + line("CDS", 130, end, "Parent=transcript:T")
    (tmp_path / "genes.gff3").write_text(gff)
    text = vcf_text(("a",), ["1 105 A G | 0|1", "1 106 A G | 1|0", "1 118 C T | 0|1"],
                    meta=f"##contig=<ID=1,length={len(sequence)}>\n")  # fmt: skip
    (tmp_path / "in.vcf").write_text(text.replace("0/1", "0|1"))
    reference, genes, calls = (str(tmp_path / name) for name in ("ref.fa", "genes.gff3", "in.vcf"))
    command = ["bcftools", "csq", "-f", reference, "-g", genes, calls]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"bcftools csq does not run here: {done.stderr[-200:]}")
    found = sites(built(make_node(tmp_path / "n", [{"x.vcf": done.stdout}], people=("a",)))[0])
    said = {pos: (row["gene"], row["consequence"]) for (pos, *_), row in found.items()}
    assert said == {
        105: ("MADE", "missense_variant"),
        106: ("MADE", "synonymous_variant"),
        118: ("MADE", "intron_variant"),
    }


def test_severity_is_a_total_order_of_terms() -> None:
    """Every term stands once; unknown ones come last and are kept as they are."""
    assert len(set(SEVERITY)) == len(SEVERITY) == 41
    assert most_severe("odd_term&intron_variant")[1] == "intron_variant"
    assert most_severe("odd_term")[1] == "odd_term"
    assert most_severe("")[1] is None
    assert ConsequenceFormat("CSQ", ("Consequence",)).effects("", Record(1, 1, "A", ("C",), None, None))[
        0
    ] == (None, None)


def test_genes_of_a_gtf_equal_those_of_a_bed(tmp_path: Path, test_data: Path) -> None:
    """Real Ensembl and GENCODE files, gzip and plain: only `gene` features, 1-based, both ends included."""
    gtf = test_data / "annotation" / "ensembl-chr21-slice.GRCh38.gtf.gz"
    genes = []
    for line in subprocess.run(
        ["gzip", "-cd", str(gtf)], capture_output=True, text=True, check=True
    ).stdout.splitlines():
        fields = line.split("\t")
        if not line.startswith("#") and fields[2] == "gene":
            name = re.search(r'gene_name "([^"]+)"', line) or re.search(r'gene_id "([^"]+)"', line)
            genes.append((fields[0], int(fields[3]), int(fields[4]), name[1]))  # type: ignore[index]
    assert len(genes) == 42
    positions = sorted({place for _, start, end, _ in genes for place in (start - 1, start, end, end + 1)})
    text = vcf_text(("a",), [f"21 {pos} A C | 0/1" for pos in positions])
    (tmp_path / "genes.bed").write_text(
        "".join(f"{c}\t{start - 1}\t{end}\t{name}\n" for c, start, end, name in genes)
    )
    found = []
    for path in (str(gtf), str(tmp_path / "genes.bed")):
        config = make_node(
            tmp_path / path[-3:], [{"x.vcf": text}], people=("a",), toml=f'[annotation]\ngenes = "{path}"\n'
        )
        found.append([row["gene"] for row in rows(built(config)[0], "variants")])
    assert found[0] == found[1]
    inside = [next((name for _, start, end, name in genes if start <= pos <= end), None) for pos in positions]
    assert found[0] == inside
    plain = test_data / "annotation" / "gencode-v19-chr20-250k.gtf"
    text = vcf_text(("a",), ["20 67890 A C | 0/1", "20 67891 A C | 0/1", "20 77735 A C | 0/1"])
    config = make_node(
        tmp_path / "g", [{"x.vcf": text}], people=("a",), toml=f'[annotation]\ngenes = "{plain}"\n'
    )
    assert [row["gene"] for row in rows(built(config)[0], "variants")] == [None, "DEFB125", "DEFB125"]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("g.gtf", '1\tx\tgene\t5\tx\t.\t+\t.\tgene_id "a";\n', r"g\.gtf, line 1: is not a GTF line"),
        ("g.gtf", '1\tx\tgene\t5\t6\t.\t+\t.\tnote "a";\n', r"g\.gtf, line 1: is a gene without gene_name"),
        ("g.gtf", '1\tx\texon\t5\t6\t.\t+\t.\tgene_id "a";\n', r"g\.gtf: holds no gene"),
        ("g.gff3", "1\tx\tgene\t5\t6\t.\t+\t.\tID=a\n", r"g\.gff3: is GFF3, which is not read"),
    ],
)
def test_gene_files_that_cannot_be_used(tmp_path: Path, name: str, text: str, problem: str) -> None:
    """Each is an error with file, line and mend."""
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=problem):
        built(make_node(tmp_path, [], people=("a",), toml=f'[annotation]\ngenes = "{name}"\n'))


def test_rs_numbers_and_their_order(tmp_path: Path) -> None:
    """The annotation table comes first, then ID, then dbSNP, whose alleles are split and trimmed alike."""
    records = [
        "1 100 A C ID=rs1 | 0/1",
        "1 200 A C | 0/1",
        "1 300 A C ID=rs3 | 0/1",
        "1 400 CAA C | 0/1",
        "X 9 G T | 0/1",
    ]
    (tmp_path / "t.tsv").write_text("contig\tpos\tref\talt\trsid\n1\t300\tA\tC\trs33\n")
    (tmp_path / "dbsnp.vcf").write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        "1\t100\trs11\tA\tC\t.\t.\t.\n1\t200\trs22\tA\tG,C\t.\t.\tX=1\n1\t200\trs99\tA\tC\t.\t.\t.\n"
        "1\t399\trs44\tTCAA\tTC,TCA\t.\t.\t.\nchrX\t9\t.\tG\tT\t.\t.\tRS=5;A=b\nMU069\t1\trs6\tA\tC\t.\t.\t.\n"
    )  # fmt: skip
    config = make_node(
        tmp_path, [{"x.vcf": vcf_text(("a",), records)}], people=("a",),
        toml='[annotation]\nvariants = "t.tsv"\ndbsnp = "dbsnp.vcf"\n',
    )  # fmt: skip
    found = [row["rsid"] for row in rows(built(config)[0], "variants")]
    assert found == ["rs1", "rs22", "rs33", "rs44", "rs5"]


def test_real_clinvar(tmp_path: Path, test_data: Path) -> None:
    """Every allele of ClinVar gets its own significance, as bcftools reads it; rs numbers too."""
    path = test_data / "annotation" / "clinvar-20230710.GRCh37.2000-rows.vcf.gz"
    toml = f'[annotation]\nclinvar = "{path}"\ndbsnp = "{path}"\n'
    text = with_samples(path)
    config = make_node(
        tmp_path, [{"x.vcf": text}], people=("a",), toml=toml + "[ingest]\nmax_quarantined = 0.5\n"
    )
    with pytest.raises(InputError, match=r"is of GRCh37, and node\.toml says GRCh38"):
        built(config)
    (tmp_path / "node.toml").write_text((tmp_path / "node.toml").read_text().replace("GRCh38", "GRCh37"))
    snapshot, _ = built(read_node(config.file))
    query = ["bcftools", "query", "-f", "%POS\t%REF\t%ALT\t%INFO/CLNSIG\t%INFO/RS\n", str(path)]
    lines = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()
    found, seen = sites(snapshot), 0
    for pos, ref, alt, meaning, number in (line.split("\t") for line in lines):
        row = found.get((int(pos), ref, alt))
        if row is not None and alt != ".":
            assert row["clinvar"] == (None if meaning == "." else meaning)
            assert number == "." or row["rsid"] == f"rs{re.split('[,|]', number)[0]}"
            seen += 1
    assert seen > 1800
    assert snapshot.catalog.column("variants", "clinvar").type is ColumnType.TEXT


def test_what_is_chosen_later_is_converted_again(tmp_path: Path) -> None:
    """Another choice of INFO fields needs the files; another gene file does not."""
    text = vcf_text(("a",), ["1 100 A C INFO=AA=G | 0/1"], meta=META)
    (tmp_path / "g.bed").write_text("1\t0\t1000\tG1\n")
    assert built(make_node(tmp_path, [{"x.vcf": text}], people=("a",)))[1].converted == ("chr1",)
    for toml, converted in (
        ('[annotation]\ninfo_fields = ["AA"]\n', ("chr1",)),
        ('[annotation]\ninfo_fields = ["AA"]\ngenes = "g.bed"\n', ()),
        ('[annotation]\ngenes = "g.bed"\n', ("chr1",)),
    ):
        snapshot, report = built(make_node(tmp_path, [{"x.vcf": text}], people=("a",), toml=toml))
        assert report.converted == converted
        row = rows(snapshot, "variants")[0]
        assert row.get("info_aa") == ("G" if "info_fields" in toml else None)
        assert row["gene"] == ("G1" if "genes" in toml else None)


def test_deliveries_complete_each_other(tmp_path: Path) -> None:
    """Some files are annotated, others are not, or otherwise: the first value that is there stands."""
    one = vcf_text(("a",), ["1 100 A C INFO=RANK=1 | 0/1", "1 200 A C | 0/1"], meta=META)
    two = vcf_text(("b",), ["1 100 A C INFO=DB;RANK=2;AA=T | 0/1", "1 300 A C INFO=DB | 0/1"], meta=META)
    bare = vcf_text(("c",), ["1 100 A C | 0/1", "1 300 A C | 0/1"])
    toml = '[annotation]\ninfo_fields = ["DB", "RANK", "AA"]\n'
    config = make_node(
        tmp_path, [{"0.vcf": bare}, {"1.vcf": one}, {"2.vcf": two}], people=("a", "b", "c"), toml=toml
    )
    found = [(row["info_db"], row["info_rank"], row["info_aa"]) for row in rows(built(config)[0], "variants")]
    assert found == [(True, 1, "T"), (False, None, None), (True, None, None)]


def test_info_values_that_cannot_be_read_are_put_aside(tmp_path: Path) -> None:
    """A per-allele list too short leaves the rest missing; a text where a number belongs is quarantined."""
    meta = META.replace("ID=RANK,Number=1,Type=Integer", "ID=RANK,Number=1,Type=String")
    one = vcf_text(("a",), ["1 100 A C,G INFO=CADD.phred=1.5;RANK=high | 1/2"], meta=meta)
    toml = '[annotation]\ninfo_fields = ["CADD.phred", "RANK"]\n[ingest]\nmax_quarantined = 0.9\n'
    snapshot, report = built(make_node(tmp_path, [{"x.vcf": one}], people=("a",), toml=toml))
    assert [(row["info_cadd_phred"], row["info_rank"]) for row in rows(snapshot, "variants")] == [
        (1.5, "high"),
        (None, "high"),
    ]
    assert report.quarantined == {}
    assert quarantined(snapshot) == []
