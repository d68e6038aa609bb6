"""Mistakes that the properties must find."""
