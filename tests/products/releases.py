"""Releases for tests: the reference's columns made from counts of persons, row by row in plain Python.

The statistics come from the package; everything else is put together here from the description of the
columns, sharing no code with what builds real releases.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import random
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from goe_lake.engine.sites import SITE_SCHEMA
from goe_lake.genome import CONTIGS
from goe_lake.products.frequencies.manifest import NodeSource
from goe_lake.products.frequencies.schema import FREQUENCIES
from goe_lake.products.frequencies.statistics import faf95, hwe_exact
from goe_lake.products.frequencies.store import EuropeanRelease, write_release

COUNTRY_OF = {"FIN": "FI", "GBR": "GB", "IBS": "ES", "TSI": "IT"}


def place(label: str | None) -> tuple[int, str]:
    """Totals first, labels ascending, NULL last."""
    return {"all": (0, "")}.get(label, (2, "") if label is None else (1, label))


def site(contig: str, pos: int, ref: str, alt: str, **more) -> dict:
    """One row of the site list."""
    end = more.pop("end_pos", pos + len(ref) - 1)
    kind = "SNP" if len(ref) == len(alt) == 1 else "INDEL"
    row = dict.fromkeys(SITE_SCHEMA.names) | {"contig": contig, "pos": pos, "ref": ref, "alt": alt}
    name = f"{contig}-{pos}-{alt}-{end}" if alt.startswith("<") else f"{contig}-{pos}-{ref}-{alt}"
    return row | {"variant_id": name, "end_pos": end, "type": kind, "filter": "PASS"} | more


@cache
def hwe_of(hom_ref: int, het: int, hom: int) -> float:
    """One p-value."""
    return float(hwe_exact(np.array([hom_ref]), np.array([het]), np.array([hom]))[0])


@cache
def faf_of(ac: int, an: int) -> float:
    """One filtering frequency."""
    return float(faf95(np.array([ac]), np.array([an]))[0])


def cell(at: dict, group: tuple, *, het=0, hom=0, hemi=0, hom_ref=0, hap_ref=0, not_called=0, **more) -> dict:
    """One row of the reference, from persons by class; *more* overrides columns."""
    called = het + hom + hemi + hom_ref + hap_ref
    ac, an = het + 2 * hom + hemi, 2 * (het + hom + hom_ref) + hemi + hap_ref
    row = dict.fromkeys(FREQUENCIES.names)
    row |= {name: at[name] for name in ("contig", "pos", "ref", "alt", "variant_id", "end_pos")}
    row |= dict(zip(("country", "population", "sex"), group, strict=True))
    p = hwe_of(hom_ref, het, hom)
    row |= {
        "ac": ac,
        "an": an,
        "af": ac / an if an else None,
        "n_het": het,
        "n_hom_alt": hom,
        "n_hemi": hemi,
        "call_rate": called / (called + not_called),
        "hwe_p": None if np.isnan(p) else p,
        "faf95": faf_of(ac, an),
        "status": "ok",
        "release": 1,
    }
    return row | more


HIDDEN = dict.fromkeys(("ac", "af", "n_het", "n_hom_alt", "n_hemi", "hwe_p", "faf95"))


def hidden(row: dict, lower: int | None = None, upper: int | None = None) -> dict:
    """*row* with its counts withheld."""
    status = "withheld" if lower is None else "bounded"
    return row | HIDDEN | {"ac_lower": lower, "ac_upper": upper, "status": status}


def tables(sites: list[dict], rows: list[dict]) -> dict[str, tuple[pa.Table, pa.Table]]:
    """Sites and rows by contig, sorted by plain Python."""

    def site_order(row: dict) -> tuple:
        return (row["pos"], row["ref"], row["alt"], row["end_pos"])

    made = {}
    for contig in CONTIGS:
        listed = sorted((row for row in sites if row["contig"] == contig), key=site_order)
        held = [row for row in rows if row["contig"] == contig]
        held.sort(
            key=lambda row: (site_order(row), *(place(row[n]) for n in ("country", "population", "sex")))
        )
        if listed:
            made[contig] = (
                pa.Table.from_pylist(listed, schema=SITE_SCHEMA),
                pa.Table.from_pylist(held, schema=FREQUENCIES),
            )
    return made


def nodes(*countries: str, persons: int = 100) -> list[NodeSource]:
    """One node a country."""
    return [
        NodeSource(f"GOE-{c}-NODE-1", c, f"Node of {c}", f"{i:064x}", persons, 10, "on", 1, f"{i + 7:064x}")
        for i, c in enumerate(countries)
    ]


def write(folder: Path, made: dict, *countries: str, number: int = 1, previous: str | None = None, **more):
    """A release of *made* tables in *folder*."""
    return write_release(
        folder, number, previous, more.pop("assembly", "GRCh38"), "ab" * 32, nodes(*countries), made, **more
    )


def small_tables(seed: int = 1, n_sites: int = 40, number: int = 1) -> dict[str, tuple[pa.Table, pa.Table]]:
    """Sites of every kind on three contigs, two countries with populations and sexes, cells withheld."""
    draw = random.Random(seed)
    sites, rows = [], []
    for number_of in range(n_sites):
        contig = draw.choice(["chr2", "chr10", "chrX"])
        pos = draw.randint(10_000, 60_000_000)
        ref, alt = draw.choice(
            [("A", "C"), ("AT", "A"), ("G", "GTTT"), ("N", "<DEL>"), ("AC", "GT"), ("c", "T")]
        )
        more = {"rsid": f"rs{number_of}"} if draw.random() < 0.7 else {}
        more |= {"filter": draw.choice(["PASS", None, "q10;low_qual"]), "gene": draw.choice([None, "BRCA2"])}
        if alt == "<DEL>":
            more |= {"end_pos": pos + 500, "sv_len": -500, "type": "DEL"}
        at = site(contig, pos, ref, alt, **more)
        sites.append(at)
        rows += _cube(draw, at, number)
    return tables(sites, rows)


def _cube(draw: random.Random, at: dict, number: int) -> list[dict]:
    rows = []
    for country in ("all", "EE", "FI"):
        for population, sex in itertools.product(("all", "est", "fin", None), ("all", "F", "M", None)):
            if "all" not in (population, sex) and draw.random() < 0.3:
                continue  # a group of too few persons has no row
            haploid = at["contig"] == "chrX" and sex == "M"
            classes = ("hemi", "hap_ref") if haploid else ("het", "hom", "hom_ref")
            counts = {name: draw.choice([0, 10, 37, 900]) for name in classes} | {
                "not_called": draw.randint(0, 9)
            }
            row = cell(at, (country, population, sex), **counts | {classes[-1]: 500}, release=number)
            fate = draw.random()
            if fate < 0.15:
                row = (
                    hidden(row)
                    if country != "all" or fate < 0.05
                    else hidden(row, 12, draw.choice([None, 33]))
                )
            elif fate < 0.25:
                row |= dict.fromkeys(("n_het", "n_hom_alt", "n_hemi", "hwe_p"))
            if (population, sex) == ("all", "all") and draw.random() < 0.8:
                row |= {"grpmax": draw.choice(["est", "fin"]), "grpmax_faf95": draw.random() / 3}
            rows.append(row)
    return rows


def real_tables(test_data: Path, name: str = "grch37-chr21-9411239-9425829") -> dict:
    """The reference of four European countries at real sites: counts made by bcftools, no sexes."""
    path = test_data / "expected" / f"{name}.counts-per-population.tsv.gz"
    sites, rows, seen = [], [], set()
    with gzip.open(path, "rt") as file:
        for line in csv.DictReader(file, delimiter="\t"):
            key = (int(line["pos"]), line["ref"], line["alt"])
            if "," in line["alt"] or key in seen:
                continue
            seen.add(key)
            at = site(f"chr{line['chrom']}", *key)
            sites.append(at)
            rows += _rows_of_line(at, line)
    return tables(sites, rows)


def _rows_of_line(at: dict, line: dict) -> list[dict]:
    """All groups of one site: each country, and the union."""
    rows, totals = [], dict.fromkeys(("het", "hom", "hom_ref"), 0)
    best = []
    for population, country in COUNTRY_OF.items():
        het, hom = int(line[f"{population}_AC_het"]), int(line[f"{population}_AC_hom"]) // 2
        counts = {"het": het, "hom": hom, "hom_ref": int(line[f"{population}_AN"]) // 2 - het - hom}
        totals = {name: totals[name] + counts[name] for name in totals}
        row = cell(at, (country, population, "all"), **counts)
        most = {"grpmax": population, "grpmax_faf95": row["faf95"]} if row["faf95"] > 0 else {}
        best.append((-row["faf95"], population))
        rows += [row, cell(at, ("all", population, "all"), **counts)]
        rows.append(cell(at, (country, "all", "all"), **counts, **most))
    faf, population = min(best)
    most = {"grpmax": population, "grpmax_faf95": -faf} if faf < 0 else {}
    return [*rows, cell(at, ("all", "all", "all"), **totals, **most)]


def small_release(folder: Path, **more) -> EuropeanRelease:
    """The release of `small_tables`."""
    return write(folder, small_tables(**more), "EE", "FI")
