"""Tests, one folder for each room of `autoscaler/`."""
