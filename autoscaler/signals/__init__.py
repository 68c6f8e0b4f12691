"""What a signal is for each backend, and the pure arithmetic from per-pod samples to one value with its quality."""
