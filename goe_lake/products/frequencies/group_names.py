"""What groups of persons are called where a name must be one word: INFO fields and GDI populations.

Countries keep their two letters, sexes are XX (F) and XY (M) as gnomAD writes them, and a total is left
out: `EE_fin_XX`, `EE_XY`, `all_fin` (a population over all countries), `XX`. The union of all persons
has the empty name. A label that was not recorded is `popNA` or `sexNA`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from goe_lake.products.frequencies.schema import ALL, label_order

Group = tuple[str, str | None, str | None]

SEXES: Final[Mapping[str | None, str]] = {"F": "XX", "M": "XY", None: "sexNA"}
TOTAL: Final[Group] = (ALL, ALL, ALL)


def in_order(groups: Iterable[Group]) -> list[Group]:
    """Each of *groups* once, in the order of the reference: totals, labels ascending, NULL."""
    return sorted(set(groups), key=lambda group: tuple(label_order(label) for label in group))


def group_names(groups: Iterable[Group]) -> dict[Group, str]:
    """One word for each of *groups*, all different; characters that INFO names cannot hold become `_`.

    >>> groups = [("all", "all", "all"), ("EE", "all", "F"), ("all", "nfe", "all"), ("EE", "n f", None)]
    >>> list(group_names(groups).values())
    ['', 'all_nfe', 'EE_XX', 'EE_n_f_sexNA']
    """
    names: dict[Group, str] = {}
    for group in in_order(groups):
        plain, number = _plain_name(group), 1
        name = plain
        while name in names.values():  # labels that differ only in what was replaced
            number += 1
            name = f"{plain}_{number}"
        names[group] = name
    return names


def _plain_name(group: Group) -> str:
    country, population, sex = group
    parts = []
    if country != ALL or population != ALL:
        parts.append(country)
    if population != ALL:
        parts.append("popNA" if population is None else population)
    if sex != ALL:
        parts.append(SEXES.get(sex, str(sex)))
    return re.sub(r"[^0-9A-Za-z_.]", "_", "_".join(parts))


def describe(group: Group) -> str:
    """A group in words, for headers.

    >>> describe(("EE", None, "F")), describe(("all", "all", "all"))
    ('females (XX) of EE without a recorded population', 'all persons of all countries')
    """
    country, population, sex = group
    who = {"F": "females (XX)", "M": "males (XY)", None: "persons without a recorded sex"}
    persons = "all persons" if (population, sex) == (ALL, ALL) else "persons"
    text = persons if sex == ALL else who.get(sex, f"persons of sex {sex}")
    text += " of all countries" if country == ALL else f" of {country}"
    if population is None:
        text += " without a recorded population"
    elif population != ALL:
        text += f" in population {population}"
    return text
