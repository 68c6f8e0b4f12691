from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pytest

from autoscaler.documents.behavior import Behavior
from autoscaler.documents.compile import compile_all, compile_target
from autoscaler.documents.engine_spec import compile_spec
from autoscaler.documents.load import load
from autoscaler.documents.policy import ScalingPolicySpec
from autoscaler.engine.behavior import DEFAULT_DOWN, DEFAULT_UP, PolicyType, RatePolicy, ScalingRules, SelectPolicy
from autoscaler.engine.observation import SignalRequest
from autoscaler.engine.proposal import Role, abstain
from autoscaler.engine.spec import EngineSpec, Fallback, Mode, OnForeignChange, ScaleToZero, Startup
from autoscaler.rules.base import Name, PolicyContext, RuleModel
from autoscaler.rules.iteration import Iteration
from autoscaler.rules.registry import BUILT_IN, register
from autoscaler.signals.query import Across, SignalQuery
from tests.documents.texts import AUTOSCALER, POLICY, WAKE, changed

if TYPE_CHECKING:
    from autoscaler.rules.latency import Latency


@pytest.fixture
def compiled(file):
    """The one target of a text."""

    def of(*texts: str, **more):
        (target,) = compile_all(load([file("---\n".join(texts))]), **more)
        return target

    return of


def test_the_example_of_the_design_compiles_to_what_it_says(compiled):
    """Every field of the documents arrives where the engine and the sources look for it."""
    target = compiled(AUTOSCALER, POLICY)
    assert (target.name, target.namespace, target.key) == ("llama-8b", "inference", "inference/llama-8b")
    assert (target.api_version, target.kind, target.target_name) == ("apps/v1", "Deployment", "llama-8b")
    assert target.backend == "vllm"
    assert target.overrides == {
        "gatewayRequests": SignalQuery('sum(llm_d_epp_flow_control_queue_size{inference_pool="llama-8b"})')
    }
    spec = target.spec
    assert (spec.min_replicas, spec.max_replicas, spec.mode) == (0, 10, Mode.DRY_RUN)
    assert [rule.name for rule in spec.rules] == ["pendingRequests", "queueDepth", "latency", "gpuUtilization"]
    assert (spec.scale_up, spec.scale_down) == (DEFAULT_UP, DEFAULT_DOWN)
    assert spec.scale_to_zero == ScaleToZero(900.0, 24.0, 0.0, 120.0)
    assert (spec.fallback, spec.startup, spec.interval_seconds) == (None, Startup(), 15.0)
    assert spec.on_foreign_change is OnForeignChange.OVERRIDE
    assert spec.zero_allowed


def test_requests_are_the_union_of_what_rules_idleness_and_waking_need(compiled):
    """Each once: the rules' signals, the two proofs of idleness, the wake signal."""
    assert compiled(AUTOSCALER, POLICY).requests == (
        SignalRequest("pendingRequests"),
        SignalRequest("queueDepth"),
        SignalRequest("timeToFirstToken", 0.99),
        SignalRequest("gpuUtilization"),
        SignalRequest("completedRequests"),
        SignalRequest("gatewayRequests"),
    )


def test_without_scale_to_zero_no_wake_signal_is_asked_for(compiled):
    """Only the rule's own signal and the proofs of idleness."""
    inline = "policy: {rules: [{type: queueDepth, targetPerReplica: 4}]}"
    text = changed(AUTOSCALER, ("minReplicas: 0", "minReplicas: 1"), (f"  signals:\n{WAKE}", ""),
                   ("policyRef: {name: chat}", inline))  # fmt: skip
    assert [request.key for request in compiled(text).requests] == [
        "queueDepth",
        "pendingRequests",
        "completedRequests",
    ]


def test_a_wake_signal_that_somebody_gives_is_asked_for(compiled):
    """Without scale-to-zero too: it is evidence of load, and the journal shows it."""
    text = changed(AUTOSCALER, ("minReplicas: 0", "minReplicas: 1"))
    policy = changed(POLICY, ("  scaleToZero: {idleAfterSeconds: 900}\n", ""))
    assert SignalRequest("gatewayRequests") in compiled(text, policy).requests


def test_a_single_document_compiles_with_the_engines_own_interval(file):
    """The same spec as with all of them, and the library's policy where no other is given."""
    documents = load([file(changed(AUTOSCALER, ("name: chat", "name: scale-to-zero")))])
    assert compile_target(documents.autoscalers[0], {}) == compile_all(documents)[0]
    assert compile_target(documents.autoscalers[0], {}).spec.interval_seconds == 15.0


