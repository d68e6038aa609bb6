"""Small federations with so many carriers of each allele at each node as a test says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from goe_lake.config import read_node
from goe_lake.lake import ingest

#: Of three persons of a node the third is a man.
SEXES = "FFM"
NODE = """[node]
id = "NODE-{country}"
country = "{country}"
policy = "policy.toml"
[[genotypes]]
files = ["calls.vcf"]
absent_sites = "hom_ref"
[samples]
file = "samples.tsv"
[samples.columns.population]
values = ["Alpha", "Beta"]
nullable = false
[samples.columns.t2d]
type = "boolean"
{more}"""
HEADER = '##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n##contig=<ID=chr1>\n'


def build_nodes(
    folder: Path,
    carriers: Mapping[str, Sequence[int]],
    *,
    persons: int = 60,
    cases: Mapping[str, int] | None = None,
    k: int = 5,
    more: str = "",
) -> list[Path]:
    """Lakes of countries; *carriers* gives for each how many persons are het at site 1000, 2000, …

    The first carriers are the first persons. Of *cases* persons of a country the last ones have t2d.
    """
    tomls = []
    for country, counts in carriers.items():
        node = folder / country
        node.mkdir(parents=True)
        names = [f"{country}{number:04d}" for number in range(persons)]
        ill = (cases or {}).get(country, 0)
        rows = ["sample_id\tsex\tpopulation\tt2d"]
        for number, name in enumerate(names):
            population = "Alpha" if number % 2 else "Beta"
            case = "true" if number >= persons - ill else "false"
            rows.append(f"{name}\t{SEXES[number % 3]}\t{population}\t{case}")
        (node / "samples.tsv").write_text("\n".join(rows) + "\n")
        calls = ["\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *names])]
        for place, count in enumerate(counts, 1):
            genotypes = ["0/1" if number < count else "0/0" for number in range(persons)]
            if count:
                calls.append(
                    "\t".join(["chr1", str(1000 * place), ".", "A", "C", ".", ".", ".", "GT", *genotypes])
                )
        (node / "calls.vcf").write_text(HEADER + "\n".join(calls) + "\n")
        (node / "policy.toml").write_text(f"version = 1\nmin_persons = {k}\n")
        (node / "node.toml").write_text(NODE.format(country=country, more=more))
        ingest(read_node(node / "node.toml"), min_label_persons=1, progress=None)
        tomls.append(node / "node.toml")
    return tomls
