"""The synthetic cohort: files of real shape, with a truth that an analysis can find again."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import shutil
import subprocess
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import cyvcf2
import numpy as np
import pytest

from goe_lake.config import read_node
from goe_lake.demo import COUNTRIES, make_cohort
from goe_lake.demo.demography import DEMES
from goe_lake.demo.loci import LOCI
from goe_lake.demo.persons import SMALLEST_MINORITY, population_sizes
from goe_lake.errors import ConfigError
from goe_lake.genome import GRCH38, Region, ploidy_by_sex, stretch_of
from goe_lake.vcf.bgzf import BLOCK_BYTES, BgzfWriter
from goe_lake.vcf.index import RecordPlaces, bins_of, write_tabix

CODES = ("EE", "FI", "LU")
PERSONS = 130
TABLES = ("samples.tsv", "scores.tsv", "annotation.tsv")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The node folders of a small cohort."""
    directory = tmp_path_factory.mktemp("cohort")
    return [path.parent for path in make_cohort(directory, CODES, PERSONS, seed=3)]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def files_of(node: Path) -> list[Path]:
    return sorted((node / "vcf").glob("*.vcf.gz"))


def records_of(node: Path) -> Iterator[cyvcf2.Variant]:
    for path in files_of(node):
        yield from cyvcf2.VCF(path)


def digests(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path):
    """Two runs agree in every byte of every file; another seed gives other files."""
    for name, seed in (("one", 5), ("two", 5), ("other", 6)):
        make_cohort(tmp_path / name, ("LV", "LT"), 40, seed)
    one = digests(tmp_path / "one")
    assert one == digests(tmp_path / "two")
    other = digests(tmp_path / "other")
    assert other.keys() == one.keys()
    same = {name for name in one if one[name] == other[name]}
    assert {Path(name).name for name in same} == {"genes.bed", "policy.toml"}


def test_each_node_has_the_files_of_a_real_node(nodes: list[Path]):
    """One VCF with its index for each contig, and everything that node.toml names."""
    contigs = {locus.contig for locus in LOCI}
    for node in nodes:
        assert {path.name for path in node.iterdir()} == {
            "node.toml", "policy.toml", "genes.bed", "vcf", "pgs", *TABLES,
        }  # fmt: skip
        assert {path.name for path in (node / "vcf").iterdir()} == {
            f"{contig}.vcf.gz{end}" for contig in contigs for end in ("", ".tbi")
        }


def test_the_settings_are_read_and_the_policy_covers_every_consent(nodes: list[Path]):
    """The package reads node.toml as it reads anyone's; each consent code covers the purpose of the demo."""
    for node, code in zip(nodes, CODES, strict=True):
        config = read_node(node / "node.toml")
        assert (config.country, config.node_id) == (code, f"GOE-{code}-NODE-1")
        assert len(config.genotypes[0].files) == len(files_of(node))
        assert config.genotypes[0].absent_sites == "hom_ref"
        policy = tomllib.loads((node / "policy.toml").read_text())
        consents = {row["consent"] for row in rows_of(node / "samples.tsv")}
        assert consents == policy["consent"].keys()
        assert all("demo" in purposes for purposes in policy["consent"].values())


def test_declared_facts_hold_for_every_person(nodes: list[Path]):
    """Labels are those declared, numbers lie within bounds at their step, and only nullable ones lack."""
    for node in nodes:
        config = read_node(node / "node.toml")
        persons = rows_of(node / "samples.tsv")
        for column in config.sample_columns:
            values = [person[column.name] for person in persons]
            assert column.nullable or "" not in values
            if column.values is not None:
                assert set(values) - {""} == set(column.values)
            if column.name in ("bmi", "ldl"):
                assert all(len(value.partition(".")[2]) == 2 for value in values if value)
                low, high = column.bounds
                assert all(low <= Decimal(value) <= high for value in values if value)


def test_scores_lie_within_their_declared_bounds(nodes: list[Path]):
    """The bounds in node.toml are the sums that nobody can pass."""
    for node in nodes:
        bounds = {score.pgs_id: score.bounds for score in read_node(node / "node.toml").scores}
        scores = rows_of(node / "scores.tsv")
        assert Counter(row["pgs_id"] for row in scores) == dict.fromkeys(bounds, PERSONS)
        for row in scores:
            low, high = bounds[row["pgs_id"]]
            assert low <= Decimal(row["score"]) <= high