def test_every_other_field_arrives_too(compiled):
    """Mode, fallback, startup, foreign changes, an own signal with all its words, and the interval of the settings."""
    signals = (
        "    gatewayRequests: {url: 'http://gateway:9090/metrics', metric: 'held{pool=\"a\"}', across: max}\n"
        "    'timeToFirstToken:0.99': {query: my_p99, unit: seconds}\n"
    )
    more = (
        "  fallback: {replicas: 3, afterSeconds: 90}\n"
        "  onForeignChange: Hold\n  foreignHoldSeconds: 60\n"
        "  startup: {expectedSeconds: 1, stuckFactor: 2, stuckAfterSeconds: 3,\n"
        "            backoffSeconds: 4, backoffLimitSeconds: 5}\n"
    )
    text = changed(AUTOSCALER, (WAKE, signals), ("  mode: DryRun\n", f"  mode: Paused\n{more}"))
    target = compiled(text, POLICY, interval_seconds=5.0)
    assert target.overrides == {
        "gatewayRequests": SignalQuery("", "", "http://gateway:9090/metrics", 'held{pool="a"}', Across.MAX),
        "timeToFirstToken:0.99": SignalQuery("my_p99", "seconds"),
    }
    spec = target.spec
    assert spec.fallback == Fallback(3, 90.0)
    assert spec.startup == Startup(1.0, 2.0, 3.0, 4.0, 5.0)
    assert (spec.on_foreign_change, spec.foreign_hold_seconds) == (OnForeignChange.HOLD, 60.0)
    assert (spec.mode, spec.interval_seconds) == (Mode.PAUSED, 5.0)


def test_rules_are_bound_to_their_policy_and_target(compiled):
    """The guards know the pending target of the policy and the maximum of the target."""
    guards = compiled(AUTOSCALER, POLICY).spec.rules[2:]
    assert [(rule.pending_target_per_replica, rule.max_replicas) for rule in guards] == [(24.0, 10), (24.0, 10)]


@pytest.mark.parametrize(
    ("zero", "rules", "expected"),
    [
        ("{idleAfterSeconds: 60, targetPerReplica: 3, wakeThreshold: 2, blindAfterSeconds: 30}",
         "{type: pendingRequests, targetPerReplica: 24}", ScaleToZero(60.0, 3.0, 2.0, 30.0)),
        ("{idleAfterSeconds: 60}", "{type: pendingRequests, targetPerReplica: 7}", ScaleToZero(60.0, 7.0, 0.0, 120.0)),
        ("{idleAfterSeconds: 60}", "{type: queueDepth, targetPerReplica: 4}", ScaleToZero(60.0, 1.0, 0.0, 120.0)),
    ],
    ids=["its own target", "that of pendingRequests", "neither"],
)  # fmt: skip
def test_how_many_held_requests_wake_one_replica(compiled, zero, rules, expected):
    """Its own target, else that of pendingRequests, else one."""
    inline = f"policy: {{rules: [{rules}], scaleToZero: {zero}}}"
    assert compiled(changed(AUTOSCALER, ("policyRef: {name: chat}", inline))).spec.scale_to_zero == expected


def test_a_gateway_gives_what_nobody_else_measures(compiled):
    """The wake signal always; latency where the backend has none; the document's own signals win."""
    gateway = "  gateway: {preset: dynamo, name: 'm\"x', labels: {namespace: front}}\n"
    text = changed(AUTOSCALER, (f"  signals:\n{WAKE}", gateway), ("backend: vllm", "backend: tgi"))
    target = compiled(text, POLICY)
    more = {"label": "model", "value": 'm"x', "origin": "gateway dynamo"}
    ttft = 'rate(dynamo_frontend_time_to_first_token_seconds_bucket{namespace="front"}[120s])'
    assert target.overrides == {
        "gatewayRequests": SignalQuery(
            'sum by (model) (dynamo_frontend_queued_requests{namespace="front"})', "requests", **more
        ),
        "timeToFirstToken:0.99": SignalQuery(
            f"histogram_quantile(0.99, sum by (le, model) ({ttft}))", "seconds", **more
        ),
    }
    assert SignalRequest("gatewayRequests") in target.requests
    own = compiled(changed(text, (gateway, f"{gateway}  signals:\n{WAKE}")), POLICY)
    assert own.overrides["gatewayRequests"].origin == ""


