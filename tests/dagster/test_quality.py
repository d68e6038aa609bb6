"""The quality of a snapshot: counts of persons and sites, verdicts, and what is shown."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import cyvcf2
import dagster as dg
import numpy as np
import pytest
import scipy.stats

from dagster_project.definitions import defs
from dagster_project.nodes import Nodes
from dagster_project.partitions import add_nodes
from dagster_project.quality.__main__ import main
from dagster_project.quality.persons import Persons, count_persons
from dagster_project.quality.report import person_numbers, site_numbers
from dagster_project.quality.sites import Drift, contig_qualities, drift_of
from dagster_project.quality.verdicts import BOUNDS, SAMPLE_QC, SITE_QC, verdicts
from goe_lake.config import read_node
from goe_lake.lake import ingest, open_snapshot

Materialize = Callable[..., dg.ExecuteInProcessResult]
HIGH_COVERAGE = "1000genomes/grch38-chr1to22-X.3202.no-info.vcf.gz"


def edit_samples(node: Path, change: Callable[[dict[str, str]], None]) -> None:
    """Rewrite each row of the node's samples table."""
    table = node.parent / "samples.tsv"
    head, *rows = table.read_text().splitlines()
    names = head.split("\t")
    changed = [head]
    for line in rows:
        row = dict(zip(names, line.split("\t"), strict=True))
        change(row)
        changed.append("\t".join(row[name] for name in names))
    table.write_text("\n".join(changed) + "\n")


