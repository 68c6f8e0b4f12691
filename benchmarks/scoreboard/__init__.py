"""Every scene, every decider, every cold start, over redraws: what is run, how it is chosen, and the tables of it."""
