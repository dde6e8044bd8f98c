"""Engines that are lost are left alone, tried again, and used again."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("uvicorn")

from tests.serving.live.gateway.client import live, until
from tests.serving.live.gateway.engine import Engine, Hang, Reset, Status
from tests.serving.live.gateway.front import gateway

CLOSED, HALF_OPEN, OPEN = 0, 1, 2


@live
async def test_the_breaker_opens_and_half_opens_and_closes() -> None:
    async with (
        Engine() as bad,
        Engine() as good,
        gateway(bad, good, policy="serving/round-robin", failures=3) as front,
    ):
        name = front.names[0]
        bad.fault(Reset(count=3))
        for _ in range(6):
            assert (await front.complete("x")).status == 200
        assert bad.outcomes == {"Reset": 3}
        assert await front.count("breaker", backend=name) == OPEN
        before = len(bad.served)
        for _ in range(5):
            assert (await front.complete("x")).status == 200
        assert len(bad.served) == before  # nobody asks it
        front.later(61)
        assert await front.count("breaker", backend=name) == HALF_OPEN
        for _ in range(3):
            assert (await front.complete("x")).status == 200
        assert bad.outcomes["finished"] >= 1
        assert await front.count("breaker", backend=name) == CLOSED


@live
async def test_one_request_is_the_trial_and_its_failure_opens_it_again() -> None:
    async with (
        Engine() as bad,
        Engine() as good,
        gateway(bad, good, policy="serving/round-robin", failures=1) as front,
    ):
        name = front.names[0]
        bad.fault(Reset())
        assert (await front.complete("x")).status == 200
        assert await front.count("breaker", backend=name) == OPEN
        bad.gap = 0.02
        bad.fault(Reset(after=5))
        front.later(61)
        assert await front.count("breaker", backend=name) == HALF_OPEN
        replies = await asyncio.gather(*(front.complete("x", 10) for _ in range(10)))
        assert all(reply.status == 200 for reply in replies)
        assert len(bad.served) == 2  # the first, and one trial for all ten
        assert await front.count("breaker", backend=name) == OPEN


@live
async def test_a_client_that_leaves_during_the_trial_does_not_block_it() -> None:
    async with Engine(gap=0.02) as engine, gateway(engine, failures=1) as front:
        engine.fault(Reset())
        assert (await front.complete("x")).status == 502
        front.later(61)
        trial = asyncio.create_task(front.complete("x", 500))
        await until(lambda: engine.load.running)
        trial.cancel()
        await until(lambda: engine.outcomes["cancelled"] == 1)
        assert (await front.complete("x", 2)).status == 200


@live
async def test_an_engine_that_is_not_well_gets_nothing_until_it_is() -> None:
    async with Engine() as one, Engine() as two, gateway(one, two) as front:
        one.healthy = False
        await front.until("backend_healthy", 0, backend=front.names[0])
        for _ in range(4):
            assert (await front.complete("x")).status == 200
        assert not one.served and len(two.served) == 4
        two.healthy = False
        await front.until("backend_healthy", 0, backend=front.names[1])
        assert (await front.get("/ready")).status == 503
        refused = await front.complete("x")
        assert refused.status == 503 and int(refused.headers["Retry-After"]) >= 1
        one.healthy = True
        await front.until("backend_healthy", 1, backend=front.names[0])
        assert (await front.complete("x")).status == 200 and one.served


@live
async def test_engines_may_die_and_come_back() -> None:
    async with (
        Engine() as one,
        Engine() as two,
        gateway(one, two, policy="serving/round-robin") as front,
    ):
        for engine, other in ((one, two), (two, one), (one, two)):
            await engine.kill()
            for _ in range(3):
                assert (await front.complete("x")).status == 200
            before = len(engine.served)
            await engine.start()
            name = front.names[0 if engine is one else 1]
            await front.until("backend_healthy", 1, backend=name)
            front.later(61)
            async with asyncio.timeout(10):
                while len(engine.served) == before:
                    assert (await front.complete("x")).status == 200
            assert other.served


@live
async def test_the_gateway_starts_before_its_engines() -> None:
    engine = Engine()
    await engine.start()
    await engine.kill()  # its port is known, and nobody listens there
    async with gateway(engine, wait=False) as front:
        assert (await front.get("/ready")).status == 503
        assert (await front.complete("x")).status == 503
        await engine.start()
        await front.until("backend_healthy", 1, backend=front.names[0])
        assert (await front.complete("x")).status == 200
        await engine.kill()


@live
async def test_an_engine_that_refuses_for_being_full_is_not_lost() -> None:
    async with Engine() as engine, gateway(engine, failures=1) as front:
        engine.fault(Status(status=429, count=5))
        for _ in range(5):
            assert (await front.complete("x")).status == 429
        assert (await front.complete("x")).status == 200


@live
async def test_the_in_flight_bound_of_a_backend_holds_and_nobody_is_lost() -> None:
    async with (
        Engine(gap=0.003) as one,
        Engine(gap=0.003) as two,
        gateway(one, two, backend={"in_flight": 3}) as front,
    ):
        replies = await asyncio.gather(
            *(front.complete(f"prompt {n}", 8, stream=n % 2 == 0) for n in range(40))
        )
        assert [reply.status for reply in replies] == [200] * 40
        assert one.load.most == two.load.most == 3


@live
async def test_hanging_requests_do_not_hold_their_engine_for_ever() -> None:
    quick = {"connect": 0.5, "first": 1.0, "gap": 1.0, "total": 100.0}
    async with (
        Engine() as engine,
        gateway(engine, backend={"in_flight": 2}, timeouts=quick, failures=99) as front,
    ):
        engine.fault(Hang(count=4))
        replies = await asyncio.gather(*(front.complete("x") for _ in range(8)))
        assert sorted(reply.status for reply in replies) == [200] * 4 + [504] * 4
        assert not engine.load.running
