"""DS3's text formats: public files, both forms of resources, round trips, and what is refused."""

import msgspec
import pytest
from hypothesis import given, settings

from hocket.core.errors import InputError, NotApplicable
from hocket.taskgraph.formats.ds3 import parse, read, sniff
from hocket.taskgraph.formats.ds3_write import write, write_jobs, write_resources
from hocket.taskgraph.generate import named, names
from hocket.taskgraph.model.graph import graphs, platform
from hocket.taskgraph.model.processors import Communication, Function, Link
from hocket.taskgraph.model.scenario import TaskGraphs
from tests.data import shared
from tests.taskgraph.formats.graphs import socs

SOC = """\
add_new_resource CPU P1 0 1 2 ondemand
opp 1000 1000
opp 500 900
a 14 2.5
b 13
add_new_resource ACC P2 1 2 1 none
a 3 0.1
add_new_resource MEM M 2 1 1 none
None 0 0
comm_band 0 1 5
comm_band 0 2 7
"""
JOB = """\
job_name J
add_new_tasks 3
a 0
a HEAD
a earliest_start 0 deadline 2
b 1 0   # the second task
a 2 0 1
a TAIL
comm_vol 0 1 20
comm_vol 1 2 4
"""
CLUSTERS = """\
# two cores and an accelerator, as later versions write them
add_new_resource resource_type LTL resource_name A7 resource_ID 0 capacity 2 \
num_supported_functionalities 3 DVFS_mode performance
opp 600 1000
trip_freq -1 -1
power_profile 600 0.19 0.3
power_profile 1400 0.39 0.5
PG_profile 600 0.1 0.2
a 22
v 1828
v 3130
add_new_resource resource_type ACC_1 resource_name F resource_ID 1 capacity 1 \
num_supported_functionalities 1 DVFS_mode performance
a 16 16
comm_band_self 10000
comm_band 0 0 1000
comm_band 0 1 10
job_name J
add_new_tasks 2
a 0
v 1 0
"""


def told(text: str) -> list[str]:
    """Every problem of a text, as a user reads it."""
    with pytest.raises(InputError) as caught:
        read(text, "x.txt")
    return [str(problem) for problem in caught.value.problems]


def test_a_resource_and_a_job_file_in_one() -> None:
    scenario = read(SOC + JOB, "folder/x.txt")
    first, second = scenario.processors
    assert (scenario.name, first.name, second.type, second.capacity) == ("x", "P1", "ACC", 2)
    assert first.governor == "ondemand"
    assert [(p.frequency, p.voltage) for p in first.points] == [(500, 900), (1000, 1000)]
    assert first.functions["a"] == Function(duration=14, power=2.5)
    assert (second.governor, second.points) == ("performance", ())
    (graph,) = graphs(scenario)
    assert graph.tasks == ("a#0", "b", "a#2")
    assert graph.durations[0] == graph.durations[2] == (14, 3)
    assert graph.inputs == ((), ((0, 20.0),), ((0, 0.0), (1, 4.0)))
    assert read(JOB + SOC, "x.txt") == scenario


def test_pairs_without_a_line_have_bandwidth_one() -> None:
    """As in gym_ds3, a processor to itself included."""
    found = platform(read(SOC + JOB, "x.txt"))
    assert found.bandwidth == ((1.0, 5.0), (5.0, 1.0))
    with_memory = msgspec.structs.replace(
        read(SOC + JOB, "x.txt"),
        communication=msgspec.structs.replace(
            read(SOC + JOB, "x.txt").communication, mode="shared-memory"
        ),
    )
    assert platform(with_memory).to_memory == (7.0, 1.0)


def test_clusters_are_so_many_processors() -> None:
    scenario = read(CLUSTERS, "x.txt")
    assert [(p.name, p.type, p.capacity) for p in scenario.processors] == [
        ("A7_0", "LTL", 1),
        ("A7_1", "LTL", 1),
        ("F_2", "ACC", 1),
    ]
    assert scenario.processors[1].functions["v"] == Function(duration=1828, power=0.39)
    bands = platform(scenario).bandwidth
    assert bands == ((10000.0, 1000.0, 10.0), (1000.0, 10000.0, 10.0), (10.0, 10.0, 1.0))
    assert scenario.notes() == (
        "functions listed twice, the first counts: A7 v",
        "not simulated, lines passed over: PG_profile, trip_freq",
        "power_profile: the power of a task is that of one busy core; cores do not share any",
    )


def test_what_is_changed_is_noted() -> None:
    soc = SOC.replace("b 13", "b 12.6")
    job = JOB.replace("a earliest_start 0", "a earliest_start 9").replace("a TAIL", "")
    scenario = read(soc + job + "comm_vol 2 1 9\n", "x.txt")
    assert scenario.processors[0].functions["b"].duration == 13
    assert scenario.notes() == (
        "times rounded to whole ticks: 1",
        "J: comm_vol between tasks that do not follow one another: 1, passed over",
        "J: earliest_start is not simulated",
    )
    several = read(SOC + JOB.replace("a 2 0 1", "a 2 0"), "x.txt")
    assert "J: jobs end with the last of their tasks, also where none is marked TAIL" in (
        several.notes()
    )


