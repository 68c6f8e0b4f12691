"""Where samples come from: a Prometheus server, or the pods' own `/metrics`.

`autoscaler.sources.prometheus` and `autoscaler.sources.scrape` hold the two sources; importing this package loads
neither, nor any third-party client.
"""

from autoscaler.sources.source import Source
from autoscaler.sources.target import PodAddress, Target

__all__ = ["PodAddress", "Source", "Target"]
