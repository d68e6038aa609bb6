"""Small random countries as real files: VCF text, tables of persons and scores, node.toml and policy.toml.

A `Shape` is what Hypothesis draws; everything else follows from its seed, so that a cohort can be built
once and asked many queries.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st

PURPOSE = "demo"
COUNTRIES = ("EE", "FI", "FI", "LV", "SE")


@dataclass(frozen=True)
class Shape:
    """One cohort: *k* is the threshold of its nodes, None where protection is off.

    *weights* are how persons are spread over nodes; they follow from the seed where there are none.
    """

    seed: int
    k: int | None = None
    persons: int = 30
    nodes: int = 2
    weights: tuple[int, ...] = ()


@dataclass(frozen=True)
class Template:
    """A site as files may spell it: alternatives of (pos, ref, alts), and what else a record says.

    *stretch* says whose chromosomes it lies on: auto, par, x, y or m.
    """

    contig: str
    stretch: str
    spellings: tuple[tuple[int, str, str], ...]
    rsid: str = "."
    filter: str = "PASS"
    info: str = "."


TEMPLATES = (
    Template("chr1", "auto", ((1000, "A", "C"),), "rs1"),
    Template("chr1", "auto", ((2000, "G", "A,T"), (2000, "G", "T"), (2000, "G", "T,A")), "rs2;x"),
    Template("chr1", "auto", ((3000, "GCACA", "G,GCA"), (3000, "GCA", "G"), (3000, "GCACA", "GCA,*"))),
    Template("chr1", "auto", ((4000, "ATG", "ACG"), (4001, "T", "C")), "note", "LowQual"),
    Template("chr1", "auto", ((5000, "C", "*,T"), (5000, "C", "T"), (5000, "C", "T,<NON_REF>"))),
    Template("chr2", "auto", ((7000, "T", "C"),), "rs7", "q10;s50"),
    Template("chr2", "auto", ((8000, "N", "<DEL>"),), info="END=8500;SVLEN=-500"),
    Template("chr2", "auto", ((9000, "CT", "C,CTT,GT"), (9000, "C", "CT")), "rs9"),
    Template("chrX", "par", ((20_000, "A", "G"),)),
    Template("chrX", "x", ((5_000_000, "C", "T"),), "rsX"),
    Template("chrX", "x", ((6_000_000, "GA", "G,TA"), (6_000_000, "G", "T"))),
    Template("chrX", "x", ((7_000_000, "T", "G"),)),
    Template("chrY", "y", ((5_000_000, "A", "G"),)),
    Template("chrM", "m", ((150, "T", "C"),), "rsM"),
    Template("chrM", "m", ((3000, "G", "A,C"), (3000, "G", "A"))),
)
LENGTHS = {"chr1": 248956422, "chr2": 242193529, "chrX": 156040895, "chrY": 57227415, "chrM": 16569}
GENES = (("chr1", 900, 3500, "ABC1"), ("chr1", 3200, 4500, "ABC2"), ("chrX", 4_999_990, 5_000_010, "XYZ"))
NOTES = (
    ("chr1", 1000, "A", "C", "rs1000", "", "missense_variant"),
    ("chr1", 4000, "ATG", "ACG", "", "DEF4", "stop_gained"),
    ("chr2", 9000, "C", "CT", "rs99", "INS9", ""),
)
POPULATIONS = ("Alpha", "Beta", "Gamma")
COHORTS = ("C1", "C2")
CONSENTS = ("general", "strict")


@dataclass(frozen=True)
class NodeFiles:
    """The folder of one node, and what an oracle must know about it beside the files.

    *batches* are (VCF files, absent_sites, format fields); *columns* the sample columns that the node
    has, with their type, resolution and bounds; *scores* the resolution and bounds of each pgs_id.
    """

    folder: Path
    country: str
    k: int | None
    batches: tuple[tuple[tuple[Path, ...], str, tuple[str, ...]], ...]
    columns: dict[str, tuple[str, str | None, tuple[str, str] | None]]
    scores: dict[str, tuple[str, tuple[str, str]]]
    covering: tuple[str, ...] | None = None

    @property
    def toml(self) -> Path:
        """The node's configuration."""
        return self.folder / "node.toml"


@dataclass
class Person:
    """One row of a samples table, as text."""

    sample_id: str
    values: dict[str, str] = field(default_factory=dict)
    scores: dict[str, str] = field(default_factory=dict)


