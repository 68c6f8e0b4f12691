"""What a source is told of a target's pods, and what it assumes of their scrapes."""

from __future__ import annotations

import pytest

from autoscaler.cli.run import build_source
from autoscaler.cluster.facts import TargetFacts
from autoscaler.daemon.catalog import FileCatalog
from autoscaler.daemon.decide import source_target
from autoscaler.engine import Replica
from autoscaler.settings import load_settings
from autoscaler.sources.target import PodAddress
from tests.daemon.world import write_documents


def pod(name: str, **more) -> Replica:
    """Return a Ready pod."""
    return Replica(name, "Running", True, 100.0, 150.0, **more)


def test_a_source_learns_of_live_pods_only_with_port_and_node(tmp_path):
    """Address, port and node of each live pod: its own port, else the settings', else the preset's."""
    compiled = next(iter(FileCatalog([write_documents(tmp_path, "a")]).load().targets.values()))
    replicas = (pod("plain"), pod("own"), pod("going", terminating=True), pod("done")._replace(phase="Failed"))
    addresses = {"plain": "10.0.0.1", "own": "127.0.0.1:9000", "going": "10.0.0.3"}
    facts = TargetFacts("inference/a", 4, "1", replicas, addresses, nodes={"plain": "node-1"})
    assert source_target(compiled, facts).pods == (
        PodAddress("plain", "10.0.0.1", None, ready=True, created_at=100.0, node="node-1"),
        PodAddress("own", "127.0.0.1", 9000, ready=True, created_at=100.0, node=""),
    )
    assert source_target(compiled, facts, 8001).pods[0].port == 8001


@pytest.mark.parametrize(
    ("environment", "stale_after_seconds"),
    [
        (
            {"AUTOSCALER_PROMETHEUS__URL": "http://localhost:9", "AUTOSCALER_PROMETHEUS__SCRAPE_INTERVAL_SECONDS": "5"},
            15,
        ),
        ({"AUTOSCALER_SOURCE": "scrape", "AUTOSCALER_INTERVAL_SECONDS": "20"}, 60),
    ],
    ids=["prometheus", "scrape"],
)
def test_a_sample_is_stale_after_three_scrapes(environment, stale_after_seconds):
    """What is stale follows from how often the backends are scraped, not from a constant."""
    source, _ = build_source(load_settings(None, environment))
    try:
        assert source._timing.stale_after_seconds == stale_after_seconds
    finally:
        source.close()
