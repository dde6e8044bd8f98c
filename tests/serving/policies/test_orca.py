from hocket.core.streams import Streams
from hocket.serving.model.cluster import Pool
from hocket.serving.policies.orca import FasterTransformer, Orca
from hocket.serving.roles.facts import Engine
from hocket.serving.simulate.plain import PlainReplica
from tests.serving.simulate.stand import Stand, live


def stand(policy, blocks=1000):
    return Stand(PlainReplica, Pool(kv_blocks=blocks), policy.batcher(Engine(), Streams(0)))


def test_orca_joins_whole_prompts_with_the_running_decodes():
    one = stand(Orca())
    one.run(live(0, 3000, 3, limit=9), live(1, 5000, 2, arrival=5, limit=9))
    assert one.cost.seen == [
        (((3000, 0),), 0, 0),
        (((5000, 0),), 1, 3000),
        ((), 2, 3001 + 5000),
    ]


def test_orca_reserves_the_longest_answers_and_so_runs_few():
    # 100 tokens of prompt and up to 300 of answer: 25 blocks, 4 requests in 100 blocks.
    one = stand(Orca(), blocks=100)
    timeline = one.run(*(live(i, 100, 2, limit=300) for i in range(6)))
    assert [len(prefill) for prefill, _, _ in one.cost.seen] == [4, 0, 2, 0]
    assert not list(timeline.points("preempt"))


def test_fastertransformer_runs_one_batch_after_the_other():
    one = stand(FasterTransformer(seqs=2))
    timeline = one.run(*(live(i, 10, output, limit=9) for i, output in enumerate((2, 5, 3))))
    shapes = [(len(prefill), decodes) for prefill, decodes, _ in one.cost.seen]
    assert shapes == [(2, 0), (0, 2), (0, 1), (0, 1), (0, 1), (1, 0), (0, 1), (0, 1)]
    # No decode ever waits for a prompt: every gap is one iteration.
    assert {t.value for t in timeline.tallies("gap")} == {10}
