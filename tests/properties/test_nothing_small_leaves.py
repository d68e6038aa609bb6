"""Law 2: no number that leaves a node rests on 1..k-1 persons, whatever the SQL.

What leaves is caught between node and gateway, and held against the rows of that node as the oracle
knows them. The rules are those of DESIGN section 6, said again in their own words.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from fractions import Fraction
from itertools import combinations, product
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from goe_lake import QueryRefused
from goe_lake.engine.node import NodeAnswer
from tests.oracle.cohort import NodeFiles, Shape, shape_of
from tests.oracle.conditions import is_there
from tests.oracle.grammar import SHAPES, Query, queries
from tests.oracle.low_effect import Reduced
from tests.oracle.rows import Row, by_person, carriers_by_weight, rows_beneath
from tests.properties.worlds import Watched, WatchedWorlds, World, Worlds, build, protected_shapes

calm = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
)
PUBLIC = {"country", "pgs_id", "contig", "pos", "ref", "alt", "variant_id"}
COEFFICIENTS = (-2, -1, 1, 2)
Key = tuple[Any, ...]


class Checker:
    """What one node may say about one release."""

    def __init__(self, world: World, place: int, release: dict[str, Any], k: int) -> None:
        self.world, self.place, self.k = world, place, k
        self.reduced = Reduced(world.pooled.connection, place, release, k)
        self.release = self.reduced.release
        self.known: dict[str, Reduction] = {}
        self.problems: list[str] = []
        self.values = 0

    def check(self, answer: NodeAnswer) -> list[str]:
        """Everything that is wrong with *answer*, in words."""
        keys = [key["name"] for key in self.release["keys"]]
        cells = [(tuple(cell[key] for key in keys), cell) for cell in answer.cells.to_pylist()]
        reductions = {}
        for key, cell in cells:
            release, marked = self.reduced.of_cell(key)
            here = reductions[key] = self.without(release)
            self.values += here.cell(key, cell)
            if [cell[f"{measure['name']}_approx"] for measure in self.release["measures"]] != marked:
                self.problems.append(f"cell {key} is not marked as {marked}")
        self.unions(cells, reductions)
        self.problems += [problem for here in self.known.values() for problem in here.problems]
        return self.problems

    def without(self, release: dict[str, Any]) -> Reduction:
        """What may be said of *release*, of which nothing more is left out."""
        text = json.dumps(release)
        if text not in self.known:
            self.known[text] = Reduction(self.world, self.place, release, self.k)
        return self.known[text]

    def unions(self, cells: list[tuple[Key, dict[str, Any]]], reductions: dict[Key, Reduction]) -> None:
        """The cells of a group against the group: its persons are all shown, or enough of them are not."""
        public = [
            place for place, key in enumerate(self.release["keys"])
            if columns_of([key["expression"]]) <= PUBLIC
        ]  # fmt: skip
        counts = [
            m["name"]
            for m in self.release["measures"]
            if m["function"] == "rows" and m["where"] is None and not m["factors"]
        ]
        everybody = self.without(self.release)
        if not counts or len({row.person for row in everybody.rows}) != len(everybody.rows):
            return  # only where a row is a person do the cells add up
        groups: dict[Key, set[str]] = defaultdict(set)
        shown: dict[Key, set[str]] = defaultdict(set)
        for row in everybody.rows:
            groups[tuple(row.key[place] for place in public)].add(row.person)
        for key, cell in cells:
            if cell[counts[0]] is not None:
                behind = {row.person for row in reductions[key].rows if row.kept and row.key == key}
                shown[tuple(key[place] for place in public)] |= behind
        for group, persons in groups.items():
            left_out = persons - shown[group]
            if shown[group] and everybody.few(left_out):
                self.problems.append(f"group {group}: all shown cells leave {len(left_out)} persons out")


class Reduction:
    """What one node may say of cells in which nothing more of a release is left out."""

    def __init__(self, world: World, place: int, release: dict[str, Any], k: int) -> None:
        self.release, self.k = release, k
        self.world, self.place = world, place
        self.rows = rows_beneath(world.pooled.connection, place, release)
        self.missing = {row.person for row in self.rows if row.missing}
        self.problems: list[str] = []

    def wrong(self, text: str) -> None:
        """Note a problem."""
        self.problems.append(text)

    def cell(self, key: Key, cell: dict[str, Any]) -> int:
        """Look at the cell *key*; the number of values it tells."""
        here = [row for row in self.rows if row.key == key]
        kept = [row for row in here if row.kept]
        behind = {row.person for row in kept}
        if len(behind) < self.k:
            self.wrong(f"cell {key} is named for {len(behind)} persons")
        known: list[tuple[str, dict[str, int]]] = []
        values = 0
        for place, measure in enumerate(self.release["measures"]):
            name, value = measure["name"], cell[measure["name"]]
            if value is None:
                continue
            values += 1
            totals = self.totals(kept, place, measure)
            if sum(totals.values()) != int(value):
                self.wrong(f"cell {key} {name} is {value}, and the rows say {sum(totals.values())}")
            self.measure(f"cell {key} {name}", place, measure, here, kept, totals)
            # which values are missing is public, and so is AN over a node, a population or a sex
            technical = measure["function"] == "rows" and measure["factors"]
            if not technical and not self.is_allele_number(measure):
                known.append((name, totals))
        if values:
            self.selection(f"cell {key}", here, behind)
            self.combinations(f"cell {key}", known)
        return values

    def totals(self, kept: list[Row], place: int, measure: dict[str, Any]) -> dict[str, int]:
        """Each person's total over the rows that count; persons without a value are left out."""
        found: dict[str, Any] = {}
        for row in kept:
            if row.filters[place] is not True or row.values[place] is None:
                continue
            if measure["function"] == "persons":
                found.setdefault(row.person, set()).add(row.sample)
            else:
                found[row.person] = found.get(row.person, 0) + (
                    1 if measure["function"] == "rows" else row.values[place]
                )
        return {person: len(total) if isinstance(total, set) else total for person, total in found.items()}

    def few(self, persons: set[str]) -> bool:
        """Whether these are 1..k-1 persons, and not just those with a missing value, which is public."""
        return 0 < len(persons) < self.k and not persons <= self.missing

    def measure(
        self,
        at: str,
        place: int,
        measure: dict[str, Any],
        here: list[Row],
        kept: list[Row],
        totals: dict[str, int],
    ) -> None:
        counts = Counter(totals.values())
        commonest = max(counts.values(), default=0)
        participants = len(totals)
        others = participants - commonest
        if counts_rows(measure):
            contributors = participants
        else:
            contributors = others if commonest >= self.k else participants
        if contributors < self.k:
            self.wrong(f"{at} rests on {contributors} contributors of {participants}")
        if measure["function"] != "sum":
            self.row_numbers(at, place, measure, kept, set(totals))
        inside = {row.person for row in kept if row.filters[place] is True}
        outside = {row.person for row in kept if row.filters[place] is False} - inside
        known = {
            row.person for row in kept if row.filters[place] is False and not row.lacking[place]
        } - inside
        for persons in (outside, known):
            if self.few(persons):
                self.wrong(f"{at}: the filter leaves {len(persons)} persons out")
        self.carriers(at, place, measure, kept, totals)
        if measure["function"] == "sum" and len(measure["factors"]) > 1:
            self.moment(at, place, measure, kept)
        self.weights(at, measure, set(totals))
        self.classes(at, place, measure, here)

    def row_numbers(
        self, at: str, place: int, measure: dict[str, Any], kept: list[Row], counted: set[str]
    ) -> None:
        """Those with another number of rows than most are none or enough; a missing argument aside."""
        numbers = Counter(row.person for row in kept if row.filters[place] is True and row.person in counted)
        if measure["function"] == "persons":
            # distinct samples that the filter keeps: a second sample that it does not keep is in no total,
            # so it sets nobody apart (the cell's own number of samples is a measure without the filter)
            counted_rows = [row for row in kept if row.filters[place] is True]
            numbers = Counter(
                {p: len({row.sample for row in counted_rows if row.person == p}) for p in numbers}
            )
        commonest = max(Counter(numbers.values()).values(), default=0)
        if 0 < len(numbers) - commonest < self.k:
            self.wrong(
                f"{at}: {len(numbers) - commonest} persons have another number of rows than {commonest}"
            )

    def is_allele_number(self, measure: dict[str, Any]) -> bool:
        """Whether the number is AN over strata for which it is public."""
        if not is_sum_of(measure, "called_alleles"):
            return False
        keys = [key["expression"] for key in self.release["keys"]]
        read = columns_of([*self.release["conditions"], *keys, measure["where"]])
        return read <= {"population", "sex"} | PUBLIC

    def carriers(
        self, at: str, place: int, measure: dict[str, Any], kept: list[Row], totals: dict[str, int]
    ) -> None:
        """Where a number adds copies of one allele: carriers and non-carriers."""
        if not is_sum_of(measure, "dosage"):
            return
        if len({row.site for row in kept}) != 1:
            return
        carriers = {person for person, total in totals.items() if total > 0}
        others = totals.keys() - carriers
        if columns_of([measure["where"]]) == {"dosage"}:
            # a filter by the allele alone keeps those away whom the sum would count as 0
            others |= {row.person for row in kept if row.dosage is not None} - carriers
        if len(carriers) < self.k or len(others) < self.k:
            self.wrong(f"{at}: {len(carriers)} carriers and {len(others)} others at one site")

    def moment(self, at: str, place: int, measure: dict[str, Any], kept: list[Row]) -> None:
        """A sum of products: twice as many persons, nobody far beyond the others, and no small class."""
        rows = [row for row in kept if row.filters[place] is True and row.values[place] is not None]
        factors = [tuple(part["column"]) for part in measure["factors"]]
        few = {factor for factor in factors if self.has_few(factor)}
        if few != set(factors):
            persons = {row.person for row in rows}
            if len(persons) < 2 * self.k:
                self.wrong(f"{at}: a moment of {len(persons)} persons")
            distance: dict[str, float] = {}
            means = [sum(row.factors[place][i] for row in rows) / len(rows) for i in range(len(factors))]
            for row in rows:
                term = math.prod(x - mean for x, mean in zip(row.factors[place], means, strict=True))
                distance[row.person] = distance.get(row.person, 0.0) + float(term)
            sizes = [abs(size) for size in distance.values()]
            if max(sizes) > 0.6 * sum(sizes) + 1e-9:
                self.wrong(f"{at}: one person has {max(sizes) / sum(sizes):.2f} of a moment")
        linear = few != set(factors) and [f for f in factors if f in few and f[1] == "dosage"]
        if linear and len(linear) == 1 == len(few) and len({row.site for row in rows}) == 1:
            sizes_of = Counter(row.dosage > 0 for row in rows if row.dosage is not None)
        else:
            classes: dict[str, list[Fraction]] = {}
            for row in rows:
                sums = classes.setdefault(row.person, [Fraction(0)] * len(factors))
                for i, factor in enumerate(factors):
                    sums[i] += row.factors[place][i] if factor in few else 0
            sizes_of = Counter(tuple(sums) for sums in classes.values())
        if few and min(sizes_of.values()) < self.k:
            self.wrong(f"{at}: of the classes of a moment one has {min(sizes_of.values())} persons")

    def has_few(self, factor: tuple[str, str]) -> bool:
        """Whether a column has at most 20 values at the node."""
        if factor[1] in ("dosage", "called_alleles"):
            return True
        for part in self.release["relation"]["derived"]:
            if part["alias"] == factor[0]:
                counted = f'SELECT count(DISTINCT "{factor[1]}") FROM ({by_person(part, self.place)})'
                found = self.world.pooled.connection.execute(counted).fetchall()
                return bool(found[0][0] <= 20)
        scans = [self.release["relation"]["first"], *(j["scan"] for j in self.release["relation"]["joins"])]
        table = next(scan["table"] for scan in scans if scan["alias"] == factor[0])
        if table in ("genotypes", "variants"):
            return False
        sql = f'SELECT count(DISTINCT "{factor[1]}") FROM all_{table} WHERE node = {self.place}'
        if table == "scores":
            sql = f"SELECT min(n) FROM ({sql} GROUP BY pgs_id) t(n)"
        found = self.world.pooled.connection.execute(sql).fetchall()
        return bool(found[0][0] <= 20)

    def weights(self, at: str, measure: dict[str, Any], counted: set[str]) -> None:
        """Of a sum over sites by person: each weight has enough carriers, and others none or enough."""
        for part in self.release["relation"]["derived"]:
            for output in part["outputs"]:
                if {"column": [part["alias"], output["name"]]} not in measure["factors"]:
                    continue
                weights = carriers_by_weight(self.world.pooled.connection, self.place, part, output)
                if weights is None:
                    continue
                # a weight that nobody carries looks like one that few do
                wanted = {str(factor) for _, factor in output["weights"] if float(factor)} or {"1"}
                for factor in wanted:
                    persons = next((of for w, of in weights.items() if float(w) == float(factor)), {})
                    carriers = {who for who in counted if persons.get(who)}
                    others = {who for who in counted if persons.get(who) is False}
                    if len(carriers) < self.k or 0 < len(others) < self.k:
                        self.wrong(
                            f"{at}: weight {factor} has {len(carriers)} carriers, {len(others)} others"
                        )

    def classes(self, at: str, place: int, measure: dict[str, Any], here: list[Row]) -> None:
        """Where persons are told apart by genotype at one site: each class is empty or large enough."""
        read = columns_of(
            [
                measure["where"],
                *(part for part in self.release["conditions"] if not is_there(part)),
                *(key["expression"] for key in self.release["keys"]),
            ]
        )
        # whether a genotype was called at all is public
        if "dosage" not in read:
            return
        columns = {key["name"]: columns_of([key["expression"]]) for key in self.release["keys"]}
        if any("dosage" in found for found in columns.values()):
            return  # the cells are the classes, and each of them was counted
        selected = [row for row in here if row.kept_but_genotype]
        if len({row.site for row in selected}) != 1:
            return
        sizes = Counter(row.dosage for row in selected if row.dosage is not None)
        small = {dosage: size for dosage, size in sizes.items() if size < self.k}
        if small:
            self.wrong(f"{at}: of the genotype classes {dict(sizes)} one is small")

    def selection(self, at: str, here: list[Row], behind: set[str]) -> None:
        """Those whom only the conditions keep out."""
        outside = {row.person for row in here if row.kept is False} - behind
        known = {row.person for row in here if row.kept is False and not row.unknown} - behind
        for persons in (outside, known):
            if self.few(persons):
                self.wrong(f"{at}: the conditions leave {len(persons)} persons out")

    def combinations(self, at: str, known: list[tuple[str, dict[str, int]]]) -> None:
        """No sum of up to three numbers, twice at most, rests on few persons."""
        for size in (2, 3):
            for chosen in combinations(known[:6], size):
                for factors in product(COEFFICIENTS, repeat=size):
                    behind = resting([totals for _, totals in chosen], factors) if factors[0] > 0 else set()
                    if self.few(behind):
                        parts = zip(factors, chosen, strict=True)
                        mixed = " + ".join(f"{factor} {name}" for factor, (name, _) in parts)
                        self.wrong(f"{at}: {mixed} rests on {len(behind)} persons")
                        return


