// Puts the page together, and offers what tests and the curious call: `window.hocket`.

function header() {
  const details = [
    report.seed === "" ? null : `seed ${report.seed}`,
    report.date || null,
    `hocket ${report.version}`,
  ].filter(Boolean);
  return [
    report.command ? el("pre", { class: "command", tabindex: 0, "aria-label": "The command that made this report" }, el("code", {}, report.command)) : null,
    el("p", { class: "made" }, details.join(" · ")),
    report.facts.length ? el("dl", { class: "facts" }, report.facts.map(([label, value]) =>
      el("div", {}, el("dt", {}, label), el("dd", {}, value)))) : null,
  ];
}

// ---- timelines ----

function timelinesSection() {
  const charts = report.charts.filter((chart) => !Object.keys(chart.left_out).length);
  if (!charts.length) return null;
  stage.panels = charts.map((chart) => new Panel(chart));
  const many = stage.panels.length > 1;
  const found = section(many ? "Schedules" : "Schedule", toolbar(), legend());
  for (const panel of stage.panels) {
    listen(panel);
    if (many || panel.chart.label) found.append(el("h3", {}, panel.chart.label, el("small", {}, caption(panel))));
    found.append(panel.root);
    panel.root.append(barTable(panel));
  }
  return found;
}

// Panels and strips show one stretch of time, at first all of it.
function wholeTime() {
  const strips = report.figures.filter((figure) => figure.figure === "strips");
  const end = Math.max(...[...report.charts, ...strips].map((shown) => shown.end), 1);
  stage.full = { from: 0, to: end * 1.012 };
  stage.view = { ...stage.full };
}

function caption({ chart, model }) {
  const parts = [`ends at ${time(chart.end, chart.unit)}`, plural(model.bars.count, "bar"), plural(model.lanes.filter((lane) => lane.rows.length).length, "lane")];
  if (chart.origin) parts.push(`times count from ${number(chart.origin)} ${chart.unit}`);
  return parts.join(" · ");
}

function toolbar() {
  const box = el("input", { type: "search", id: "find", placeholder: "Find a job or operation", autocomplete: "off",
    spellcheck: "false", "aria-describedby": "found", oninput: (event) => setQuery(event.target.value),
    onkeydown: (event) => event.key === "Enter" && showFound() });
  const middle = () => (stage.view.from + stage.view.to) / 2;
  const button = (text, label, act) => el("button", { type: "button", "aria-label": label, title: label, onclick: act }, text);
  const says = el("output", { id: "found", for: "find", "aria-live": "polite" });
  stage.listeners.push(() => says.replaceChildren(...findings()));
  says.append(HINT);
  return el("div", { class: "toolbar" },
    el("label", { for: "find", class: "unseen" }, "Find a job or operation"), box,
    el("span", { class: "group" }, button("−", "Zoom out", () => zoom(1 / 0.6, middle())),
      button("+", "Zoom in", () => zoom(0.6, middle())), button("Fit", "Show everything", reset)), says);
}

const HINT = "Wheel zooms, drag moves, click pins a job, double click shows all.";

function showFound() {
  const spans = stage.panels.flatMap((panel) =>
    (panel.emphasis()?.list ?? []).map((i) => [panel.model.bars.start[i], panel.model.bars.end[i]]));
  if (!spans.length) return;
  const [from, to] = [spans.reduce((a, s) => Math.min(a, s[0]), Infinity), spans.reduce((a, s) => Math.max(a, s[1]), 0)];
  const margin = Math.max(1, (to - from) * 0.05);
  setView(from - margin, to + margin);
}

// What the search found, or how the pinned job fared on every timeline.
function findings() {
  if (stage.pin !== null) {
    const told = stage.panels.map((panel) => fate(panel, stage.pin)).filter(Boolean);
    return [el("strong", {}, stage.pin), ` ${told.join("; ")} `, el("button", { type: "button", onclick: () => setPin(stage.pin) }, "Unpin")];
  }
  if (!stage.query) return [HINT];
  const count = stage.panels.reduce((sum, panel) => sum + panel.found.length, 0);
  return [count ? `${plural(count, "bar")} found; Enter brings them into view.` : "Nothing has that in its name."];
}

function fate(panel, name) {
  const { chart, model } = panel;
  const group = chart.groups.indexOf(name);
  const list = group < 0 ? [] : barsOfGroups(model)[group];
  if (!list.length) return null;
  const [start, end] = [model.bars.start[list[0]], list.reduce((last, i) => Math.max(last, model.bars.end[i]), 0)];
  const due = model.due.get(group);
  const late = due === undefined ? "" : end > due ? `, late by ${time(end - due, chart.unit)}` : ", on time";
  const where = stage.panels.length > 1 ? `${chart.label}: ` : "";
  return `${where}${time(start, chart.unit)} to ${time(end, chart.unit)}, ${plural(list.length, "bar")}${late}`;
}

