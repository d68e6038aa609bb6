"""What a sub-aggregate can be computed without: parts of its conditions, few carriers, unlisted sites.

`Reduced` is a sub-aggregate that was asked for, without some of its parts. It never travels: a node makes it
for itself, and `release/1` has no words for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from functools import cached_property
from typing import Final

from goe_lake.catalog import is_site_key
from goe_lake.disclosure.effects import LeftOut, Path, paths
from goe_lake.engine.filters import Filters, Grower
from goe_lake.engine.folding import TRUTHS, joined
from goe_lake.engine.relation import Reading
from goe_lake.per_person import places
from goe_lake.release import Call, Expr, Output, PerPerson, Weight, conjuncts, digest_of, fixed_columns

#: The kinds of parts: a column that is nearly the same for everybody, weights that few carry, a part of a
#: condition or filter, and rows at sites that are not listed.
COLUMN, WEIGHTS, PART, UNLISTED = "column", "weights", "part", "unlisted"


@dataclass(frozen=True)
class Reduced(PerPerson):
    """A sub-aggregate in which the columns *constant* have their commonest value for everybody who has one.

    With *listed_only* rows at sites that are not listed count for nothing.
    """

    constant: tuple[str, ...] = ()
    listed_only: bool = False

    def digest(self) -> str:
        """What it computes, whatever it is called."""
        whole = super().digest()
        less = self.constant or self.listed_only
        return digest_of([whole, list(self.constant), self.listed_only]) if less else whole


@dataclass(frozen=True)
class Step:
    """One part that may be left out: column *name* (of COLUMN, WEIGHTS), or *path* in tree number *tree*."""

    kind: str
    name: str = ""
    tree: int = 0
    path: Path = ()

    def covers(self, other: Step) -> bool:
        """Whether *other* is this part, or within it."""
        whole = replace(other, path=other.path[: len(self.path)])
        return whole == self


State = frozenset[Step]
NOTHING: Final[State] = frozenset()


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of one sub-aggregate, with the rows beneath it as *reading*.

    *columns* are those that decide whom a release counts; *few* gives the weights of a column that
    few persons carry, where there are such.
    """

    part: PerPerson
    reading: Reading
    columns: tuple[str, ...]
    few: Mapping[str, frozenset[Decimal]]

    @cached_property
    def _wheres(self) -> tuple[Expr, ...]:
        """The filters that are read of persons, each once."""
        found = (output.where for output in self.part.outputs)
        return tuple(dict.fromkeys(where for where in found if where is not None and self._private(where)))

    def _private(self, where: Expr) -> tuple[Expr, ...]:
        return tuple(part for part in conjuncts(where) if not self.reading.is_public(part))

    @cached_property
    def _filters(self) -> Filters:
        reading, grower = self.reading, Grower(self.reading)
        conditions = (*reading.person_conditions, *reading.genotype_conditions)
        roots = [grower.root(conditions), *(grower.root(self._private(where)) for where in self._wheres)]
        return Filters(reading, tuple(roots), tuple(grower.leaves))

    def steps(self) -> Iterator[Step]:
        """Every part, in the order in which they are tried: the whole before its parts."""
        yield from (Step(COLUMN, name) for name in self.columns)
        yield from (Step(WEIGHTS, name) for name in self.few)
        if self._may_read_unlisted:
            yield Step(UNLISTED)
        for tree, root in enumerate(self._filters.roots):
            yield from (Step(PART, "", tree, path) for path, _ in paths(root))

    @cached_property
    def _may_read_unlisted(self) -> bool:
        """Whether a column may be read at several sites; by what is asked alone."""
        reading = self.reading
        if not reading.scans("genotypes") or reading.at_a_named_site:
            return False
        sites = [
            [part for part in conjuncts(output.where) if reading.reads_site(part)] if output.where else []
            for output in self.part.outputs
        ]
        return not sites or not all(is_site_key(fixed_columns(_plain(parts))) for parts in sites)

    def without(self, state: State) -> PerPerson:
        """The sub-aggregate without the parts of *state*."""
        if not state:
            return self.part
        trees: dict[int, LeftOut] = {}
        for step in state:
            if step.kind == PART:
                trees[step.tree] = trees.get(step.tree, frozenset()) | {step.path}
        kept = [*self.reading.site_conditions, *self.reading.public_conditions]
        conditions = (*kept, *self._rest(0, trees)) if 0 in trees else self.part.conditions
        outputs = tuple(self._output(output, trees, state) for output in self.part.outputs)
        constant = tuple(sorted(step.name for step in state if step.kind == COLUMN))
        own = {field.name: getattr(self.part, field.name) for field in fields(PerPerson)}
        return Reduced(
            **{**own, "conditions": conditions, "outputs": outputs},
            constant=constant,
            listed_only=Step(UNLISTED) in state,
        )

    def _rest(self, tree: int, trees: Mapping[int, LeftOut]) -> list[Expr]:
        rest = self._filters.rest(self._filters.roots[tree], trees.get(tree, frozenset()))
        return [part for part in rest if part != TRUTHS[True]]

    def _output(self, output: Output, trees: Mapping[int, LeftOut], state: State) -> Output:
        if Step(WEIGHTS, output.name) in state:
            few = self.few[output.name]
            # with as many places as before, so that the column keeps its type
            weights = (
                Weight(weight.where, Decimal(0).scaleb(-places(weight.factor)))
                if weight.factor in few
                else weight
                for weight in output.weights
            )
            output = replace(output, weights=tuple(weights))
        if output.where in self._wheres:
            tree = self._wheres.index(output.where) + 1
            if tree in trees:
                public = [part for part in conjuncts(output.where) if self.reading.is_public(part)]
                where = joined("and", [*public, *self._rest(tree, trees)])
                output = replace(output, where=None if where == TRUTHS[True] else where)
        return output


def _plain(parts: list[Expr]) -> list[Expr]:
    """Conditions without the question whether they are true."""
    return [part.args[0] if isinstance(part, Call) and part.op == "is_true" else part for part in parts]