def counts_rows(measure: dict[str, Any]) -> bool:
    """Whether everyone counted contributes: rows, persons, and AN, which counts alleles."""
    return measure["function"] != "sum" or is_sum_of(measure, "called_alleles")


def is_sum_of(measure: dict[str, Any], name: str) -> bool:
    """Whether the measure is the sum of this one column."""
    return measure["function"] == "sum" and [part["column"][1] for part in measure["factors"]] == [name]


def resting(totals: list[dict[str, int]], factors: tuple[int, ...]) -> set[str]:
    """The persons whom a combination of numbers rests on: those who do not cancel in it."""
    persons: set[str] = set().union(*totals)
    return {
        person
        for person in persons
        if sum(factor * part.get(person, 0) for factor, part in zip(factors, totals, strict=True))
    }


def columns_of(parts: list[Any]) -> set[str]:
    """The columns that release expressions read."""
    found: set[str] = set()
    for part in parts:
        if isinstance(part, dict) and "column" in part:
            found.add(part["column"][1])
        elif isinstance(part, dict) and "args" in part:
            found |= columns_of(part["args"])
    return found


def problems(world: World, nodes: list[Watched], text: str, k: int) -> tuple[list[str], int]:
    """What is wrong with what left the nodes for the query *text*, and how many numbers left them."""
    for node in nodes:
        node.left.clear()
    try:
        world.federation.sql(text)
    except QueryRefused:
        return [], 0
    found, values = [], 0
    for place, node in enumerate(nodes):
        for release, answer in node.left:
            checker = Checker(world, place, release, k)
            found += [f"node {place}: {problem}" for problem in checker.check(answer)]
            values += checker.values
    return found, values