def test_a_population_of_a_node_is_large_or_absent(nodes: list[Path]):
    """No node has a population of 1 to 59 persons, and node.toml declares exactly those it has."""
    for node in nodes:
        sizes = Counter(row["population"] for row in rows_of(node / "samples.tsv"))
        assert len(sizes) == 2
        assert min(sizes.values()) >= SMALLEST_MINORITY
        settings = tomllib.loads((node / "node.toml").read_text())
        assert set(settings["samples"]["columns"]["population"]["values"]) == sizes.keys()


@pytest.mark.parametrize("persons", [20, 119, 120, 299, 300, 1000, 5000])
def test_populations_of_every_country_add_up(persons: int):
    """Below 120 persons there is the main population only; above, minorities of at least 60."""
    for country in COUNTRIES.values():
        sizes = population_sizes(country, persons)
        assert sum(sizes.values()) == persons
        assert len(sizes) == 1 + (persons >= 120) + (persons >= 300)
        assert persons < 120 or min(sizes.values()) >= 60
        assert max(sizes, key=lambda name: sizes[name]) == country.population
        assert set(sizes) <= DEMES.keys()


def test_cyvcf2_reads_every_file_and_its_index(nodes: list[Path]):
    """Samples are those of samples.tsv in order, and a region query finds what a full scan finds there."""
    for node in nodes:
        ids = [row["sample_id"] for row in rows_of(node / "samples.tsv")]
        for path in files_of(node):
            vcf = cyvcf2.VCF(path)
            assert vcf.samples == ids
            assert dict(zip(vcf.seqnames, vcf.seqlens, strict=True)) == GRCH38.lengths
            contig = path.name.removesuffix(".vcf.gz")
            spans = [(record.POS, record.POS + len(record.REF) - 1) for record in vcf]
            assert spans == sorted(spans)
            for first, _ in spans[:: max(1, len(spans) // 5)]:
                start, end = first - 700, first + 700
                found = [record.POS for record in vcf(f"{contig}:{start}-{end}")]
                assert found == [pos for pos, last in spans if pos <= end and last >= start]
            assert list(vcf(f"{contig}:1-600000")) == []


def test_men_are_haploid_on_x_outside_par_only(nodes: list[Path]):
    """The ploidy of each call on chrX is that of the person's sex and the stretch; elsewhere it is two."""
    for node in nodes:
        sexes = [row["sex"] for row in rows_of(node / "samples.tsv")]
        assert set(sexes) == {"F", "M"}
        stretches = set()
        for record in records_of(node):
            stretch = stretch_of(GRCH38, record.CHROM, record.POS)
            stretches.add((record.CHROM, stretch))
            ploidies = (record.genotype.array()[:, :2] != -2).sum(axis=1)
            assert ploidies.tolist() == [ploidy_by_sex(record.CHROM, stretch, sex) for sex in sexes]
        assert {("chrX", "par"), ("chrX", "nonpar")} <= stretches


def test_the_files_hold_what_real_files_hold(nodes: list[Path]):
    """No-calls of both ploidies, half calls, several alternates, indels, failed filters and unnamed sites."""
    for node in nodes:
        text = b"".join(gzip.decompress(path.read_bytes()) for path in files_of(node)).decode()
        for call in ("\t./.:", "\t.:", "\t0/.:", "\t1/1:", "\t0:", "\t1:"):
            assert call in text
        records = list(records_of(node))
        assert any(len(record.ALT) > 1 for record in records)
        assert any(len(record.ALT) > 1 and record.is_snp for record in records)
        assert {record.var_subtype for record in records if record.is_indel} >= {"ins", "del"}
        filters = Counter(record.FILTER or "PASS" for record in records)
        assert filters.most_common(1)[0][0] == "PASS"
        assert len(filters) >= 3
        assert 0 < sum(record.ID is None for record in records) < len(records)


def test_indels_are_anchored_and_leftmost(nodes: list[Path]):
    """An indel begins with its anchor base and cannot be written shorter or further left."""
    for node in nodes:
        for record in records_of(node):
            for alt in record.ALT:
                if len(alt) != len(record.REF):
                    assert alt[0] == record.REF[0]
                    assert min(len(alt), len(record.REF)) == 1
                    assert alt[-1] != record.REF[-1]
                else:
                    assert len(alt) == 1
                    assert alt != record.REF


def test_depth_and_quality_are_plausible(nodes: list[Path]):
    """DP is about 30 where people are diploid, GQ lies in 0 to 99 and is missing where nothing was called."""
    path = nodes[0] / "vcf" / "chr1.vcf.gz"
    depths, qualities, called = [], [], []
    for record in cyvcf2.VCF(path):
        depths.append(record.format("DP")[:, 0])
        qualities.append(record.format("GQ")[:, 0])
        called.append(record.genotype.array()[:, 0] >= 0)
    depth, quality, has_call = np.stack(depths), np.stack(qualities), np.stack(called)
    assert 25 < np.median(depth) < 40
    assert depth.min() >= 0
    assert quality[has_call].min() >= 0
    assert quality[has_call].max() == 99
    assert (quality[~has_call] < 0).all()


def test_a_file_holds_only_what_its_country_carries(nodes: list[Path]):
    """Each alternate is carried by someone there, and AC and AN count the calls."""
    for node in nodes:
        for record in records_of(node):
            alleles = record.genotype.array()[:, :2]
            counts = [int((alleles == number).sum()) for number in range(1 + len(record.ALT))]
            carried = record.INFO["AC"]
            assert list(carried if isinstance(carried, tuple) else (carried,)) == counts[1:]
            assert record.INFO["AN"] == sum(counts)
            assert min(counts[1:]) > 0


def test_countries_share_sites_and_differ_in_some(nodes: list[Path]):
    """Common variants are in every country; rare ones are private to one."""
    sites = [{(record.CHROM, record.POS) for record in records_of(node)} for node in nodes]
    shared = set.intersection(*sites)
    assert len(shared) > 500
    assert all(len(own - set.union(*(other for other in sites if other is not own))) > 100 for own in sites)


def test_reference_bases_agree_over_all_records_and_nodes(nodes: list[Path]):
    """A position has one reference base, whichever record of whichever country tells it."""
    bases: dict[tuple[str, int], str] = {}
    for node in nodes:
        for record in records_of(node):
            for offset, base in enumerate(record.REF):
                assert bases.setdefault((record.CHROM, record.POS + offset), base) == base


def test_every_alternate_is_annotated(nodes: list[Path]):
    """annotation.tsv has one row for each alternate; names, genes and terms agree between countries."""
    facts: dict[tuple[str, ...], tuple[str, ...]] = {}
    positions = defaultdict(set)
    for node in nodes:
        rows = rows_of(node / "annotation.tsv")
        keys = [(row["contig"], row["pos"], row["ref"], row["alt"]) for row in rows]
        assert keys == [
            (record.CHROM, str(record.POS), record.REF, alt)
            for contig in dict.fromkeys(locus.contig for locus in LOCI)
            for record in cyvcf2.VCF(node / "vcf" / f"{contig}.vcf.gz")
            for alt in record.ALT
        ]
        for key, row in zip(keys, rows, strict=True):
            fact = (row["rsid"], row["gene"], row["consequence"])
            assert facts.setdefault(key, fact) == fact
            positions[row["rsid"]].add(key[:2])
    assert all(len(places) == 1 for rsid, places in positions.items() if rsid)
    terms = {consequence for _, _, consequence in facts.values()}
    assert terms >= {
        "missense_variant", "synonymous_variant", "stop_gained", "frameshift_variant", "intron_variant",
        "intergenic_variant",
    }  # fmt: skip


def test_genes_lie_where_their_sites_do(nodes: list[Path]):
    """A site that names a gene lies in it, or is an indel that reaches it; BED starts count from 0."""
    genes = {}
    for line in (nodes[0] / "genes.bed").read_text().splitlines():
        contig, start, end, gene = line.split("\t")
        genes[gene] = Region(contig, int(start) + 1, int(end))
    assert genes["PCSK9"] == Region("chr1", 55_039_447, 55_064_852)
    for row in rows_of(nodes[0] / "annotation.tsv"):
        if row["gene"]:
            last = int(row["pos"]) + len(row["ref"]) - 1
            assert genes[row["gene"]].holds(row["contig"], last)
        else:
            assert row["consequence"] == "intergenic_variant"


def scoring_file(node: Path, pgs_id: str) -> list[dict[str, str]]:
    text = gzip.decompress((node / "pgs" / f"{pgs_id}.txt.gz").read_bytes()).decode()
    header = [line for line in text.splitlines() if line.startswith("#")]
    rows = list(
        csv.DictReader((line for line in text.splitlines() if not line.startswith("#")), delimiter="\t")
    )
    assert f"#pgs_id={pgs_id}" in header
    assert "#genome_build=GRCh38" in header
    assert f"#variants_number={len(rows)}" in header
    return rows


def effect_alleles(node: Path, row: dict[str, str]) -> np.ndarray:
    """Copies of the effect allele that each person carries; nothing where no allele was called."""
    path, pos = node / "vcf" / f"chr{row['chr_name']}.vcf.gz", row["chr_position"]
    for record in cyvcf2.VCF(path)(f"chr{row['chr_name']}:{pos}-{pos}"):
        alleles = [record.REF, *record.ALT]
        if int(pos) == record.POS and {row["effect_allele"], row["other_allele"]} <= set(alleles):
            calls = record.genotype.array()[:, :2]
            return (calls == alleles.index(row["effect_allele"])).sum(axis=1)
    raise AssertionError(f"{path.name} lacks {pos}")


@pytest.mark.parametrize("pgs_id", ["GOE000001", "GOE000002"])
def test_scores_are_the_sums_of_the_scoring_file(nodes: list[Path], pgs_id: str):
    """scores.tsv equals weight times effect alleles as counted from the VCFs; some effect alleles are REF."""
    for node in nodes:
        weights = scoring_file(node, pgs_id)
        assert len(weights) >= 30
        sums = sum(float(row["effect_weight"]) * effect_alleles(node, row) for row in weights)
        told = [float(row["score"]) for row in rows_of(node / "scores.tsv") if row["pgs_id"] == pgs_id]
        np.testing.assert_allclose(sums, told, atol=1e-9)
        alts = {(row["contig"], row["pos"]): row["alt"] for row in rows_of(node / "annotation.tsv")}
        counted = {
            row["effect_allele"] == alts[f"chr{row['chr_name']}", row["chr_position"]] for row in weights
        }
        assert counted == {True, False}


def test_the_scoring_file_is_the_same_at_all_nodes(nodes: list[Path]):
    """A score means the same everywhere."""
    for name in ("GOE000001.txt.gz", "GOE000002.txt.gz"):
        assert len({(node / "pgs" / name).read_bytes() for node in nodes}) == 1


def slope(values: np.ndarray, predictor: np.ndarray) -> tuple[float, float]:
    """The least-squares slope of *values* on *predictor*, and its standard error."""
    centred = predictor - predictor.mean()
    estimate = float(centred @ values / (centred @ centred))
    residuals = values - values.mean() - estimate * centred
    return estimate, float(np.sqrt(residuals @ residuals / (len(values) - 2) / (centred @ centred)))


def pooled(nodes: list[Path], column: str) -> np.ndarray:
    texts = [row[column] for node in nodes for row in rows_of(node / "samples.tsv")]
    return np.array([float(text) if text else np.nan for text in texts])


def test_the_strongest_planted_variant_is_found_again(nodes: list[Path]):
    """Regression of LDL on the variant that explains most of it gives the planted sign and size."""
    truth = json.loads((nodes[0].parent / "truth.json").read_text())
    effects = [effect for effect in truth["traits"]["ldl"]["effects"] if effect["in_score"]]
    strongest = max(
        effects, key=lambda item: item["effect"] ** 2 * item["frequency"] * (1 - item["frequency"])
    )
    row = {
        "chr_name": strongest["contig"].removeprefix("chr"),
        "chr_position": str(strongest["pos"]),
        "effect_allele": strongest["alt"],
        "other_allele": strongest["ref"],
    }
    copies = np.concatenate([effect_alleles(node, row) for node in nodes])
    ldl = pooled(nodes, "ldl")
    measured = ~np.isnan(ldl)
    estimate, error = slope(ldl[measured], copies[measured].astype(float))
    assert abs(estimate) > 3 * error
    assert np.sign(estimate) == np.sign(strongest["effect"])
    # Linked variants act too, so the estimate is near the truth and not at it.
    assert abs(estimate - strongest["effect"]) < 5 * error


def test_the_ldl_score_predicts_ldl_one_to_one(nodes: list[Path]):
    """All its variants are true ones with their true effects, so the slope is one."""
    told = [row for node in nodes for row in rows_of(node / "scores.tsv") if row["pgs_id"] == "GOE000001"]
    score = np.array([float(row["score"]) for row in told])
    ldl = pooled(nodes, "ldl")
    measured = ~np.isnan(ldl)
    estimate, error = slope(ldl[measured], score[measured])
    assert abs(estimate - 1) < 4 * error
    assert abs(estimate) > 4 * error


def test_the_diabetes_score_acts_on_body_mass_index(nodes: list[Path]):
    """The slope of BMI on the score of type 2 diabetes is the one that truth.json tells."""
    truth = json.loads((nodes[0].parent / "truth.json").read_text())
    told = [row for node in nodes for row in rows_of(node / "scores.tsv") if row["pgs_id"] == "GOE000002"]
    score = np.array([float(row["score"]) for row in told])
    bmi = pooled(nodes, "bmi")
    measured = ~np.isnan(bmi)
    estimate, error = slope(bmi[measured], score[measured])
    assert abs(estimate - truth["traits"]["bmi"]["per_centred_t2d_effect"]) < 4 * error
    assert estimate > 3 * error


def test_progress_is_told_contig_by_contig(tmp_path: Path):
    """Each step is reported once, in order, with the number of all steps."""
    seen: list[tuple[str, int, int]] = []
    make_cohort(tmp_path, ["mt"], 20, progress=lambda *step: seen.append(step))
    contigs = list(dict.fromkeys(locus.contig for locus in LOCI))
    assert seen == [(contig, number, len(contigs)) for number, contig in enumerate(contigs, 1)]


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        ({"countries": ["EE", "XX"]}, "countries"),
        ({"countries": ["EE", "ee"]}, "countries"),
        ({"countries": []}, "countries"),
        ({"persons": 5}, "persons"),
        ({"seed": -1}, "seed"),
    ],
)
def test_impossible_wishes_are_refused(tmp_path: Path, arguments: dict[str, object], setting: str):
    """The message names the setting, and nothing is written."""
    with pytest.raises(ConfigError) as refused:
        make_cohort(tmp_path / "none", **arguments)
    assert refused.value.setting == setting
    assert not (tmp_path / "none").exists()


