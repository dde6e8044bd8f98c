"""The page in a real browser: drawn, moved, searched, pointed at, and silent on the network."""

from __future__ import annotations

import json
import shutil
import statistics
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from hocket.core.timeline import Span, Timeline
from hocket.report import document, html
from hocket.report.figures import Arrow, Band, Sign
from tests.report.samples import broken, differences, large, rows, small, solved
from tests.report.test_figures import crowded, figured, strips
from tests.report.test_html import hostile_document

pytestmark = pytest.mark.browser

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1300,1000",
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("Chromium and chromedriver are not on the PATH")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(driver)
    with webdriver.Chrome(options=options, service=service) as chrome:
        chrome.set_script_timeout(60)
        chrome.get("about:blank")  # leaves the browser's own start page
        yield chrome


class Browser:
    """A page in Chromium, driven by real input events."""

    def __init__(self, chrome: Any, folder: Path) -> None:
        self.chrome, self.folder = chrome, folder

    def open(self, made: document.Document) -> None:
        path = html.write(made, self.folder / "report.html")
        self.chrome.get(path.as_uri())
        self.wait("window.hocket && hocket.panels.every((panel) => panel.drawn > 0)")

    def run(self, script: str) -> Any:
        return self.chrome.execute_script(f"return {script}")

    def wait(self, condition: str) -> None:
        """Until the condition holds after a frame; fails after some seconds."""
        met = self.chrome.execute_async_script(
            "const [done] = arguments; let left = 300;"
            f"const look = () => ({condition}) ? done(true) : left-- ? requestAnimationFrame(look)"
            " : done(false); requestAnimationFrame(look);"
        )
        assert met, f"never came true: {condition}"

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        event = {"type": kind, "x": x, "y": y, "button": "none", **more}
        self.chrome.execute_cdp_cmd("Input.dispatchMouseEvent", event)

    def click(self, x: float, y: float, count: int = 1) -> None:
        for n in range(1, count + 1):
            self.mouse("mousePressed", x, y, button="left", clickCount=n)
            self.mouse("mouseReleased", x, y, button="left", clickCount=n)

    def where(self, bar: int, panel: int = 0) -> tuple[float, float]:
        element = f"document.querySelectorAll('.panel')[{panel}]"
        self.run(f"{element}.scrollIntoView({{block: 'center'}})")
        point = self.run(f"hocket.panels[{panel}].where({bar})")
        return point["x"], point["y"]

    def type(self, selector: str, text: str) -> None:
        self.chrome.find_element("css selector", selector).send_keys(text)

    def text(self, selector: str) -> str:
        return str(self.run(f"document.querySelector({selector!r}).textContent"))

    def colours(self, selector: str = ".lanes canvas") -> dict[str, int]:
        """How many pixels of a canvas have which colour, ``{"rrggbb": count}``."""
        found: dict[str, int] = self.chrome.execute_script(
            """const canvas = document.querySelector(arguments[0]), counts = {};
            const { width, height } = canvas;
            const copy = new OffscreenCanvas(width, height);
            const pen = copy.getContext("2d", { willReadFrequently: true });
            pen.drawImage(canvas, 0, 0);
            const { data } = pen.getImageData(0, 0, width, height);
            const hex = (value) => value.toString(16).padStart(2, "0");
            for (let i = 0; i < data.length; i += 4) {
              const colour = hex(data[i]) + hex(data[i + 1]) + hex(data[i + 2]);
              counts[colour] = (counts[colour] ?? 0) + 1;
            }
            return counts;""",
            selector,
        )
        return found

    def emulate(self, **features: str) -> None:
        pairs = [{"name": n.replace("_", "-"), "value": value} for n, value in features.items()]
        self.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": pairs})


@pytest.fixture
def browser(chromium: Any, tmp_path: Path) -> Iterator[Browser]:
    chromium.get_log("browser"), chromium.get_log("performance")
    page = Browser(chromium, tmp_path)
    page.emulate(prefers_color_scheme="light")
    yield page
    assert chromium.get_log("browser") == [], "the page logged errors"
    entries = [json.loads(entry["message"]) for entry in chromium.get_log("performance")]
    messages = [entry["message"] for entry in entries]
    sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    addresses = [params["request"]["url"] for params in sent]
    assert addresses, "requests were not recorded"
    assert [url for url in addresses if not url.startswith(("file:", "data:"))] == []