def test_nothing_small_leaves_a_node(worlds: Worlds) -> None:
    """Each number that leaves a node rests on enough persons, by itself and together with its neighbours."""
    watched = WatchedWorlds(worlds)
    numbers = 0
    some = st.sampled_from(tuple(SHAPES)).flatmap(queries)

    @calm
    @given(shape=protected_shapes(), asks=st.tuples(some, some, some))
    def law(shape: Shape, asks: tuple[Query, ...]) -> None:
        nonlocal numbers
        world, nodes = watched.world(shape)
        for query in asks:
            note(query.text)
            assert shape.k is not None
            found, values = problems(world, nodes, query.text, shape.k)
            numbers += values
            assert not found, "\n".join([f"k = {shape.k}: {query.text}", *found[:8]])

    law()
    assert numbers > 0


def test_row_counts_tell_nobody_apart(worlds: Worlds) -> None:
    """count(*) and count(DISTINCT sample_id) do not tell together how few persons have a single row."""
    world, nodes = WatchedWorlds(worlds).world(shape_of(9, 6))
    text = (
        "SELECT s.country, count(*), count(DISTINCT s.sample_id) FROM samples s JOIN scores c "
        "ON s.sample_id = c.sample_id WHERE s.ldl IS NOT NULL GROUP BY s.country"
    )
    found, _ = problems(world, nodes, text, 6)
    assert not found


