"""Migration between two replicas of a world that does nothing else; every way it can end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.errors import IllegalDecision
from hocket.core.kernel import Kernel, Phase
from hocket.core.timeline import Timeline
from hocket.serving import memory
from hocket.serving.cost import Constant
from hocket.serving.model.cluster import Link, Pool
from hocket.serving.roles.batching import FirstComeFirstServed, Limits
from hocket.serving.roles.cluster import Copying, Move
from hocket.serving.simulate.fast import FastReplica
from hocket.serving.simulate.live import Live
from hocket.serving.simulate.migration import Migrations
from hocket.serving.simulate.plain import PlainReplica

STEP = 20_000  # ticks of every iteration
BLOCKS = 400
LAST_COPY = 1_000_000 + 2 * round(1.01 * STEP)  # when it begins, if the first takes 20 to 40 ms
MOVE = Move("a", "b", "because")

replica_kinds = pytest.mark.parametrize("kind", [PlainReplica, FastReplica])


class World:
    """Two replicas, a and b, and a migration policy that moves the request called `name`."""

    ticks_per_second = 1e6
    policy = "test/moves"
    counts_reports = False
    prefix_block = 16

    def __init__(self, kind, copying=None, *, link=None, blocks=BLOCKS, limits=None, pools=None):
        self.kernel = Kernel("us")
        self.timeline = Timeline("us")
        self.lives = {}
        self.ended = {}
        pool = Pool(model="llama-2-7b", gpu="A10", kv_blocks=blocks)
        limits = limits or Limits()
        copying = copying or Copying()
        self.make = lambda name, pool: kind(
            name,
            pool,
            FirstComeFirstServed(limits),
            Constant(seconds=STEP / 1e6).model(pool),
            self,
            copying.slowdown,
        )
        self.replicas = {
            name: self.make(name, given)
            for name, given in zip("ab", pools or (pool, pool), strict=True)
        }
        self.lost = []
        self.name = "r"
        self.migrations = Migrations(
            self, copying, link or Link(), lambda view: self.name, self.lives.__getitem__
        )

    @property
    def a(self):
        return self.replicas["a"]

    @property
    def b(self):
        return self.replicas["b"]

    def first_token(self, live, replica):
        return False

    def finished(self, live, replica):
        self.ended[live.id] = (replica.name, self.kernel.now)

    def migrated(self, live, source, destination):
        assert {source, destination} == {self.a, self.b}

    def reported(self, replica):
        raise AssertionError("nobody counts reports")

    def pull(self, live, replica):
        raise AssertionError("no request comes from a prefill replica")

    def send(self, name="r", prompt=1000, target=500, to="a", at=0, limit=10**6, hashes=()):
        """A request that arrives at a replica."""
        live = Live(len(self.lives), name, at, prompt, target, limit, hashes=hashes)
        self.lives[name] = live
        enqueue = lambda: self.replicas[to].enqueue(live)  # noqa: E731
        self.kernel.at(at, enqueue, phase=Phase.ARRIVE)
        return live

    def move(self, at, move=MOVE):
        """A migration that begins at a time."""
        self.do(at, lambda: self.begin(move))

    def begin(self, move):
        source, destination = self.replicas[move.source], self.replicas[move.destination]
        self.migrations.begin(move, source, destination)

    def do(self, at, action, *args):
        self.kernel.at(at, action, *args, phase=Phase.WAKE)

    def die(self, at, name):
        """A replica fails, what it runs is lost, and a new one takes its place."""

        def fail():
            old = self.replicas[name]
            gone = self.migrations.failed(old) + old.fail()
            self.lost += [one.id for one in gone]
            self.replicas[name] = self.make(name, old.pool)

        self.kernel.at(at, fail, phase=Phase.FAIL)

    def reasons(self):
        """Why each migration was ordered, or how it was aborted."""
        spans = [*self.timeline.spans("migrate"), *self.timeline.spans("aborted")]
        assert all((s.lane, s.name) == ("a", "b") for s in spans)
        return [s.reason if s.kind == "migrate" else f"aborted: {s.reason}" for s in spans]

    def downtimes(self):
        return [tally.value for tally in self.timeline.tallies("downtime")]

    def check_empty(self):
        """After all is done every block is free, and no lock is left."""
        for replica in self.replicas.values():
            assert replica.memory.available == replica.memory.total
            assert replica.empty
            assert not self.migrations.busy(replica.name)

    def copy_time(self, blocks, link=None):
        volume = blocks * memory.block_bytes(self.a.pool)
        return round(volume / ((link or Link()).bandwidth * 1e9) * 1e6)


def moved_only(world):
    (told,) = world.reasons()
    assert told.startswith("because; ")


def aborted_only(world, why):
    (told,) = world.reasons()
    assert told.startswith("aborted: ") and why in told


@replica_kinds
def test_a_request_goes_on_where_it_was_moved_to_and_loses_no_token(kind):
    world = World(kind)
    live = world.send()
    world.move(1_000_000)
    world.kernel.run()
    moved_only(world)
    assert world.ended["r"][0] == "b"
    assert live.generated == live.target
    decodes = [s for s in world.timeline.spans("run") if s.name.startswith("decode")]
    assert [s.lane for s in decodes] == ["a", "b"]
    assert sum(int(s.name.split()[1]) for s in decodes) == live.target - 1
    world.check_empty()


@replica_kinds
def test_the_stages_and_the_downtime_by_hand(kind):
    # At 1 s the request has had its first token and 49 more, so 1049 tokens are in memory: 66
    # blocks, 65 of them full. 512 KiB a token are 8 MiB a block: 65 of them take 21.8 ms at 25
    # GB/s, in which the iteration under way ends and one more, slower by 1 %, has begun.
    world = World(kind)
    assert memory.block_bytes(world.a.pool) == 8 * 2**20
    world.send()
    world.move(1_000_000)
    world.kernel.run()
    (reason,) = world.reasons()
    assert reason == "because; 2 stages, 66 blocks"
    (down,) = world.downtimes()
    assert down == world.copy_time(1)
    (span,) = world.timeline.spans("migrate")
    assert span.start == 1_000_000
    # Iterations last 1.01 STEP while a copy is under way; it leaves at the end of the second.
    assert span.end == LAST_COPY + down


@replica_kinds
@pytest.mark.parametrize("prompt", [50, 300, 1000, 4000])
def test_downtime_is_less_than_a_decode_whatever_the_length(kind, prompt):
    world = World(kind, copying=Copying(last_blocks=2))
    world.send(prompt=prompt)
    world.move(3_000_000)
    world.kernel.run()
    moved_only(world)
    assert world.downtimes()[0] <= world.copy_time(2) < STEP


@replica_kinds
def test_two_stages_send_the_full_blocks_and_then_the_rest(kind):
    slow = Link(bandwidth=0.5)
    world = World(kind, Copying(two_stage=True), link=slow)
    world.send()
    world.move(1_000_000)
    world.kernel.run()
    # The first stage takes 1.09 s, in which 54 tokens come: 3 blocks and the one that was open.
    (reason,) = world.reasons()
    assert reason.startswith("because; 2 stages")
    assert world.downtimes()[0] == world.copy_time(4, slow)
    world.check_empty()


@replica_kinds
def test_latency_of_the_link_adds_to_each_stage(kind):
    world = World(kind, link=Link(latency=500))
    world.send()
    world.move(1_000_000)
    world.kernel.run()
    assert world.downtimes() == [world.copy_time(1) + 500]


@replica_kinds
def test_others_on_both_replicas_only_become_slower(kind):
    def ends(moving):
        world = World(kind, Copying(slowdown=0.5))
        world.send("r")
        world.send("stays", to="a")
        world.send("there", to="b")
        if moving:
            world.move(1_000_000)
        world.kernel.run()
        world.check_empty()
        return world.ended

    before, after = ends(False), ends(True)
    for name in ("stays", "there"):
        replica, end = after[name]
        assert replica == before[name][0]
        # Iterations that began during the first copy, of 21.8 ms, take 10 ms longer each.
        assert end - before[name][1] in (STEP // 2, 2 * STEP // 2, 3 * STEP // 2)


@replica_kinds
def test_nothing_happens_when_the_source_chooses_nobody(kind):
    world = World(kind)
    world.name = ""
    world.send()
    world.move(1_000_000)
    world.kernel.run()
    assert world.ended["r"][0] == "a"
    assert not world.reasons()
    world.check_empty()


# Ways to fail.


@replica_kinds
def test_its_prompt_is_not_complete(kind):
    world = World(kind, limits=Limits(tokens=100))
    world.send()
    world.move(150_000)
    world.kernel.run()
    aborted_only(world, "its prompt is not complete")
    assert world.ended["r"][0] == "a"
    world.check_empty()


@replica_kinds
def test_it_finishes_between_two_stages(kind):
    world = World(kind, link=Link(bandwidth=1.0))
    world.send(target=55)
    world.move(1_000_000)
    world.kernel.run()
    aborted_only(world, "finished or was preempted")
    assert world.ended["r"][0] == "a"
    world.check_empty()


@replica_kinds
def test_it_is_preempted_between_two_stages(kind):
    # Two requests fill a at about 0.6 s; the later one gives way, and is back in the batch when the
    # copy ends, at 2.2 s: that it decodes again does not make the copied blocks valid.
    world = World(kind, link=Link(bandwidth=0.2), blocks=100)
    world.send("first", prompt=800, target=70)
    world.send("r", prompt=740, target=400)
    world.move(300_000)
    world.kernel.run()
    assert world.lives["r"].preemptions
    aborted_only(world, "finished or was preempted")
    assert world.ended["r"][0] == "a"
    world.check_empty()


@replica_kinds
def test_the_destination_has_no_memory_for_it(kind):
    world = World(kind, blocks=100)
    world.send()
    world.send("there", prompt=600, to="b")
    world.move(1_000_000)
    world.kernel.run()
    aborted_only(world, "the destination has no memory for it")
    assert world.ended["r"][0] == "a"
    assert not world.downtimes()
    world.check_empty()


@replica_kinds
def test_the_destination_has_no_memory_for_the_rest(kind):
    world = World(kind, link=Link(bandwidth=1.0))
    live = world.send(target=300)
    world.move(1_000_000)
    # While the first stage is being copied somebody takes all that is left at the destination.
    world.do(1_200_000, lambda: world.b.reserve(world.b.memory.available))
    world.do(9_000_000, lambda: world.b.release(BLOCKS - 65))
    world.kernel.run()
    aborted_only(world, "no memory for the rest")
    assert world.ended["r"][0] == "a"
    assert live.generated == 300
    world.check_empty()


@replica_kinds
def test_too_much_is_left_after_the_last_stage(kind):
    # A step of 20 ms writes a token of 0.5 MiB, and 0.02 GB/s take 26 ms for one.
    world = World(kind, Copying(stages=2, last_blocks=1), link=Link(bandwidth=0.02))
    world.send(prompt=200, target=2000)
    world.move(1_000_000)
    world.kernel.run()
    aborted_only(world, "left after 2 stages")
    assert world.ended["r"][0] == "a"
    world.check_empty()


@replica_kinds
@pytest.mark.parametrize("died", [1_005_000, 1_030_000])
def test_the_source_dies_and_the_watchdog_frees_the_reservation(kind, died):
    world = World(kind, link=Link(bandwidth=1.0))  # the first stage takes 0.545 s
    world.send()
    world.move(1_000_000)
    world.die(died, "a")
    reserved = []
    for at in (died + 1, 1_000_000 + 10_000_000 - 1, 1_000_000 + 10_000_000 + 1):
        world.do(at, lambda: reserved.append(BLOCKS - world.b.memory.available))
    locked = []
    world.do(2_000_000, lambda: locked.extend(map(world.migrations.busy, "ab")))
    world.kernel.run()
    aborted_only(world, "the source died")
    assert world.lost == ["r"]
    assert reserved == [65, 65, 0]
    assert locked == [False, True]
    world.check_empty()


@replica_kinds
def test_the_source_dies_during_the_last_copy(kind):
    world = World(kind, link=Link(latency=5_000))
    live = world.send()
    world.move(1_000_000)
    world.die(LAST_COPY + 1_000, "a")
    world.kernel.run()
    aborted_only(world, "the source died")
    assert world.lost == ["r"]
    assert live.computed == 0 and live.generated > 1
    world.check_empty()


@replica_kinds
def test_both_die_one_after_the_other(kind):
    world = World(kind, link=Link(bandwidth=1.0))
    world.send()
    world.move(1_000_000)
    world.die(1_100_000, "a")
    world.die(1_200_000, "b")
    world.kernel.run()
    aborted_only(world, "the source died")
    world.check_empty()


@replica_kinds
def test_the_destination_dies_while_the_request_still_decodes(kind):
    world = World(kind, link=Link(bandwidth=1.0))
    live = world.send()
    world.move(1_000_000)
    world.die(1_100_000, "b")
    world.kernel.run()
    aborted_only(world, "the destination died")
    assert world.lost == [] and world.ended["r"][0] == "a"
    assert live.generated == live.target
    world.check_empty()


@replica_kinds
def test_the_destination_dies_during_the_last_copy(kind):
    world = World(kind, link=Link(latency=5_000))
    live = world.send()
    world.move(1_000_000)
    world.die(LAST_COPY + 1_000, "b")
    world.kernel.run()
    aborted_only(world, "the destination died")
    assert world.lost == [] and world.ended["r"][0] == "a"
    assert live.generated == live.target
    world.check_empty()


# What may not be asked for.


@replica_kinds
def test_what_no_policy_may_ask_for(kind):
    def refused(world, move=MOVE, at=1_000_000):
        world.send()
        world.move(at, move)
        with pytest.raises(IllegalDecision) as error:
            world.kernel.run()
        return str(error.value)

    assert "the same replica" in refused(World(kind), Move("a", "a"))
    world = World(kind)
    world.move(500_000)
    assert "in another migration" in refused(world, Move("b", "a"), at=500_001)
    pools = [Pool(model=model, gpu="A10", kv_blocks=9) for model in ("llama-2-7b", "qwen2.5-7b")]
    assert "qwen2.5-7b" in refused(World(kind, pools=pools))
    prefill = Pool(model="llama-2-7b", gpu="A10", kv_blocks=9, role="prefill")
    assert "does not decode" in refused(World(kind, pools=[prefill, prefill]))
    world = World(kind)
    world.name = "other"
    world.send("other", to="b")
    assert "does not run on a" in refused(world)


@replica_kinds
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_happens_no_block_is_lost_and_no_token(kind, data):
    """Random loads, moves back and forth, and failures: in the end all memory is free."""
    draw = data.draw
    allocate = draw(st.sampled_from(["chunk", "prompt", "longest"]))
    style = draw(st.sampled_from(["mixed", "prefill-first"]))
    limits = Limits(style=style, allocate=allocate, chunked=style == "mixed", tokens=4096)
    two_stage = draw(st.booleans())
    copying = Copying(two_stage=two_stage, last_blocks=draw(st.integers(1, 16)), watchdog=200_000)
    link = Link(bandwidth=draw(st.sampled_from([0.3, 2.0, 25.0])))
    pool = Pool(model="llama-2-7b", gpu="A10", kv_blocks=60, prefix_cache=draw(st.booleans()))
    world = World(kind, copying, link=link, pools=(pool, pool), limits=limits)
    count = draw(st.integers(1, 6))
    for i in range(count):
        prompt = draw(st.integers(1, 400))
        world.send(
            f"r{i}",
            prompt=prompt,
            limit=150,
            hashes=tuple(range(min(prompt // 16, draw(st.integers(0, 20))))),
            target=draw(st.integers(1, 120)),
            to=draw(st.sampled_from("ab")),
            at=draw(st.integers(0, 400_000)),
        )

    def last(view):
        decoding = [r for r in view.running if r.generated and r.computed >= r.prompt]
        return decoding[-1].id if decoding else ""

    world.migrations.choose = last

    def try_move(source, destination):
        if not any(map(world.migrations.busy, "ab")):
            world.begin(Move(source, destination))

    for at in draw(st.lists(st.integers(0, 2_000_000), max_size=12)):
        world.do(at, try_move, *draw(st.sampled_from([("a", "b"), ("b", "a")])))
    for at in draw(st.lists(st.integers(0, 2_000_000), max_size=2)):
        world.die(at, draw(st.sampled_from("ab")))
    world.kernel.run()
    world.check_empty()
    for name, live in world.lives.items():
        assert (name in world.lost) != (name in world.ended)
        assert name in world.lost or live.generated == live.target
