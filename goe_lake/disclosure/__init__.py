"""What may leave a node: the policy, the evidence it is applied to, and the decisions. Pure computation."""

from goe_lake.disclosure.control import Decision, decide, decide_together
from goe_lake.disclosure.evidence import ClassEvidence, Evidence, FilterEvidence, MeasureEvidence, Rule
from goe_lake.disclosure.families import Family
from goe_lake.disclosure.policy import DEFAULT_POLICY, Policy, cell_rules, parse_policy, strictest
from goe_lake.disclosure.reasons import Reasons

__all__ = [
    "DEFAULT_POLICY",
    "ClassEvidence",
    "Decision",
    "Evidence",
    "Family",
    "FilterEvidence",
    "MeasureEvidence",
    "Policy",
    "Reasons",
    "Rule",
    "cell_rules",
    "decide",
    "decide_together",
    "parse_policy",
    "strictest",
]