function legend() {
  const kinds = [...new Set(report.charts.flatMap((chart) => chart.kinds.filter((_, k) => chart.bars.kind.includes(k))))];
  const due = report.charts.some((chart) => chart.due.length);
  const chips = allGroups.length <= 30 ? allGroups.map(chip) : [];
  stage.listeners.push(() => chips.forEach((button) => button.setAttribute("aria-pressed", button.textContent === stage.pin)));
  return el("div", { class: "legend" },
    kinds.length > 1 ? kinds.map((kind) => key(kind)) : null,
    markKinds.map((kind, n) => el("span", { class: "key" }, el("b", { "aria-hidden": "true" }, SIGNS[n % SIGNS.length]), kind)),
    due ? el("span", { class: "key" }, el("b", { "aria-hidden": "true" }, "▼"), "due") : null,
    chips.length ? el("span", { class: "chips", role: "group", "aria-label": "Jobs" }, chips) : null);
}

function chip(group) {
  const dot = el("i", {});
  const colour = () => (dot.style.background = groupColour(group));
  stage.painters.push(colour);
  colour();
  return el("button", { type: "button", class: "chip", "aria-pressed": "false", onclick: () => setPin(group) }, dot, group);
}

const SHOWN = 200;

// The bars in view as a table, filled only while it is open.
function barTable(panel) {
  const place = el("div");
  const details = el("details", {}, el("summary", {}, "Bars in view as a table"), place);
  let timer = 0;
  const show = () => details.open && place.replaceChildren(...barsInView(panel));
  details.addEventListener("toggle", show);
  stage.listeners.push(() => {
    clearTimeout(timer);
    timer = setTimeout(show, 250);
  });
  return details;
}

function barsInView({ model, chart, ...panel }) {
  const { bars } = model;
  const { from, to } = stage.view;
  const visible = [];
  for (let i = 0; i < bars.count; i++) if (bars.end[i] >= from && bars.start[i] <= to) visible.push(i);
  visible.sort((a, b) => bars.start[a] - bars.start[b]);
  const rows = visible.slice(0, SHOWN).map((i) => el("tr", {}, [
    chart.groups[bars.group[i]], chart.names[bars.name[i]], chart.lanes[bars.lane[i]], chart.kinds[bars.kind[i]],
    time(bars.start[i], chart.unit), time(bars.end[i], chart.unit), chart.reasons[bars.reason[i]],
  ].map((text) => el("td", {}, text))));
  const rest = visible.length > SHOWN ? `The first ${SHOWN} of ${plural(visible.length, "bar")}; zoom in for the others.` : plural(visible.length, "bar");
  return [el("p", {}, rest), table(["Job", "Operation", "On", "Kind", "Start", "End", "Reason"], rows, "plain")];
}

// ---- all of it ----

const page = document.getElementById("page");
wholeTime();
const check = checkSection();
const broken = report.violations?.length > 0;
const compared = report.comparison !== null; // then single runs are only examples, and come later
const parts = [broken ? check : null, solverSection(), compared ? null : metricsSection(), comparisonSection(),
  ...plotSections(), stripsSection(), timelinesSection(), compared ? metricsSection() : null, utilisationSection(), broken ? null : check];
page.append(...[...header(), ...parts, tooltip].filter(Boolean));

// Other colours: those of the night, or those of paper, on which all lanes are shown too.
function recolour(paper) {
  printing = paper;
  hatches.clear();
  for (const painter of stage.painters) painter();
  for (const panel of [...stage.panels, ...stage.strips]) panel.visible ||= paper;
  drawNow();
}

dusk.addEventListener("change", () => recolour(false));
addEventListener("beforeprint", () => recolour(true));
addEventListener("afterprint", () => recolour(false));
drawNow();

function onScreen(panel, at, y) {
  const edge = panel.box.getBoundingClientRect();
  return { x: edge.left + panel.frame().x(at), y: edge.top + y - panel.box.scrollTop };
}

window.hocket = {
  report, setView, zoom, pan, reset, setQuery, setPin,
  draw: drawNow,
  format: { number, time, axisStep },
  get view() { return { ...stage.view }; },
  get full() { return { ...stage.full }; },
  get pin() { return stage.pin; },
  get strips() {
    return stage.strips.map((strips) => ({ title: strips.figure.title, drawn: strips.drawn, where: (lane, at) => strips.where(lane, at) }));
  },
  get plots() {
    return stage.plots.map((plot) => ({ title: plot.figure.title, where: (line, i) => plot.where(line, i) }));
  },
  get frames() { return [...stage.frames]; },
  get panels() {
    return stage.panels.map((panel) => ({
      label: panel.chart.label,
      bars: panel.model.bars.count,
      drawn: panel.drawn,
      found: panel.found?.length ?? null,
      bar: (i) => {
        const { bars, chart } = panel.model;
        return { kind: chart.kinds[bars.kind[i]], lane: chart.lanes[bars.lane[i]], group: chart.groups[bars.group[i]],
          name: chart.names[bars.name[i]], start: bars.start[i], end: bars.end[i], reason: chart.reasons[bars.reason[i]] };
      },
      // Where bar or mark number i lies on the screen, for pointing at it.
      where: (i) => {
        const { bars } = panel.model;
        return onScreen(panel, (bars.start[i] + bars.end[i]) / 2, barTop(panel.model, i) + 5);
      },
      whereMark: (i) => {
        const { marks, lanes } = panel.model;
        return onScreen(panel, marks.time[i], markHeight(lanes[marks.lane[i]]));
      },
    }));
  },
};