@pytest.mark.parametrize("count", [1, 10])
def test_public_files_are_the_profiles_that_need_none(count: int) -> None:
    """Every duration, power, frequency, bandwidth and edge of the synthetic profile."""
    jobs = ["job_Top.txt", *(f"job_Top{i}.txt" for i in range(2, count + 1))]
    files = [shared("taskgraph", "ds3", name) for name in ("DASH.SoC.Top.txt", *jobs)]
    there = read("\n".join(file.read_text() for file in files), "top.txt")
    here = named(f"top{count}" if count > 1 else "top")
    assert there.notes() == ()
    assert there.processors == here.processors
    assert platform(there) == platform(here)
    assert graphs(there) == graphs(here)


@pytest.mark.parametrize("file", ["DASH.SoC.Top.txt", "job_Top.txt"])
def test_one_file_alone_says_how_to_go_on(file: str) -> None:
    path = shared("taskgraph", "ds3", file)
    with pytest.raises(InputError, match=r"needs a (job|resource) file too: name both in a YAML"):
        read(path.read_text(), file)


@settings(max_examples=60, deadline=None)
@given(scenario=socs())
def test_round_trip(scenario: TaskGraphs) -> None:
    """Written and read again: the same processors, graphs, and times of every transfer."""
    again = read(write(scenario), "soc.ds3")
    assert again.processors == scenario.processors
    assert [g.durations for g in graphs(again)] == [g.durations for g in graphs(scenario)]
    assert [g.inputs for g in graphs(again)] == [g.inputs for g in graphs(scenario)]
    same_mode = msgspec.structs.replace(again.communication, mode=scenario.communication.mode)
    ours = platform(scenario)
    theirs = platform(msgspec.structs.replace(again, communication=same_mode))
    assert ours.to_memory == theirs.to_memory
    volumes = {edge.volume for kind in scenario.types for edge in kind.edges}
    for a in range(len(ours.names)):
        for b in range(len(ours.names)):
            for volume in volumes:
                assert ours.transfer(volume, a, b) == theirs.transfer(volume, a, b)


@pytest.mark.parametrize("name", names())
def test_named_scenarios_survive_the_format(name: str) -> None:
    scenario = named(name)
    again = read(write(scenario), "x.ds3")
    assert (again.processors, graphs(again)) == (scenario.processors, graphs(scenario))
    ours, theirs = (write(one).split("\n\n", 1)[1].splitlines() for one in (scenario, again))
    assert sorted(ours) == sorted(theirs)


def test_parts_can_be_written_apart() -> None:
    scenario = named("top2")
    soc, jobs = write_resources(scenario), write_jobs(scenario)
    assert "job_name" not in soc and "add_new_resource" not in jobs
    assert parse(soc, "x").types == () and len(parse(jobs, "x").types) == 2
    assert graphs(read(soc + jobs, "x")) == graphs(scenario)


def test_settings_stand_in_comments() -> None:
    text = write(named("top6"))
    assert "# scale = 25.0\n" in text and "# max_jobs_in_parallel = 3\n" in text
    assert "# job_probabilities = [0.17, 0.17, 0.17, 0.17, 0.17, 0.15]\n" in text
    assert "# simulation_length = 5000\n" in text and "# shared_memory = no\n" in text


