"""The decision itself: pure, standard library only, and the same in the cluster, the sandbox and the simulator."""

from autoscaler.engine.decision import Decider, Decision, Reason, Stage
from autoscaler.engine.engine import Engine
from autoscaler.engine.fleet import Fleet
from autoscaler.engine.observation import Observation, Quality, Replica, Signal, SignalRequest
from autoscaler.engine.proposal import Adviser, Kind, Memory, Notice, Proposal, Role, Rule, Said, abstain
from autoscaler.engine.spec import EngineSpec, Mode
from autoscaler.engine.state import State, confirm_write, forget_history, state_from_json, state_to_json

__all__ = [
    "Adviser",
    "Decider",
    "Decision",
    "Engine",
    "EngineSpec",
    "Fleet",
    "Kind",
    "Memory",
    "Mode",
    "Notice",
    "Observation",
    "Proposal",
    "Quality",
    "Reason",
    "Replica",
    "Role",
    "Rule",
    "Said",
    "Signal",
    "SignalRequest",
    "Stage",
    "State",
    "abstain",
    "confirm_write",
    "forget_history",
    "state_from_json",
    "state_to_json",
]