def test_bgzf_addresses_lead_to_their_bytes(tmp_path: Path):
    """The file is gzip, and a virtual offset names a block and a place within it."""
    data = np.random.default_rng(1).bytes(3 * BLOCK_BYTES)
    with BgzfWriter(tmp_path / "data.gz") as file:
        for start in range(0, len(data), 1000):
            file.write(data[start : start + 1000])
    packed = (tmp_path / "data.gz").read_bytes()
    assert gzip.decompress(packed) == data
    for offset in (0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 77):
        address = file.virtual_offset(offset)
        rest = gzip.decompress(packed[address >> 16 :])
        assert rest[address & 0xFFFF :] == data[offset:]
    assert gzip.decompress(packed[file.virtual_offset(len(data)) >> 16 :]) == b""


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 1, 4681),
        (0, 1 << 14, 4681),
        (0, (1 << 14) + 1, 585),
        (1 << 14, (1 << 14) + 1, 4682),
        (0, 1 << 29, 0),
    ],
)
def test_bins_are_those_of_the_specification(start: int, end: int, expected: int):
    """A record belongs to the smallest bin that holds all of it."""
    assert bins_of(np.array([start]), np.array([end])) == [expected]


def test_an_empty_index_can_be_written(tmp_path: Path):
    """A contig on which a small country carries nothing has a valid index of no records."""
    none, nowhere = np.empty(0, np.int64), np.empty(0, np.uint64)
    write_tabix(tmp_path / "none.tbi", ["chr1"], [RecordPlaces(none, none, nowhere, nowhere)])
    assert gzip.decompress((tmp_path / "none.tbi").read_bytes())[:8] == b"TBI\1\0\0\0\0"


