"""Attacks on a gateway, and what each gateway stops and answers."""
