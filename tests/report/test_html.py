"""The page: self-contained, reproducible, compact, and closed to hostile names."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from hocket.core.domain import Measure
from hocket.core.errors import InputError, UserError
from hocket.core.timeline import Timeline
from hocket.report import document, html
from hocket.report.figures import Arrow, Axis, Band, Lane, Level, Line, Mark, Plot, Sign, Strips
from hocket.report.lanes import BACKGROUND
from tests.report.samples import HOSTILE, broken, differences, large, rows, small, solved


class Page(HTMLParser):
    """The elements of a page with their attributes and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.comments: list[str] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.texts.append("")
        self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts[-1] += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def of(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        pairs = zip(self.tags, self.texts, strict=True)
        return [(attrs, text) for (name, attrs), text in pairs if name == tag]


def hostile_figures() -> tuple[Plot, Strips]:
    axis = Axis(label=HOSTILE)
    line = Line(label=HOSTILE, x=(1, 2), y=(1, 2), name=HOSTILE, notes=(HOSTILE, HOSTILE))
    marks = (Mark(at=1, label=HOSTILE),)
    plot = Plot(
        group=HOSTILE, title=HOSTILE, caption=HOSTILE, x=axis, y=axis, lines=(line,), marks=marks
    )
    strips = Strips(
        group=HOSTILE,
        title=HOSTILE,
        caption=HOSTILE,
        unit="s",
        end=9,
        step=1,
        levels=(Level(name=HOSTILE, top=1),),
        lanes=(Lane(name=HOSTILE, values=((0.5, None, 1.0),)),) * 2,
        signs=(HOSTILE,),
        events=(Sign(0, 2, 0, 1, HOSTILE),),
        arrows=(Arrow(0, 1, 1, 2, HOSTILE),),
        bands=(Band(0, 1, 2, HOSTILE),),
    )
    return plot, strips


def hostile_document() -> document.Document:
    timeline = Timeline("s", (HOSTILE,))
    timeline.span(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 0, 5, HOSTILE)
    timeline.point(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1, HOSTILE)
    timeline.gauge(HOSTILE, HOSTILE, 0, 1)
    row = {"scenario": HOSTILE, "policy": HOSTILE, "metric": HOSTILE}
    figures = {"mean": 1.0, "low": 0.0, "high": 2.0, "n": 3}
    return document.from_compare(
        title=HOSTILE,
        command=HOSTILE,
        seed=HOSTILE,
        date=HOSTILE,
        facts={HOSTILE: HOSTILE},
        rows=[row | figures],
        differences=[row | figures | {"versus": HOSTILE}],
        failures=[{"scenario": HOSTILE, "policy": HOSTILE, "seed": 1, "error": HOSTILE}],
        timelines=[(HOSTILE, timeline)],
        metrics={HOSTILE: {HOSTILE: 1.0}},
        due={HOSTILE: 3},
        figures=hostile_figures(),
        measures={HOSTILE: Measure(HOSTILE, "lower", HOSTILE, True)},
    )


def test_hostile_names_reach_the_page_as_text_only() -> None:
    text = html.render(hostile_document())
    page = Page(text)
    plain = Page(html.render(document.Document(title="plain")))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert page.comments == []
    assert [text for _, text in page.of("title")] == [HOSTILE]
    assert [text for _, text in page.of("h1")] == [HOSTILE]
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert text.lower().count("<script") == text.lower().count("</script") == 2
    (_, data), _ = page.of("script")
    assert json.loads(data)["charts"][0]["names"] == [HOSTILE]


def test_only_the_two_known_blocks_may_run_or_style() -> None:
    page = Page(html.render(hostile_document()))
    (policy,) = [a["content"] or "" for a, _ in page.of("meta") if "http-equiv" in a]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for tag, rule, text in (
        ("script", "script-src", page.of("script")[1][1]),
        ("style", "style-src", page.of("style")[0][1]),
    ):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'", tag


def test_nothing_outside_the_file_is_named() -> None:
    page = Page(html.render(document.from_run(scenario="s", policy="p", timeline=small())))
    links = [v for _, attrs in page.tags for k, v in attrs.items() if k in ("src", "href")]
    assert links == ["data:,"]
    namespace = "http://www.w3.org/2000/svg"
    for text in (page.of("script")[1][1], page.of("style")[0][1]):
        assert set(re.findall(r"https?://[^\"')\s]*|url\(|@import", text)) <= {namespace}


def test_the_script_never_writes_markup() -> None:
    forbidden = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(")
    network = ("fetch(", "XMLHttpRequest", "WebSocket", "EventSource", "import(", "sendBeacon")
    for name in html.SCRIPTS:
        text = files("hocket.report").joinpath("assets", name).read_text()
        assert [word for word in (*forbidden, *network) if word in text] == []


def test_every_asset_is_used_and_short() -> None:
    assets = {path.name: path for path in files("hocket.report").joinpath("assets").iterdir()}
    assert set(assets) == {*html.SCRIPTS, "report.css", "template.html"}
    assert all(len(path.read_text().splitlines()) < 500 for path in assets.values())


def test_the_page_hatches_what_the_layout_puts_behind() -> None:
    text = files("hocket.report").joinpath("assets", "layout.js").read_text()
    hatched = re.findall(r'(\w+): \{ pale: [\d.]+, hatch: "cross" \}', text)
    assert set(hatched) == BACKGROUND


def test_the_same_document_gives_the_same_page() -> None:
    made = [document.from_solution(solved(), date="2026-01-01") for _ in range(2)]
    assert html.render(made[0]) == html.render(made[1])


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_page_does_not_depend_on_hash_order(seed: str) -> None:
    code = (
        "import hashlib; from hocket.report import document, html;"
        "from tests.report.samples import differences, large, rows, small;"
        "made = document.from_compare(rows=rows(), differences=differences(),"
        " timelines=[('a', small()), ('b', large(200))]);"
        "print(hashlib.sha256(html.render(made).encode()).hexdigest())"
    )
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    made = document.from_compare(
        rows=rows(), differences=differences(), timelines=[("a", small()), ("b", large(200))]
    )
    assert found.stdout.strip() == hashlib.sha256(html.render(made).encode()).hexdigest()


def test_the_document_comes_back_out_of_the_page(tmp_path: Path) -> None:
    for made in (
        hostile_document(),
        document.from_solution(solved(), timelines=[("b", small())]),
        document.from_compare(rows=rows(), differences=differences(), better={"makespan": "lower"}),
        document.from_run(scenario="s", policy="p", timeline=small(), violations=broken()),
    ):
        assert html.read(html.write(made, tmp_path / "report.html")) == made


def test_the_data_of_the_page_fit_the_published_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = msgspec.json.schema(document.Document)
    for made in (hostile_document(), document.from_solution(solved())):
        (_, data), _ = Page(html.render(made)).of("script")
        jsonschema.validate(json.loads(data), schema)


def test_other_files_are_no_reports(tmp_path: Path) -> None:
    path = tmp_path / "other.html"
    path.write_text("<p>hello</p>")
    with pytest.raises(InputError, match="no hocket report"):
        html.read(path)
    path.write_text('<script id="hocket-data" type="application/json">{"format":2}</script>')
    with pytest.raises(InputError, match="unreadable"):
        html.read(path)


def test_write_into_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing/r\.html: the folder .* create it"):
        html.write(document.Document(title="t"), tmp_path / "missing" / "r.html")


def test_ten_thousand_bars_take_less_than_a_megabyte_and_a_half() -> None:
    made = document.from_run(scenario="large", policy="p", timeline=large())
    size = len(html.render(made).encode())
    print(f"\n10,000 bars: {size / 1e6:.2f} MB")
    assert size < 1_500_000
