"""Which counts of a table of allele frequencies may leave a node.

A table has a row for each population, sex, and total of either (`margins.py` describes its shape).
At each site AN is public where nobody or k of the row are called, AC may be told, and beside AC the
persons by genotype class. The rule for one row by itself is that of a single question (`control.py`);
between rows no sum or difference may rest on a few persons: carriers, others, or those with a reference
allele, whom AN less AC counts.

**AC and classes together.** Where the classes of some rows are told and those of others are not, a
combination may subtract, say, the het of one row and the hom-alt of another from an AC. Two classes of
which different rows are subtracted differ by a combination of rows whose classes are told, and each
person in it is left over in one of the two: so it is enough that every combination of those rows has
k persons of *each* class that occurs. Where some persons are haploid, classes that occur in one sex
alone say nothing about the other, and the same must hold for each sex by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from goe_lake.disclosure.control import contributors, none_or_enough
from goe_lake.disclosure.evidence import MeasureEvidence, Rule
from goe_lake.disclosure.families import Counts, Mask
from goe_lake.disclosure.margins import hold_margins, with_margins
from goe_lake.disclosure.policy import Policy

#: Genotype classes of called persons: ref2 and ref1 have two and one called alleles, none of them alt.
CLASSES: Final = ("het", "hom_alt", "hemi", "ref2", "ref1")
CARRIERS: Final = ("het", "hom_alt", "hemi")
OTHERS: Final = ("ref2", "ref1")
REFERENCE: Final = ("het", "ref2", "ref1")
HAPLOID: Final = ("hemi", "ref1")
#: A person weighs this much where being there at all is counted too, as 1.
PERSON: Final = 1 << 24


@dataclass(frozen=True)
class Told:
    """What leaves, by site and group: *groups* that have rows, and of which *ac* and *classes* are told."""

    groups: Mask
    ac: Mask
    classes: Mask


def tell(classes: Mapping[str, Counts], persons: Counts, policy: Policy) -> Told:
    """Decide over one table of each site.

    *classes* gives, for each of CLASSES, persons by site and atom (sites, rows, columns); *persons* is
    how many there are in each atom. Both are lower bounds where a person has several samples, and 0
    only where there is nobody. k is `min_persons` for groups and `min_carriers` for the rest.
    """
    if not policy.protects:
        groups = with_margins(persons[None])[0] > 0
        everything = np.broadcast_to(groups, (len(classes["het"]), *groups.shape)).copy()
        return Told(everything, everything.copy(), everything.copy())
    called = none_or_enough(with_margins(sum_of(classes, CLASSES)), policy.min_persons)
    groups = shown_groups(persons, policy.min_persons) & called
    ac = allele_counts(classes, groups, policy)
    return Told(groups, ac, class_counts(classes, ac, policy.min_carriers))


def shown_groups(persons: Counts, least: int) -> Mask:
    """The groups of at least *least* persons whose differences are about none, or *least*, too."""
    sizes = with_margins(persons[None])
    shown: Mask = hold_margins(sizes >= least, [persons[None]], least, sizes)[0]
    return shown


def allele_counts(classes: Mapping[str, Counts], groups: Mask, policy: Policy) -> Mask:
    """Where AC is told: the rule of a single question for each group, and then between the groups."""
    k = policy.min_carriers
    carriers = sum_of(classes, CARRIERS)
    # AN less AC is the number of reference alleles: it rests on those who have one
    weights = [carriers, sum_of(classes, OTHERS), sum_of(classes, REFERENCE)]
    told = groups & told_alone(classes, replace(policy, min_contributors=k))
    return hold_margins(told, weights, k, with_margins(carriers))


def told_alone(classes: Mapping[str, Counts], policy: Policy) -> Mask:
    """What `sum(dosage)` is told of, group by group."""
    wide = {name: with_margins(counts) for name, counts in classes.items()}
    carriers = sum_of(wide, CARRIERS)
    copies = (wide["ref2"] + wide["ref1"], wide["het"] + wide["hemi"], wide["hom_alt"])
    evidence = MeasureEvidence(
        Rule.ALLELE_COUNT,
        participants=sum_of(wide, CLASSES),
        commonest=np.maximum.reduce(copies),
        carriers=carriers,
        largest_share=np.zeros(carriers.shape),
    )
    return contributors(evidence, policy)


def class_counts(classes: Mapping[str, Counts], ac: Mask, least: int) -> Mask:
    """Where persons by class are told, among the cells of which AC is."""
    told = ac & np.logical_and.reduce(
        [none_or_enough(with_margins(counts), least) for counts in classes.values()]
    )
    sizes = with_margins(sum_of(classes, CARRIERS))
    told = hold_margins(told, list(classes.values()), least, sizes)
    beside = np.flatnonzero(((told != ac) & (sizes > 0)).any(axis=(1, 2)) & told.any(axis=(1, 2)))
    if len(beside):
        some = {name: counts[beside] for name, counts in classes.items()}
        told[beside] = beside_others(told[beside], some, some, least)
    return told


def beside_others(
    told: Mask, weights: Mapping[str, Counts], present: Mapping[str, Counts], least: int
) -> Mask:
    """The cells of *told* whose classes may be told beside the AC of others.

    Each combination of them has *least* persons of every class that occurs (by *present*), as *weights*
    counts them, or is about nobody at all.
    """
    kept = np.zeros_like(told)
    haploid = sum_of(present, HAPLOID).any(axis=(1, 2))
    diploid = np.flatnonzero(~haploid)
    kept[diploid] = _each_class(told[diploid], _at(weights, diploid), _at(present, diploid), (1, 2), least)
    mixed = np.flatnonzero(haploid)
    if len(mixed):
        by_sex = told[mixed].copy()
        by_sex[:, :, -1] = False
        here = _at(present, mixed)
        by_sex = _each_class(by_sex, _at(weights, mixed), here, (1,), least)
        # a total of which every part is told tells nothing more
        somebody = with_margins(sum_of(here, CLASSES))[:, :, :-1] > 0
        whole = (by_sex[:, :, :-1] | ~somebody).all(axis=2)
        by_sex[:, :, -1] = told[mixed][:, :, -1] & whole
        kept[mixed] = by_sex
    return kept


def _each_class(
    told: Mask,
    weights: Mapping[str, Counts],
    present: Mapping[str, Counts],
    axes: tuple[int, ...],
    least: int,
) -> Mask:
    """Cells whose combinations have *least* persons of each class that occurs along *axes*, or nobody."""
    fewest = np.full(told[:, :-1, :-1].shape, np.iinfo(np.int32).max, dtype=np.int64)
    for name in CLASSES:
        occurs = present[name].any(axis=axes, keepdims=True)
        fewest = np.where(occurs, np.minimum(fewest, weights[name]), fewest)
    somebody = sum_of(present, CLASSES) > 0
    # by which 0 persons are too few wherever there is somebody
    weight = np.where(somebody, fewest * PERSON + 1, 0)
    sizes = with_margins(weight)
    enough = sizes >= least * PERSON
    return hold_margins(told & (enough | (sizes == 0)), [weight], least * PERSON, sizes)


def sum_of(classes: Mapping[str, Counts], names: tuple[str, ...]) -> Counts:
    """The persons in any of the classes *names*."""
    total: Counts = np.add.reduce([classes[name] for name in names])
    return total


def _at(classes: Mapping[str, Counts], places: Counts) -> dict[str, Counts]:
    return {name: counts[places] for name, counts in classes.items()}
