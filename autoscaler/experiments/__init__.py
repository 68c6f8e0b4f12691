"""Policies against scenarios: compare them, and say what they cost."""
