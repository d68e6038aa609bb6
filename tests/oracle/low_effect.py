"""The release that a node answers in place of one that it was asked: without conditions that change few.

Person by person and cell by cell, over the pooled tables; nothing is shared with the lake. For each cell
the parts of the conditions are tried in order, each against what is left, until all that are left change
at least k persons; then those of each filter among the persons whom the conditions that are left keep.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb

from tests.oracle.conditions import (
    BOOLEANS,
    FALSE,
    NEVER_NULL,
    PLAIN,
    TRUE,
    TRUTHFUL,
    Tree,
    Trees,
    call,
    is_there,
    leaves_of,
    put,
    text_of,
)
from tests.oracle.pooled import LISTED
from tests.oracle.rows import (
    Row,
    by_person,
    carriers_by_weight,
    chosen_in,
    columns_in,
    every_column,
    is_public,
    presence_is_chosen,
    rows_beneath,
    safe,
    scans_of,
)

# NULL wherever an operand is, and where DuckDB fails
ARITHMETIC = {"add", "sub", "mul", "div", "int_div", "mod", "neg", "abs", "round", "substring"} | {
    "to_integer", "to_double", "to_boolean",
}  # fmt: skip
Key = tuple[Any, ...]
Gone = frozenset[tuple[int, ...]]
#: What each leaf says of one row: None where its one column is missing.
Said = tuple[bool | None, ...]
#: The persons of a cell: how many have rows of which the leaves say all that.
Persons = Counter[frozenset[Said]]


class Less:
    """What is left of trees of conditions without some of their parts."""

    #: Parts that say nothing where nothing of them is left out.
    anywhere: Sequence[Tree] = ()

    def technical(self, part: Any) -> bool:
        """Whether NULL is a missing value in what *part* reads, and not what a sub-aggregate chose."""
        return True

    def rest(self, root: list[Tree], gone: Gone) -> list[Any]:
        """What is left of a conjunction, as conditions."""
        parts = [
            self._rest(part, gone, (place,), "and")
            for place, part in enumerate(root)
            if part not in self.anywhere or any(one[:1] == (place,) for one in gone)
        ]
        return [part for part in parts if part != TRUE]

    def _rest(self, part: Tree, gone: Gone, path: tuple[int, ...], kind: str) -> Any:
        if path in gone:
            return self.known(part) if kind == "and" else FALSE
        if part[0] == "leaf":
            return part[1]
        neutral, deciding = (TRUE, FALSE) if part[0] == "and" else (FALSE, TRUE)
        kept = [self._rest(inner, gone, (*path, place), part[0]) for place, inner in enumerate(part[1])]
        kept = [one for one in kept if one != neutral]
        if deciding in kept:
            return deciding
        if not kept:
            return neutral
        return kept[0] if len(kept) == 1 else call(part[0], *kept)

    def known(self, part: Tree) -> Any:
        """True for whoever *part* says something of, NULL for others."""
        told = [leaf for leaf in leaves_of(part) if self.one_value(leaf) and leaf.get("op") not in NEVER_NULL]
        if not told or self.open_to_none(part):
            return TRUE
        if part[0] == "leaf" and passes_null(part[1]):
            return call("not", call("is_null", *columns_in(*told)))
        return call("case", call("not", call("is_null", self.strictly(part))), TRUE)

    def open_to_none(self, part: Tree) -> bool:
        """Whether *part* can be known without any value that may be missing."""
        if part[0] != "leaf":
            return (all if part[0] == "and" else any)(map(self.open_to_none, part[1]))
        return not self.one_value(part[1]) or part[1].get("op") in NEVER_NULL

    def strictly(self, part: Tree) -> Any:
        """*part* with leaves that are NULL only where their one column is missing."""
        if part[0] != "leaf":
            return call(part[0], *(self.strictly(inner) for inner in part[1]))
        leaf = part[1]
        otherwise = call("coalesce", leaf, FALSE)
        if not self.one_value(leaf):
            return otherwise
        if is_there(leaf):
            return call("case", leaf, TRUE)
        return call("case", call("is_null", *columns_in(leaf)), leaf, otherwise)

    def one_value(self, leaf: Any) -> bool:
        """Whether a condition reads one column, of which NULL is a missing value."""
        return len(columns_in(leaf)) == 1 and self.technical(leaf)


class Reduced:
    """What stands for *release* at node number *node* under the threshold *k*.

    Keys first, then the sub-aggregates cell by cell, then what their form leaves of keys and conditions.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, node: int, release: dict[str, Any], k: int
    ) -> None:
        first = Outside(connection, node, release, k, keys_only=True)
        self.release, marked = first.release, first.rare_keys
        self.inside = Inside(connection, node, first.release, k)
        self.outside = [
            (self.inside.outside(variant), [marked or one for one in variant.marked])
            for variant in self.inside.variants
        ]

    def of_cell(self, key: Key) -> tuple[dict[str, Any], list[bool]]:
        """The release whose cell *key* is answered, and which measures are marked."""
        outside, marked = self.outside[self.inside.place_of(key)]
        release, further = outside.of_cell(key)
        return release, [one or other for one, other in zip(marked, further, strict=True)]

    def value(self, key: Key, place: int) -> int:
        """Measure number *place* of the cell *key*: in steps of its resolution, rows or samples."""
        return self.outside[self.inside.place_of(key)][0].value(key, place)


