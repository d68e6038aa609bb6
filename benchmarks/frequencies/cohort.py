"""A simulated cohort of five European populations as one VCF, a samples table and a node.

Coalescent simulation (msprime) under an out-of-Africa bottleneck with recent growth and migration
between populations, so that two thirds of the sites are singletons, as in real genomes.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msprime
import numpy as np

POPULATIONS: Final = ("FIN", "GBR", "IBS", "POL", "ITA")
CONTIG: Final = "chr20"
CONTIG_LENGTH: Final = 64_444_167
FIRST_POS: Final = 20_000_000
# bases that give a little more than 100,000 sites, by number of persons
BASES: Final = {2_500: 9_200_000, 10_000: 4_600_000, 50_000: 1_900_000}
CELLS: Final = np.frombuffer(b"0/0\t0/1\t1/1\t./.\t", np.uint8).reshape(4, 4)
NOT_CALLED: Final = 3


@dataclass(frozen=True)
class Cohort:
    """The files of one simulated cohort."""

    folder: Path
    persons: int

    @property
    def vcf(self) -> Path:
        """All genotypes, GT only."""
        return self.folder / "cohort.vcf.gz"

    @property
    def toml(self) -> Path:
        """The node's configuration."""
        return self.folder / "node.toml"

    def names(self) -> list[str]:
        """The sample ids, population by population."""
        each = self.persons // len(POPULATIONS)
        return [f"{population}{number:05d}" for population in POPULATIONS for number in range(each)]

    def strata(self) -> list[tuple[str, str, str]]:
        """(sample id, population, sex) of each person; sexes alternate."""
        return [(name, name[:3], "FM"[number % 2]) for number, name in enumerate(self.names())]


def make_cohort(folder: Path, persons: int, sites: int, bases: int | None = None) -> Cohort:
    """Simulate *persons* (a multiple of 5) at up to *sites* sites and write every file beneath *folder*.

    A cohort that is already there is not made again.
    """
    cohort = Cohort(folder, persons)
    if cohort.toml.is_file():
        return cohort
    folder.mkdir(parents=True, exist_ok=True)
    bases = bases or BASES.get(persons) or round(1.2e7 * sites / 100_000)
    _write_vcf(cohort, _simulate(persons, bases), sites)
    lines = ["sample_id\tpopulation\tsex\tbmi"]
    rng = np.random.default_rng(5)
    for name, population, sex in cohort.strata():
        lines.append(f"{name}\t{population}\t{sex}\t{rng.normal(26, 4):.1f}")
    (folder / "samples.tsv").write_text("\n".join(lines) + "\n")
    labels = ", ".join(f'"{population}"' for population in POPULATIONS)
    cohort.toml.write_text(
        f'[node]\ncountry = "EE"\nassembly = "GRCh38"\nlake = "lake"\npolicy = "policy.toml"\n'
        f'[[genotypes]]\nfiles = ["{cohort.vcf.name}"]\nabsent_sites = "hom_ref"\nformat_fields = []\n'
        f'[samples]\nfile = "samples.tsv"\n'
        f'[samples.columns.population]\ntype = "label"\nvalues = [{labels}]\nnullable = false\n'
        f'[samples.columns.bmi]\ntype = "double"\nunit = "kg/m2"\nbounds = [5, 80]\nresolution = 0.1\n'
    )
    (folder / "policy.toml").write_text("version = 1\n")
    return cohort


def _simulate(persons: int, bases: int) -> msprime.TreeSequence:
    history = msprime.Demography()
    sizes, rates = (120e3, 400e3, 350e3, 400e3, 400e3), (0.018, 0.02, 0.02, 0.02, 0.02)
    for name, size, rate in zip(POPULATIONS, sizes, rates, strict=True):
        history.add_population(name=name, initial_size=size, growth_rate=rate)
    history.add_population(name="EUR", initial_size=9000, growth_rate=0.003)
    history.add_population_split(time=250, derived=list(POPULATIONS), ancestral="EUR")
    history.set_symmetric_migration_rate(list(POPULATIONS), 2e-3)
    history.add_population_parameters_change(time=920, population="EUR", initial_size=1861, growth_rate=0)
    history.add_population_parameters_change(time=2040, population="EUR", initial_size=14474, growth_rate=0)
    history.add_population_parameters_change(time=5920, population="EUR", initial_size=7310, growth_rate=0)
    history.sort_events()
    each = persons // len(POPULATIONS)
    trees = msprime.sim_ancestry(
        dict.fromkeys(POPULATIONS, each),
        demography=history,
        sequence_length=bases,
        recombination_rate=1.1e-8,
        random_seed=11,
    )
    return msprime.sim_mutations(trees, rate=1.29e-8, model=msprime.BinaryMutationModel(), random_seed=12)


def _write_vcf(cohort: Cohort, trees: msprime.TreeSequence, sites: int) -> None:
    rng = np.random.default_rng(7)
    header = (
        "##fileformat=VCFv4.3\n"
        f"##contig=<ID={CONTIG},length={CONTIG_LENGTH}>\n"
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(cohort.names()) + "\n"
    )
    partial = cohort.vcf.with_suffix(".tmp")
    with partial.open("wb") as file:
        with subprocess.Popen(["bgzip", "-c", "-@", "2"], stdin=subprocess.PIPE, stdout=file) as bgzip:
            assert bgzip.stdin is not None
            bgzip.stdin.write(header.encode())
            written = 0
            for variant in trees.variants():
                copies = variant.genotypes.reshape(cohort.persons, 2).sum(axis=1)
                if not copies.any() or written == sites:
                    continue
                # a third of the sites are called everywhere; the others miss a few calls
                missing = 0.0 if rng.random() < 0.35 else rng.beta(0.25, 60)
                if missing:
                    copies = np.where(rng.random(cohort.persons) < missing, NOT_CALLED, copies)
                ref, alt = rng.choice(list("ACGT"), 2, replace=False)
                pos = FIRST_POS + int(variant.site.position) + 1
                line = CELLS[copies].tobytes()[:-1]
                bgzip.stdin.write(
                    f"{CONTIG}\t{pos}\t.\t{ref}\t{alt}\t.\tPASS\t.\tGT\t".encode() + line + b"\n"
                )
                written += 1
        if bgzip.returncode:
            raise RuntimeError(f"bgzip ended with {bgzip.returncode}")
    partial.rename(cohort.vcf)
