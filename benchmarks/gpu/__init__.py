"""A Llama-shaped model with random weights, served with continuous batching: enough of an engine to time one."""
