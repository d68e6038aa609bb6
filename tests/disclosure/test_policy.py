"""`policy.toml`: defaults, errors that name the setting, and consent."""

from __future__ import annotations

import pytest

from goe_lake.disclosure import DEFAULT_POLICY, Policy, parse_policy
from goe_lake.errors import ConfigError


def test_empty_file_is_the_default_policy() -> None:
    """What a file does not say is the default, and the default protects."""
    policy = parse_policy("version = 1", "policy.toml")
    assert policy == DEFAULT_POLICY
    assert policy.protects


def test_contributors_follow_persons_where_they_are_not_given() -> None:
    """A stricter number of persons is not undone by a laxer default elsewhere."""
    policy = parse_policy("min_persons = 20", "policy.toml")
    assert (policy.min_contributors, policy.min_carriers) == (20, 20)


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("min_persons = 0", "min_persons"),
        ('min_persons = "10"', "min_persons"),
        ("min_person = 10", "min_person"),
        ("max_share = 1.5", "max_share"),
        ("max_share = 0", "max_share"),
        ("max_moment_share = 2", "max_moment_share"),
        ('protection = "maybe"', "protection"),
        ("complement = 1", "complement"),
        ("version = 2", "version"),
        ('output = "fuzzy"', "output"),
        ('overlap_audit = "no"', "overlap_audit"),
        ("site_rounds = 0", "site_rounds"),
        ("[noise]\nepsilon = 1", "noise"),
        ('output = "noisy"\n[noise]\nepsilon = 0', "noise.epsilon"),
        ('output = "noisy"\n[noise]\nepsilon = 1\nepsilon_per_release = 2', "noise.epsilon_per_release"),
        ('output = "noisy"\n[noise]\ndelta = 0.1', "noise.delta"),
        ("[budget]\nqueries_per_day = -1", "budget.queries_per_day"),
        ("[consent]\nA = 3", "consent.A"),
    ],
)
def test_mistake_names_its_setting(text: str, setting: str) -> None:
    """A rule that is misspelt, out of range or not held by this version is an error, never silently off."""
    with pytest.raises(ConfigError) as caught:
        parse_policy(text, "policy.toml")
    assert caught.value.setting == setting
    assert caught.value.mend


def test_policy_cannot_be_built_without_a_threshold() -> None:
    """No later code has to wonder whether k is 0."""
    with pytest.raises(ValueError, match="min_persons"):
        Policy(min_persons=0)


def test_consent_covers_what_it_lists_and_nothing_else() -> None:
    """An unlisted purpose is covered by no code; without a table everyone is covered."""
    policy = parse_policy('[consent]\nA = ["demo", "cancer"]\nB = ["cancer"]', "policy.toml")
    assert policy.codes_for("demo") == {"A"}
    assert policy.codes_for("cancer") == {"A", "B"}
    assert policy.codes_for("marketing") == frozenset()
    assert DEFAULT_POLICY.codes_for("anything") is None