def test_what_ds3_cannot_hold_is_refused() -> None:
    scenario = named("canonical")
    first = msgspec.structs.replace(scenario.processors[0], name="P 1")
    wrong = msgspec.structs.replace(
        scenario,
        processors=(first, *scenario.processors[1:]),
        communication=Communication(
            links=(Link(between=("P2", "P3"), bandwidth=0.5),), default=1.0, memory={"P2": 1.5}
        ),
    )
    with pytest.raises(InputError) as caught:
        write(wrong)
    assert [str(problem) for problem in caught.value.problems] == [
        "processors[0].name: 'P 1' is no name that DS3 can read; rename it",
        "communication.links[0]: 0.5 is no whole number, which DS3 asks for; round it",
        "communication.memory.P2: 1.5 is no whole number, which DS3 asks for; round it",
    ]
    with pytest.raises(NotApplicable):
        write("no scenario")


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        ("a 14 2.5", "a -14 2.5", ["line 4: time of 'a': expected a number from 0 to 1e+12"]),
        ("a 14 2.5", "a nan inf", ["line 4: time of 'a'", "line 4: power of 'a'"]),
        ("a 14 2.5", "a 1e400 2.5", ["line 4: time of 'a'"]),
        ("CPU P1 0 1 2", "CPU P1 0 0 2", ["line 1: capacity: expected a whole number from 1"]),
        ("CPU P1 0 1 2", "CPU P1 0 1 3", ["line 6: 2 of the 3 functions of P1 are listed before"]),
        ("CPU P1 0 1 2", "CPU P1 0 1 1", ["line 5: unknown line 'b 13'; P1 announces 1 functions"]),
        ("CPU P1 0 1 2", "CPU", ["line 1: 3 words; expected add_new_resource TYPE NAME"]),
        ("ACC P2 1", "ACC P1 0", ["line 6: id '0' is that of line 1", "line 6: name 'P1' is that"]),
        ("ondemand", "fastest", ["line 1: DVFS mode 'fastest'; there is performance, powersave"]),
        ("ondemand", "constant-700", ["line 1: P1: constant-700 is no frequency of its lines opp"]),
        ("1 none\na", "1 powersave\na", ["line 6: P2: powersave needs lines opp"]),
        ("opp 500 900", "opp 1000 900", ["line 3: P1 has frequency 1000 already"]),
        ("opp 500 900", "opp 500", ["line 3: opp: a frequency in MHz and a voltage in mV"]),
        ("opp 500 900", "opp 0 900", ["line 3: frequency: expected a number above 0"]),
        ("comm_band 0 1 5", "comm_band 0 1 0", ["line 10: comm_band: bandwidth 0; nothing would"]),
        ("comm_band 0 1 5", "comm_band 0 9 5", ["line 10: comm_band: there is no resource 9"]),
        ("comm_band 0 1 5", "comm_band 0 1", ["line 10: comm_band: two resources and a bandwidth"]),
        ("comm_band 0 1 5", "comm_bund 0 1 5", ["line 10: unknown line 'comm_bund 0 1 5'"]),
        (
            "add_new_tasks 3",
            "add_new_tasks 4",
            ["line 12: job 'J' announces 4 tasks, 3 are listed"],
        ),
        ("add_new_tasks 3", "add_new_tasks 1e3", ["line 13: number of tasks: expected a whole"]),
        ("add_new_tasks 3", "", ["line 14: unknown line 'a 0'", "has no add_new_tasks"]),
        ("b 1 0 ", "b 7 0 ", ["line 17: task 'b' has number 7, 1 expected"]),
        ("b 1 0 ", "b 1 0 0 ", ["line 17: task 0 is listed 2 times"]),
        ("b 1 0 ", "b 1 2 ", ["line 18: tasks go round in a circle: a#2 -> b -> a#2"]),
        ("b 1 0 ", "b 1 1 ", ["line 17: tasks go round in a circle: b -> b"]),
        ("b 1 0 ", "b 1 99999 ", ["line 17: task 1 follows task 99999; tasks are 0 to 2"]),
        ("b 1 0 ", "b 1 99999999999 ", ["line 17: number of a task before: expected a whole"]),
        ("b 1 0 ", "b ", ["line 17: task 'b' has no number"]),
        ("b 1 0 ", "c 1 0 ", ["types[0].tasks[1]: runs 'c', which no processor can"]),
        ("a TAIL", "a HEAD", ["line 18: task 2 is marked HEAD and follows others"]),
        ("comm_vol 0 1 20", "comm_vol 0 1 -20", ["line 20: volume: expected a number from 0"]),
        ("comm_vol 0 1 20", "comm_vol 0 8 20", ["line 20: comm_vol: no task 8; tasks are 0 to 2"]),
        ("comm_vol 0 1 20", "comm_vol 0 1", ["line 20: comm_vol: two tasks and a volume expected"]),
        ("job_name J", "job_name J K", ["line 12: job_name: one name expected"]),
        ("job_name J", "", ["line 13: job_name expected before the first tasks"]),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_mistakes_are_told_with_their_lines(old: str, new: str, problems: list[str]) -> None:
    text = (SOC + JOB).replace(old, new, 1)
    assert text != SOC + JOB
    found = told(text)
    for problem in problems:
        assert any(problem in one for one in found), found


def test_all_mistakes_are_told_at_once() -> None:
    text = (SOC + JOB).replace("a 14 2.5", "a x 2.5").replace("20", "y").replace("b 1 0 ", "b 1 z ")
    assert [one.split(":")[0] for one in told(text)] == ["line 4", "line 17", "line 20"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is empty"),
        ("# nothing but a comment\n", "no resources and no jobs"),
        (
            "add_new_resource\x00 CPU",
            "line 1: this is no text file: it holds the character '\\x00'",
        ),
        ("something else\n", "line 1: expected one of add_new_resource, add_new_tasks"),
        ("add_new_resource MEM M 0 1 0 none\n" + JOB, "no resource but memory"),
        (SOC + JOB + JOB, "2 jobs are called 'J'; rename all but one"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_files_that_are_none(text: str, problem: str) -> None:
    assert any(problem in one for one in told(text))


def test_every_cut_is_refused_or_sound() -> None:
    """A file that ends anywhere is read, or told to be wrong; nothing else happens."""
    text = SOC + JOB
    for end in range(0, len(text), 3):
        try:
            scenario = read(text[:end], "cut.txt")
        except InputError:
            continue
        assert not list(scenario.problems())


def test_sniff() -> None:
    assert sniff("x.txt", "# comment\n\n" + SOC) and sniff("x", JOB)
    assert not sniff("x.txt", "10 3\n") and not sniff("x", "") and not sniff("x", "# add_new\n")