def run_report() -> document.Document:
    return document.from_run(
        scenario="tiny",
        policy="shop/spt",
        timeline=small(),
        metrics={"makespan": 130, "late_jobs": 1},
        due={"job 2": 120},
        violations=(),
        command="hocket run tiny",
        seed=3,
        facts={"Jobs": 2},
    )


def test_draws_every_bar_in_its_colour(browser: Browser) -> None:
    browser.open(run_report())
    assert browser.run("hocket.panels.map((panel) => [panel.bars, panel.drawn])") == [[6, 8]]
    colours = browser.colours()
    assert colours["4477aa"] > 2000 and colours["ee8866"] > 2000  # job 1, job 2
    assert browser.text("h1") == "tiny under shop/spt"
    assert "hocket run tiny" in browser.text(".command")
    assert "seed 3" in browser.text(".made")
    assert "makespan130late jobs1" in browser.text(".tiles")
    assert browser.colours(".strip").get("4477aa", 0) > 20  # the gauge's line
    assert browser.colours(".map").keys() > {"0b63c5"}  # the window on the overview


def test_the_page_reads_every_bar_as_it_was_recorded(browser: Browser) -> None:
    timeline = Timeline("ms", ("a", "b"))
    rng = np.random.default_rng(3)
    for i in range(300):
        start, length, lane = (int(n) for n in rng.integers(0, (5000, 400, 3)))
        kind = ("run", "setup", "down")[i % 3]
        timeline.span(kind, "abc"[lane], f"j{i % 7}", str(i), start, start + length, f"why {i}")
    browser.open(document.from_run(scenario="random", policy="p", timeline=timeline))
    bars = browser.run("[...Array(300).keys()].map((i) => hocket.panels[0].bar(i))")
    assert Counter(Span(**bar) for bar in bars) == Counter(timeline.spans())


def test_two_fingers_zoom(browser: Browser) -> None:
    browser.open(run_report())
    before = browser.run("hocket.view")
    x, y = browser.where(2)

    def touch(kind: str, reach: float) -> None:
        fingers = [{"x": x + side * reach, "y": y, "id": i} for i, side in enumerate((-1, 1))]
        event = {"type": kind, "touchPoints": [] if kind == "touchEnd" else fingers}
        browser.chrome.execute_cdp_cmd("Input.dispatchTouchEvent", event)

    touch("touchStart", 60)
    for reach in (80, 100, 120):
        touch("touchMove", reach)
    touch("touchEnd", 0)
    browser.wait(f"hocket.view.to - hocket.view.from < {0.6 * (before['to'] - before['from'])}")
    after = browser.run("hocket.view")
    share = [(80 - view["from"]) / (view["to"] - view["from"]) for view in (before, after)]
    assert share[0] == pytest.approx(share[1], abs=0.02)
    assert browser.run("hocket.pin") is None


def test_wheel_zooms_where_the_pointer_is(browser: Browser) -> None:
    browser.open(run_report())
    before = browser.run("hocket.view")
    x, y = browser.where(2)  # the bar from 60 to 100
    browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=-300)
    browser.wait(f"hocket.view.to - hocket.view.from < {(before['to'] - before['from']) * 0.8}")
    after = browser.run("hocket.view")
    share = [(80 - view["from"]) / (view["to"] - view["from"]) for view in (before, after)]
    assert share[0] == pytest.approx(share[1], abs=0.01)
    browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=3000)
    browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=3000)
    browser.wait("hocket.view.to === hocket.full.to && hocket.view.from === 0")


def test_drag_moves_and_double_click_shows_all(browser: Browser) -> None:
    browser.open(run_report())
    browser.run("hocket.setView(40, 80)")
    x, y = browser.where(4)  # the bar from 50 to 80
    browser.mouse("mousePressed", x, y, button="left", clickCount=1)
    browser.mouse("mouseMoved", x + 100, y, button="left", buttons=1)
    browser.mouse("mouseReleased", x + 100, y, button="left", clickCount=1)
    browser.wait("hocket.view.from < 40")
    view = browser.run("hocket.view")
    assert view["to"] - view["from"] == pytest.approx(40)
    assert browser.run("hocket.pin") is None
    browser.click(x, y, count=2)
    browser.wait("hocket.view.from === 0 && hocket.view.to === hocket.full.to")


