"""The search for the scenario on which one policy loses most to another."""

import json

import pytest

import hocket
from hocket.cli import main
from hocket.core.adversary import search
from hocket.core.errors import NotApplicable, UnknownName, UserError
from hocket.core.load import load_policy

HEFT, MET = load_policy("taskgraph/heft"), load_policy("taskgraph/met")


def test_what_it_finds_is_true():
    found = search(MET, HEFT, moves=150, seed=1)
    loses = hocket.run(found.scenario, MET, seed=1).metrics["mean_latency"]
    wins = hocket.run(found.scenario, HEFT, seed=1).metrics["mean_latency"]
    assert (found.loses, found.wins) == (loses, wins)
    assert found.ratio == loses / wins > 1.3  # MET sends all tasks to the fastest processor
    ratios = [ratio for _, ratio in found.log]
    assert ratios == sorted(ratios) and ratios[-1] == found.ratio
    assert not list(found.scenario.problems())


def test_it_can_lose_either_way():
    """HEFT, too, has scenarios on which a simpler policy is better."""
    assert search(HEFT, MET, moves=300, seed=2).ratio > 1.0


def test_a_policy_loses_nothing_to_itself():
    assert search(HEFT, HEFT, moves=30).ratio == 1.0


def test_the_same_arguments_find_the_same():
    assert search(MET, HEFT, moves=60, seed=3) == search(MET, HEFT, moves=60, seed=3)
    assert search(MET, HEFT, moves=60, seed=3) != search(MET, HEFT, moves=60, seed=4)


def test_it_starts_where_it_is_told():
    start = hocket.load("taskgraph/canonical")
    first = search(MET, HEFT, start=start, moves=1)
    here = hocket.run(start, MET).metrics["mean_latency"] / 80
    assert first.ratio >= here
    found = search(MET, HEFT, start=start, moves=100)
    assert found.ratio >= first.ratio
    assert len(found.scenario.types[0].tasks) == 10


def test_the_search_can_be_stopped():
    looked = []

    def stop():
        looked.append(1)
        return len(looked) > 10

    found = search(MET, HEFT, moves=1000, stop=stop)
    assert found.interrupted and found.moves == 10


def test_bad_questions():
    with pytest.raises(NotApplicable, match="share no problem"):
        search(load_policy("shop/spt"), HEFT)
    with pytest.raises(NotApplicable, match="no small changes"):
        search(load_policy("shop/spt"), load_policy("shop/fifo"), start=hocket.load("shop/ta01"))
    with pytest.raises(UnknownName, match="mean_latency"):
        search(MET, HEFT, objective="mean_latncy")
    with pytest.raises(UserError, match="at least 1 move"):
        search(MET, HEFT, moves=0)


def test_the_command(tmp_path, capsys):
    worst, page = tmp_path / "worst.yaml", tmp_path / "worst.html"
    command = ["compare", "--adversarial", "taskgraph/met", "taskgraph/heft", "--moves", "80"]
    assert main([*command, "--worst", str(worst), "--report", str(page)]) == 0
    told = capsys.readouterr()
    assert "taskgraph/met needs" in told.out
    assert "<html" in page.read_text()
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    again = hocket.run(worst, "taskgraph/met").metrics["mean_latency"]
    assert found["values"][0] == again
    assert found["ratio"] == pytest.approx(found["values"][0] / found["values"][1])


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (["--policy", "taskgraph/etf"], "names its two policies itself"),
        (["taskgraph/canonical", "taskgraph/canonical"], "starts from one scenario"),
        (["--worst", "/nowhere/at/all.yaml"], "nowhere"),
    ],
    ids=["policy", "two", "place"],
)
def test_commands_that_make_no_sense(extra, told, capsys):
    command = ["compare", *extra, "--adversarial", "taskgraph/met", "taskgraph/heft"]
    assert main(command) == 2
    assert told in capsys.readouterr().err


def test_a_comparison_needs_a_scenario(capsys):
    assert main(["compare", "--policy", "shop/spt"]) == 2
    assert "at least one scenario" in capsys.readouterr().err
