"""Sealed sums: what they tell, and what they cost."""
