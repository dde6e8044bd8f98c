"""What users of serving get wrong: exit code 2, one clear message, no traceback, nothing lost."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import hocket
from hocket.cli import main
from hocket.core.errors import InputError, NotApplicable, UnknownName
from hocket.serving.cost import Linear
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.workload import Trace
from tests.data import shared

LOG = "arrival,prompt,output\n"
TRACE = (
    "problem: serving/cluster\n"
    "workload: {kind: trace, arrival: [0, 5], prompt: [10, 3000], output: [5, 5]}\n"
)
NAMING = "problem: serving/cluster\nworkload: {kind: log, path: log.csv}\n"
SCREEN = 24  # lines


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """Run a command that must fail; what it says on standard error."""
    assert main(list(arguments)) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("hocket: ")
    assert "Traceback" not in captured.err
    assert len(captured.err.splitlines()) <= SCREEN
    return captured.err


LOGS = {
    "no answers": ("l.csv", "arrival,prompt\n0,3\n", ["how many tokens answers have", "prompt"]),
    "no prompts": ("l.jsonl", '{"arrival": 0, "output": 3}\n', ["how many tokens prompts have"]),
    "negative": (
        "l.csv",
        f"{LOG}0,-3,4\n1,5,-1\n2,x,3\n",
        ["3 problems", "line 2: prompt: '-3' is negative", "line 3: output", "line 4: prompt"],
    ),
    "no numbers": (
        "l.csv",
        f"{LOG}nan,3,4\n1,5.5,1\n2,3,1e400\n,3,3\n",
        ["line 2: arrival", "line 3: prompt", "line 4: output", "line 5: arrival: missing"],
    ),
    "a mistake on every line": (
        "l.csv",
        LOG + "0,-1,-1\n" * 5000,
        ["1000 problems", "line 2: prompt: '-1' is negative"],
    ),
    "nobody answered": ("l.csv", f"{LOG}0,3,0\n0,0,5\n", ["no row has tokens of both"]),
    "cut off": (
        "l.jsonl",
        '{"arrival": 0, "prompt": 3, "output": 3}\n{"arrival": 1, "prompt": 3, "out',
        ["line 2: the line is cut off"],
    ),
    "cut off in the middle of a table": ("l.csv", f"{LOG}0,3,5\n1,3", ["line 3", "cut off"]),
    "no JSON": (
        "l.jsonl",
        '{"arrival": 0, "prompt": 3, "output": 3}\n{"arrival" 1}\n',
        ["line 2: not valid JSON"],
    ),
    "empty table": ("l.csv", "", ["the file is empty"]),
    "empty lines": ("l.jsonl", "\n \n", ["the file is empty"]),
    "only a header": ("l.csv", LOG, ["no row under the header"]),
    "unknown unit": ("l.csv", "arrival_eons,prompt,output\n0,3,4\n", ["arrival_eons", "ns, us"]),
    "longer than a scenario": ("l.csv", f"{LOG}0,3,4\n5000000,3,4\n", ["it lasts", "count"]),
}


@pytest.mark.parametrize("case", LOGS)
def test_a_wrong_log_is_explained(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, text, expected = LOGS[case]
    path = write(tmp_path, name, text)
    message = refused(capsys, "run", path)
    assert all(part in message for part in (name, *expected)), message
    assert refused(capsys, "compare", path, "--no-study") == message
    with pytest.raises(InputError) as caught:
        hocket.load(path)
    assert f"hocket: {caught.value}\n" == message
    assert main(["check", path]) == 1
    checked = capsys.readouterr().out
    assert all(part in checked for part in expected if "problems" not in part)
    naming = write(tmp_path, "s.yaml", NAMING.replace("log.csv", name))
    assert refused(capsys, "run", naming).startswith(message[:20])


SCENARIOS = {
    "too large a model": (
        TRACE + "pools: [{model: llama-3.1-70b, gpu: A10}]\n",
        ["line 3: pools[0].gpu: llama-3.1-70b does not fit", "GiB too much", "raise tp"],
    ),
    "unknown GPU": (TRACE + "pools: [{gpu: H1000}]\n", ["line 3: pools[0].gpu", "'H100'"]),
    "unknown model": (
        TRACE + "pools: [{model: lama-3.1-8b}]\n",
        ["line 3: pools[0].model", "'llama-3.1-8b'"],
    ),
    "odd tensor parallelism": (TRACE + "pools: [{tp: 3}]\n", ["does not divide the 32 attention"]),
    "negative cost": (
        TRACE + "pools: [{cost: {kind: linear, base: -0.1}}]\n",
        ["pools[0].cost.base: must be >= 0"],
    ),
    "negative times": (
        TRACE
        + "pools: [{model: opt-13b, cost: {kind: distserve, "
        + "prefill: [1, 1, -1], small: [1, 1, 1], large: [1, 1, 1]}}]\n",
        ["pools[0].cost: a prompt of 2048 tokens would take -"],
    ),
    "times beyond all numbers": (
        TRACE + "pools: [{cost: {kind: constant, seconds: 1.0e+308}}]\n",
        ["pools[0].cost: a prompt of 1 token would take 1e+308 s"],
    ),
    "sizes beyond all memory": (
        TRACE + "pools: [{block_size: 9223372036854775808}]\n",
        ["line 3: pools[0].block_size: must be <= 1048576"],
    ),
    "gaps beyond all numbers": (
        "problem: serving/cluster\nworkload: {kind: random, count: 3, arrivals: {kind: rate, "
        "rate: 1, cv: 1.0e-308}, lengths: {kind: pairs, prompt: [1], output: [1]}}\n",
        ["line 2: workload.arrivals.cv"],
    ),
    "no time at all": (
        TRACE + "pools: [{cost: {kind: linear, base: 0}}]\n",
        ["would take no time"],
    ),
    "unknown cost": (
        TRACE + "pools: [{cost: {kind: profil, path: x}}]\n",
        ["line 3: pools[0].cost.kind: there is no cost model 'profil'", "'profile'"],
    ),
    "cost without its file": (
        TRACE + "pools: [{cost: {kind: file}}]\n",
        ["line 3: pools[0].cost.path: missing"],
    ),
    "profile of an unknown model": (
        TRACE + "pools: [{model: lama, cost: {kind: profile, path: .}}]\n",
        ["neither dense.csv"],
    ),
    "wrong unit": (TRACE + "slo: {ttft: 3 kg}\n", ["line 3: slo.ttft: '3 kg' has no known unit"]),
    "no unit": (TRACE + "time_unit: tick\n", ["line 3: time_unit", "such as us"]),
    "no unit for a log": (NAMING + "time_unit: tick\n", ["line 3: time_unit", "such as us"]),
    "unknown unit for a log": (NAMING + "time_unit: eon\n", ["line 3: time_unit", "'eon'"]),
    "unsorted": (TRACE.replace("[0, 5]", "[9, 5]"), ["line 2: workload.arrival[1]: 5 is before 9"]),
    "columns of different length": (
        TRACE.replace("[5, 5]", "[5, 5, 5]"),
        ["workload.output: 3 entries, but there are 2 prompts"],
    ),
    "no tokens": (TRACE.replace("[10, 3000]", "[0, 1]"), ["workload.prompt[0]: must be >= 1"]),
    "no such log": (NAMING.replace("log.csv", "lgo.csv"), ["lgo.csv: no such file", "log.csv"]),
    "unknown option of a log": (
        NAMING.replace("path", "rate_scal: 2, path"),
        ["line 2: workload.rate_scal: unknown field", "'rate_scale'"],
    ),
    "nothing left of a log": (NAMING.replace("path", "first: 9, path"), ["none is left"]),
    "prefill without decode": (
        TRACE + "pools: [{role: prefill}]\n",
        ["prefill replicas but none for decode"],
    ),
    "nobody serves": (TRACE + "pools: [{count: 0}]\n", ["every pool has count 0"]),
    "block sizes that do not go together": (
        TRACE.replace("}", ", prefix: [[], [1, 2]]}")
        + "pools: [{prefix_cache: true, block_size: 24}]\n",
        ["pools[0].block_size", "multiple"],
    ),
    "unknown problem": (TRACE.replace("cluster", "clustr"), ["'serving/cluster'"]),
}


@pytest.mark.parametrize("case", SCENARIOS)
def test_a_wrong_scenario_is_explained(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, expected = SCENARIOS[case]
    write(tmp_path, "log.csv", f"{LOG}0,3,4\n")
    path = write(tmp_path, "cluster.yaml", text)
    message = refused(capsys, "run", path)
    assert all(part in message for part in expected), message
    assert main(["check", path]) == 1


@pytest.mark.parametrize(
    ("policy", "settings", "expected"),
    [
        ("shop/spt", [], ["made for shop/job-shop", "Try one of: serving/"]),
        ("serving/vllm", [], ["'serving/vllm-v1'"]),
        ("vllm-v1", [], ["serving/vllm-v1"]),
        ("serving/vllm-v1", ["tokens=0"], ["tokens: must be >= 1"]),
        ("serving/vllm-v1", ["token=9"], ["token: unknown field", "'tokens'"]),
        ("serving/system", ["batching=serving/random"], ["serving/random is no batching policy"]),
        ("serving/system", ["dispatch=serving/orka"], ["'serving/orca'"]),
    ],
)
def test_policies_that_do_not_fit(
    policy: str,
    settings: list[str],
    expected: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write(tmp_path, "cluster.yaml", TRACE)
    more = [part for setting in settings for part in ("--set", setting)]
    message = refused(capsys, "run", path, "--policy", policy, *more)
    assert all(part in message for part in expected), message
    assert "serving/cluster" in refused(capsys, "run", "shop/ta01", "--policy", "serving/orca")


PROFILE = {
    "dense.csv": "layer,tokens,time_us\n",
    "per_sequence.csv": "layer,sequences,time_us\nlm_head,1,5\nsampler,1,2\n",
    "attention.csv": (
        "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n0,0,1,16,9\n16,0,0,0,5\n"
    ),
}
LAYERS = ("layernorm", "qkv_proj", "rotary_emb", "o_proj", "gate_up_proj", "act_fn", "down_proj")


def profile(folder: Path, **changes: str) -> str:
    """A scenario with operator times in a folder, some files of which are changed."""
    (folder / "profile").mkdir(exist_ok=True)
    layers = (*LAYERS, "embedding", "final_layernorm")
    dense = PROFILE["dense.csv"] + "".join(f"{layer},16,3\n{layer},32,4\n" for layer in layers)
    whole = PROFILE | {"dense.csv": dense}
    for name, text in whole.items():
        write(folder / "profile", name, changes.get(name.removesuffix(".csv"), text))
    if "meta" in changes:
        write(folder / "profile", "meta.yaml", changes["meta"])
    return write(folder, "s.yaml", TRACE + "pools: [{cost: {kind: profile, path: profile}}]\n")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"dense": PROFILE["dense.csv"] + "layernorm,1,3\n"}, "no rows for qkv_proj"),
        ({"dense": "layer,time_us\nlayernorm,3\n"}, "no column tokens"),
        ({"dense": PROFILE["dense.csv"] + "layernorm,1,-3\n"}, "line 2"),
        ({"per_sequence": "layer,sequences,time_us\nlm_head,1,5\n"}, "no rows for sampler"),
        ({"attention": PROFILE["attention.csv"].rpartition("16,")[0]}, "no rows for prompts alone"),
        ({"attention": ""}, "the file is empty"),
        ({"meta": "- 1\n"}, "meta.yaml: expected keys with values"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_profile_without_what_is_needed(
    changes: dict[str, str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = profile(tmp_path, **changes)
    Path(text).write_text(Path(text).read_text().replace("{cost", "{model: llama-3.1-8b, cost"))
    assert expected in refused(capsys, "run", text)
    assert expected in refused(
        capsys, "calibrate", str(tmp_path / "profile"), "--model", "llama-3.1-8b"
    )


def test_a_profile_with_all_of_it_runs(tmp_path: Path) -> None:
    text = profile(tmp_path)
    Path(text).write_text(Path(text).read_text().replace("{cost", "{model: llama-3.1-8b, cost"))
    assert main(["run", text]) == 0


def test_duplicates_and_disorder_are_put_right_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "3,10,5,a\n0,10,5,a\n0,10,5,b\n"
    path = write(tmp_path, "log.csv", f"arrival,prompt,output,name\n{rows}")
    assert main(["run", path]) == 0
    told = capsys.readouterr().err
    assert "1 row earlier than the row above: sorted by time (line 3)" in told
    assert "'a' names two requests: they are called r0, r1, ... instead" in told
    some = write(tmp_path, "some.csv", "arrival,prompt,output,name\n0,10,5,a\n1,10,5,\n")
    assert main(["run", some]) == 0
    assert "row 1 has no name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("pool", "most"), [("kv_blocks: 100", 1600), ("max_context: 2000", 2000)], ids=str
)
def test_a_prompt_beyond_context_or_memory_is_rejected_and_counted(
    pool: str, most: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "cluster.yaml", TRACE + f"pools: [{{{pool}}}]\n")
    assert main(["run", path, "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)["metrics"]
    assert (found["finished"], found["rejected"], found["attainment"]) == (1, 1, 0.5)
    assert "1 of 2 rejected, first r1: a prompt of 3000 tokens leaves no room" in captured.err
    assert f"in {most}" in captured.err


def test_a_cluster_that_rejects_everything_still_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "cluster.yaml", TRACE + "pools: [{max_context: 1}]\n")
    assert main(["run", path, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["metrics"]
    assert (found["rejected"], found["goodput"]) == (2, 0)


def test_packed_logs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = gzip.compress(f"{LOG}0,3,4\n1,5,1\n".encode())
    (tmp_path / "log.csv.gz").write_bytes(packed)
    (tmp_path / "cut.csv.gz").write_bytes(packed[:-20])
    assert main(["run", str(tmp_path / "log.csv.gz")]) == 0
    naming = write(tmp_path, "s.yaml", NAMING.replace("log.csv", "log.csv.gz"))
    assert main(["run", naming]) == 0
    capsys.readouterr()
    assert "damaged gzip" in refused(capsys, "run", str(tmp_path / "cut.csv.gz"))


def test_a_huge_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.write(LOG.encode())
        file.truncate(100 * 2**20)
    assert "100 MiB" in refused(capsys, "run", str(huge))
    bomb = tmp_path / "bomb.jsonl.gz"
    bomb.write_bytes(gzip.compress(b"\n" * (100 * 2**20)))
    assert "large" in refused(capsys, "run", str(bomb))


def test_solving_without_a_goal_or_for_one_out_of_reach(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "slo: asks for nothing" in refused(capsys, "solve", write(tmp_path, "a.yaml", TRACE))
    search = "search: {gpus: [A10], tp: [1], most: 2, policies: [serving/vllm-v1]}\n"
    path = write(tmp_path, "b.yaml", TRACE + "slo: {ttft: 1 us}\n" + search)
    assert main(["solve", path, "--time-limit", "20", "--workers", "1"]) == 1
    shown = " ".join(capsys.readouterr().out.split())  # lines break where the terminal ends
    assert "infeasible" in shown and "miss ttft" in shown and "what may help" in shown
    wrong = write(tmp_path, "c.yaml", TRACE + "slo: {ttft: 1 s}\nsearch: {gpus: [H10], tp: [0]}\n")
    message = refused(capsys, "solve", wrong)
    assert "search.gpus[0]: unknown GPU 'H10'" in message and "search.tp[0]" in message


def test_calibrating_on_what_tells_too_little(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write(tmp_path, "log.csv", f"{LOG}0,3,4\n")
    assert "--model and --gpu" in refused(capsys, "calibrate", log)
    message = refused(capsys, "calibrate", log, "--model", "llama-3.1-8b", "--gpu", "H100")
    assert "when the first token came" in message
    message = refused(capsys, "calibrate", log, "--model", "llama-3.1-8b", "--gpu", "H1000")
    assert "did you mean 'H100'" in message


def test_in_python() -> None:
    trace = Trace(arrival=(0,), prompt=(10,), output=(5,))
    wrong: list[tuple[Cluster, str]] = [
        (Cluster(workload=trace, pools=(Pool(gpu="H1000"),)), "unknown GPU 'H1000'"),
        (Cluster(workload=Trace(arrival=(), prompt=(), output=())), "there are no requests"),
        (Cluster(workload=trace, pools=(Pool(cost=Linear(base=0.0)),)), "would take no time"),
        (
            Cluster(workload=Trace(arrival=(9, 1), prompt=(1, 1), output=(1, 1))),
            "1 is before 9",
        ),
        (
            Cluster(workload=Trace(arrival=(0, 1), prompt=(1, 1), output=(1, 1), names=("a", ""))),
            "row 1 has no name",
        ),
    ]
    for scenario, said in wrong:
        for verb in (hocket.run, hocket.compare, hocket.solve):
            with pytest.raises(InputError, match=said):
                verb(scenario)
    with pytest.raises(NotApplicable, match="made for shop"):
        hocket.run(Cluster(workload=trace), "shop/spt")
    with pytest.raises(UnknownName, match="did you mean 'serving/orca'"):
        hocket.run(Cluster(workload=trace), "serving/orka")


def test_an_interrupted_run_says_so(tmp_path: Path) -> None:
    slow = write(
        tmp_path,
        "slow.py",
        "import time\n"
        "from hocket.serving.policies.vllm import VllmV1\n"
        "class Slow(VllmV1, frozen=True):\n"
        '    """Takes its time."""\n'
        "    name = 'serving/slow'\n"
        "    def batcher(self, engine, streams):\n"
        "        print('begun', flush=True)\n"
        "        time.sleep(60)\n",
    )
    command = [sys.executable, "-m", "hocket", "run", "serving/chat", "--policy", slow]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        running.send_signal(signal.SIGINT)
        begun = time.monotonic()
        _, told = running.communicate(timeout=30)
    assert running.returncode == 130
    assert told == "hocket: interrupted\n"
    assert time.monotonic() - begun < 30


def test_a_real_log_cut_in_the_middle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shared("serving/mooncake_conversation.jsonl").read_text()
    cut = text[: len(text) // 50]
    path = write(tmp_path, "cut.jsonl", cut.rstrip("}\n"))
    lines = len(cut.rstrip("}\n").splitlines())
    assert f"line {lines}: the line is cut off" in refused(capsys, "run", path)
