"""The times that a source assumes of what it reads from."""

from __future__ import annotations

from typing import NamedTuple

SCRAPES_UNTIL_STALE = 3
"""One lost scrape is forgiven."""


class Timing(NamedTuple):
    """How often samples are taken, and what follows from it."""

    scrape_interval_seconds: float = 15.0
    """The longest interval at which the backends are scraped."""
    rate_window_seconds: float = 120.0
    """Rates and quantiles look this far back: at least 4 scrape intervals, or a lost scrape empties them."""
    stale_after_seconds: float = 45.0
    """A sample older than this is no evidence."""
