"""Two federations that differ in one person: what that person has is the secret."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from goe_lake import QueryRefused, open_federation
from goe_lake.config import read_node
from goe_lake.errors import GoeError
from goe_lake.federation import Federation
from goe_lake.lake import ingest

K = 5
POLICY = f"version = 1\nmin_persons = {K}\n"
TARGET = "N0P00"
# Known to the attacker, and hers alone at her node and elsewhere
KNOWN = {"sex": "F", "birth_year": "1903", "population": "Alpha", "cohort": "C1"}
SECRETS = (
    {"bmi": "61.37", "ldl": "9.9", "t2d": "true", "score": "4.75", "rare": "0/1", "common": "1/1"},
    {"bmi": "23.10", "ldl": "2.0", "t2d": "false", "score": "-1.25", "rare": "0/0", "common": "0/0"},
)
COLUMNS = ("sample_id", "sex", "birth_year", "population", "cohort", "bmi", "ldl", "t2d")
SITES = (("chr1", 1000, "A", "C", 0.3), ("chr1", 5000, "G", "T", 0.0), ("chrX", 6_000_000, "C", "A", 0.4))
NODE = """[node]
id = "NODE-{number}"
country = "{country}"
policy = "policy.toml"
[[genotypes]]
files = ["calls.vcf"]
absent_sites = "hom_ref"
[samples]
file = "samples.tsv"
[samples.columns.population]
values = ["Alpha", "Beta"]
[samples.columns.cohort]
values = ["C1", "C2"]
[samples.columns.bmi]
type = "double"
bounds = [10, 80]
resolution = 0.01
[samples.columns.ldl]
type = "double"
bounds = [0, 12]
resolution = 0.1
[samples.columns.t2d]
type = "boolean"
[[scores]]
file = "scores.tsv"
[scores.columns.PGS1]
bounds = [-9, 9]
resolution = 0.01
"""


def open_world(folder: Path, secret: dict[str, str], *, listed: bool = False) -> Federation:
    """A federation of three countries with 40 persons each, among them the target with *secret*."""
    return open_federation(build_world(folder, secret, listed=listed), project="demo")


def build_world(
    folder: Path, secret: dict[str, str], persons: int = 40, policy: str = POLICY, *, listed: bool = False
) -> list[Path]:
    """Three ingested countries with *persons* each; the target with *secret* lives in the first.

    Where *listed*, the rare site is common in the other countries, so that it is a listed one.
    """
    tomls = []
    for number, country in enumerate(("EE", "FI", "LV")):
        node = folder / country
        node.mkdir(parents=True)
        _write_node(node, number, country, secret, persons, listed=listed and number > 0)
        (node / "policy.toml").write_text(policy)
        ingest(read_node(node / "node.toml"), min_label_persons=1, progress=None)
        tomls.append(node / "node.toml")
    return tomls


def _write_node(
    folder: Path, number: int, country: str, secret: dict[str, str], persons: int, *, listed: bool
) -> None:
    chance = random.Random(number)
    ids = [f"N{number}P{place:02d}" for place in range(persons)]
    samples, scores, calls = [], [], {site: [] for site in SITES}
    for name in ids:
        values = {
            "sample_id": name,
            "sex": chance.choice("FM"),
            "birth_year": str(chance.randint(1940, 1959)),
            "population": chance.choice(("Alpha", "Beta")),
            "cohort": chance.choice(("C1", "C2")),
            "bmi": f"{chance.uniform(18, 36):.2f}",
            "ldl": f"{chance.uniform(1, 6):.1f}",
            "t2d": chance.choice(("true", "false")),
        }
        score = f"{chance.gauss(0, 1):.2f}"
        shares = [0.3 if listed else site[4] for site in SITES]
        genotypes = ["/".join(sorted(str(int(chance.random() < share)) for _ in "ab")) for share in shares]
        if name == TARGET:
            values |= KNOWN | {key: secret[key] for key in ("bmi", "ldl", "t2d")}
            score, genotypes = secret["score"], [genotypes[0], secret["rare"], secret["common"]]
        samples.append("\t".join(values[column] for column in COLUMNS))
        scores.append(f"{name}\tPGS1\t{score}")
        for site, genotype in zip(SITES, genotypes, strict=True):
            calls[site].append(genotype)
    head = ["##fileformat=VCFv4.3", '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    head += ["##contig=<ID=chr1,length=248956422>", "##contig=<ID=chrX,length=156040895>"]
    lines = ["\t".join([*["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"], *ids])]
    for site, genotypes in calls.items():
        contig, pos, ref, alt, _ = site
        lines.append("\t".join([contig, str(pos), ".", ref, alt, ".", "PASS", ".", "GT", *genotypes]))
    (folder / "calls.vcf").write_text("\n".join([*head, *lines]) + "\n")
    (folder / "samples.tsv").write_text("\n".join(["\t".join(COLUMNS), *samples]) + "\n")
    (folder / "scores.tsv").write_text("\n".join(["sample_id\tpgs_id\tscore", *scores]) + "\n")
    (folder / "node.toml").write_text(NODE.format(number=number, country=country))


def assert_answered_alike(both: tuple[Federation, Federation], text: str) -> None:
    """Both worlds answer *text*, and everything that an analyst sees of it is the same."""
    first, second = (observed(federation, text) for federation in both)
    assert first == second
    assert "failed" not in first, "whether a query fails must not be left to the engine"
    assert "refused" not in first, "the statement is answered, so that its rules are tried"


def observed(federation: Federation, text: str) -> dict[str, Any]:
    """Everything that an analyst sees of one statement, identifiers of queries and snapshots aside."""
    try:
        answer = federation.sql(text)
    except QueryRefused as error:
        return {"refused": str(error)}
    except GoeError as error:
        return {"failed": type(error).__name__}
    envelope = answer.envelope.to_json()
    envelope.pop("query_id")
    envelope.pop("budget_left", None)  # what was asked before
    for node in envelope["nodes"]:
        node.pop("snapshot_id")
    return {
        "schema": str(answer.table.schema),
        "rows": answer.table.to_pylist(),
        "status": answer.status.to_pylist(),
        "envelope": envelope,
    }
