"""How the API server is reached: the official client, configured to hide nothing.

`Configuration.retries = False` makes one call one request. Without it a GET is tried four times behind our back, and
a deadline of one second becomes four.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import yaml
from kubernetes import client, config

from autoscaler.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

CONNECTIONS = 64
"""Kept open to the API server at most: one for each namespace that is listed at the same time."""


def connect(kubeconfig: Path | None = None) -> client.ApiClient:
    """Return a client for the API server; nothing is sent yet.

    With a path: that kubeconfig. Without one: the pod's own ServiceAccount inside a cluster, whose token is read again
    every minute, and outside of one the default kubeconfig (`KUBECONFIG`, or `~/.kube/config`).

    Raises:
        UsageError: there is no such configuration, or it cannot be read.
    """
    configuration = client.Configuration()
    try:
        if kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=configuration)
        else:
            path = None if kubeconfig is None else str(kubeconfig)
            config.load_kube_config(config_file=path, client_configuration=configuration)
    except (config.ConfigException, OSError, yaml.YAMLError, TypeError, ValueError, KeyError) as error:
        where = "kubeconfig: the default one" if kubeconfig is None else f"kubeconfig: {kubeconfig}"
        reason = " ".join(str(error).split())
        raise UsageError(
            f"{where} cannot be used: {reason}; expected a kubeconfig file, or a pod in a cluster"
        ) from error
    configuration.retries = False
    configuration.connection_pool_maxsize = CONNECTIONS
    return client.ApiClient(configuration)
