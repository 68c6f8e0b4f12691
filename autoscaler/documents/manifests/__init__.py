"""Other autoscalers' manifests: read as they are, run as the peers they are, and turned into documents of ours."""