def test_a_tracker_tells_nobody_apart(tmp_path: Path) -> None:
    """Two overlapping groups and the whole do not tell together who is in both: one person of rare build."""
    nodes: list[Watched] = []
    heavy = {"P000": "70.5"}
    rows = [f"P{n:03d}\tF\t{'C1' if n % 2 else 'C2'}\t{heavy.get(f'P{n:03d}', '25.5')}" for n in range(40)]
    (tmp_path / "samples.tsv").write_text("\n".join(["sample_id\tsex\tcohort\tbmi", *rows]) + "\n")
    (tmp_path / "scores.tsv").write_text("sample_id\tpgs_id\tscore\n")
    (tmp_path / "policy.toml").write_text("version = 1\nmin_persons = 5\n")
    (tmp_path / "node.toml").write_text(
        '[node]\ncountry = "EE"\npolicy = "policy.toml"\n[samples]\nfile = "samples.tsv"\n'
        '[samples.columns.bmi]\ntype = "double"\nbounds = [10, 80]\nresolution = 0.01\n'
    )
    columns = {
        "sex": ("label", None, None),
        "cohort": ("label", None, None),
        "bmi": ("double", "0.01", ("10", "80")),
    }
    files = (NodeFiles(tmp_path, "EE", 5, (), columns, {}),)
    world = build(files, lambda node: nodes.append(Watched(node)) or nodes[-1])
    both = "count_if(cohort = 'C1' OR bmi > 60) + count_if(cohort = 'C2' OR bmi > 60)"
    text = f"SELECT {both} - count(*) FROM samples"
    found, _ = problems(world, nodes, text, 5)
    assert not found
