"""Which rule wins, by how much, how near to clairvoyance: traffic, runs and tables."""
