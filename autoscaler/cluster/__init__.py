"""Kubernetes: what a target looks like, its count through the scale subresource, and Events about it.

`facts` and `port` know no client library; only `kubernetes` and what it imports do.
"""