def edit_records(vcf: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Rewrite the fields of each record of a gzipped VCF."""
    lines = gzip.decompress(vcf.read_bytes()).decode().splitlines()
    changed = [line if line.startswith("#") else "\t".join(change(line.split("\t"))) for line in lines]
    vcf.write_bytes(gzip.compress(("\n".join(changed) + "\n").encode()))


def published(node: Path) -> Path:
    """The lake of the node, built anew."""
    config = read_node(node)
    ingest(config, min_label_persons=1)
    return config.lake


@pytest.fixture(scope="module")
def real_node(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node of the 3,202 high-coverage samples, with the sexes of three persons of each sex exchanged."""
    folder = tmp_path_factory.mktemp("real")
    rows = [line.split() for line in (test_data / "samples/1000g-highcov-3202.psam").read_text().splitlines()]
    head, *people = rows
    sex, population = head.index("SEX"), head.index("Population")
    lines = ["sample_id\tsex\tpopulation"]
    for row in people:
        told = "FM"[row[sex] == "1"]
        lines.append("\t".join([row[0], "FM"[told == "F"] if row[0] in SWAPPED else told, row[population]]))
    (folder / "samples.tsv").write_text("\n".join(lines) + "\n")
    (folder / "node.toml").write_text(
        f'[node]\ncountry = "GB"\n[[genotypes]]\nfiles = ["{test_data / HIGH_COVERAGE}"]\n'
        '[samples]\nfile = "samples.tsv"\n'
    )
    published(folder / "node.toml")
    return folder / "node.toml"


#: HG00096, HG00101, HG00103 are males of GBR, HG00097, HG00099, HG00100 females.
SWAPPED = ("HG00096", "HG00101", "HG00103", "HG00097", "HG00099", "HG00100")


@pytest.fixture(scope="module")
def real_persons(real_node: Path) -> Persons:
    """The counts of those persons."""
    return count_persons(open_snapshot(read_node(real_node).lake))


def test_counts_of_persons_are_those_of_cyvcf2(real_persons: Persons, test_data: Path):
    """Heterozygous and missing autosomal genotypes of each of 3,202 persons, counted record by record."""
    vcf = cyvcf2.VCF(str(test_data / HIGH_COVERAGE), gts012=False)
    het, missing = np.zeros(len(vcf.samples)), np.zeros(len(vcf.samples))
    for record in vcf:
        if record.CHROM.isdigit():
            het += record.gt_types == vcf.HET
            missing += record.gt_types == vcf.UNKNOWN
    assert real_persons.sample_ids == tuple(vcf.samples)
    assert real_persons.het.tolist() == het.tolist()
    assert (real_persons.sites - real_persons.called).tolist() == missing.tolist()


def test_exchanged_sexes_are_found(real_persons: Persons):
    """Whose sex the samples table has wrong is found where chrX tells it, and nobody else of 3,202 is."""
    found = dict(zip(real_persons.sample_ids, real_persons.other_sex.tolist(), strict=True))
    wrong = {name for name, other in found.items() if other}
    # males said to be females: their calls on chrX have one allele, whatever the sites
    assert set(SWAPPED[:3]) <= wrong
    # females said to be males: told by their heterozygous sites, as far as 36 sites tell
    rest = wrong - set(SWAPPED[:3])
    assert rest
    assert rest <= set(SWAPPED[3:])


def test_the_command_names_the_persons(real_node: Path, capsys: pytest.CaptureFixture[str]):
    """Whom the check counts is told by name at the node, with the numbers and the reason, and nobody else."""
    assert main([str(real_node)]) == 0
    head, *rows = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert head[0] == "sample_id"
    wrong = {row[0] for row in rows if "chrX of the other sex" in row[-1]}
    assert set(SWAPPED[:3]) <= wrong <= set(SWAPPED)
    assert main([str(real_node.parent / "absent.toml")]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_numbers_of_sites_are_those_of_the_strata(cohort: Path, tmp_path: Path):
    """Hardy-Weinberg is tested as scipy tests it, on common sites of autosomes only."""
    node = Path(shutil.copytree(cohort, tmp_path / "ee")) / "node.toml"
    snapshot = open_snapshot(published(node))
    two, x = contig_qualities(snapshot)
    assert (two.contig, x.contig) == ("chr2", "chrX")
    assert x.hwe_tested == 0
    tested = departing = 0
    for n, het, hom in genotypes_by_site(node.parent / "vcf" / "chr2.vcf.gz"):
        af = (het + 2 * hom) / (2 * n)
        expected = [n * (1 - af) ** 2, 2 * n * af * (1 - af), n * af**2]
        if min(expected[0], expected[2]) >= 5:
            tested += 1
            chi2 = sum((o - e) ** 2 / e for o, e in zip((n - het - hom, het, hom), expected, strict=True))
            departing += scipy.stats.chi2.sf(chi2, 1) < 1e-6
    assert tested > 5
    assert (two.hwe_tested, two.hwe_departing) == (tested, departing)
    assert sum(two.spectrum) == two.sites == sum(counts.sites for counts in snapshot.manifest.contigs[:1])


def genotypes_by_site(vcf: Path) -> list[tuple[int, int, int]]:
    """Called persons, heterozygotes and homozygotes of each allele of a VCF of diploids."""
    found = []
    for record in cyvcf2.VCF(str(vcf)):
        alleles = record.genotype.array()[:, :2]
        called = (alleles >= 0).all(axis=1)
        for allele in range(1, len(record.ALT) + 1):
            dosage = (alleles[called] == allele).sum(axis=1)
            found.append((int(called.sum()), int((dosage == 1).sum()), int((dosage == 2).sum())))
    return found


def test_departure_from_hardy_weinberg_is_found(node: Path):
    """Sites at which everybody is heterozygous, as where reads of two places are taken for one."""

    def paralog(fields: list[str]) -> list[str]:
        calls = ["0/1" + call[3:] if call[:3].replace("|", "/") != "./." else call for call in fields[9:]]
        return fields[:9] + calls

    edit_records(node.parent / "vcf" / "chr2.vcf.gz", paralog)
    contigs = contig_qualities(open_snapshot(published(node)))
    two = contigs[0]
    assert two.hwe_departing == two.het_excess == two.hwe_tested > 0
    numbers = site_numbers(contigs, Drift(), annotated=False)
    assert numbers["hwe_share"] in (1.0, None)


def test_frequencies_that_moved_are_found(node: Path):
    """A second delivery with the alleles of some sites turned around, against the snapshot before."""
    lake = published(node)
    assert drift_of(open_snapshot(lake)).before is None
    first = open_snapshot(lake).snapshot_id

    def turned(fields: list[str]) -> list[str]:
        if int(fields[1]) % 3:
            return fields
        swap = str.maketrans("01", "10")
        return fields[:9] + [call[:3].translate(swap) + call[3:] for call in fields[9:]]

    before = {counts.contig: counts.sites for counts in open_snapshot(lake).manifest.contigs}
    edit_records(node.parent / "vcf" / "chr2.vcf.gz", turned)
    published(node)
    drift = drift_of(open_snapshot(lake))
    assert drift.before == first
    assert 0 < drift.moved < before["chr2"]
    assert drift.largest > 0.5
    assert drift.steps.sum() <= drift.shared
    # chrX is the same file in both, and is not read
    assert drift.steps.sum() <= before["chr2"]
    publishing_again = drift_of(open_snapshot(published(node)))
    assert publishing_again.moved == drift.moved


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: bound.name)
def test_each_check_passes_warns_and_blocks_at_its_bounds(bound):
    """On its bound it passes, beyond it warns, and beyond what is tolerated it is an error that blocks."""

    def verdict(*values: float | None) -> dg.AssetCheckResult:
        numbers = {f"N{place}": {bound.number: value} for place, value in enumerate(values)}
        return next(v for v in verdicts(bound.asset, "N1", numbers, {}) if v.check_name == bound.name)

    low, high = bound.accepted
    assert verdict(low, high, None).passed
    assert verdict(None).passed
    beyond = verdict(low, high + 1e-6)
    assert not beyond.passed
    assert beyond.severity is dg.AssetCheckSeverity.WARN
    assert bound.spec.blocking == (bound.tolerated is not None)
    if bound.tolerated is not None:
        assert verdict(low, bound.tolerated[1] + 1e-6).severity is dg.AssetCheckSeverity.ERROR
        # another node's fault is told, and is no failure of this one
        assert verdict(bound.tolerated[1] + 1e-6, low).severity is dg.AssetCheckSeverity.WARN
        assert not verdict(bound.tolerated[1] + 1e-6, low).passed
    # the number of the worst node is shown, and every node stands in the table
    assert beyond.metadata[bound.number].value == high + 1e-6
    assert len(beyond.metadata["by_node"].value) == 2


def test_quality_follows_the_snapshot_and_names_nobody(
    materialize: Materialize, instance: dg.DagsterInstance, nodes: Nodes, node: Path
):
    """Both assets judge, draw and count; neither a sample's name nor a folder of the host is kept."""
    edit_samples(node, lambda row: row.update(sex={"F": "M", "M": "F"}[row["sex"]]))
    published(node)
    result = materialize("sample_qc", "site_qc", partition="EE")
    judged = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert set(judged) == {bound.name for bound in BOUNDS}
    assert not judged["sex_check"].passed
    assert judged["sex_check"].severity is dg.AssetCheckSeverity.ERROR
    assert [name for name, check in judged.items() if not check.passed] == ["sex_check"]
    for name in ("sample_call_rate", "sex_check", "heterozygosity", "ti_tv", "hwe_departure"):
        assert "data:image/svg+xml;base64," in judged[name].metadata["plot"].value, name
    kept = [
        record.asset_materialization.metadata
        for asset in (SAMPLE_QC, SITE_QC)
        for record in instance.fetch_materializations(dg.AssetKey(asset), limit=9).records
    ]
    assert len(kept) == 2
    shown = repr(kept) + repr(judged)
    assert "GOE-EE-0" not in shown
    assert str(node.parent) not in shown


def test_a_fault_of_one_node_is_not_hidden_by_the_run_of_another(
    node: Path, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The verdict of a run is over the newest numbers of every node, its own among them."""
    other = Path(shutil.copytree(cohort, tmp_path / "second")) / "node.toml"
    other.write_text(other.read_text().replace("GOE-EE-NODE-1", "GOE-EE-NODE-2"))
    edit_samples(node, lambda row: row.update(sex={"F": "M", "M": "F"}[row["sex"]]))
    monkeypatch.setenv("GOE_NODES", str(tmp_path))
    job = defs().resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        add_nodes(instance, ["EE", "GOE-EE-NODE-2"])
        for toml, key in ((node, "EE"), (other, "GOE-EE-NODE-2")):
            published(toml)
            result = job.execute_in_process(
                instance=instance,
                asset_selection=[dg.AssetKey("sample_qc")],
                partition_key=key,
                raise_on_error=False,
            )
        judged = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert result.success
    assert not judged["sex_check"].passed
    table = judged["sex_check"].metadata["by_node"].records
    rows = {row.data["node"]: row.data["other_sex_share"] for row in table}
    assert float(rows["EE"]) > 0.5
    assert float(rows["GOE-EE-NODE-2"]) == 0


def test_a_person_with_few_calls_is_counted(node: Path):
    """The first person loses every genotype but one in twenty: one person below the bound, at 5 %."""
    kept = iter(range(10**6))

    def without(fields: list[str]) -> list[str]:
        return fields if next(kept) % 20 == 0 else [*fields[:9], "./." + fields[9][3:], *fields[10:]]

    edit_records(node.parent / "vcf" / "chr2.vcf.gz", without)
    persons = count_persons(open_snapshot(published(node)))
    assert np.flatnonzero(persons.call_rate < 0.9).tolist() == [0]
    numbers: Mapping[str, float | None] = person_numbers(persons)
    assert numbers["low_call_rate_share"] == 1 / 120