def test_keys_move_zoom_and_step(browser: Browser) -> None:
    browser.open(run_report())
    browser.type(".lanes", "++")
    browser.wait("hocket.view.to - hocket.view.from < 0.6 * hocket.full.to")
    start = browser.run("hocket.view.from")
    browser.type(".lanes", "\ue014")  # the right arrow
    browser.wait(f"hocket.view.from > {start}")
    browser.type(".lanes", "0")
    browser.wait("hocket.view.to === hocket.full.to")
    browser.run("hocket.setPin('job 1')")
    browser.type(".lanes", "n")
    assert "SPT: 50 is shortest" in browser.text(".tooltip")
    browser.type(".lanes", "n")
    assert "first come" in browser.text(".tooltip")
    browser.type(".lanes", "\ue00c")  # Escape
    assert browser.run("hocket.pin") is None


def test_hover_tells_everything_of_a_bar(browser: Browser) -> None:
    browser.open(run_report())
    browser.mouse("mouseMoved", *browser.where(5))
    browser.wait("!document.querySelector('.tooltip').hidden")
    text = browser.text(".tooltip")
    for part in ("2.2", "job 2", "Mill", "1 h 40 min to 2 h 10 min", "30 min", "late by 10 min"):
        assert part in text
    browser.mouse("mouseMoved", *browser.where(1))
    browser.wait("document.querySelector('.tooltip').textContent.includes('tool change')")
    assert "setup" in browser.text(".tooltip")


def test_hover_tells_of_points_and_gauges(browser: Browser) -> None:
    browser.open(run_report())
    browser.where(0)  # brings the panel into view
    told = "document.querySelector('.tooltip').textContent"
    for mark, text in ((1, "inspect"), (2, "arrives late"), (1, "With1 other")):
        point = browser.run(f"hocket.panels[0].whereMark({mark})")
        browser.mouse("mouseMoved", point["x"], point["y"])
        browser.wait(f"{told}.includes('{text}')")
    strip = browser.run("document.querySelector('.strip').getBoundingClientRect().toJSON()")
    browser.mouse("mouseMoved", strip["x"] + 200, strip["y"] + 20)
    browser.wait(f"{told}.startsWith('queue')")
    assert browser.text(".tooltip").endswith("Lathe1")
    browser.mouse("mouseMoved", 2, 2)
    browser.wait("document.querySelector('.tooltip').hidden")


def test_the_overview_moves_the_window(browser: Browser) -> None:
    browser.open(run_report())
    browser.run("hocket.setView(0, 20)")
    browser.where(0)
    box = browser.run("document.querySelector('.map').getBoundingClientRect().toJSON()")
    browser.click(box["right"] - 60, box["y"] + 20)
    browser.wait("hocket.view.from > 100")
    view = browser.run("hocket.view")
    assert view["to"] - view["from"] == pytest.approx(20)


def test_times_read_as_people_say_them(browser: Browser) -> None:
    browser.open(run_report())
    says = {
        (95, "min"): "1 h 35 min",
        (1500, "us"): "1.5 ms",
        (61_000_000_001, "ns"): "1 min 1.000000001 s",
        (90061, "s"): "1 d 1 h 1 min 1 s",
        (3, "day"): "3 d",
        (12345, "tick"): "12,345",
        (0, "s"): "0",
        (-90, "s"): "−1 min 30 s",
    }
    for (ticks, unit), text in says.items():
        assert browser.run(f"hocket.format.time({ticks}, '{unit}')") == text
    steps: dict[tuple[float, str], int] = {
        (1, "tick"): 1,
        (13, "tick"): 20,
        (7, "s"): 10,
        (16, "s"): 30,
        (61, "s"): 120,
    }
    steps |= {(70, "min"): 120, (5, "h"): 6, (30, "h"): 48, (0.4, "day"): 1, (300, "ns"): 500}
    for (least, unit), step in steps.items():
        assert browser.run(f"hocket.format.axisStep({least}, '{unit}')") == step, (least, unit)


def test_a_click_pins_the_job_on_every_timeline(browser: Browser) -> None:
    browser.open(document.from_solution(solved(), timelines=[("shop/spt", small())]))
    before = browser.colours()["4477aa"]
    browser.click(*browser.where(5, panel=1))
    browser.wait("hocket.pin === 'job 2'")
    assert "optimal: 50 min to 2 h 10 min, 3 bars; shop/spt: " in browser.text("#found")
    assert browser.run("document.querySelector('.chip[aria-pressed=true]').textContent") == "job 2"
    browser.wait("hocket.panels[0].drawn > 8")
    assert browser.colours().get("4477aa", 0) < before / 10  # the other job fades
    browser.click(*browser.where(5, panel=1))
    browser.wait("hocket.pin === null")


