"""Every command and every piece of code in the documentation does what the page shows."""

import re
from pathlib import Path

import pytest

from hocket.core import registry
from tests.docs.blocks import blocks, differences

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
GENERATED = ROOT / "docs" / "reference"  # checked against the code in test_reference.py
RUN = [page for page in PAGES if page.parent != GENERATED and any(blocks(page.read_text()))]
LIVE = {"vllm.md", "gateway.md", "twin.md"}  # they drive a real engine: `make test-live`
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", RUN, ids=named)
def test_page_shows_what_happens(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if page.name in LIVE:
        pytest.importorskip("vllm")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    try:
        wrong = differences(page)
    finally:
        monkeypatch.undo()
        registry.refresh()  # without the domains that the page has added
    assert not wrong, "\n\n".join(wrong)


def test_a_wrong_page_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ hocket --version\n9.9.9\n```\n\n```pycon\n>>> 1 + 1\n3\n```\n", "utf-8"
    )
    found = differences(page)
    assert len(found) == 2
    assert "9.9.9" in found[0]
    assert "Expected:\n    3" in found[1]


def test_all_python_in_pages_is_run_or_marked() -> None:
    """A block without a known language would silently not be run."""
    known = {"console", "python", "pycon", "yaml", "toml", "text", "sh", "json", "csv", "make"}
    found = {block.language for page in PAGES for block in blocks(page.read_text())}
    assert found <= known


@pytest.mark.parametrize("domain", ["serving", "cluster"])
def test_the_page_of_a_domain_names_every_policy(domain: str) -> None:
    """Its table says what a policy does, or which role it plays; shop's page names families."""
    page = (ROOT / "docs" / "domains" / f"{domain}.md").read_text()
    policies = [name for name in registry.policies() if name.startswith(f"{domain}/")]
    assert policies
    assert not [name for name in policies if f"`{name}`" not in page]


def test_the_snapshot_of_the_guide_is_that_of_the_examples() -> None:
    page = (ROOT / "docs" / "guides" / "kubernetes.md").read_text()
    shown = next(block.body for block in blocks(page) if block.title == "now.json")
    assert shown == (ROOT / "examples" / "snapshot.json").read_text()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in LINK.findall(prose):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{named(page)} links to {target}"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{named(page)} links to {target}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as Python-Markdown makes them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    kept = (re.sub(r"[^\w\s-]", "", head).strip().lower() for head in heads)
    return {re.sub(r"[-\s]+", "-", head) for head in kept}
