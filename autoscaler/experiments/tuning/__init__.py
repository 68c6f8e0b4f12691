"""Settings of a policy, tried on several seeds: which one costs least, and whether it holds on others."""
