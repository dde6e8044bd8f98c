import pickle
from types import SimpleNamespace

import pytest

from hocket.core import registry
from hocket.core.errors import InputError, UnknownName, UserError
from hocket.core.load import load, load_policy
from hocket.core.policy import Policy
from hocket.core.run import run
from hocket.shop.policies.rules import SPT
from tests.testing.toy.policies.simple import First


@pytest.fixture
def plugged(monkeypatch):
    """Pretend that packages with these entry points are installed."""

    def install(**groups):
        def entry_points(group):
            return [
                SimpleNamespace(name=name, value="somewhere:thing", group=group, load=load)
                for name, load in groups.get(group.removeprefix("hocket."), {}).items()
            ]

        monkeypatch.setattr(registry, "entry_points", entry_points)
        registry.refresh()

    yield install
    monkeypatch.undo()
    registry.refresh()


def toy():
    from tests.testing.toy import DOMAIN

    return DOMAIN


class Plugged(SPT, frozen=True):
    """From another package."""

    name = "shop/plugged"


def fail():
    raise ImportError("no module named numpyy")


def test_names_of_policies_are_full_and_sorted():
    names = list(registry.policies())
    assert names == sorted(names)
    assert all(name.count("/") == 1 for name in names)
    assert registry.policy_class("shop/spt") is SPT
    assert all(kind.name == name for name, kind in registry.policies().items())


def test_every_problem_a_policy_handles_exists():
    for kind in registry.policies().values():
        assert set(kind.problems) <= set(registry.problem_types()), kind


@pytest.mark.parametrize(
    ("ask", "name", "told"),
    [
        (registry.policy_class, "shop/spd", "unknown policy 'shop/spd': did you mean 'shop/spt'"),
        (registry.policy_class, "spt", r"unknown policy 'spt'.*shop/spt"),
        (registry.policy_class, "shoop/spt", "unknown domain 'shoop': did you mean 'shop'"),
        (registry.domain, "shpo", "unknown domain 'shpo': did you mean 'shop'"),
        (registry.problem_type, "shop/jobshop", "did you mean 'shop/job-shop'"),
        (registry.generator_class, "shop/tailard", "did you mean 'shop/taillard'"),
        (registry.paper, "edcc", "unknown paper 'edcc'"),
        (registry.named_scenario, "shop/ta81", "unknown instance 'ta81'"),
        (registry.named_scenario, "nowhere/ta01", "unknown domain 'nowhere'"),
    ],
)
def test_unknown_names_suggest_the_nearest(ask, name, told):
    with pytest.raises(UnknownName, match=told) as caught:
        ask(name)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_every_named_scenario_has_a_domain_and_loads_by_that_name():
    names = registry.scenario_names()
    assert len(names) == len(set(names))
    assert load(names[0]) == registry.named_scenario(names[0])


def test_generators_and_formats_have_names_that_differ():
    names = registry.generators()
    assert all(name.endswith(f"/{kind.name}") for name, kind in names.items())
    assert {name.partition("/")[0] for name in names} == set(registry.BUILT_IN)
    for name, one in registry.formats().items():
        assert one.name == name


def test_a_plugged_domain_brings_its_policies_problems_and_names(plugged):
    plugged(domains={"toy": toy})
    assert list(registry.domains()) == [*registry.BUILT_IN, "toy"]
    assert registry.policy_class("toy/first") is First
    assert "toy/boxes" in registry.problem_types()
    world = load("toy/three")
    assert run(world, load_policy("toy/smallest")).metrics["makespan"] == 6
    assert load({"problem": "toy/boxes", "sizes": [3, 4]}).sizes == (3, 4)


def test_a_domain_is_imported_only_when_it_is_asked_for(plugged):
    plugged(domains={"theirs": fail, "toy": toy})
    assert registry.domain_names() == (*registry.BUILT_IN, "theirs", "toy")
    assert load("shop/ta01").jobs
    assert registry.problem_type("toy/boxes").name == "boxes"
    with pytest.raises(UserError, match="the plugin theirs"):
        registry.problem_types()