def test_search_finds_jobs_and_operations(browser: Browser) -> None:
    browser.open(run_report())
    browser.type("#find", "1.2")
    browser.wait("hocket.panels[0].found === 1")
    assert "1 bar found" in browser.text("#found")
    browser.type("#find", "\ue007")  # Enter
    browser.wait("hocket.view.from > 40 && hocket.view.to < 90")
    browser.type("#find", "\b\b\bJOB 2")
    browser.wait("hocket.panels[0].found === 3")
    browser.type("#find", "xyz")
    browser.wait("hocket.panels[0].found === 0")
    assert "Nothing" in browser.text("#found")


def test_lanes_that_do_not_fit_scroll(browser: Browser) -> None:
    timeline = Timeline("s")
    for i in range(200):
        timeline.span("run", f"node {i}", f"pod {i}", "", i, i + 100, f"reason {i}")
    browser.open(document.from_run(scenario="wide", policy="p", timeline=timeline))
    assert browser.run("hocket.panels[0].drawn") < 60
    browser.run("document.querySelector('.lanes').scrollTop = 2000")
    browser.wait("hocket.panels[0].where(150).y < innerHeight")
    browser.mouse("mouseMoved", *browser.where(150))
    browser.wait("document.querySelector('.tooltip').textContent.includes('reason 150')")


def test_the_table_of_bars_holds_what_is_in_view(browser: Browser) -> None:
    browser.open(run_report())
    browser.run("document.querySelector('.panel details').open = true")
    browser.wait("document.querySelectorAll('.panel tbody tr').length === 6")
    browser.run("hocket.setView(0, 40)")
    browser.wait("document.querySelectorAll('.panel tbody tr').length === 1")
    assert "SPT: 50 is shortest" in browser.text(".panel tbody")


def test_utilisation_and_check(browser: Browser) -> None:
    browser.open(run_report())
    rows = "[...document.querySelectorAll('.busy tbody tr')].map((row) => row.textContent)"
    assert browser.run(rows) == ["Lathe69.2%", "Mill46.2%"]
    assert browser.run("document.querySelector('.busy td').title") == "69.2% run, 7.7% setup"
    assert "no violation" in browser.text(".sound")
    browser.open(document.from_run(scenario="s", policy="p", timeline=small(), violations=broken()))
    assert browser.text("section h2") == "Check"
    assert "overlap Mill does two things at 50 </script>" in browser.text(".violations")


def test_comparison_switches_metrics(browser: Browser) -> None:
    better = {"makespan": "lower", "throughput": "higher"}
    made = document.from_compare(rows=rows(), differences=differences(), better=better)  # type: ignore[arg-type]
    browser.open(made)
    assert "shop/spt" in browser.text(".dots tr.best")
    assert browser.run("document.querySelectorAll('.dots circle').length") == 5
    assert browser.run("document.querySelectorAll('.dots .unclear circle').length") == 1
    cells = "[...document.querySelectorAll('.dots tbody th')]"
    policies = f"{cells}.map((cell) => cell.firstChild.data)"
    assert browser.run(policies)[:3] == ["shop/spt", "shop/mwr", "shop/fifo"]
    browser.type("select", "throughput")
    browser.wait("document.querySelector('.dots tr.best').textContent.includes('0.510')")
    assert browser.run(policies) == ["shop/spt", "shop/mwr", "shop/fifo"]


def test_solver_progress_is_drawn(browser: Browser) -> None:
    browser.open(document.from_solution(solved()))
    assert "gap0%" in browser.text(".tiles")
    paths = "[...document.querySelectorAll('.progress path')].map((path) => path.getAttribute('d'))"
    bound, value = browser.run(paths)
    assert bound.count("V") == value.count("V") == 3
    assert bound.split("V")[-1] == value.split("V")[-1]  # they meet


def test_the_proven_bound_stands_beside_the_policies(browser: Browser) -> None:
    part = document.from_solution(solved())
    compared = document.comparison_of(rows(), better={"makespan": "lower"})
    browser.open(msgspec.structs.replace(part, comparison=compared))
    assert "proven bound 130" in browser.text(".caption")
    assert browser.run("document.querySelectorAll('.dots .proven').length") == 3
    browser.type("select", "throughput")
    browser.wait("!document.querySelector('.dots .proven')")


