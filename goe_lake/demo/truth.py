"""The file that tells what an analysis of the demo ought to find."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from goe_lake.demo.countries import Country
from goe_lake.demo.effects import STEP, TRAITS, Effect
from goe_lake.demo.phenotypes import model_facts
from goe_lake.demo.scoring import SCORES


def truth_json(countries: Sequence[Country], persons: int, seed: int, effects: Sequence[Effect]) -> str:
    """Everything that was planted: the model of each trait, and the effect of each variant on it."""
    models: dict[str, Any] = {trait: dict(facts) for trait, facts in model_facts().items()}
    for trait in TRAITS:
        models[trait]["effects"] = [_effect_facts(effect) for effect in effects if effect.trait == trait]
    truth = {
        "about": "Simulated persons; REF bases and rs numbers are made up. Effects are per copy of alt.",
        "seed": seed,
        "countries": [country.code for country in countries],
        "persons_per_country": persons,
        "scores": {score.pgs_id: score.trait for score in SCORES},
        "traits": models,
    }
    return json.dumps(truth, indent=1) + "\n"


def _effect_facts(effect: Effect) -> dict[str, Any]:
    site = effect.site
    return {
        "contig": site.contig,
        "pos": site.pos,
        "ref": site.ref,
        "alt": effect.alt,
        "rsid": site.rsid,
        "gene": site.gene,
        "consequence": effect.consequence,
        "effect": round(effect.size * STEP, 4),
        "frequency": round(effect.frequency, 6),
        "in_score": effect.scored,
    }