def test_a_gateway_is_part_of_the_fingerprint(compiled):
    """Another pool is another signal: the history begins anew."""
    one = changed(AUTOSCALER, (f"  signals:\n{WAKE}", "  gateway: {preset: llm-d, name: a}\n"))
    other = changed(one, ("name: a}", "name: b}"))
    assert compiled(one, POLICY).spec.fingerprint != compiled(other, POLICY).spec.fingerprint


@pytest.mark.parametrize(
    ("gateway", "says"),
    [
        ("{preset: traefik, name: a}", "must be 'llm-d', 'envoy', 'ingress-nginx' or 'dynamo'"),
        ("{preset: envoy}", "spec.gateway.name: is required"),
        ("{preset: envoy, name: ''}", "spec.gateway.name: string should have at least 1 character"),
        (
            "{preset: envoy, name: a, labels: {a-b: c}}",
            "must be made of Prometheus' names of labels, and 'a-b' is none",
        ),
        ("{preset: envoy, name: a, pool: b}", "spec.gateway.pool: unknown field"),
    ],
)
def test_a_wrong_gateway_is_told(problems, gateway, says):
    """With the key path, like anything else."""
    text = changed(AUTOSCALER, (f"  signals:\n{WAKE}", f"  gateway: {gateway}\n"))
    (found,) = problems(f"{text}---\n{POLICY}")
    assert says in found


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (("mode: DryRun", "mode: Active"), True),
        (("maxReplicas: 10", "maxReplicas: 20"), True),
        (("mode: DryRun", "fallback: {replicas: 2}"), True),
        (("mode: DryRun", "# a comment"), True),
        (("  behavior: {}\n", ""), True),
        (("behavior: {}", "behavior: {scaleUp: {tolerance: 0.2}}"), False),
        (("targetPerReplica: 24", "targetPerReplica: 25"), False),
        (("idleAfterSeconds: 900", "idleAfterSeconds: 901"), False),
        (("mode: DryRun", "startup: {expectedSeconds: 299}"), False),
        (("name: llama-8b}\n  min", "name: llama-9b}\n  min"), False),
        (('inference_pool="llama-8b"', 'inference_pool="llama-9b"'), False),
    ],
    ids=lambda value: value[1].strip() if isinstance(value, tuple) else "",
)
def test_the_fingerprint_changes_with_what_a_history_depends_on(compiled, change, same):
    """Rules, signals, behavior and target do; bounds, mode, comments and spelled-out defaults do not."""
    text = f"{AUTOSCALER}---\n{POLICY}"
    before = compiled(text).spec.fingerprint
    assert re.fullmatch("[0-9a-f]{16}", before)
    assert (compiled(changed(text, change)).spec.fingerprint == before) is same


def test_the_fingerprint_is_the_same_on_every_machine(compiled):
    """Written down: a state that was stored yesterday is still good today."""
    assert compiled(AUTOSCALER, POLICY).spec.fingerprint == "6ddb7a4f830bae63"


LEFT_TO_THE_TARGET = """\
apiVersion: autoscaler.inference.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: chat}
spec:
  rules:
    - {type: told}
    - {type: latency, signal: timeToFirstToken}
"""


class Told(RuleModel):
    """A rule that keeps what it is told of its target."""

    type: Literal["told"] = "told"
    name: Name = "told"
    context: Any = None

    role: ClassVar[Role] = Role.SIZE
    needs: ClassVar[tuple[SignalRequest, ...]] = ()

    def bind(self, context: PolicyContext) -> Told:
        return self.model_copy(update={"context": context})

    def propose(self, observation, fleet, memory, now):
        return abstain("it only listens"), memory


@pytest.fixture
def told(file):
    """What the rules of a target are told, by what its document says; and its latency guard."""

    def of(says: str) -> tuple[PolicyContext, Latency]:
        plain = changed(AUTOSCALER, ("  minReplicas: 0\n", ""), (f"  signals:\n{WAKE}", says))
        documents = load([file(f"{plain}---\n{LEFT_TO_THE_TARGET}")], register(BUILT_IN, Told, "here"))
        (target,) = compile_all(documents)
        listener, guard = target.spec.rules
        return listener.context, guard

    return of


