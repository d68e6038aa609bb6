"""gVCFs: reference blocks decide who is called at sites that only others have."""

from __future__ import annotations

import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from goe_lake import open_federation
from goe_lake.config import read_node
from goe_lake.errors import ConfigError, InputError
from goe_lake.lake import Snapshot
from tests.lake.nodes import built, gzipped, make_node, member_table, rows, tree, vcf_text

GVCF = (
    '##ALT=<ID=NON_REF,Description="Any other allele">\n'
    '##INFO=<ID=END,Number=1,Type=Integer,Description="x">\n'
)
FIRST, BASES = 65_500, 90  # over the border of a tile
ACGT = "ACGT"


def reference(pos: int) -> str:
    """The reference base of the made-up contig."""
    return ACGT[pos * 7 % 4]


@dataclass(frozen=True)
class Said:
    """What one record says of some persons: *genotypes* as written, *quality* one GQ each."""

    pos: int
    width: int
    alt: str | None
    genotypes: tuple[str, ...]
    qualities: tuple[str, ...]
    filter: str
    kind: str

    @property
    def line(self) -> str:
        """The record as a test writes it."""
        ref = "".join(reference(self.pos + step) for step in range(self.width if self.alt else 1))
        alt = self.kind if self.alt is None else f"{self.alt},{self.kind}".removesuffix(",.")
        end = self.pos + self.width - 1
        info = "." if self.alt or (self.width == 1 and self.kind == ".") else f"END={end}"
        calls = " ".join(f"{gt}:{gq}" for gt, gq in zip(self.genotypes, self.qualities, strict=True))
        return f"chr1 {self.pos} {ref} {alt} FILTER={self.filter} INFO={info} FORMAT=GT:GQ | {calls}"

    @property
    def spans(self) -> bool:
        """Whether it is a block of a gVCF."""
        return self.alt is None and (self.kind != "." or self.width > 1)

    def called(self, person: int) -> int:
        """The called alleles of a person on each base."""
        alleles = self.genotypes[person].replace("|", "/").split("/")
        number = sum(allele != "." for allele in alleles)
        doubtful = self.qualities[person] not in (".",) and int(self.qualities[person]) < 1
        if self.alt is None and (doubtful or self.filter not in (".", "PASS", "RefCall")):
            return 0
        return number


@st.composite
def files(draw: st.DrawFn, persons: int) -> list[Said]:
    """Records of one file, by position; blocks may overlap what came before."""
    found: list[Said] = []
    pos = FIRST
    while pos < FIRST + BASES - 12:
        variant = draw(st.integers(0, 3)) == 0
        width = draw(st.integers(1, 5 if variant else 25))
        kind = draw(st.sampled_from(["<NON_REF>", "<*>", "."]))
        pool = (
            ["0/0", "0/1", "1/1", "./.", "0", "1", "./1"]
            if variant
            else ["0/0", "0/0", "0/0", "./.", "0", "0/."]
        )
        alt = None
        if variant:
            alt = draw(st.sampled_from([base for base in ACGT if base != reference(pos)]))
        found.append(
            Said(
                pos,
                width,
                # a deletion keeps its first base
                alt if width == 1 else (reference(pos) if variant else None),
                tuple(draw(st.sampled_from(pool)) for _ in range(persons)),
                tuple(draw(st.sampled_from(["30", "1", "0", "."])) for _ in range(persons)),
                draw(st.sampled_from([".", "PASS", "PASS", "LowGQX", "RefCall"])) if not variant else "PASS",
                kind,
            )
        )
        pos += draw(st.sampled_from([width, width, width, width + 3, max(1, width - 1)]))
    return found


def by_base(said: list[Said], person: int, rule: str) -> dict[int, int]:
    """The called alleles of a person base by base, counted plainly."""
    followed = any(record.spans for record in said)
    found: Counter[int] = Counter()
    for record in said:
        for pos in range(record.pos, record.pos + record.width):
            if record.alt is None or followed:
                found[pos] = max(found[pos], record.called(person))
    if rule == "hom_ref" and not followed:
        # hom-ref with the commonest ploidy of the person's own calls, by sex where none is commonest
        times = Counter(record.called(person) for record in said if record.alt)
        return dict.fromkeys(range(FIRST - 5, FIRST + BASES + 30), 1 if times[1] > times[2] else 2)
    return found


