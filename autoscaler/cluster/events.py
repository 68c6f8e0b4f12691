"""Events of the group events.k8s.io/v1, as `kubectl describe` shows them at their target."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoscaler.cluster.facts import TargetRef
    from autoscaler.cluster.port import EventType

CONTROLLER = "autoscaler.inference.dev/autoscaler"
_NAME_CHARACTERS = 253 - 17
"""A name may have 253: what is left beside the time that makes it unique."""
_NOTE_BYTES = 1024
_REASON_CHARACTERS = 128
_INSTANCE_CHARACTERS = 128


def event_body(
    target: TargetRef, uid: str, reason: str, message: str, kind: EventType, instance: str, at: float
) -> dict[str, Any]:
    """Return the Event to create, cut to the API's limits (note 1024 bytes, reason 128 characters).

    `at` is in UTC epoch seconds; `instance` tells replicas of the autoscaler apart; `uid` may be empty.
    """
    regarding = {
        "apiVersion": target.api_version,
        "kind": target.kind,
        "namespace": target.namespace,
        "name": target.name,
    }
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{target.name[:_NAME_CHARACTERS]}.{round(at * 1e9):x}", "namespace": target.namespace},
        "eventTime": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:_INSTANCE_CHARACTERS],
        "action": "Scale",
        "reason": reason[:_REASON_CHARACTERS],
        "regarding": regarding | ({"uid": uid} if uid else {}),
        "note": cut(message, _NOTE_BYTES),
        "type": str(kind),
    }


def cut(text: str, most_bytes: int) -> str:
    """Return the text, or as much of its start as fits with an ellipsis."""
    encoded = text.encode()
    if len(encoded) <= most_bytes:
        return text
    return encoded[: most_bytes - len("…".encode())].decode(errors="ignore") + "…"
