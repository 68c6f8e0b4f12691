"""Traffic: recorded requests from files, and seeded synthetic ones."""
