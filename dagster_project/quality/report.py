"""What Dagster keeps of the quality of a snapshot: numbers, tables and drawings, and no sample's name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import dagster as dg
import numpy as np
import numpy.typing as npt

from dagster_project.drawing import bars, density, histogram
from dagster_project.events import Facts
from dagster_project.quality.persons import LOWEST_CALL_RATE, Persons
from dagster_project.quality.sites import MOST_DRIFT, ContigQuality, Drift
from dagster_project.quality.verdicts import Numbers

#: Below these numbers a share is chance.
LEAST_SUBSTITUTIONS: Final = 1000
LEAST_TESTED: Final = 100
SPECTRUM: Final = ("AF to 0.001", "AF to 0.01", "AF to 0.05", "AF above 0.05")


def person_numbers(persons: Persons) -> Numbers:
    """Shares of persons (0..1) that the checks look at; None where nobody can be judged."""
    rates = persons.call_rate
    return {
        "genotyped": float(len(persons.sample_ids)),
        "low_call_rate_share": _share(rates < LOWEST_CALL_RATE, ~np.isnan(rates)),
        "other_sex_share": _share(persons.other_sex, persons.sex_judged),
        "far_out_share": _share(persons.far_out, persons.het_judged),
    }


def person_facts(persons: Persons) -> Facts:
    """Counts of persons for the page of the asset."""
    males = persons.sex == "M"
    of_males = persons.x_het[males].sum() / max(1.0, persons.x_called[males].sum())
    return {
        "persons_low_call_rate": int(np.count_nonzero(persons.call_rate < LOWEST_CALL_RATE)),
        "persons_of_other_sex": int(np.count_nonzero(persons.other_sex)),
        "persons_sex_not_judged": int(np.count_nonzero(~persons.sex_judged)),
        "persons_far_out": int(np.count_nonzero(persons.far_out)),
        "het_rate_of_males_on_chrX_outside_PAR": float(of_males),
    }


def person_plots(persons: Persons) -> dict[str, str]:
    """A drawing for each check of persons."""
    rate, het = persons.call_rate, persons.het_rate
    lowest = min(0.9, float(np.nanmin(rate))) if np.any(~np.isnan(rate)) else 0.9
    bounds = (float(np.nanmin(het)), float(np.nanmax(het))) if np.any(~np.isnan(het)) else (0.0, 1.0)
    sexes = {sex: persons.x_inbreeding[persons.sex == sex] for sex in ("F", "M")}
    return {
        "sample_call_rate": histogram("Call rate of persons, autosomes", {"persons": rate}, lowest, 1.0),
        "sex_check": histogram("F on chrX outside PAR, by sex in the samples table", sexes, -1.0, 1.0),
        "heterozygosity": histogram(
            "Heterozygous share of called autosomal genotypes", {"persons": het}, bounds[0], bounds[1] + 1e-9
        ),
    }


def site_numbers(contigs: Sequence[ContigQuality], drift: Drift, *, annotated: bool) -> Numbers:
    """Shares of sites (0..1), and Ti/Tv; None where too little is there, or no annotation is configured."""
    sites, tested = (sum(getattr(contig, name) for contig in contigs) for name in ("sites", "hwe_tested"))
    ti, tv = (sum(getattr(c, name) for c in contigs) for name in ("transitions", "transversions"))
    departing = sum(contig.hwe_departing for contig in contigs)
    told = sum(contig.annotated for contig in contigs)
    return {
        "sites": float(sites),
        "ti_tv": ti / tv if tv and ti + tv >= LEAST_SUBSTITUTIONS else None,
        "hwe_share": departing / tested if tested >= LEAST_TESTED else None,
        "moved_share": drift.moved / drift.shared if drift.shared else None,
        "annotated_share": told / sites if sites and annotated else None,
    }


def site_facts(contigs: Sequence[ContigQuality], drift: Drift) -> Facts:
    """Counts of sites for the page of the asset, and a table by contig."""
    shown: Facts = {
        "hwe_tested": sum(contig.hwe_tested for contig in contigs),
        "hwe_departing": sum(contig.hwe_departing for contig in contigs),
        "hwe_het_excess": sum(contig.het_excess for contig in contigs),
    }
    if contigs:
        shown["by_contig"] = dg.MetadataValue.table([_row(contig) for contig in contigs])
    if drift.before is not None:
        shown |= {
            "snapshot_before": drift.before,
            "sites_shared": drift.shared,
            "sites_new": drift.new,
            "sites_gone": drift.gone,
            f"sites_moved_by_{MOST_DRIFT:g}": drift.moved,
            "largest_move": drift.largest,
        }
    return shown


def site_plots(contigs: Sequence[ContigQuality], drift: Drift) -> dict[str, str]:
    """A drawing for each check of sites that has something to draw."""
    plots = {
        "ti_tv": bars(
            "Ti/Tv by contig",
            {c.contig: c.transitions / c.transversions if c.transversions else None for c in contigs},
            (1.5, 3.7),
        ),
        "hwe_departure": bars(
            "Share of tested sites departing from Hardy-Weinberg",
            {c.contig: c.hwe_departing / c.hwe_tested if c.hwe_tested else None for c in contigs},
            (0.05, 0.2),
        ),
        "annotation_coverage": bars(
            "Share of sites with a gene or consequence",
            {c.contig: c.annotated / c.sites if c.sites else None for c in contigs},
            (0.05, 1.0),
        ),
    }
    if drift.steps.any():
        plots["frequency_drift"] = density("Allele frequency of shared sites", drift.steps, "before", "now")
    return plots


def _row(contig: ContigQuality) -> dg.TableRecord:
    tv, tested = contig.transversions, contig.hwe_tested
    return dg.TableRecord(
        {
            "contig": contig.contig,
            "sites": contig.sites,
            "Ti/Tv": f"{contig.transitions / tv:.3f}" if tv else "–",
            "HWE tested": tested,
            "HWE p < 1e-6": contig.hwe_departing,
            "rsid": contig.with_rsid,
            "gene": contig.with_gene,
            "consequence": contig.with_consequence,
            **dict(zip(SPECTRUM, contig.spectrum, strict=True)),
        }
    )


def _share(found: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_]) -> float | None:
    judged = int(np.count_nonzero(among))
    return int(np.count_nonzero(found & among)) / judged if judged else None