def truth(
    groups: dict[tuple[str, ...], list[Said]], rule: str
) -> dict[tuple[int, str, str, str], tuple[int, int]]:
    """(copies, called alleles) by site and person."""
    sites = {(r.pos, r.width, r.alt) for said in groups.values() for r in said if r.alt}
    found = {}
    for persons, said in groups.items():
        for number, person in enumerate(persons):
            bases = by_base(said, number, rule)
            for pos, width, alt in sites:
                own = [r for r in said if (r.pos, r.width, r.alt) == (pos, width, alt)]
                alleles = own[0].genotypes[number].split("/") if own else []
                known = [allele for allele in alleles if allele != "."]
                ref = "".join(reference(pos + step) for step in range(width))
                counts = (known.count("1"), len(known)) if own else (0, bases.get(pos, 0))
                found[pos, ref, str(alt), person] = counts
    return found


def in_lake(snapshot: Snapshot) -> dict[tuple[int, str, str, str], tuple[int, int]]:
    """The same from `calls`, in plain SQL."""
    values = {"het": (1, 2), "hom": (2, 2), "hemi": (1, 1), "nc": (0, 0), "ref1": (0, 1)}
    with duckdb.connect() as connection:
        member_table(connection, snapshot, "chr1")
        members = {
            (pos, ref, alt, sample): values[name]
            for pos, ref, alt, name, sample in connection.execute(
                "SELECT pos, ref, alt, class, sample_id FROM member"
            ).fetchall()
        }
    samples = [row["sample_id"] for row in rows(snapshot, "samples")]
    keys = [(row["pos"], row["ref"], row["alt"]) for row in rows(snapshot, "calls")]
    return {(*key, sample): members.get((*key, sample), (0, 2)) for key in keys for sample in samples}  # type: ignore[misc]


def without_twins(said: list[Said]) -> list[Said]:
    """Records that give a site once."""
    seen: dict[tuple[object, ...], Said] = {}
    for record in said:
        seen.setdefault((record.pos, record.width, record.alt) if record.alt else (record,), record)
    return list(seen.values())