def test_dark_mode_and_print(browser: Browser) -> None:
    browser.open(run_report())
    ground = "getComputedStyle(document.querySelector('section')).backgroundColor"
    light = browser.run(ground)
    assert browser.colours()["4477aa"] > 2000
    browser.emulate(prefers_color_scheme="dark")
    browser.wait(f"{ground} !== '{light}'")
    browser.run("hocket.draw()")
    assert browser.colours().get("5b93cc", 0) > 2000 and "4477aa" not in browser.colours()
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.colours()["4477aa"] > 2000
    browser.run("dispatchEvent(new Event('afterprint'))")


def test_hostile_names_stay_text(browser: Browser) -> None:
    browser.open(hostile_document())
    browser.mouse("mouseMoved", *browser.where(0))
    browser.wait("!document.querySelector('.tooltip').hidden")
    browser.run("document.querySelector('.panel details').open = true")
    browser.wait("document.querySelectorAll('.panel tbody tr').length === 1")
    assert browser.run("window.broken ?? null") is None
    assert browser.run("document.querySelectorAll('img, script').length") == 2
    assert "onerror" in browser.text(".tooltip")


def test_an_empty_timeline_and_an_empty_document(browser: Browser) -> None:
    made = document.from_run(scenario="empty", policy="p", timeline=Timeline())
    browser.chrome.get(html.write(made, browser.folder / "empty.html").as_uri())
    browser.wait("hocket.panels[0].bars === 0")
    made = document.Document(title="nothing")
    browser.chrome.get(html.write(made, browser.folder / "nothing.html").as_uri())
    browser.wait("hocket.panels.length === 0")
    assert browser.text("h1") == "nothing"


def test_ten_thousand_bars(browser: Browser) -> None:
    browser.open(document.from_run(scenario="large", policy="p", timeline=large()))
    result = browser.chrome.execute_async_script(
        """const [done] = arguments, frames = [], intervals = [];
        let last = performance.now(), count = 0;
        const step = () => {
          const now = performance.now();
          intervals.push(now - last);
          last = now;
          frames.push(hocket.frames.at(-1));
          if (count++ === 60) return done({ frames, intervals, drawn: hocket.panels[0].drawn });
          if (count < 30) hocket.zoom(0.9, 9000); else hocket.pan(count % 2 ? 0.2 : -0.1);
          requestAnimationFrame(step);
        };
        requestAnimationFrame(step);"""
    )
    median = {key: statistics.median(result[key]) for key in ("frames", "intervals")}
    print(
        f"\n10,000 bars: {median['frames']:.1f} ms to draw a frame, "
        f"{median['intervals']:.1f} ms between frames"
    )
    assert 0 < result["drawn"] < 1000  # most bars are out of view and cost nothing
    browser.run("hocket.reset()")
    browser.wait("hocket.panels[0].drawn > 5000")
    whole = browser.run("[...Array(15)].map(() => (hocket.draw(), hocket.frames.at(-1)))")
    print(f"all of them in view: {statistics.median(whole):.1f} ms to draw a frame")
    browser.run("hocket.setQuery('job 99')")
    browser.wait("hocket.panels[0].found === 20")


def test_far_more_bars_than_pixels_are_drawn_once_a_pixel(browser: Browser) -> None:
    timeline = Timeline("us")
    for i in range(60_000):
        timeline.span("run", f"gpu {i % 4}", f"r{i}", "", i * 10, i * 10 + 40)
    browser.open(document.from_run(scenario="dense", policy="p", timeline=timeline))
    pixels = browser.run("document.querySelector('.lanes').clientWidth")
    assert browser.run("hocket.panels[0].drawn") < 4 * pixels + 100


def test_plots_say_what_lies_under_the_pointer(browser: Browser) -> None:
    browser.open(figured())
    browser.run("document.querySelector('.plotted').scrollIntoView({block: 'center'})")
    point = browser.run("hocket.plots[0].where(0, 1)")  # 10 ms, where the step to 50 % is
    browser.mouse("mouseMoved", point["x"] + 2, point["y"] + 30)
    browser.wait("!document.querySelector('.tooltip').hidden")
    told = browser.text(".tooltip")
    assert "shop/spt50%" in told and "shop/mwr40%" in told
    assert browser.run("document.querySelectorAll('.plotted path').length") == 2
    assert browser.text(".plotted text.limit") == "SLO"


