import pytest

from hocket.core.errors import UnknownName, UserError
from hocket.core.load import load_policy
from hocket.core.policy import spec
from hocket.core.streams import Streams
from hocket.serving.policies.dispatch import RoundRobin
from hocket.serving.policies.llumnix import LlumnixMigration
from hocket.serving.policies.llumnix_scaling import LlumnixScaling
from hocket.serving.policies.system import System
from tests.serving.policies.loads import View, replicas, request
from tests.serving.policies.test_llumnix import CLUSTER


def test_each_role_is_played_by_the_policy_named_for_it():
    system = System(
        batching={"policy": "serving/vllm-v1", "tokens": 512},
        dispatch="serving/round-robin",
        rescheduling={"policy": "serving/llumnix-migration", "period": 1.0},
        scaling={"policy": "serving/llumnix-scaling", "sustained": 3.0, "mode": "artifact"},
    )
    deciders = system.begin(CLUSTER, Streams(0))
    assert deciders.batcher("r", CLUSTER.pools[0]).limits.tokens == 512
    assert deciders.dispatcher.dispatch(View(replicas(2)), request()).reason == "its turn"
    assert deciders.rescheduler.period == 1_000_000
    assert deciders.scaler.period == 3_000_000
    assert load_policy(spec(system)) == system


def test_roles_left_out_stay_empty_or_plain():
    deciders = System().begin(CLUSTER, Streams(0))
    assert deciders.rescheduler is None and deciders.scaler is None
    assert deciders.batcher("r", CLUSTER.pools[0]).limits.style == "mixed"


@pytest.mark.parametrize("policy", [RoundRobin(), LlumnixMigration(), LlumnixScaling()])
def test_a_policy_of_one_role_runs_with_plain_others(policy):
    deciders = policy.begin(CLUSTER, Streams(0))
    assert deciders.batcher("r", CLUSTER.pools[0]).limits.tokens == 2048
    assert deciders.dispatcher.dispatch(View(replicas(1)), request()).replica == "a"
    assert (deciders.rescheduler is None) == (not isinstance(policy, LlumnixMigration))
    assert (deciders.scaler is None) == (not isinstance(policy, LlumnixScaling))


def test_parts_of_the_wrong_role_are_refused_when_the_system_is_made():
    with pytest.raises(UserError, match="no batching policy"):
        System(batching="serving/round-robin")
    with pytest.raises(UserError, match="no rescheduling policy"):
        System(rescheduling="serving/vllm-v1")
    with pytest.raises(UnknownName, match="round-robin"):
        System(dispatch="serving/round-robbin")