@settings(max_examples=15, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(files(1), files(2), files(1), st.sampled_from(["hom_ref", "not_called"]), st.booleans())
def test_every_person_is_called_where_the_files_say_so(
    first: list[Said], pair: list[Said], last: list[Said], rule: str, plain: bool
) -> None:
    """Calls and strata of a union of files equal a count base by base, blocks overlapping or not."""
    if plain:
        # a file without blocks follows absent_sites
        last = [record for record in last if record.alt]
    groups = {("a",): without_twins(first), ("b", "c"): without_twins(pair), ("d",): without_twins(last)}
    with tempfile.TemporaryDirectory() as folder:
        texts = {
            f"{''.join(persons)}.g.vcf": vcf_text(persons, [record.line for record in said], meta=GVCF)
            for persons, said in groups.items()
        }
        # another delivery has a site at every base, so that strata fill in each
        every = [f"chr1 {pos} {reference(pos)} <DUP> | 0/0" for pos in range(FIRST, FIRST + BASES)]
        deliveries = [texts, {"every.vcf": vcf_text(("z",), every)}]
        config = make_node(
            Path(folder), deliveries, people=tuple("abcdz"), absent_sites=(rule, "hom_ref"),
        )  # fmt: skip
        snapshot, _ = built(config)
        found = in_lake(snapshot)
        expected = truth(groups, rule)
        assert {key: value for key, value in found.items() if key[3] != "z" and key[2] != "<DUP>"} == expected
        bases = {
            (said_person): by_base(said, number, rule)
            for persons, said in groups.items()
            for number, said_person in enumerate(persons)
        }
        filled = {
            row["pos"]: (row["an"], row["not_called"])
            for row in rows(snapshot, "strata")
            if row["alt"] == "<DUP>"
        }
        for pos, counts in filled.items():
            alleles = [known.get(pos, 0) for known in bases.values()]  # type: ignore[call-overload]
            assert counts == (2 + sum(alleles), alleles.count(0)), pos


def test_a_gvcf_and_a_vcf_with_the_same_content_agree(tmp_path: Path) -> None:
    """Ranges decide AN at sites that another node lists; the answer comes over the whole federation."""
    blocks = [
        "chr1 100 A <NON_REF> INFO=END=199 FORMAT=GT:GQ | 0/0:30",
        "chr1 200 A <NON_REF> INFO=END=299 FORMAT=GT:GQ | 0/0:0",
        "chr1 300 A C,<NON_REF> FORMAT=GT:GQ | 0/1:30",
        "chr1 301 A <NON_REF> INFO=END=400 FORMAT=GT:GQ | ./.:.",
    ]
    texts = {f"{name}.g.vcf.gz": vcf_text((name,), blocks, meta=GVCF) for name in ("a", "b")}
    off = 'version = 1\nprotection = "off"\n'
    for name, country, deliveries, people in (
        ("one", "EE", [texts], ("a", "b")),
        (
            "two",
            "FI",
            [{"x.vcf": vcf_text(("c",), [f"1 {pos} A G | 0/1" for pos in (150, 250, 300, 350, 500)])}],
            ("c",),
        ),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "policy.toml").write_text(off)
        config = make_node(folder, deliveries, people=people, node='policy = "policy.toml"')
        text = (folder / "node.toml").read_text().replace('"EE"', f'"{country}"')
        (folder / "node.toml").write_text(text)
        built(read_node(config.file))
    federation = open_federation([tmp_path / name / "node.toml" for name in ("one", "two")], project="demo")
    answer = federation.sql(
        "SELECT pos, alt, sum(dosage) AS ac, sum(called_alleles) AS an FROM genotypes "
        "GROUP BY pos, alt ORDER BY pos, alt"
    )
    found = [
        tuple(int(value) if key not in ("alt",) else value for key, value in row.items())
        for row in answer.table.to_pylist()
    ]
    assert found == [
        (150, "G", 1, 6), (250, "G", 1, 2), (300, "C", 2, 4), (300, "G", 1, 6), (350, "G", 1, 2),
        (500, "G", 1, 2),
    ]  # fmt: skip

    # the same sum over persons' columns, and over sites taken together
    for query in (
        "SELECT sum(called_alleles) AS an FROM genotypes",
        "SELECT sum(called_alleles) AS an FROM genotypes JOIN samples USING (sample_id) WHERE sex = 'F'",
    ):
        assert federation.sql(query).table.to_pylist() == [{"an": sum(row[3] for row in found)}], query


def test_a_bed_says_where_a_delivery_was_looked_at(tmp_path: Path) -> None:
    """Inside it a site that the files lack is hom-ref by ploidy, outside not called; BED counts from 0."""
    (tmp_path / "targets.bed.gz").write_bytes(
        gzipped("track x\nchr1\t99\t200\t+\n1\t150\t300\nGL1\t0\t5\nX\t5000000\t5000010\n")
    )
    records = ["1 250 A C | 0/1 ./.", "X 5000000 A C | 0/1 1"]
    others = [f"1 {pos} A G | 0/1" for pos in (99, 100, 300, 301)] + [
        f"X {pos} A G | 0/1" for pos in (5000000, 5000001, 5000010, 5000011)
    ]
    config = make_node(
        tmp_path, [{"1.vcf": vcf_text(("a", "b"), records)}, {"2.vcf": vcf_text(("c",), others)}],
        "sample_id\tsex\na\tF\nb\tM\nc\tF\n", toml="",
    )  # fmt: skip
    text = config.file.read_text().replace(
        'files = ["1.vcf"]', 'files = ["1.vcf"]\ncallable = "targets.bed.gz"'
    )
    config.file.write_text(text)
    snapshot, report = built(read_node(config.file))
    an: Counter[object] = Counter()
    for row in rows(snapshot, "strata"):
        an[row["pos"], row["alt"]] += row["an"]  # type: ignore[assignment, operator]
    assert an == {
        (99, "G"): 2, (100, "G"): 6, (250, "C"): 2, (300, "G"): 6, (301, "G"): 2,
        (5000000, "C"): 3, (5000000, "G"): 2, (5000001, "G"): 5, (5000010, "G"): 5, (5000011, "G"): 2,
    }  # fmt: skip
    assert report.warnings == ("targets.bed.gz: 1 regions lie on contigs that the lake does not hold",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("chr1\t5\n", r"line 1: is no BED line"),
        ("#\nchr1\t9\t5\n", r"line 2: chr1:9-5 is no stretch of chr1"),
        ("chr1\t9\t348956422\n", "no stretch of chr1, which has 248956422 bases"),
        ("GL1\t9\t12\n", "holds no region on chr1"),
    ],
)
def test_regions_that_cannot_be_read_are_refused(text: str, problem: str, tmp_path: Path) -> None:
    """Each message names the file, the line and the mend."""
    (tmp_path / "x.bed").write_text(text)
    config = make_node(tmp_path, [{"1.vcf": vcf_text(("a",), ["1 5 A C | 0/1"])}], people=("a",))
    config.file.write_text(config.file.read_text().replace("format_fields = []", 'callable = "x.bed"'))
    with pytest.raises(InputError, match=problem):
        built(read_node(config.file))
    config.file.write_text(config.file.read_text().replace("callable", 'absent_sites = "hom_ref"\ncallable'))
    with pytest.raises(ConfigError, match="absent_sites says everywhere"):
        read_node(config.file)