def test_what_a_target_says_of_replica_and_promise_reaches_its_rules(told):
    """A preset by name, or iteration times, and both parts of the objective, for rules that name none of their own."""
    objective = "  objective: {ttftSeconds: 3, tpotSeconds: 0.08}\n"
    context, guard = told(f"  replica: {{preset: l40s-llama-3.1-8b}}\n{objective}")
    assert context == PolicyContext(10, None, "l40s-llama-3.1-8b", None, 3.0, 0.08)
    assert guard.objective_seconds == 3.0
    times = "{baseMs: 6, promptTokenMs: 0.02, sequenceMs: 0.004, contextTokenMs: 0.00005}"
    context, _ = told(f"  replica: {{iteration: {times}}}\n{objective}")
    own = Iteration(base_ms=6.0, prompt_token_ms=0.02, sequence_ms=0.004, context_token_ms=0.00005)
    assert context == PolicyContext(10, None, None, own, 3.0, 0.08)


def test_an_objective_has_a_scenarios_defaults(told):
    """Whoever promises a first token only, promises the usual time per token too."""
    assert told("  objective: {ttftSeconds: 1}\n")[0] == PolicyContext(10, None, None, None, 1.0, 0.05)


def test_replica_and_objective_are_part_of_the_fingerprint(compiled):
    """A rule's memory of another replica, or of another promise, is of no use; a document without is as it was."""
    texts = ["", "  replica: {preset: l40s-llama-3.1-8b}\n", "  objective: {}\n", "  objective: {ttftSeconds: 1}\n"]
    prints = {compiled(AUTOSCALER + text, POLICY).spec.fingerprint for text in texts}
    assert len(prints) == len(texts)


def test_an_hpas_behavior_pastes_in_as_it_is():
    """The block of the Kubernetes documentation, with a tolerance as a quantity."""
    up, down = Behavior.model_validate(
        {
            "scaleDown": {
                "stabilizationWindowSeconds": 60,
                "policies": [
                    {"type": "Percent", "value": 10, "periodSeconds": 60},
                    {"type": "Pods", "value": 5, "periodSeconds": 30},
                ],
                "selectPolicy": "Min",
                "tolerance": "50m",
            },
            "scaleUp": {"selectPolicy": "Disabled"},
        }
    ).compiled()
    policies = (RatePolicy(PolicyType.PERCENT, 10, 60.0), RatePolicy(PolicyType.PODS, 5, 30.0))
    assert down == ScalingRules(60.0, policies, SelectPolicy.MIN, 0.05)
    assert up == ScalingRules(0.0, DEFAULT_UP.policies, SelectPolicy.DISABLED, 0.1)


@pytest.mark.parametrize("value", [{}, {"scaleUp": None, "scaleDown": None}, {"scaleUp": {}, "scaleDown": {}}], ids=str)
def test_what_is_left_out_has_upstreams_default_for_its_direction(value):
    """Up at once by 4 pods or 100 %; down over 300 s by 100 %; tolerance 10 %."""
    assert Behavior.model_validate(value).compiled() == (DEFAULT_UP, DEFAULT_DOWN)


@pytest.mark.parametrize(
    ("written", "number"),
    [(0, 0.0), (0.05, 0.05), ("0.05", 0.05), ("50m", 0.05), ("1", 1.0), (".5", 0.5), ("1e-1", 0.1), ("5E-2", 0.05),
     ("100u", 0.0001), ("5n", 5e-9), ("2k", 2e3), ("3M", 3e6), ("1G", 1e9)],
)  # fmt: skip
def test_a_tolerance_is_a_quantity(written, number):
    """As the API server writes and reads it."""
    up, _ = Behavior.model_validate({"scaleUp": {"tolerance": written}}).compiled()
    assert up.tolerance == pytest.approx(number)


@pytest.mark.parametrize("written", [-0.1, "-1", "5%", "", "m", True, [1], float("inf"), "1e999", "1 m", "٣", "9" * 40])
def test_what_is_no_quantity_is_refused(written):
    """With what a quantity looks like."""
    with pytest.raises(ValueError, match=r'must be a quantity of at least 0, such as 0\.05, "0\.05" or "50m"'):
        Behavior.model_validate({"scaleUp": {"tolerance": written}})


def test_a_policy_compiles_without_any_document_around_it():
    """As the simulator does it: bounds and start-up are the scenario's."""
    policy = ScalingPolicySpec.model_validate({"rules": [{"type": "pendingRequests", "targetPerReplica": 24}]})
    spec = compile_spec(policy, min_replicas=2, max_replicas=7, startup=Startup(80.0))
    assert (spec.min_replicas, spec.max_replicas, spec.mode) == (2, 7, Mode.ACTIVE)
    assert spec.startup == Startup(80.0)
    assert spec.scale_to_zero is None
    plain = EngineSpec(2, 7, spec.rules, spec.fingerprint, Mode.ACTIVE, startup=Startup(80.0))
    assert spec == plain
