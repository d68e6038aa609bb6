"""The pooled database: the nodes' logical tables, read from their input files and put under each other.

It shares no code with the lake. The one thing it is told is which sites the federation lists.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import cyvcf2
import duckdb
import pandas as pd

from tests.oracle.cohort import NodeFiles

Site = tuple[str, int, str, str, int]
SAMPLE_TYPES = {
    "sample_id": "VARCHAR", "country": "VARCHAR", "sex": "VARCHAR", "birth_year": "INTEGER",
    "population": "VARCHAR", "cohort": "VARCHAR", "consent": "VARCHAR", "bmi": "DOUBLE", "ldl": "DOUBLE",
    "t2d": "BOOLEAN", "crp": "DOUBLE", "visits": "INTEGER", "smoker": "BOOLEAN",
}  # fmt: skip
SITE_TYPES = {
    "contig": "VARCHAR",
    "pos": "INTEGER",
    "ref": "VARCHAR",
    "alt": "VARCHAR",
    "variant_id": "VARCHAR",
}
GENOTYPE_TYPES = {
    **SITE_TYPES, "sample_id": "VARCHAR", "dosage": "INTEGER", "called_alleles": "INTEGER",
    "gq": "INTEGER", "dp": "INTEGER",
}  # fmt: skip
SCORE_TYPES = {"sample_id": "VARCHAR", "pgs_id": "VARCHAR", "score": "DOUBLE"}
VARIANT_TYPES = {
    **SITE_TYPES, "end_pos": "INTEGER", "type": "VARCHAR", "sv_len": "INTEGER", "rsid": "VARCHAR",
    "gene": "VARCHAR",
    "consequence": "VARCHAR", "filter": "VARCHAR",
}  # fmt: skip
#: Whether the site of a row is listed: a column that nodes know by this name, and no analyst.
LISTED = "$listed"
HIDDEN = {"node": "INTEGER", "person": "VARCHAR"}
PAR = {
    "chrX": ((10_001, 2_781_479), (155_701_383, 156_030_895)),
    "chrY": ((10_001, 2_781_479), (56_887_903, 57_217_415)),
}
PANDAS = {"VARCHAR": "string", "INTEGER": "Int64", "DOUBLE": "Float64", "BOOLEAN": "boolean"}


@dataclass(frozen=True)
class Call:
    """What one person has at one site."""

    dosage: int | None
    called: int
    gq: int | None = None
    dp: int | None = None


@dataclass(frozen=True)
class Pooled:
    """The pooled tables in one DuckDB.

    Each table stands twice: as analysts see it, and as `all_<table>` with the columns *node* (a
    place among the nodes) and *person*, of genotypes whether the site is listed too. `all_unlisted` has a
    row for each person and each site of the node that is not listed, whoever carries.
    """

    connection: duckdb.DuckDBPyConnection

    def run(self, text: str) -> tuple[list[str], list[str], list[tuple[Any, ...]]]:
        """The names, types and rows that DuckDB itself gives for *text*."""
        relation = self.connection.sql(text)
        return list(relation.columns), [str(kind) for kind in relation.types], relation.fetchall()


def pool(nodes: Sequence[NodeFiles], listed: Iterable[Site]) -> Pooled:
    """The union of the logical tables of *nodes* under the site list *listed*."""
    wanted = set(listed)
    tables: dict[str, list[dict[str, Any]]] = {"samples": [], "genotypes": [], "scores": [], "unlisted": []}
    facts: dict[Site, dict[str, Any]] = {}
    for place, node in enumerate(nodes):
        samples = _samples(node)
        covered = {
            row["sample_id"]: {"node": place, "person": row.pop("person")}
            for row in samples
            if node.covering is None or row["consent"] in node.covering
        }
        sexes = {row["sample_id"]: row["sex"] for row in samples}
        tables["samples"] += [
            row | covered[row["sample_id"]] for row in samples if row["sample_id"] in covered
        ]
        genotypes, own = _genotypes(node, wanted, sexes, facts)
        for name, rows in (("scores", _scores(node)), ("genotypes", genotypes)):
            tables[name] += [row | covered[row["sample_id"]] for row in rows if row["sample_id"] in covered]
        tables["unlisted"] += [
            _site_columns(site) | {"sample_id": sample} | here
            for site in sorted(own - wanted, key=repr)
            for sample, here in covered.items()
        ]
    variants = [_site_columns(site) | known for site, known in facts.items()]
    connection = duckdb.connect(config={"threads": 1})
    for name, types in (("samples", SAMPLE_TYPES), ("genotypes", GENOTYPE_TYPES), ("scores", SCORE_TYPES)):
        _load(connection, f"all_{name}", types | HIDDEN, tables[name])
        connection.execute(f"CREATE TABLE {name} AS SELECT * EXCLUDE (node, person) FROM all_{name}")
    _load(connection, "variants", VARIANT_TYPES, variants)
    _load(connection, "all_unlisted", GENOTYPE_TYPES | HIDDEN, tables["unlisted"])
    listed = "variant_id NOT IN (SELECT variant_id FROM all_unlisted)"
    connection.execute(
        f'CREATE OR REPLACE TABLE all_genotypes AS SELECT *, {listed} AS "{LISTED}" FROM all_genotypes'
    )
    return Pooled(connection)


def _load(
    connection: duckdb.DuckDBPyConnection, name: str, types: Mapping[str, str], rows: list[dict[str, Any]]
) -> None:
    frame = pd.DataFrame(
        {
            column: pd.array([row.get(column) for row in rows], dtype=PANDAS[kind])
            for column, kind in types.items()
        }
    )
    connection.register("frame", frame)
    columns = ", ".join(f"{column}::{kind} AS {column}" for column, kind in types.items())
    connection.execute(f"CREATE TABLE {name} AS SELECT {columns} FROM frame")
    connection.unregister("frame")


def rounded(text: str, step: str, bounds: tuple[str, str]) -> Decimal | None:
    """The number in *text* at a multiple of *step*, half to even; None outside *bounds*."""
    low, high = map(Decimal, bounds)
    exact = Decimal(text)
    value = (exact / Decimal(step)).to_integral_value(ROUND_HALF_EVEN) * Decimal(step)
    return value if low <= exact <= high and low <= value <= high else None


def _rows_of(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="") as file:
        yield from csv.DictReader(file, delimiter="\t")


def _samples(node: NodeFiles) -> list[dict[str, Any]]:
    made = []
    for texts in _rows_of(node.folder / "samples.tsv"):
        row: dict[str, Any] = {"sample_id": texts["sample_id"], "country": node.country}
        row["person"] = texts.get("person_id") or texts["sample_id"]
        for name, (kind, step, bounds) in node.columns.items():
            row[name] = _value(texts[name], kind, step, bounds)
        made.append(row)
    return made


def _value(text: str, kind: str, step: str | None, bounds: tuple[str, str] | None) -> Any:
    if text == "":
        return None
    if kind == "boolean":
        return text == "true"
    if kind == "label":
        return text
    assert step is not None
    assert bounds is not None
    value = rounded(text, step, bounds)
    if value is None:
        return None
    return int(value) if kind == "integer" else float(value)


def _scores(node: NodeFiles) -> list[dict[str, Any]]:
    return [
        {**row, "score": _value(row["score"], "double", *node.scores[row["pgs_id"]])}
        for row in _rows_of(node.folder / "scores.tsv")
    ]


# Genotypes ---------------------------------------------------------------------------------------------


def _genotypes(
    node: NodeFiles, listed: set[Site], sexes: Mapping[str, str | None], facts: dict[Site, dict[str, Any]]
) -> tuple[list[dict[str, Any]], set[Site]]:
    """The rows of `genotypes` at one node, and the sites of its files."""
    batches = []
    for files, absent, fields in node.batches:
        calls: dict[Site, dict[str, Call]] = {}
        persons: list[str] = []
        for path in files:
            reader = cyvcf2.VCF(str(path))
            persons = persons or list(reader.samples)
            for record in reader:
                for site, known, found in _split(record, reader.samples, fields, node.folder):
                    calls[site] = found
                    facts.setdefault(site, known)
            reader.close()
        batches.append((persons, calls, absent))
    own = {site for _, calls, _ in batches for site in calls}
    rows = []
    for persons, calls, absent in batches:
        usual = _usual_ploidy(calls)
        for site in listed | own:
            for person in persons:
                call = (
                    calls[site][person]
                    if site in calls
                    else _absent(site, person, absent, usual, sexes[person])
                )
                if site in listed or (call.dosage or 0) > 0:
                    rows.append(
                        _site_columns(site)
                        | {"sample_id": person, "dosage": call.dosage, "called_alleles": call.called,
                        "gq": call.gq, "dp": call.dp}
                    )  # fmt: skip
    return rows, own


def _site_columns(site: Site) -> dict[str, Any]:
    contig, pos, ref, alt, end = site
    name = f"{contig}-{pos}-{alt}-{end}" if alt.startswith("<") else f"{contig}-{pos}-{ref}-{alt}"
    return {"contig": contig, "pos": pos, "ref": ref, "alt": alt, "variant_id": name}


def _split(
    record: Any, persons: Sequence[str], fields: Sequence[str], folder: Path
) -> Iterator[tuple[Site, dict[str, Any], dict[str, Call]]]:
    """Each alternate allele of a record as a site of its own."""
    genotypes = [[allele for allele in call[:-1] if allele != -2] for call in record.genotypes]
    quality = {
        name: _field(record, name, most) if name in fields else None
        for name, most in (("GQ", 99), ("DP", 65535))
    }
    contig = {"MT": "chrM"}.get(
        record.CHROM, record.CHROM if record.CHROM.startswith("chr") else f"chr{record.CHROM}"
    )
    for number, alt in enumerate(record.ALT, 1):
        if alt in ("*", "<NON_REF>"):
            continue
        site = _site(contig, record, alt)
        found = {}
        for place, person in enumerate(persons):
            called = [allele for allele in genotypes[place] if allele >= 0]
            gq, dp = (quality[name][place] if quality[name] else None for name in ("GQ", "DP"))
            found[person] = Call(called.count(number) if called else None, len(called), gq, dp)
        yield site, _facts(site, record, folder), found


def _field(record: Any, name: str, most: int) -> list[int | None] | None:
    if name not in record.FORMAT:
        return None
    return [int(value) if 0 <= value <= most else None for value in record.format(name)[:, 0]]


def _site(contig: str, record: Any, alt: str) -> Site:
    pos, ref = record.POS, record.REF
    if alt.startswith("<"):
        return contig, pos, ref, alt, record.INFO.get("END")
    while min(len(ref), len(alt)) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while min(len(ref), len(alt)) > 1 and ref[0] == alt[0]:
        pos, ref, alt = pos + 1, ref[1:], alt[1:]
    return contig, pos, ref, alt, pos + len(ref) - 1


def _facts(site: Site, record: Any, folder: Path) -> dict[str, Any]:
    contig, pos, ref, alt, end = site
    kind = {True: "snv" if len(ref) == 1 else "mnv"}.get(len(ref) == len(alt))
    if alt.startswith("<"):
        kind = alt.strip("<>")
    elif kind is None:
        anchored = ref[0] == alt[0] and min(len(ref), len(alt)) == 1
        kind = ("ins" if len(alt) > len(ref) else "del") if anchored else "indel"
    identifiers = [part for part in (record.ID or "").split(";") if part.startswith("rs")]
    known = {
        "end_pos": end,
        "type": kind,
        "sv_len": record.INFO.get("SVLEN") if alt.startswith("<") else None,
        "rsid": identifiers[0] if identifiers else None,
        "gene": None,
        "consequence": None,
        "filter": ";".join(record.FILTERS) or None,
    }
    if (folder / "genes.bed").exists():
        for line in (folder / "genes.bed").read_text().splitlines():
            name, start, stop, gene = line.split("\t")
            if name == contig and int(start) < pos <= int(stop):
                known["gene"] = gene
                break
        for note in _rows_of(folder / "annotation.tsv"):
            spelt = _site(note["contig"], _Spelt(int(note["pos"]), note["ref"]), note["alt"])
            if spelt == site:
                known |= {name: note[name] for name in ("rsid", "gene", "consequence") if note[name]}
    return known


@dataclass(frozen=True)
class _Spelt:
    POS: int
    REF: str


def _stretch(site: Site) -> tuple[str, bool]:
    contig, pos = site[0], site[1]
    return contig, any(low <= pos <= high for low, high in PAR.get(contig, ()))


def _usual_ploidy(calls: Mapping[Site, Mapping[str, Call]]) -> dict[tuple[str, tuple[str, bool]], int]:
    """For each person and stretch the commonest number of called alleles, where there is one."""
    counts: dict[tuple[str, tuple[str, bool]], Counter[int]] = {}
    for site, found in calls.items():
        for person, call in found.items():
            if call.called:
                counts.setdefault((person, _stretch(site)), Counter())[call.called] += 1
    return {key: 1 if seen[1] > seen[2] else 2 for key, seen in counts.items() if seen[1] != seen[2]}


def _absent(
    site: Site,
    person: str,
    absent: str,
    usual: Mapping[tuple[str, tuple[str, bool]], int],
    sex: str | None,
) -> Call:
    """What a person has at a listed site that the batch's files lack."""
    if absent == "not_called":
        return Call(None, 0)
    contig, par = _stretch(site)
    by_sex = 2
    if contig == "chrM":
        by_sex = 1
    elif contig == "chrX" and not par:
        by_sex = 1 if sex == "M" else 2
    elif contig == "chrY" and not par:
        by_sex = 1 if sex == "M" else 0
    ploidy = usual.get((person, (contig, par)), by_sex)
    return Call(0 if ploidy else None, ploidy)
