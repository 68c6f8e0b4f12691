"""Pluggable rules: each says how many replicas its signals ask for, and knows nothing of the others."""
