"""A node's written, versioned settings for disclosure control (`policy.toml`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, cast

from goe_lake.errors import ConfigError
from goe_lake.settings import Section, parse_toml

POLICY_VERSION: Final = 1
OUTPUTS: Final = ("exact", "rounded", "noisy")
Protection = Literal["on", "off"]
Output = Literal["exact", "rounded", "noisy"]


@dataclass(frozen=True)
class Budget:
    """What one project may ask of the node in a day."""

    queries_per_day: int = 500
    cells_per_day: int = 1_000_000
    rare_sites_per_day: int = 10_000


@dataclass(frozen=True)
class NoiseBudget:
    """What noisy answers may cost: *epsilon* is a project's whole, *per_release* that of one release."""

    epsilon: float = 10.0
    per_release: float = 0.1


@dataclass(frozen=True)
class Policy:
    """The rules that a node holds every release to.

    *min_persons* persons stand behind every cell and *min_contributors* behind every number in it;
    *max_share* is the largest share (0..1) that one person may have of a sum, and *max_moment_share* of a
    sum of products, such as a variance is made of, by the distance from the mean. *consent* gives the
    purposes that each consent code covers; empty means that everyone is covered. With
    *projects_required* only projects that the node's officer approved are answered. With *site_rounds*
    the node takes part in rounds that list sites of few carriers here and enough in all nodes together.
    *output* says whether numbers leave as they are, rounded to 5, or with noise.
    """

    protection: Protection = "on"
    min_persons: int = 10
    min_contributors: int = 10
    complement: bool = True
    tell_zero: bool = False
    max_share: float = 0.25
    max_moment_share: float = 0.6
    overlap_audit: bool = True
    site_rounds: bool = True
    min_carriers: int = 10
    budget: Budget = field(default_factory=Budget)
    projects_required: bool = False
    output: Output = "exact"
    noise: NoiseBudget = field(default_factory=NoiseBudget)
    consent: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for name in ("min_persons", "min_contributors", "min_carriers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in ("max_share", "max_moment_share"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be above 0 and at most 1")

    @property
    def protects(self) -> bool:
        """Whether any number is ever withheld."""
        return self.protection == "on"

    @property
    def audits(self) -> bool:
        """Whether numbers are held to earlier ones."""
        return self.protects and self.overlap_audit

    def codes_for(self, purpose: str) -> frozenset[str] | None:
        """The consent codes that cover *purpose*; None where everyone is covered."""
        if not self.consent:
            return None
        return frozenset(code for code, purposes in self.consent.items() if purpose in purposes)


DEFAULT_POLICY: Final = Policy()
#: The rules of a policy that decide about cells, which a node tells the others of a sealed sum.
CELL_RULES: Final = ("min_persons", "min_contributors", "complement", "tell_zero", "max_share")


def cell_rules(policy: Policy) -> dict[str, int | float | bool]:
    """The rules of *policy* that decide about cells, by their names."""
    return {name: getattr(policy, name) for name in CELL_RULES}


def strictest(rules: Iterable[Mapping[str, Any]]) -> Policy:
    """A policy that holds each of *rules* (of `cell_rules`, at least one).

    Raises ValueError where they are not written as such.
    """
    listed = list(rules)
    kinds = {"min_persons": int, "min_contributors": int, "complement": bool, "tell_zero": bool}
    for each in listed:
        if set(each) != set(CELL_RULES) or any(type(each[name]) is not kind for name, kind in kinds.items()):
            raise ValueError("these are not the rules of a policy")
    return Policy(
        min_persons=max(each["min_persons"] for each in listed),
        min_contributors=max(each["min_contributors"] for each in listed),
        complement=any(each["complement"] for each in listed),
        tell_zero=all(each["tell_zero"] for each in listed),
        max_share=min(float(each["max_share"]) for each in listed),
    )