def shapes(k: st.SearchStrategy[int | None], pool: int) -> st.SearchStrategy[Shape]:
    """Shapes of at most *pool* cohorts for each threshold: they are built once and asked often."""
    return st.builds(shape_of, st.integers(0, pool - 1), k)


@st.composite
def spread_shapes(draw: st.DrawFn, k: int | None, nodes: tuple[int, int], persons: tuple[int, int]) -> Shape:
    """Shapes of any cohort, of which persons are spread over nodes in any proportion."""
    count = draw(st.integers(*nodes))
    weights = draw(st.lists(st.integers(1, 6), min_size=count, max_size=count))
    return Shape(draw(st.integers(0, 10**6)), k, draw(st.integers(*persons)), count, tuple(weights))


def has_one_sample_a_person(shape: Shape) -> bool:
    """Whether nobody of the cohort has several samples."""
    return not _Writer(shape, Path()).twins


def shape_of(seed: int, k: int | None) -> Shape:
    """The shape number *seed*: all numbers of nodes occur among any four in a row."""
    chance = random.Random(f"shape {seed}")
    return Shape(
        seed, k, persons=chance.randint(10, 60) if k is None else chance.randint(24, 60), nodes=1 + seed % 4
    )


def write_cohort(shape: Shape, folder: Path) -> tuple[NodeFiles, ...]:
    """Write every file of the cohort beneath *folder*; the same shape gives the same files."""
    return _Writer(shape, folder).write()


