"""Two federations with more columns and sites than `worlds` has: dates, labels, functions, genes, two scores.

The target is the only person born before 1940, recruited before 2010, and beyond everybody else in whatever
is measured, in the first world; in the second she is like the others.
"""

from __future__ import annotations

import random
from pathlib import Path

from goe_lake import open_federation
from goe_lake.config import read_node
from goe_lake.federation import Federation
from goe_lake.lake import ingest
from tests.lake.nodes import vcf_text

K = 5
PERSONS = 40
KNOWN = {"sex": "F", "birth_year": "1903", "population": "Alpha", "recruited": "1999-01-01"}
SECRETS = (
    {"bmi": "61.37", "ldl": "9.9", "weight": "240.0", "visits": "49", "t2d": "true", "smoker": "true"}
    | {"status": "C", "score": "4.75", "rare": "0/1", "second": "0/1", "sexed": "1/1"},
    {"bmi": "23.10", "ldl": "2.0", "weight": "60.0", "visits": "3", "t2d": "false", "smoker": "false"}
    | {"status": "A", "score": "-1.25", "rare": "0/0", "second": "0/0", "sexed": "0/0"},
)
COLUMNS = ("sample_id", "sex", "birth_year", "population", "recruited", "status", "bmi", "ldl", "weight")
COLUMNS += ("visits", "t2d", "smoker")
#: Contig, position, alleles, how common, gene. Only the target carries the third, so that it is not listed.
SITES = (
    ("chr1", 1000, "A", "C", 0.3, "G1"),
    ("chr1", 2000, "G", "A", 0.25, "G1"),
    ("chr1", 5000, "G", "T", 0.0, "G1"),
    ("chr2", 100, "C", "T", 0.4, "G2"),
    ("chrX", 6_000_000, "C", "A", 0.4, "G3"),
)
NODE = """[node]
id = "NODE-{number}"
country = "{country}"
policy = "policy.toml"
[[genotypes]]
files = ["calls.vcf"]
absent_sites = "hom_ref"
[annotation]
variants = "annotation.tsv"
[samples]
file = "samples.tsv"
columns.population = {{ values = ["Alpha", "Beta"] }}
columns.status = {{ type = "label", values = ["A", "B", "C"] }}
columns.recruited = {{ type = "date" }}
columns.bmi = {{ type = "double", bounds = [10, 80], resolution = 0.01 }}
columns.ldl = {{ type = "double", bounds = [0, 12], resolution = 0.1 }}
columns.weight = {{ type = "double", bounds = [30, 250], resolution = 0.1 }}
columns.visits = {{ type = "integer", bounds = [1, 50] }}
columns.t2d = {{ type = "boolean" }}
columns.smoker = {{ type = "boolean" }}
[[scores]]
file = "scores.tsv"
columns.PGS1 = {{ bounds = [-9, 9], resolution = 0.01 }}
columns.PGS2 = {{ bounds = [-9, 9], resolution = 0.01 }}
"""


def open_wider(folder: Path, secret: dict[str, str], policy: str) -> Federation:
    """A federation of three countries in *folder*; the target with *secret* lives in the first."""
    tomls = []
    for number, country in enumerate(("EE", "FI", "LV")):
        node = folder / country
        node.mkdir(parents=True)
        _write(node, number, country, secret)
        (node / "policy.toml").write_text(f"version = 1\n{policy}\n")
        ingest(read_node(node / "node.toml"), min_label_persons=1, progress=None)
        tomls.append(node / "node.toml")
    return open_federation(tomls, project="demo")


def _write(folder: Path, number: int, country: str, secret: dict[str, str]) -> None:
    chance, samples, scores, calls = random.Random(number), [], [], []
    for place in range(PERSONS):
        person = {
            "sample_id": f"N{number}P{place:02d}",
            "sex": chance.choice("FM"),
            "birth_year": str(chance.randint(1940, 1959)),
            "population": chance.choice(("Alpha", "Beta")),
            "recruited": f"{chance.randint(2010, 2019)}-{chance.randint(1, 12):02d}-01",
            "status": chance.choice("AB"),
            "bmi": f"{chance.uniform(18, 36):.2f}",
            "ldl": f"{chance.uniform(1, 6):.1f}",
            "weight": f"{chance.uniform(50, 110):.1f}",
            "visits": str(chance.randint(1, 30)),
            "t2d": chance.choice(("true", "false")),
            "smoker": chance.choice(("true", "false", "")),
            "score": f"{chance.gauss(0, 1):.2f}",
        }
        further = f"{chance.gauss(0, 1):.2f}"
        here = ["/".join(sorted(str(int(chance.random() < site[4])) for _ in "ab")) for site in SITES]
        if number == 0 and place == 0:
            person |= KNOWN | secret
            here[2:] = secret["rare"], secret["second"], secret["sexed"]
        samples.append("\t".join(person[column] for column in COLUMNS))
        scores += [
            f"{person['sample_id']}\tPGS1\t{person['score']}",
            f"{person['sample_id']}\tPGS2\t{further}",
        ]
        calls.append(here)
    records = [
        f"{contig} {pos} {ref} {alt} | {' '.join(here[place] for here in calls)}"
        for place, (contig, pos, ref, alt, _, _) in enumerate(SITES)
    ]
    notes = [f"{contig}\t{pos}\t{ref}\t{alt}\t{gene}" for contig, pos, ref, alt, _, gene in SITES]
    _table(folder / "samples.tsv", "\t".join(COLUMNS), samples)
    _table(folder / "scores.tsv", "sample_id\tpgs_id\tscore", scores)
    _table(folder / "annotation.tsv", "contig\tpos\tref\talt\tgene", notes)
    ids = [row.split("\t")[0] for row in samples]
    (folder / "calls.vcf").write_text(vcf_text(ids, records))
    (folder / "node.toml").write_text(NODE.format(number=number, country=country))


def _table(file: Path, head: str, rows: list[str]) -> None:
    file.write_text("\n".join([head, *rows]) + "\n")
