"""The whole daemon against an embedded fleet: no cluster, GPU or Prometheus needed, and everything else real."""