class _Writer:
    def __init__(self, shape: Shape, folder: Path) -> None:
        self.shape, self.folder = shape, folder
        self.chance = random.Random(f"cohort {shape.seed} {shape.persons} {shape.nodes}")
        chance = self.chance
        contigs = chance.sample(list(LENGTHS), chance.randint(1, 3))
        fitting = [template for template in TEMPLATES if template.contig in contigs]
        wanted = min(len(fitting), chance.randint(2, 8))
        self.templates = sorted(chance.sample(fitting, wanted), key=TEMPLATES.index)
        self.frequency = {template: chance.choice((0.03, 0.15, 0.35, 0.6)) for template in self.templates}
        self.ldl_step = chance.choice(("0.1", "0.5"))
        self.consent = chance.random() < 0.5
        self.twins = chance.random() < 0.3
        self.annotated = chance.random() < 0.7

    def write(self) -> tuple[NodeFiles, ...]:
        persons = [self.person(number) for number in range(self.shape.persons)]
        # how persons are spread over nodes: even, or most of them at one
        weights = [self.chance.choice((1, 1, 1, 4)) for _ in range(self.shape.nodes)]
        weights = list(self.shape.weights) or weights
        spread: list[list[Person]] = [[] for _ in weights]
        for place, person in enumerate(persons):
            spread[
                place if place < len(weights) else self.chance.choices(range(len(weights)), weights)[0]
            ].append(person)
        return tuple(self.node(number, members) for number, members in enumerate(spread))

    def person(self, number: int) -> Person:
        chance = self.chance
        pick = chance.choice

        def maybe(text: str, missing: float = 0.12) -> str:
            return "" if chance.random() < missing else text

        bmi = maybe(pick(("85.2", "9.99")) if chance.random() < 0.03 else f"{chance.uniform(17, 38):.3f}")
        if chance.random() < 0.2:
            bmi = pick(("24.565", "24.575", "30.005", "25", "29.995", "3.05e1"))
        values = {
            "person_id": "",
            "sex": maybe(pick("FM")),
            "birth_year": maybe(str(chance.randint(1938, 1972)), 0.08),
            "population": maybe(pick(POPULATIONS), 0.1),
            "cohort": pick(COHORTS),
            "consent": maybe(pick((*CONSENTS, "general")), 0.05),
            "bmi": bmi,
            "ldl": maybe(f"{chance.uniform(1, 7):.2f}", 0.2),
            "t2d": maybe(pick(("true", "false", "false")), 0.15),
            "crp": "",
            "visits": maybe(str(pick((0, 0, 1, 2, 3)))),
            "smoker": maybe(pick(("true", "false"))),
        }
        scores = {
            name: maybe(f"{chance.gauss(0, 1.5):.4f}", 0.1)
            for name in ("PGS1", "PGS2")
            if chance.random() < 0.85
        }
        return Person(f"P{number:03d}", values, scores)

    def node(self, number: int, members: list[Person]) -> NodeFiles:
        chance, shape = self.chance, self.shape
        folder = self.folder / f"node{number}"
        folder.mkdir(parents=True)
        columns: dict[str, tuple[str, str | None, tuple[str, str] | None]] = {
            "sex": ("label", None, None),
            "birth_year": ("integer", "1", ("1900", "2030")),
            "population": ("label", None, None),
            "cohort": ("label", None, None),
            "consent": ("label", None, None),
            "bmi": ("double", "0.01", ("10", "80")),
            "ldl": ("double", self.ldl_step, ("0", "12")),
            "t2d": ("boolean", None, None),
            "crp": ("double", "0.1", ("0", "300")),
        }
        if number == 0 or chance.random() < 0.6:
            columns["visits"] = ("integer", "1", ("0", "9"))
        if number != 1:
            columns["smoker"] = ("boolean", None, None)
        for person in members if self.twins else ():
            if chance.random() < 0.15:
                person.values["person_id"] = chance.choice(members).sample_id
        scores = {"PGS1": ("0.01", ("-9", "9"))}
        if chance.random() < 0.7:
            scores["PGS2"] = ("0.005", ("-7.5", "7.5"))
        _write_rows(folder / "samples.tsv", ["sample_id", *(["person_id"] if self.twins else []), *columns], [
            [person.sample_id, *([person.values["person_id"] or person.sample_id] if self.twins else []),
             *(person.values[name] for name in columns)]
            for person in chance.sample(members, len(members))
        ])  # fmt: skip
        _write_rows(folder / "scores.tsv", ["sample_id", "pgs_id", "score"], [
            [person.sample_id, name, value]
            for person in members for name, value in person.scores.items() if name in scores
        ])  # fmt: skip
        genotyped = [person for person in members if chance.random() < 0.95] or members[:1]
        batches = self.batches(folder, genotyped)
        k = shape.k
        covering = ("general",) if self.consent else None
        files = NodeFiles(folder, COUNTRIES[number], k, batches, columns, scores, covering)
        files.toml.write_text(self.node_toml(number, files))
        (folder / "policy.toml").write_text(policy_text(k, covering))
        if self.annotated:
            lines = [f"{contig}\t{start - 1}\t{end}\t{gene}" for contig, start, end, gene in GENES]
            (folder / "genes.bed").write_text("\n".join(lines) + "\n")
            _write_rows(
                folder / "annotation.tsv",
                ["contig", "pos", "ref", "alt", "rsid", "gene", "consequence"],
                [[str(part) for part in note] for note in NOTES],
            )
        return files

    def batches(
        self, folder: Path, genotyped: list[Person]
    ) -> tuple[tuple[tuple[Path, ...], str, tuple[str, ...]], ...]:
        chance = self.chance
        cut = (
            chance.randint(1, len(genotyped) - 1)
            if len(genotyped) > 1 and chance.random() < 0.6
            else len(genotyped)
        )
        made = []
        for number, persons in enumerate(part for part in (genotyped[:cut], genotyped[cut:]) if part):
            templates = [template for template in self.templates if chance.random() < 0.75] or self.templates[
                :1
            ]
            by_contig = chance.random() < 0.3
            groups = (
                [
                    [t for t in templates if t.contig == contig]
                    for contig in dict.fromkeys(t.contig for t in templates)
                ]
                if by_contig
                else [templates]
            )
            files = []
            for part, group in enumerate(groups):
                path = folder / f"batch{number}-{part}.vcf"
                order = chance.sample(persons, len(persons)) if by_contig else persons
                path.write_text(self.vcf(group, order, plain=chance.random() < 0.3))
                files.append(path)
            absent = chance.choice(("hom_ref", "hom_ref", "not_called"))
            made.append((tuple(files), absent, chance.choice((("GQ", "DP"), ("GQ", "DP"), ("DP",), ()))))
        return tuple(made)

    def vcf(self, templates: Sequence[Template], persons: Sequence[Person], *, plain: bool) -> str:
        """The text of a VCF; *plain* spells contigs without chr."""

        def spelt(contig: str) -> str:
            return {"chrM": "MT"}.get(contig, contig.removeprefix("chr")) if plain else contig

        lines = [
            "##fileformat=VCFv4.3",
            *(f"##contig=<ID={spelt(contig)},length={length}>" for contig, length in LENGTHS.items()),
            '##FILTER=<ID=LowQual,Description="low">',
            '##FILTER=<ID=q10,Description="low">',
            '##FILTER=<ID=s50,Description="low">',
            '##INFO=<ID=END,Number=1,Type=Integer,Description="End">',
            '##INFO=<ID=SVLEN,Number=A,Type=Integer,Description="Length">',
            '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
            '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">',
            '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">',
            "\t".join(
                [*"#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT".split(), *(p.sample_id for p in persons)]  # noqa: SIM905
            ),
        ]
        for template in templates:
            pos, ref, alts = self.chance.choice(template.spellings)
            fields = self.chance.choice(("GT:GQ:DP", "GT:GQ:DP", "GT:DP", "GT"))
            calls = [self.call(template, person, len(alts.split(",")), fields) for person in persons]
            head = [
                spelt(template.contig),
                str(pos),
                template.rsid,
                ref,
                alts,
                ".",
                template.filter,
                template.info,
            ]
            lines.append("\t".join([*head, fields, *calls]))
        return "\n".join(lines) + "\n"

    def call(self, template: Template, person: Person, alts: int, fields: str) -> str:
        """One person's genotype and its quality, as text."""
        chance = self.chance
        male = person.values["sex"] == "M"
        haploid = template.stretch == "m" or (template.stretch in ("x", "y") and male)
        if template.stretch == "y" and not male:
            alleles = [chance.choice(("..", ".", "."))] if chance.random() < 0.9 else ["0"]
            alleles = list(alleles[0])
        else:
            # a few are written with the other ploidy
            ploidy = (1 if haploid else 2) if chance.random() < 0.96 else chance.choice((1, 2))
            alleles = [self.allele(template, alts) for _ in range(ploidy)]
        if chance.random() < 0.04:
            alleles = ["."] * len(alleles)
        genotype = chance.choice("/|").join(alleles)
        numbers = {
            "GQ": "." if chance.random() < 0.2 else str(chance.choice((0, 10, 20, 60, 99, 130))),
            "DP": "." if chance.random() < 0.2 else str(chance.choice((0, 8, 25, 40))),
        }
        return ":".join([genotype, *(numbers[name] for name in fields.split(":")[1:])])

    def allele(self, template: Template, alts: int) -> str:
        chance = self.chance
        if chance.random() < 0.03:
            return "."
        return str(chance.randint(1, alts)) if chance.random() < self.frequency[template] else "0"

    def node_toml(self, number: int, files: NodeFiles) -> str:
        parts = [
            f'[node]\nid = "NODE-{number}"\ncountry = "{files.country}"\n',
            'assembly = "GRCh38"\npolicy = "policy.toml"\n',
            "[ingest]\nmax_quarantined = 1\n",
        ]
        for vcfs, absent, fields in files.batches:
            names = ", ".join(f'"{path.name}"' for path in vcfs)
            kept = ", ".join(f'"{name}"' for name in fields)
            parts.append(
                f'[[genotypes]]\nfiles = [{names}]\nabsent_sites = "{absent}"\nformat_fields = [{kept}]\n'
            )
        parts.append('[samples]\nfile = "samples.tsv"\n')
        for name, (kind, step, bounds) in files.columns.items():
            if name in ("sex", "birth_year"):
                continue
            lines = [f"[samples.columns.{name}]", f'type = "{kind}"']
            if bounds is not None:
                lines.append(f"bounds = [{', '.join(bounds)}]")
            if kind == "double":
                lines.append(f"resolution = {step}")
            if kind == "label":
                values = {"population": POPULATIONS, "cohort": COHORTS, "consent": CONSENTS}[name]
                lines.append(f"values = [{', '.join(repr(value) for value in values)}]")
            if name == "cohort":
                lines.append("nullable = false")
            parts.append("\n".join(lines) + "\n")
        parts.append('[[scores]]\nfile = "scores.tsv"\n')
        for name, (step, bounds) in files.scores.items():
            parts.append(f"[scores.columns.{name}]\nbounds = [{', '.join(bounds)}]\nresolution = {step}\n")
        if self.annotated:
            parts.append('[annotation]\ngenes = "genes.bed"\nvariants = "annotation.tsv"\n')
        return "\n".join(parts)


def policy_text(k: int | None, covering: Sequence[str] | None) -> str:
    """A policy file: no protection where *k* is None; *covering* are the consent codes of our purpose."""
    lines = ["version = 1"]
    lines += ['protection = "off"'] if k is None else ['protection = "on"', f"min_persons = {k}"]
    if covering is not None:
        lines.append("[consent]")
        lines += [f'{code} = ["{PURPOSE if code in covering else "other"}"]' for code in CONSENTS]
    return "\n".join(lines) + "\n"


def _write_rows(path: Path, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    path.write_text("\n".join("\t".join(row) for row in [names, *rows]) + "\n")