def parse_policy(text: str, file: str) -> Policy:
    """The policy that TOML *text* writes; *file* is named in errors.

    Raises ConfigError naming the setting and the mend.
    """
    top = parse_toml(text, file)
    version = top.integer(
        "version", POLICY_VERSION, "this version reads version = 1", least=1, most=POLICY_VERSION
    )
    assert version == POLICY_VERSION
    min_persons = _threshold(top, "min_persons", DEFAULT_POLICY.min_persons)
    policy = Policy(
        protection=cast(
            Protection, top.text_or("protection", "on", 'write "on" or "off"', choices=("on", "off"))
        ),
        min_persons=min_persons,
        min_contributors=_threshold(top, "min_contributors", min_persons),
        complement=top.truth("complement", True, "true or false"),
        tell_zero=top.truth("tell_zero", False, "true or false"),
        max_share=_share(top, "max_share", DEFAULT_POLICY.max_share),
        max_moment_share=_share(top, "max_moment_share", DEFAULT_POLICY.max_moment_share),
        overlap_audit=top.truth("overlap_audit", True, "true or false"),
        site_rounds=top.truth("site_rounds", True, "true or false"),
        min_carriers=_frequencies(top.section("frequencies"), min_persons),
        budget=_budget(top.section("budget")),
        projects_required=_projects(top.section("projects")),
        output=cast(Output, top.text_or("output", "exact", 'write "exact"', choices=OUTPUTS)),
        noise=_noise(top.section("noise")),
        consent=_consent(top.section("consent")),
    )
    if top.has("noise") and policy.output != "noisy":
        raise ConfigError(
            file, "noise", 'is for output = "noisy"', 'remove [noise], or write output = "noisy"'
        )
    top.done()
    return policy


def _threshold(section: Section, name: str, default: int) -> int:
    return section.integer(name, default, "a number of persons, e.g. 10", least=1, most=1_000_000)


def _share(top: Section, name: str, default: float) -> float:
    mend = f"a share above 0 and at most 1, e.g. {default}"
    share = top.decimal(name, mend)
    if share is None:
        return default
    if not 0 < share <= 1:
        raise top.error(name, f"{share} is not above 0 and at most 1", mend)
    return float(share)


def _frequencies(section: Section, default: int) -> int:
    carriers = _threshold(section, "min_carriers", default)
    section.done()
    return carriers


def _budget(section: Section) -> Budget:
    usual = Budget()
    budget = Budget(
        **{
            name: section.integer(name, getattr(usual, name), "a number a day", least=0, most=10**12)
            for name in ("queries_per_day", "cells_per_day", "rare_sites_per_day")
        }
    )
    section.done()
    return budget


def _projects(section: Section) -> bool:
    required = section.truth("required", False, "true or false")
    section.done()
    return required


def _noise(section: Section) -> NoiseBudget:
    usual = NoiseBudget()
    whole, one = (_epsilon(section, name) for name in ("epsilon", "epsilon_per_release"))
    noise = NoiseBudget(whole or usual.epsilon, one or usual.per_release)
    if noise.per_release > noise.epsilon:
        raise section.error("epsilon_per_release", "is more than the whole epsilon", "e.g. a hundredth of it")
    delta = section.decimal("delta", "0")
    if delta:
        raise section.error(
            "delta", f"{delta} is not 0", "the noise of this version needs no delta: remove it"
        )
    section.done()
    return noise


def _epsilon(section: Section, name: str) -> float | None:
    mend = "a number above 0 and at most 100, e.g. 1"
    epsilon = section.decimal(name, mend)
    if epsilon is not None and not 0 < epsilon <= 100:
        raise section.error(name, f"{epsilon} is not above 0 and at most 100", mend)
    return None if epsilon is None else float(epsilon)


def _consent(section: Section) -> Mapping[str, frozenset[str]]:
    mend = 'e.g. general_research = ["cardiovascular", "cancer"]'
    return MappingProxyType({code: frozenset(section.texts(code, mend) or ()) for code in section.names()})