def test_blocks_of_vcf_45_state_their_length_by_person(tmp_path: Path) -> None:
    """FORMAT/LEN, each person's own; a block of a doubtful quality is raised by min_block_gq."""
    meta = '##FORMAT=<ID=LEN,Number=1,Type=Integer,Description="x">\n'
    records = ["1 100 A <*> FORMAT=GT:LEN:GQ | 0/0:10:20 0/0:20:19", "1 130 A T | 0/1 0/0"]
    others = [f"1 {pos} A G | 0/1" for pos in (109, 110, 119, 120)]
    deliveries = [{"1.vcf": vcf_text(("a", "b"), records, meta=meta)}, {"2.vcf": vcf_text(("c",), others)}]
    for least, expected in ((1, [6, 4, 4, 2]), (20, [4, 2, 2, 2]), (21, [2, 2, 2, 2])):
        config = make_node(tmp_path / str(least), deliveries, people=("a", "b", "c"))
        config.file.write_text(
            config.file.read_text().replace('files = ["1.vcf"]', f'files = ["1.vcf"]\nmin_block_gq = {least}')
        )
        snapshot, _ = built(read_node(config.file))
        assert [row["an"] for row in rows(snapshot, "strata") if row["alt"] == "G"] == expected


def test_ranges_are_the_same_however_the_files_come(tmp_path: Path) -> None:
    """Cut by region, or in another order of records: the same bytes; published twice, the same snapshot."""
    records = [
        f"chr1 {pos} A <NON_REF> INFO=END={pos + 9} FORMAT=GT:GQ | 0/0:{30 if pos % 40 else 0}"
        for pos in range(60_000, 72_000, 10)
    ]
    people = ("a", "b")
    whole = {f"{name}.g.vcf": vcf_text((name,), records, meta=GVCF) for name in people}
    cut = {
        f"{name}{part}.g.vcf": vcf_text((name,), lines, meta=GVCF)
        for name in people
        for part, lines in enumerate((records[700:][::-1], records[:700]))
    }
    digests = []
    for number, texts in enumerate((whole, cut)):
        config = make_node(tmp_path / str(number), [texts], people=people)
        first, _ = built(config)
        again, report = built(config)
        assert first.snapshot_id == again.snapshot_id
        assert report.reused == ("chr1",)
        again.verify()
        digests.append([file.sha256 for file in first.manifest.files if file.table == "callable"])
    assert digests[0] == digests[1]
    assert len(digests[0]) == 1
    ranges = rows(first, "callable")
    # 400 stretches of 30 good bases a person over a border of a tile, and one of them is cut there
    assert [row["idx"] for row in ranges].count(0) in (300, 301)
    assert not list((config.lake / "staging").rglob("ranges.parquet"))


def short(pos: int, ref: str, alt: str) -> tuple[int, str, str]:
    """The shortest spelling of an allele, cut letter by letter."""
    while len(ref) > 1 and len(alt) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        pos, ref, alt = pos + 1, ref[1:], alt[1:]
    return pos, ref, alt


def run(command: str) -> str:
    """The output of a pipe of shell commands, all of which must succeed."""
    bash = ["bash", "-o", "pipefail", "-c", command]
    return subprocess.run(bash, capture_output=True, text=True, check=True).stdout


