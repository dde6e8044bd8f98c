import msgspec
import pytest

from hocket.core.registry import domain
from hocket.testing import (
    ClockError,
    ConservationError,
    ContractError,
    FeasibilityError,
    MutationError,
    check_domain,
)
from tests.testing.toy import DOMAIN, PROBLEM

replace = msgspec.structs.replace
WORLD, BROKEN = "tests.testing.toy.world", "tests.testing.broken"


@pytest.mark.slow
def test_the_shop_and_all_its_policies_pass():
    report = check_domain("shop")
    print(report)
    text = str(report)
    for problem in domain("shop").problems:
        assert f"{problem.name}: checker rejects" in text
    # One cannot be checked without a scenario that it is made for; see test_policy.
    assert [line for line in report.skipped if "altogether" in line] == [
        "shop/plan altogether: give scenarios that it handles to check_policy"
    ]


def test_a_domain_of_ones_own_passes():
    text = str(check_domain(DOMAIN))
    assert "boxes: rooms scenario, simulate, check, metrics, due" in text
    assert "format boxes: 1 scenarios written, read and written again" in text
    assert "boxes: metrics hold 2 objectives" in text
    assert "policies: 2 in 4 runs" in text


def with_room(**rooms):
    return replace(DOMAIN, problems=(replace(PROBLEM, **rooms),))


FAULTS = [
    (with_room(simulate=f"{WORLD}:nothing"), ContractError, "boxes: simulate = .*no attribute"),
    (with_room(solve="nowhere.at_all:solve"), ContractError, "No module named 'nowhere'"),
    (
        with_room(simulate=f"{BROKEN}:simulate_without_seed"),
        ContractError,
        r"simulate\(scenario, po",
    ),
    (with_room(metrics=f"{WORLD}:due"), ContractError, r"metrics\(scenario, timeline\)"),
    (with_room(scenario=f"{WORLD}:View"), ContractError, "no subclass of Scenario"),
    (replace(with_room(name="crates")), ContractError, "is 'toy/boxes', not 'toy/crates'"),
    (with_room(policies=("toy/last",)), ContractError, "default policy toy/last does not handle"),
    (with_room(policies=()), ContractError, "names no default policies"),
    (
        with_room(metrics=f"{BROKEN}:metrics_without_objective"),
        ContractError,
        "lack its own makespa",
    ),
    (
        with_room(metrics=f"{BROKEN}:metrics_not_finite"),
        ConservationError,
        "metric share .* is nan",
    ),
    (with_room(check=f"{BROKEN}:check_nothing"), ContractError, "accepts 6 of 6 .* is never done"),
    (
        with_room(check=f"{BROKEN}:check_names"),
        ContractError,
        "accepts 12 of 12 .* begins and ends",
    ),
    (with_room(simulate=f"{BROKEN}:simulate_losing"), FeasibilityError, "boxes: not each box once"),
    (
        with_room(simulate=f"{BROKEN}:simulate_writeable"),
        MutationError,
        r"array \.sizes can be writ",
    ),
    (
        with_room(simulate=f"{BROKEN}:simulate_backwards"),
        ClockError,
        r"View\.now went from 1000 back",
    ),
    (
        replace(DOMAIN, generators=f"{BROKEN}:HEEDLESS"),
        ContractError,
        "pile does not heed its seed",
    ),
    (replace(DOMAIN, generators=f"{BROKEN}:FICKLE"), ContractError, "two scenarios of one seed"),
    (replace(DOMAIN, generators=f"{BROKEN}:TWICE"), ContractError, "names that differ: pile, pile"),
    (
        replace(DOMAIN, formats=f"{BROKEN}:FORGETFUL"),
        ContractError,
        "boxes reads pile-.* as something",
    ),
    (
        replace(DOMAIN, formats=f"{BROKEN}:UNKNOWN"),
        ContractError,
        "does not recognise what it wrote",
    ),
    (
        replace(DOMAIN, formats=f"{BROKEN}:FRAGILE"),
        ContractError,
        "fails to write .* AttributeError",
    ),
    (replace(DOMAIN, name="toys"), ContractError, "is 'toy/boxes', not 'toys/boxes'"),
]


@pytest.mark.parametrize(("faulty", "error", "told"), FAULTS)
def test_each_fault_is_named(faulty, error, told):
    with pytest.raises(error, match=told):
        check_domain(faulty)


def test_a_losing_simulator_with_a_blind_checker_is_caught_by_the_checkers_own_test():
    blind = with_room(simulate=f"{BROKEN}:simulate_losing", check=f"{BROKEN}:check_nothing")
    with pytest.raises(ContractError, match="the checker of boxes accepts"):
        check_domain(blind)


def test_policies_can_be_limited():
    from tests.testing.toy.policies.simple import Smallest

    assert "policies: 1 in 2 runs" in str(check_domain(DOMAIN, policies=[Smallest()]))
