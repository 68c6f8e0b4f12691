"""Real parts for tests: programs started on free loopback ports, and what stands in for hardware."""
