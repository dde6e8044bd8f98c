"""``hocket live k8s`` as it is typed, against an API server."""

from __future__ import annotations

import json
import signal

import pytest
import yaml

pytest.importorskip("kubernetes")
pytest.importorskip("ortools")

from hocket.cli import main
from hocket.cli.live_record import Record
from hocket.cluster.model.pods import Node, Pods
from hocket.cluster.packing.plan import Plan
from tests.cluster.live.apiserver import nodes, replicaset, serving


@pytest.fixture
def server(tmp_path):
    with serving(*nodes(2), replicaset("web", 3, cpu="300m", scheduler="hocket")) as found:
        found.settle()
        found.config = str(found.kubeconfig(tmp_path / "config"))
        yield found


def test_a_look_changes_nothing_and_says_what_it_would_do(server, capsys):
    assert main(["live", "k8s", "--kubeconfig", server.config]) == 0
    told = capsys.readouterr()
    assert "default/web" in told.out
    assert "nothing was changed" in told.err
    assert set(server.placed().values()) == {None}


def test_json_is_one_document(server, capsys):
    assert main(["live", "k8s", "--kubeconfig", server.config, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["pods"] == 3
    assert document["plan"]["verdict"] == "better and optimal"
    assert [step["act"] for step in document["plan"]["steps"]] == ["bind"] * 3


def test_apply_places_and_records(server, capsys, tmp_path):
    record = tmp_path / "kept"
    record.mkdir()
    policy = tmp_path / "mine.yaml"
    policy.write_text("policy: cluster/priority-matters\nwhen: failure\n")
    asked = ["live", "k8s", "--kubeconfig", server.config, "--record", str(record)]
    assert main([*asked, "--policy", str(policy)]) == 0
    assert (record / "plan-0.json").exists()
    assert main(["check", str(record / "plan-0.scenario.json")]) == 0
    assert main([*asked, "--apply"]) == 0
    assert None not in server.placed().values()


def test_records_go_on_where_they_ended_and_do_not_grow_for_ever(tmp_path, caplog):
    plan = Plan(verdict="already optimal")
    snapshot = Pods(name="now", nodes=(Node(name="n0", allocatable={"pods": 9}),), pods=())
    (tmp_path / "plan-notes.json").write_text("mine")
    Record(tmp_path).keep(snapshot, plan)
    again = Record(tmp_path, kept=3)
    for _ in range(5):
        again.keep(snapshot, plan)
    names = {path.name for path in tmp_path.iterdir()}
    kept = {f"plan-{k}.{end}" for k in (3, 4, 5) for end in ("json", "scenario.json")}
    assert names == {"plan-notes.json", *kept}
    assert main(["check", str(tmp_path / "plan-5.scenario.json")]) == 0
    again.folder = tmp_path / "gone"
    again.keep(snapshot, plan)
    assert "not recorded" in caplog.text


def test_pods_that_cannot_be_placed_are_an_exit_code(tmp_path, capsys):
    with serving(*nodes(1), replicaset("big", 1, cpu="8", scheduler="hocket")) as found:
        found.settle()
        config = str(found.kubeconfig(tmp_path / "config"))
        assert main(["live", "k8s", "--kubeconfig", config]) == 1
    assert "already optimal" in capsys.readouterr().err


def test_the_manifest_is_yaml_and_asks_for_little(capsys):
    assert main(["live", "k8s", "--manifest"]) == 0
    kinds = [one["kind"] for one in yaml.safe_load_all(capsys.readouterr().out)]
    assert "ClusterRole" in kinds


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--kubeconfig", "no-such-file"], "no cluster to connect to"),
        (["--apply", "--any-scheduler"], "needs --extender"),
        (["--policy", "shop/spt"], "does not place pods"),
        (["--policy", "cluster/uwfq"], "does not place pods"),
        (["--policy", "cluster/nothing"], "unknown policy"),
        (["--extender", "many"], "is no PORT"),
        (["--set", "search.time_limit=-1"], "time_limit"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_bad_words_are_refused(server, capsys, words, told):
    config = [] if "--kubeconfig" in words else ["--kubeconfig", server.config]
    assert main(["live", "k8s", *config, *words]) == 2
    assert told.lower() in capsys.readouterr().err.lower()


def test_a_server_that_is_away_and_one_that_refuses(server, capsys):
    server.revoke()
    assert main(["live", "k8s", "--kubeconfig", server.config]) == 1
    assert "credentials" in capsys.readouterr().err
    server.refuse()
    assert main(["live", "k8s", "--kubeconfig", server.config]) == 1
    assert "no answer" in capsys.readouterr().err


def test_signals_are_as_before(server):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    main(["live", "k8s", "--kubeconfig", server.config])
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
