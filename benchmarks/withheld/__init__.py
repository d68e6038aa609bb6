"""How much of each example is told under three thresholds, and which rules withhold the rest."""
