"""The field's autoscalers as deciders, faithful to upstream: what every policy of ours is compared with."""
