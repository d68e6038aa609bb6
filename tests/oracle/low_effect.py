"""The release that a node answers in place of one that it was asked: without conditions that change few.

Person by person and cell by cell, over the pooled tables; nothing is shared with the lake. For each cell
the parts of the conditions are tried in order, each against what is left, until all that are left change
at least k persons; then those of each filter among the persons whom the conditions that are left keep.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
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
)
from tests.oracle.rows import (
    Row,
    by_person,
    chosen_in,
    columns_in,
    is_public,
    presence_is_chosen,
    rows_beneath,
    safe,
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


class Reduced:
    """What stands for *release* at node number *node* under the threshold *k*."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, node: int, release: dict[str, Any], k: int
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
        grower = Trees(connection, self.tables, self.chosen)
        self.tried, self.technical = grower.tried, grower.technical
        self.public = [
            part for part in release["conditions"] if is_public(part, self.tables) or grower.is_presence(part)
        ]
        self.release = {**release, "keys": [self.key(key) for key in release["keys"]]}
        self.rare_keys = self.release["keys"] != release["keys"]
        asked = [part for part in release["conditions"] if part not in self.public]
        wheres = [measure["where"] for measure in release["measures"]]
        self.roots = [grower.conjunction(asked)]
        self.roots += [grower.conjunction([where] if where else []) for where in wheres]
        leaves = (leaf for root in self.roots for part in root for leaf in leaves_of(part))
        self.leaves = {json.dumps(leaf): leaf for leaf in leaves}
        self.columns = {text: place for place, text in enumerate(self.leaves)}
        reducible = any(self.tried(part) for root in self.roots for _, part in places_of(root))
        self.persons = self.persons_of_cells() if reducible else {}

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
        return key if now == whole else {**key, "expression": now}

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
        found = self.connection.execute(
            f"SELECT min(n) FROM (SELECT count(DISTINCT person) FILTER ({safe(now)} IS DISTINCT FROM "
            f"{safe(then)}) AS n FROM {source} WHERE {' AND '.join(where)} {group})"
        ).fetchall()
        return int(found[0][0] or 0)

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

    def rest(self, root: list[Tree], gone: Gone) -> list[Any]:
        """What is left of a conjunction, as conditions."""
        parts = [self._rest(part, gone, (place,), "and") for place, part in enumerate(root)]
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
        if not told:
            return TRUE
        if part[0] == "leaf" and passes_null(part[1]):
            return call("not", call("is_null", *columns_in(*told)))
        return call("case", call("not", call("is_null", self.strictly(part))), TRUE)

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