class Outside(Less):
    """The same for keys, conditions and filters; the sub-aggregates are as they are."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        node: int,
        release: dict[str, Any],
        k: int,
        *,
        keys_only: bool = False,
        reduce_keys: bool = True,
    ) -> None:
        self.connection, self.node, self.k = connection, node, k
        self.rows: dict[str, list[Row]] = {}
        scans = [release["relation"]["first"], *(join["scan"] for join in release["relation"]["joins"])]
        self.tables = {scan["alias"]: scan["table"] for scan in scans}
        self.derived = derived = release["relation"]["derived"]
        self.tables |= {part["alias"]: "derived" for part in derived}
        self.chosen = frozenset(
            (part["alias"], name) for part in derived for name in chosen_by(connection, node, part)
        )
        self.asked = [key["expression"] for key in release["keys"]]
        grower = self.grower = Trees(connection, self.tables, self.chosen)
        self.anywhere: list[Tree] = []
        self.public = [
            part for part in release["conditions"] if is_public(part, self.tables) or grower.is_presence(part)
        ]
        keys = [self.key(key) for key in release["keys"]] if reduce_keys else release["keys"]
        self.release = {**release, "keys": keys}
        self.rare_keys = self.release["keys"] != release["keys"]
        if keys_only:
            return
        asked = [part for part in release["conditions"] if part not in self.public]
        wheres = [measure["where"] for measure in release["measures"]]
        self.anywhere = self.listed_or_not(release)
        self.roots = [sorted([*grower.conjunction(asked), *self.anywhere], key=text_of)]
        self.roots += [grower.conjunction([where] if where else []) for where in wheres]
        leaves = (leaf for root in self.roots for part in root for leaf in leaves_of(part))
        self.leaves = {json.dumps(leaf): leaf for leaf in leaves}
        self.columns = {text: place for place, text in enumerate(self.leaves)}
        reducible = any(self.tried(part) for root in self.roots for _, part in places_of(root))
        self.persons = self.persons_of_cells() if reducible else {}

    def technical(self, part: Any) -> bool:
        """Whether NULL is a missing value in what *part* reads."""
        return self.grower.technical(part)

    def tried(self, part: Tree) -> bool:
        """Whether *part* may be left out: rows at sites that are not listed may, the choice of both not."""
        if part in self.anywhere:
            return False
        return any(part == choice[1][1] for choice in self.anywhere) or self.grower.tried(part)

    def listed_or_not(self, release: dict[str, Any]) -> list[Tree]:
        """That a site may be listed or not, where more is asked at several places than who has a row."""
        alias = {table: name for name, table in self.tables.items()}.get("genotypes")
        counted = any(m["function"] != "persons" or m["where"] is not None for m in release["measures"])
        keys = [key["expression"] for key in release["keys"] if "column" in key["expression"]]
        sites = {"genotypes", "variants"}
        places = {key["column"][1] for key in keys if self.tables[key["column"][0]] in sites}
        public = [part for part in release["conditions"] if is_public(part, self.tables)]
        places |= fixed_in(
            [p for p in public if {self.tables[c["column"][0]] for c in columns_in(p)} <= sites]
        )
        if alias is None or not counted or places & {"pos", "variant_id"}:
            return []
        listed = {"column": [alias, LISTED]}
        return [("or", [("leaf", listed), ("leaf", call("not", listed))])]

    def of_cell(self, key: Key) -> tuple[dict[str, Any], list[bool]]:
        """The release whose cell *key* is answered, and which measures are marked."""
        persons = self.persons.get(self.judged(key), Counter())
        if not persons:
            return self.release, [self.rare_keys] * len(self.release["measures"])
        states: list[Gone] = []
        for root in self.roots:
            states.append(self.left_out(root, states[0] if states else None, persons))
        conditions = [*self.public, *self.rest(self.roots[0], states[0])]
        measures = []
        for measure, root, gone in zip(self.release["measures"], self.roots[1:], states[1:], strict=True):
            rest = self.rest(root, gone)
            where = None if not rest else rest[0] if len(rest) == 1 else call("and", *rest)
            measures.append({**measure, "where": where})
        marked = [bool(self.rare_keys or states[0] or gone) for gone in states[1:]]
        return {**self.release, "conditions": conditions, "measures": measures}, marked

    def judged(self, key: Key) -> Key:
        """What of *key* says where it is judged whom a condition changes: the coarsest margin around it."""
        margins = self.release.get("margins", [])
        if not margins:
            return key
        coarsest = min(margins, key=len)
        names = [one["name"] for one in self.release["keys"]]
        return tuple(value for name, value in zip(names, key, strict=True) if name in coarsest)

    def value(self, key: Key, place: int) -> int:
        """Measure number *place* of the cell *key*: in steps of its resolution, rows or samples."""
        release, _ = self.of_cell(key)
        text = json.dumps(release)
        if text not in self.rows:
            self.rows[text] = rows_beneath(self.connection, self.node, release)
        counted = [
            (row.sample, row.values[place])
            for row in self.rows[text]
            if row.key == key and row.kept is True and row.filters[place] is True
        ]
        steps = [value for _, value in counted if value is not None]
        if release["measures"][place]["function"] == "persons":
            return len({sample for sample, value in counted if value is not None})
        return sum(steps)

    # Keys --------------------------------------------------------------------------------------------

    def key(self, key: dict[str, Any]) -> dict[str, Any]:
        """*key*, where conditions that decide for few persons are what they are for the others."""
        whole = now = choices_apart(key["expression"])
        if "op" not in whole or is_public(whole, self.tables):
            return key
        for part in self.conditions_in(whole):
            never_null = part.get("op") in NEVER_NULL
            for value in (FALSE, TRUE):
                known = value if never_null else call("case", call("not", call("is_null", part)), value)
                then = put(now, part, known)
                if then != now and self.moved(now, then) < self.k:
                    now = then
                    break
        for part in self.computed_in(now):
            alike = self.value_of_all(part)
            then = now if alike is None else put(now, part, call("case", call("is_null", part), part, alike))
            if then != now and self.moved(now, then) < self.k:
                now = then
        return key if now == whole else {**key, "expression": now}

    def computed_in(self, whole: Any) -> list[Any]:
        """The numbers and texts that are computed of persons in a key, outer ones first and by their text."""
        found: dict[str, tuple[int, Any]] = {}
        for depth, part in with_depth(whole):
            if "op" not in part or part["op"] in TRUTHFUL or part["op"].startswith("bin_"):
                continue
            tables = {self.tables[column["column"][0]] for column in columns_in(part)}
            text = json.dumps(part, sort_keys=True)
            if tables and "genotypes" not in tables and not is_public(part, self.tables):
                found[text] = min(found.get(text, (depth, part)), (depth, part), key=lambda one: one[0])
        return [found[text][1] for text in sorted(found, key=lambda text: (found[text][0], text))]

    def value_of_all(self, part: Any) -> Any:
        """What *part* is for all but fewer than k persons of the node who have a value of it."""
        source, _, where = self.rows_of_keys()
        persons: dict[Any, set[Any]] = defaultdict(set)
        for value, person in self.connection.execute(
            f"SELECT {safe(part)}, person FROM {source} WHERE {where}"
        ).fetchall():
            if value is not None:
                persons[value].add(person)
        if not persons:
            return None
        value = min(persons, key=lambda one: (-len(persons[one]), one))
        if sum(map(len, persons.values())) - len(persons[value]) >= self.k:
            return None
        kinds = {bool: "boolean", int: "integer", str: "text", date: "date"}
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if isinstance(value, float | Decimal):
            text = f"{Decimal(text):f}"
        return {"literal": [kinds.get(type(value), "decimal"), text]}

    def conditions_in(self, whole: Any) -> list[Any]:
        """The conditions on persons in a key, outer ones first and by their text."""
        found: dict[str, tuple[int, Any]] = {}
        for depth, part in with_depth(whole):
            read = {name for _, name in (column["column"] for column in columns_in(part))}
            genotypes = any(self.tables[c["column"][0]] == "genotypes" for c in columns_in(part))
            truth = part.get("op") in TRUTHFUL or ("column" in part and read & set(BOOLEANS))
            text = json.dumps(part, sort_keys=True)
            if truth and not genotypes and not is_public(part, self.tables):
                found[text] = min(found.get(text, (depth, part)), (depth, part), key=lambda one: one[0])
        return [found[text][1] for text in sorted(found, key=lambda text: (found[text][0], text))]

    def moved(self, now: Any, then: Any) -> int:
        """How many persons of the node have another key; of one pgs_id the fewest."""
        source, group, where = self.rows_of_keys()
        found = self.connection.execute(
            f"SELECT min(n) FROM (SELECT count(DISTINCT person) FILTER ({safe(now)} IS DISTINCT FROM "
            f"{safe(then)}) AS n FROM {source} WHERE {where} {group})"
        ).fetchall()
        return int(found[0][0] or 0)

    def rows_of_keys(self) -> tuple[str, str, str]:
        """SQL of the rows that keys are read from, of their groups by pgs_id, and of who is asked."""
        alias = {table: name for name, table in self.tables.items()}
        person = alias.get("samples", "s")
        source, group = f"all_samples {person}", ""
        if "scores" in alias:
            source += f" JOIN all_scores {alias['scores']} USING (node, person, sample_id)"
            if any(column["column"] == [alias["scores"], "pgs_id"] for column in columns_in(*self.asked)):
                group = f"GROUP BY {alias['scores']}.pgs_id"
        source += "".join(
            f" JOIN ({by_person(part, self.node)}) {part['alias']} USING (sample_id)" for part in self.derived
        )
        where = [f"node = {self.node}", *(f"({safe(part)})" for part in self.public_of_persons())]
        return source, group, " AND ".join(where)

    # Conditions --------------------------------------------------------------------------------------

    def persons_of_cells(self) -> dict[Key, Persons]:
        """The persons of each cell, by what the leaves say of their rows."""
        leaves = self.leaves.values()
        measures = [{"function": "rows", "factors": [], "where": leaf} for leaf in leaves]
        alone = [self.one_value(leaf) for leaf in leaves]
        there = [is_there(leaf) for leaf in leaves]
        asked = {**self.release, "conditions": self.public, "measures": measures}
        found: dict[Key, dict[str, set[Said]]] = defaultdict(lambda: defaultdict(set))
        for row in rows_beneath(self.connection, self.node, asked):
            told = zip(row.filters, row.lacking, alone, there, strict=True)
            said = tuple(
                None if lacking and one and (value is None or present) else value is True
                for value, lacking, one, present in told
            )
            found[self.judged(row.key)][row.person].add(said)
        return {key: Counter(map(frozenset, persons.values())) for key, persons in found.items()}

    def left_out(self, root: list[Tree], kept: Gone | None, persons: Persons) -> Gone:
        """Where in *root* parts are left out of the cell of *persons*."""
        gone: Gone = frozenset()
        rows = set().union(*persons)
        inside = {row for row in rows if kept is None or self.says(self.roots[0], row, kept) is True}

        def selected(without: Gone) -> set[Said]:
            return {row for row in inside if self.says(root, row, without) is True}

        before, now = None, selected(gone)
        while gone != before:
            before = gone
            for path, part in places_of(root):
                if not self.tried(part) or any(path[: len(outer)] == outer for outer in gone):
                    continue
                less = frozenset(one for one in gone if one[: len(path)] != path) | {path}
                then = selected(less)
                if sum(number for has, number in persons.items() if has & (now ^ then)) < self.k:
                    gone, now = less, then
        return gone

    def says(
        self, root: list[Tree], row: Said, gone: Gone, path: tuple[int, ...] = (), kind: str = "and"
    ) -> bool | None:
        """What the conjunction (or the choice) *root* says of a row without the parts *gone*."""
        told = []
        for place, part in enumerate(root):
            here = (*path, place)
            if part[0] == "leaf":
                said = row[self.columns[json.dumps(part[1])]]
            else:
                said = self.says(part[1], row, gone, here, part[0])
            told.append(said if said is None or here not in gone else kind == "and")
        decides = kind == "or"
        if decides in told:
            return decides
        return None if None in told else not decides

    def public_of_persons(self) -> list[Any]:
        """The conditions on nothing but country and pgs_id."""
        about = {"samples", "scores"}
        return [
            part for part in self.public if {self.tables[c["column"][0]] for c in columns_in(part)} <= about
        ]


def places_of(root: list[Tree], path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Tree]]:
    """Every part with its place, the whole before its parts."""
    for place, part in enumerate(root):
        yield (*path, place), part
        if part[0] != "leaf":
            yield from places_of(part[1], (*path, place))


def passes_null(part: Any) -> bool:
    """Whether *part* is NULL where its column is."""
    if "op" in part:
        return part["op"] in PLAIN | ARITHMETIC and all(passes_null(arg) for arg in part["args"])
    return True


def chosen_by(connection: duckdb.DuckDBPyConnection, node: int, part: dict[str, Any]) -> list[str]:
    """The columns of a sub-aggregate that conditions on persons make NULL, its presence among them."""
    presence = ["present"] if presence_is_chosen(connection, node, part) else []
    return [*chosen_in(connection, node, part), *presence]


def choices_apart(part: Any) -> Any:
    """*part* with IN written as a choice of equal values."""
    if "op" not in part:
        return part
    args = [choices_apart(arg) for arg in part["args"]]
    if part["op"] == "in" and len(args) > 2:
        return call("or", *(call("eq", args[0], choice) for choice in args[1:]))
    return call(part["op"], *args)


def with_depth(part: Any, depth: int = 0) -> Iterator[tuple[int, Any]]:
    """Everything in *part* and how deep it lies."""
    yield depth, part
    for arg in part.get("args", ()):
        yield from with_depth(arg, depth + 1)


# Sub-aggregates ----------------------------------------------------------------------------------------

#: One part of a sub-aggregate: what kind, and which.
Step = tuple[Any, ...]
Steps = frozenset[Step]


@dataclass(frozen=True)
class Variant:
    """A release with parts of its sub-aggregates left out, and which measures read these."""

    release: dict[str, Any]
    marked: list[bool]


class Insides(Less):
    """The parts of one sub-aggregate, and what it is without some of them."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        node: int,
        part: dict[str, Any],
        deciding: set[str],
        k: int,
    ) -> None:
        self.part, self.connection, self.node = part, connection, node
        self.tables = {scan["alias"]: scan["table"] for scan in scans_of(part)}
        grower = Trees(connection, self.tables)
        private = [one for one in part["conditions"] if not is_public(one, self.tables)]
        self.wheres: list[Any] = []
        for output in part["outputs"]:
            if self.private(output["where"]) and output["where"] not in self.wheres:
                self.wheres.append(output["where"])
        self.roots = [grower.conjunction(private)]
        self.roots += [grower.conjunction(self.private(where)) for where in self.wheres]
        self.few: dict[str, set[float]] = {}
        steps: list[Step] = [("column", o["name"]) for o in part["outputs"] if o["name"] in deciding]
        for output in part["outputs"]:
            weights = {float(factor) for _, factor in output["weights"]}
            found = carriers_by_weight(connection, node, part, output) if len(weights) > 1 else None
            if found is not None:
                of = {float(weight): {who for who, carries in persons.items() if carries}
                      for weight, persons in found.items()}  # fmt: skip
                few = {weight for weight in weights if weight and len(of.get(weight, set())) < k}
                if few and len(set().union(*(of.get(weight, set()) for weight in few))) < k:
                    self.few[output["name"]] = few
                    steps.append(("weights", output["name"]))
        if self.several_sites():
            steps.append(("unlisted",))
        steps += [
            ("part", tree, path)
            for tree, root in enumerate(self.roots)
            for path, one in places_of(root)
            if grower.tried(one)
        ]
        self.steps = steps

    def private(self, where: Any) -> list[Any]:
        """The parts of a filter that are about persons."""
        return [one for one in parts_of(where) if not is_public(one, self.tables)] if where else []

    def several_sites(self) -> bool:
        """Whether a column may be read at several sites."""
        sites = {"genotypes", "variants"}

        def of_sites(parts: list[Any]) -> list[Any]:
            public = [one for one in parts if is_public(one, self.tables)]
            return [one for one in public if {self.tables[c["column"][0]] for c in columns_in(one)} <= sites]

        if "genotypes" not in self.tables.values() or names_site(of_sites(self.part["conditions"])):
            return False
        outputs = [of_sites(parts_of(o["where"])) if o["where"] else [] for o in self.part["outputs"]]
        return not outputs or not all(names_site(parts) for parts in outputs)

    def without(self, gone: Steps) -> dict[str, Any]:
        """The sub-aggregate without the parts in *gone*."""
        trees: dict[int, Gone] = {}
        for step in gone:
            if step[0] == "part":
                trees[step[1]] = trees.get(step[1], frozenset()) | {step[2]}
        part = {**self.part, "outputs": [self.output(output, gone, trees) for output in self.part["outputs"]]}
        if 0 in trees:
            public = [one for one in part["conditions"] if is_public(one, self.tables)]
            part["conditions"] = [*public, *self.rest(self.roots[0], trees[0])]
        part["listed_only"] = ("unlisted",) in gone
        chosen = presence_is_chosen(self.connection, self.node, part)
        constant = [step[1] for step in gone if step[0] == "column"]
        return {**part, "chosen": chosen, "constant": sorted(constant)}

    def output(self, output: dict[str, Any], gone: Steps, trees: dict[int, Gone]) -> dict[str, Any]:
        """One of its columns, without these."""
        if ("weights", output["name"]) in gone:
            few = self.few[output["name"]]
            weights = [[where, "0" if float(w) in few else w] for where, w in output["weights"]]
            output = {**output, "weights": weights}
        tree = self.wheres.index(output["where"]) + 1 if output["where"] in self.wheres else -1
        if tree in trees:
            public = [one for one in parts_of(output["where"]) if is_public(one, self.tables)]
            rest = [*public, *self.rest(self.roots[tree], trees[tree])]
            output = {
                **output,
                "where": None if not rest else rest[0] if len(rest) == 1 else call("and", *rest),
            }
        return output


