"""The decision itself: pure, standard library only, and the same in the cluster, the sandbox and the simulator."""