def test_the_legend_hides_lines_and_shows_them_again(browser: Browser) -> None:
    browser.open(figured())
    chip = browser.chrome.find_element("css selector", ".chip.line")
    chip.click()
    assert browser.run("document.querySelectorAll('.plotted path').length") == 1
    chip.click()
    assert browser.run("document.querySelectorAll('.plotted path').length") == 2


def test_a_plot_is_also_a_table(browser: Browser) -> None:
    browser.open(figured())
    browser.run("document.querySelector('.plotted details').open = true")
    browser.wait("document.querySelectorAll('.plotted tbody tr').length === 6")
    assert "shop/spt10 ms50%" in browser.text(".plotted tbody")


def test_metrics_have_their_units_and_the_chief_ones_come_first(browser: Browser) -> None:
    browser.open(figured())
    assert browser.text(".tiles") == "wait4.2 ms"
    browser.run("document.querySelector('.tiles + details').open = true")
    assert browser.text(".meanings tbody").startswith("wait4.2 mstime that a job waitsmade3")


def test_strips_share_the_time_of_the_gantt_chart(browser: Browser) -> None:
    browser.open(figured())
    browser.run("document.querySelector('.strips canvas').scrollIntoView({block: 'center'})")
    browser.wait("hocket.strips[0].drawn === 6")  # two levels of three lanes
    at = browser.run("hocket.strips[0].where(1, 35)")
    browser.mouse("mouseMoved", at["x"], at["y"])
    browser.wait("!document.querySelector('.tooltip').hidden")
    assert "m1 at 35 s" in browser.text(".tooltip") and "used4waiting2" in browser.text(".tooltip")
    before = browser.run("hocket.view")
    browser.mouse("mouseWheel", at["x"], at["y"], deltaX=0, deltaY=-300)
    browser.wait(f"hocket.view.to - hocket.view.from < {0.8 * (before['to'] - before['from'])}")


def test_arrows_signs_and_states_are_drawn_in_their_colours(browser: Browser) -> None:
    shown = msgspec.structs.replace(
        strips(),
        signs=("preempted",),
        events=(Sign(0, 20, 0, 3, ""),),
        arrows=(Arrow(0, 2, 30, 60, "j1: 3 stages"),),
        bands=(Band(1, 70, 90, "down"),),
    )
    browser.open(document.from_run(scenario="s", policy="p", timeline=small(), figures=[shown]))
    browser.wait("hocket.strips[0].drawn === 8")
    colours = browser.colours(".strips canvas")
    assert colours["c2321f"] > 10  # the sign of preemption
    assert sum(n for c, n in colours.items() if near(c, "aa4499", 40)) > 60  # the arrow
    assert sum(n for c, n in colours.items() if near(c, "cfd3d8", 12)) > 500  # the state
    assert "preempted" in browser.text(".strips .legend")
    assert "migrated" in browser.text(".strips .legend")
    end = browser.run("hocket.strips[0].where(2, 60)")
    browser.mouse("mouseMoved", end["x"], end["y"])
    browser.wait("!document.querySelector('.tooltip').hidden")
    assert "from m0j1: 3 stages (30 s)" in browser.text(".tooltip")


def near(colour: str, other: str, reach: int) -> bool:
    parts = zip(bytes.fromhex(colour), bytes.fromhex(other), strict=True)
    return max(abs(a - b) for a, b in parts) <= reach


def test_a_run_too_large_for_bars_has_strips_alone(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "MOST_BARS", 30)
    made = document.from_run(scenario="s", policy="p", timeline=crowded(40), figures=[strips()])
    browser.open(made)
    browser.wait("hocket.strips[0].drawn > 0")
    assert browser.run("hocket.panels.length") == 0
    assert "40 runs" in browser.text("section h3")


def test_figures_in_the_dark_and_on_a_narrow_screen(browser: Browser) -> None:
    browser.emulate(prefers_color_scheme="dark")
    browser.open(figured())
    stroke = "getComputedStyle(document.querySelector('.plotted path')).stroke"
    assert browser.run(stroke) == "rgb(91, 147, 204)"
    width = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", width)
    browser.wait("document.querySelector('.plotted svg').clientWidth < 380")
    assert browser.run("document.documentElement.scrollWidth") <= 400
    browser.chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