def test_what_is_known_of_one_domain():
    domains = registry.domain_names()
    for known in (registry.policies, registry.generators, registry.scenario_names):
        assert sorted(known()) == sorted(name for domain in domains for name in known(domain))
        assert all(name.startswith("serving/") for name in known("serving"))
    formats = [registry.formats(domain) for domain in domains]
    assert sum(map(len, formats)) == len(registry.formats())  # no name stands for two
    assert registry.formats() == {name: one for some in formats for name, one in some.items()}


def test_a_plugged_domain_does_not_replace_a_built_in_one(plugged):
    plugged(domains={"shop": toy})
    assert registry.domain("shop").name == "shop"


def test_plugged_policies_join_their_domain(plugged):
    plugged(policies={"any": lambda: Plugged})
    assert registry.policy_class("shop/plugged") is Plugged
    assert "shop/plugged" in registry.policies("shop")


def test_a_plugged_policy_does_not_replace_a_built_in_one(plugged):
    class Impostor(SPT, frozen=True):
        """Calls itself SPT."""

    plugged(policies={"any": lambda: Impostor})
    assert registry.policy_class("shop/spt") is SPT


def test_a_broken_plugin_is_named(plugged):
    plugged(policies={"theirs": fail})
    with pytest.raises(
        UserError, match=r"the plugin theirs = somewhere:thing \(hocket\.policies\)"
    ):
        registry.policies()
    plugged(domains={"theirs": fail})
    with pytest.raises(UserError, match=r"ImportError: no module named numpyy.*uninstall"):
        registry.domains()
    assert registry.domain("shop").name == "shop"  # whoever asks for another is not bothered


def test_two_built_in_policies_of_one_name_are_an_error(monkeypatch):
    from hocket.shop.policies import rules

    monkeypatch.setattr(rules, "POLICIES", (*rules.POLICIES, SPT))
    registry._policies_of.cache_clear()
    try:
        with pytest.raises(UserError, match="two policies are named shop/spt"):
            registry.policies("shop")
    finally:
        monkeypatch.undo()
        registry._policies_of.cache_clear()


ONE = '''
from hocket.shop.policies.rules import Rule

class Mine(Rule, frozen=True):
    """One's own."""

    name = "mine/rule"
    k: float = 1.0

    def priority(self, view, op):
        return self.k * view.duration[op]
'''


def test_a_policy_in_a_loose_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(ONE)
    kind = registry.policy_class(str(path))
    assert issubclass(kind, Policy)
    assert registry.policy_class(f"{path}:Mine") is kind
    mine = kind(k=2.0)
    assert pickle.loads(pickle.dumps(mine)) == mine
    spt = run(load("shop/ta01"), SPT()).metrics
    assert run(load("shop/ta01"), mine).metrics == spt


def test_what_can_be_wrong_with_a_loose_file(tmp_path):
    def said(text, name="", path="mine.py"):
        file = tmp_path / path
        file.write_text(text)
        with pytest.raises((InputError, UnknownName)) as caught:
            registry.policy_class(f"{file}{name}")
        return str(caught.value)

    assert "holds no policy" in said("x = 1", path="none.py")
    assert "holds 2 policies (Mine, Other)" in said(
        ONE + "\nclass Other(Mine, frozen=True): pass\n", path="two.py"
    )
    assert "did you mean 'Mine'" in said(ONE, ":Mien", path="three.py")
    assert "cannot be run: ZeroDivisionError" in said("1 / 0", path="four.py")
    nameless = said(ONE.replace("    name", "    title"), path="six.py")
    assert "Mine has no name; set one, e.g. name = 'shop/my-rule'" in nameless
    assert "cannot be run: SyntaxError" in said("def", path="five.py")
    with pytest.raises(InputError, match="there is no such Python file"):
        registry.policy_class(str(tmp_path / "absent.py"))


def test_a_file_that_failed_can_be_repaired(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("1 / 0")
    with pytest.raises(InputError):
        registry.policy_class(str(path))
    path.write_text(ONE)
    assert registry.policy_class(str(path)).name == "mine/rule"
