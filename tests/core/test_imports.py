import subprocess
import sys
from pathlib import Path

import pytest

import hocket
from hocket.testing.imports import Import, all_imports, imports, violations

ROOT = Path(hocket.__file__).parent
PARTS = sorted(p for p in ROOT.iterdir() if p.suffix == ".py" or any(p.glob("*.py")))
HEAVY = (
    "ortools",
    "highspy",
    "numba",
    "pyarrow",
    "ray",
    "torch",
    "gymnasium",
    "greenlet",
    "tensorboard",
    "safetensors",
    "scipy",
    "pandas",
    "aiohttp",
    "starlette",
    "uvicorn",
    "vllm",
    "matplotlib",
)
LONGEST = 800


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh Python holds after running `code`."""
    told = (
        f"{code}\nimport sys; print(' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "part", [p for p in PARTS if not p.stem.startswith("__")], ids=lambda p: p.stem
)
def test_dependencies_run_one_way(part):
    found = all_imports(part, f"hocket.{part.name}") if part.is_dir() else imports(part, "hocket")
    assert violations(part.stem, found) == []


def broken(part, *modules):
    found = (Import(Path("x.py"), n, module) for n, module in enumerate(modules))
    return [line.rpartition(" ")[2] for line in violations(part, found)]


def test_the_rule_itself():
    everything = ["core.run", "solvers.sgs", "report.html", "shop.metrics", "serving", "papers.x"]
    everything += ["api.run", "testing.replay", "cli.run", "web", "__version__"]
    modules = [f"hocket.{name}" for name in everything]

    def allowed(part):
        return [name for name in everything if f"hocket.{name}" not in broken(part, *modules)]

    assert allowed("core") == ["core.run", "__version__"]
    assert allowed("solvers") == ["core.run", "solvers.sgs", "__version__"]
    assert allowed("shop") == [*everything[:4], "__version__"]
    assert allowed("serving") == [*everything[:3], "serving", "__version__"]
    assert allowed("papers") == [*everything[:6], "__version__"]
    assert allowed("testing") == [*everything[:6], "testing.replay", "__version__"]
    assert allowed("cli") == [*everything[:9], "__version__"]
    assert broken("core", "numpy", "hocketish.shop", "hocket") == []


def test_imports_are_read_wherever_they_stand(tmp_path):
    folder = tmp_path / "shop"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "x.py").write_text(
        "import os, hocket.core.run\n"
        "from . import near\n"
        "from ..model import arrays as a\n"
        "from ...serving import engine\n"
        "def late():\n"
        "    if True:\n"
        "        from hocket.papers import y\n"
    )
    found = [(one.line, one.module) for one in all_imports(folder, "hocket.shop")]
    assert found == [
        (1, "os"),
        (1, "hocket.core.run"),
        (2, "hocket.shop.deep.near"),
        (3, "hocket.shop.model.arrays"),
        (4, "hocket.serving.engine"),
        (7, "hocket.papers.y"),
    ]
    assert [
        line.rpartition(": ")[2] for line in violations("shop", all_imports(folder, "hocket.shop"))
    ] == [
        "shop imports hocket.serving.engine",
        "shop imports hocket.papers.y",
    ]


def test_no_file_is_too_long():
    long = {
        str(file.relative_to(ROOT)): lines
        for file in ROOT.rglob("*.py")
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > LONGEST
    }
    assert long == {}


@pytest.mark.parametrize(
    "code",
    [
        "import hocket",
        "import hocket.api",
        "import hocket; hocket.listing('policies')",
        "import hocket; hocket.run('shop/ta01', 'shop/spt')",
        "import hocket.testing",
    ],
)
def test_everyday_use_loads_no_heavy_library(code):
    assert loaded_by(code).isdisjoint(HEAVY)


def test_import_hocket_loads_nothing_but_the_standard_library():
    ours = loaded_by("import hocket") - loaded_by("")
    assert ours - set(sys.stdlib_module_names) == {"hocket"}


@pytest.mark.parametrize(
    ("asked", "domain"), [("'shop/ta01', 'shop/spt'", "shop"), ("'serving/chat'", "serving")]
)
def test_a_run_loads_no_other_domain_and_no_paper(asked, domain):
    code = f"import hocket; hocket.run({asked})\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    parts = {name.split(".")[1] for name in done.stdout.split() if name.startswith("hocket.")}
    assert domain in parts
    assert parts <= {"api", "core", "solvers", "learn", "report", domain}


@pytest.mark.parametrize("text", ["problem: shop/job-shop\n", '{"problem": "shop/job-shop"}'])
def test_a_file_that_names_its_problem_loads_no_other_domain(tmp_path, text):
    file = tmp_path / ("shop.json" if text.startswith("{") else "shop.yaml")
    file.write_text(text)
    code = f"import hocket; hocket.check({str(file)!r})\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    parts = {name.split(".")[1] for name in done.stdout.split() if name.startswith("hocket.")}
    assert "shop" in parts
    assert parts <= {"api", "core", "solvers", "learn", "report", "shop"}


def test_no_verb_is_hidden_by_a_package_of_its_name():
    code = (
        "import hocket, importlib, pkgutil\n"
        "for part in pkgutil.iter_modules(hocket.__path__):\n"
        "    part.name.startswith('__') or importlib.import_module(f'hocket.{part.name}')\n"
        "print(*[verb for verb in hocket.__all__ if not callable(getattr(hocket, verb))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
