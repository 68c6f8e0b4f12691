"""Tests of the project itself: what is installed, what is pinned, what the pages promise."""