@pytest.fixture
def bcftools() -> str:
    """The path of bcftools, an outside judge that the package itself never calls."""
    found = shutil.which("bcftools")
    if found is None:
        pytest.skip("bcftools is not installed")
    return found


def test_bcftools_accepts_files_and_indexes(nodes: list[Path], bcftools: str):
    """It reads every record without a warning, and finds contig and count in the index."""
    for path in [path for node in nodes for path in files_of(node)]:
        count = sum(1 for _ in cyvcf2.VCF(path))
        contig = path.name.removesuffix(".vcf.gz")
        told = subprocess.run([bcftools, "index", "-s", path], capture_output=True, text=True, check=True)
        assert told.stdout.split("\t") == [contig, str(GRCH38.lengths[contig]), f"{count}\n"]
        seen = subprocess.run([bcftools, "view", "-H", path], capture_output=True, text=True, check=True)
        assert (seen.stdout.count("\n"), seen.stderr) == (count, "")


def test_our_index_answers_as_the_index_of_bcftools(nodes: list[Path], bcftools: str, tmp_path: Path):
    """Region queries over our index and over one that bcftools built give the same lines."""
    path = nodes[0] / "vcf" / "chr19.vcf.gz"
    copy = shutil.copy(path, tmp_path)
    subprocess.run([bcftools, "index", "-t", copy], check=True)
    for start in range(11_080_000, 11_140_000, 3_000):
        region = f"chr19:{start}-{start + 2_000}"
        ours, theirs = (
            subprocess.run([bcftools, "view", "-H", file, region], capture_output=True, check=True).stdout
            for file in (path, copy)
        )
        assert ours == theirs
