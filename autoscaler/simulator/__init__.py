"""The fleet, simulated: exact engine iterations, cold starts, what the autoscaler sees, and the replay of a policy.

Pure: time, draws and data are arguments.
"""
