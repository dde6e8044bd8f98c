import time

import pytest

from hocket.serving.live.vllm.processor import ProcessorClock


def test_it_stands_still_while_others_work_and_goes_on_with_waiting() -> None:
    clock = ProcessorClock()
    time.sleep(0.05)
    slept = clock.seconds()
    assert slept < 0.04
    clock.sleep(2.5)
    assert clock.seconds() == pytest.approx(slept + 2.5, abs=0.04)
    assert clock.now() == pytest.approx(clock.seconds() * 1e6, abs=1e4)


def test_it_goes_on_with_work() -> None:
    clock = ProcessorClock()
    begun, work = time.thread_time(), 0
    while time.thread_time() - begun < 0.02:
        work += 1
    assert clock.now() >= 20_000 and work


def test_arrivals_have_their_place_on_it() -> None:
    clock = ProcessorClock()
    assert clock.at(clock.unix + 1.5) == 1_500_000
    assert clock.at(clock.unix - 9) == 0