class Inside:
    """What the cells of a release are answered without inside its sub-aggregates."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, node: int, release: dict[str, Any], k: int
    ) -> None:
        self.connection, self.node, self.release, self.k = connection, node, release, k
        derived = release["relation"]["derived"]
        measures, keys = release["measures"], [key["expression"] for key in release["keys"]]
        deciding = [*release["conditions"], *keys, *(measure["where"] for measure in measures)]
        self.parts = []
        for part in derived:
            read = {c["column"][1] for c in columns_in(*deciding) if c["column"][0] == part["alias"]}
            self.parts.append(Insides(connection, node, part, read, k))
        names = {part["alias"] for part in derived}
        self.on_genotypes = "genotypes" in {scan["table"] for scan in scans_of(release)}
        margins = [set(margin) for margin in release.get("margins", [])]
        self.places = [
            place for place, key in enumerate(release["keys"])
            if all(key["name"] in margin for margin in margins)
            and not {c["column"][0] for c in columns_in(key["expression"])} & names
            and not self.on_genotypes
        ]  # fmt: skip
        self.counted: dict[str, dict[str, Counter[Any]]] = {}
        states = self.states() if any(part.steps for part in self.parts) else {}
        self.of = {cell: place for place, cells in enumerate(states.values()) for cell in cells}
        self.variants = [self.variant(state) for state in states] or [
            Variant(release, [False] * len(measures))
        ]

    def outside(self, variant: Variant) -> Outside:
        """What is left of keys and conditions; keys follow from what is left of the sub-aggregates."""
        return Outside(self.connection, self.node, variant.release, self.k, reduce_keys=bool(self.parts))

    def place_of(self, key: Key) -> int:
        """The number of the variant that answers the cell *key*."""
        return self.of.get(self.judged(key), 0)

    def judged(self, key: Key) -> Key:
        return tuple(key[place] for place in self.places)

    def states(self) -> dict[tuple[Steps, ...], set[Key]]:
        """The cells by what is left out of each sub-aggregate."""
        nothing: tuple[Steps, ...] = tuple(frozenset() for _ in self.parts)
        cells = (
            {key for persons in self.said(nothing).values() for key, *_ in persons} if self.places else {()}
        )
        settled: dict[tuple[Steps, ...], set[Key]] = defaultdict(set)
        for cell in cells:
            before, state = None, nothing
            while before != state:
                before = state
                for place, part in enumerate(self.parts):
                    for step in part.steps:
                        state = self.tried(cell, state, place, step)
            settled[state].add(cell)
        return dict(settled)

    def tried(self, cell: Key, state: tuple[Steps, ...], place: int, step: Step) -> tuple[Steps, ...]:
        """*state*, without *step* where that changes few persons of *cell*."""

        def within(inner: Step, outer: Step) -> bool:
            if inner[0] == outer[0] == "part":
                return inner[1] == outer[1] and inner[2][: len(outer[2])] == outer[2]
            return inner == outer

        if any(within(step, outer) for outer in state[place]):
            return state
        less = frozenset(inner for inner in state[place] if not within(inner, step)) | {step}
        then = (*state[:place], less, *state[place + 1 :])
        alias = self.parts[place].part["alias"]
        now_said, then_said = self.said(state, alias), self.said(then, alias)
        everybody = now_said.keys() | then_said.keys()
        changed = [
            who for who in everybody
            if self.of_cell(now_said.get(who), cell) != self.of_cell(then_said.get(who), cell)
        ]  # fmt: skip
        return then if len(changed) < self.k else state

    def of_cell(self, said: Counter[Any] | None, cell: Key) -> dict[Any, int]:
        return {what: times for what, times in (said or {}).items() if what[0] == cell}

    def said(self, state: tuple[Steps, ...], alias: str = "") -> dict[str, Counter[Any]]:
        """What each person's rows add to which cells; of a release over genotypes, what is said of them."""
        release = self.without(state)
        text = json.dumps(release) + (alias if self.on_genotypes else "")
        if text not in self.counted:
            found: dict[str, Counter[Any]] = defaultdict(Counter)
            if self.on_genotypes:
                part = next(one for one in release["relation"]["derived"] if one["alias"] == alias)
                read = [c["column"][1] for c in every_column(release) if c["column"][0] == alias]
                shown = ", ".join(sorted(set(read)))
                each = f"({by_person(part, self.node)}) JOIN all_samples USING (sample_id)"
                for who, *values in self.connection.execute(f"SELECT person, {shown} FROM {each}").fetchall():
                    found[who][((), *map(repr, values))] += 1
            else:
                for row in rows_beneath(self.connection, self.node, release):
                    added = [
                        (value is None, factors) if inside is True else ()
                        for inside, value, factors in zip(row.filters, row.values, row.factors, strict=True)
                    ]
                    what = (row.key, *added) if row.kept is True else ()
                    found[row.person][(self.judged(row.key), what)] += 1
            self.counted[text] = found
        return self.counted[text]

    def without(self, state: tuple[Steps, ...]) -> dict[str, Any]:
        derived = [
            part.without(gone) if gone else part.part for part, gone in zip(self.parts, state, strict=True)
        ]
        return {**self.release, "relation": {**self.release["relation"], "derived": derived}}

    def variant(self, state: tuple[Steps, ...]) -> Variant:
        """The release in *state*."""
        less = {part.part["alias"] for part, gone in zip(self.parts, state, strict=True) if gone}

        def reads(*parts: Any) -> bool:
            return any(column["column"][0] in less for column in columns_in(*parts))

        whole = reads(*self.release["conditions"], *(key["expression"] for key in self.release["keys"]))
        marked = [whole or reads(m["where"], *m["factors"]) for m in self.release["measures"]]
        return Variant(self.without(state), marked)


def parts_of(condition: Any) -> list[Any]:
    """The parts of a conjunction."""
    if condition.get("op") == "and":
        return [part for arg in condition["args"] for part in parts_of(arg)]
    return [condition]


def names_site(parts: list[Any]) -> bool:
    """Whether conditions fix one site."""
    fixed = fixed_in(parts)
    return "variant_id" in fixed or fixed >= {"contig", "pos", "ref", "alt"}


def fixed_in(parts: list[Any]) -> set[str]:
    """The columns that conditions say to equal a constant."""
    fixed = set()
    for asked in parts:
        part = asked["args"][0] if asked.get("op") == "is_true" else asked
        if part.get("op") == "eq" and any("literal" in arg for arg in part["args"]):
            fixed |= {arg["column"][1] for arg in part["args"] if "column" in arg}
    return fixed