def merged_by_bcftools(paths: list[Path], folder: Path) -> dict[tuple[int, str, str], set[tuple[int, int]]]:
    """(AC, AN) of each site by bcftools merge --gvcf, blocks of GQ 0 made missing.

    bcftools loses who is called at a base by a deletion that begins before it, or by a record that begins
    there with a REF of another length; they are added from the records.
    """
    doubtful = '\'FMT/GQ<1 && N_ALT=1 && (ALT="<NON_REF>" || ALT="<*>")\''
    known: list[list[tuple[int, int]]] = []
    for number, path in enumerate(paths):
        made = folder / f"{number}.vcf.gz"
        # merge refuses VAF, which these files declare with another number of values
        run(
            f"bcftools +setGT {path} -Ou -- -t q -n . -i {doubtful} "
            f"| bcftools annotate -x ^FORMAT/GT -Oz -o {made} && tabix {made}"
        )
        known.append([])
        for line in run(f"bcftools query -f '%POS\\t%REF[\\t%GT]\\n' {made} 2>/dev/null").splitlines():
            pos, ref, genotype = line.split("\t")
            if "." not in genotype:
                known[-1].append((int(pos), int(pos) + len(ref) - 1))
    files = " ".join(str(folder / f"{number}.vcf.gz") for number in range(len(paths)))
    merged = run(
        f"bcftools merge -g - {files} -Ou 2>/dev/null | bcftools norm -m -any -Ou 2>/dev/null "
        "| bcftools +fill-tags -Ou -- -t AN,AC "
        "| bcftools query -f '%POS\\t%REF\\t%ALT\\t%AC\\t%AN[\\t%GT]\\n'"
    )
    found: dict[tuple[int, str, str], set[tuple[int, int]]] = {}
    for line in merged.splitlines():
        pos, ref, alt, ac, an, *genotypes = line.split("\t")
        lost = sum(
            2
            for genotype, records in zip(genotypes, known, strict=True)
            if set(genotype) <= set("./|") and any(first <= int(pos) <= last for first, last in records)
        )
        if not alt.startswith("<") and alt not in ("*", "."):
            found.setdefault(short(int(pos), ref, alt), set()).add((int(ac), int(an) + lost))
    return found


@pytest.mark.parametrize(
    ("pattern", "sites"), [("grch38-chr22-1000g/*.g.vcf.gz", 334), ("deepvariant/deepvariant2.*.g.vcf", 34)]
)
def test_counts_of_real_gvcfs_equal_bcftools(
    pattern: str, sites: int, test_data: Path, tmp_path: Path
) -> None:
    """AC and AN of 25 GATK and 4 DeepVariant gVCFs are those of bcftools merge --gvcf."""
    paths = sorted((test_data / "gvcf").glob(pattern))
    ids = [run(f"bcftools query -l {path} 2>/dev/null").strip() for path in paths]
    (tmp_path / "samples.tsv").write_text("sample_id\tsex\n" + "".join(f"{one}\tF\n" for one in ids))
    (tmp_path / "node.toml").write_text(
        f'[node]\ncountry = "GB"\n[[genotypes]]\nfiles = ["{test_data}/gvcf/{pattern}"]\n'
        '[samples]\nfile = "samples.tsv"\n'
    )
    snapshot, report = built(read_node(tmp_path / "node.toml"))
    assert report.sites >= sites
    expected = merged_by_bcftools(paths, tmp_path)
    found: dict[tuple[int, str, str], list[int]] = {}
    for row in rows(snapshot, "strata"):
        counts = found.setdefault((row["pos"], row["ref"], row["alt"]), [0, 0])  # type: ignore[arg-type]
        counts[0] += row["het"] + 2 * row["hom_alt"] + row["hemi"]  # type: ignore[operator]
        counts[1] += row["an"]  # type: ignore[operator]
    assert set(found) == set(expected)
    differ = {
        key: (counts, expected[key]) for key, counts in found.items() if tuple(counts) not in expected[key]
    }
    assert differ == {}


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """A gVCF without a variant still says where persons are called, and staging holds no scratch files."""
    text = vcf_text(("a",), ["chr1 100 A <NON_REF> INFO=END=199 FORMAT=GT:GQ | 0/0:30"], meta=GVCF)
    other = vcf_text(("b",), ["1 150 A G | 0/1"])
    config = make_node(tmp_path, [{"1.g.vcf": text}, {"2.vcf": other}], people=("a", "b"))
    snapshot, _ = built(config)
    assert [row["an"] for row in rows(snapshot, "strata")] == [4]
    assert not [name for name in tree(config.lake / "staging") if "spool" in name or "sort" in name]
