// Everything beside the Gantt charts. Charts are tables with drawings in their cells, so they read
// aloud, copy and print as tables do.

function table(head, rows, kind = "") {
  return el("div", { class: "wide" }, el("table", { class: kind },
    el("thead", {}, el("tr", {}, head.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, rows)));
}

function section(name, ...content) {
  const id = `s-${name.toLowerCase().replaceAll(" ", "-")}`;
  return el("section", { "aria-labelledby": id }, el("h2", { id }, name), content);
}

// ---- metrics of the runs ----

function metricsSection() {
  const scored = report.charts.filter((chart) => Object.keys(chart.metrics).length);
  if (!scored.length) return null;
  if (scored.length === 1) return section("Result", ...results(scored[0].metrics));
  const names = [...new Set(scored.flatMap((chart) => Object.keys(chart.metrics)))];
  const better = report.comparison?.better ?? {};
  const rows = names.map((name) => {
    const values = scored.map((chart) => chart.metrics[name] ?? null);
    const best = bestOf(values, better[name]);
    return el("tr", {}, el("th", { scope: "row", title: report.meanings[name]?.[1] }, spoken(name)),
      values.map((value) => el("td", { class: value !== null && value === best ? "best" : null }, quantity(name, value))));
  });
  const name = report.comparison ? "Results of these runs" : "Results";
  const all = table(["", ...scored.map((chart) => chart.label)], rows, "numbers");
  return section(name, names.length > MANY ? el("details", {}, el("summary", {}, "All metrics"), all) : all);
}

const MANY = 24;

// The metrics of one run: where there are many, the chief ones at sight and all in a table.
function results(metrics) {
  const entries = Object.entries(metrics);
  const chief = entries.filter(([name]) => report.meanings[name]?.[2]);
  const shown = chief.length ? chief : entries;
  const tiles = el("dl", { class: "tiles" }, shown.map(([name, value]) =>
    el("div", { title: report.meanings[name]?.[1] }, el("dt", {}, spoken(name)), el("dd", {}, quantity(name, value)))));
  if (shown.length === entries.length) return [tiles];
  const rows = entries.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, spoken(name)),
    el("td", {}, quantity(name, value)), el("td", {}, report.meanings[name]?.[1] ?? "")));
  return [tiles, el("details", {}, el("summary", {}, `All ${entries.length} metrics`), table(["", "", "Meaning"], rows, "numbers meanings"))];
}

// A metric with its unit, where the domain says which it is.
function quantity(name, value) {
  const unit = report.meanings[name]?.[0] ?? "";
  if (value === null || value === undefined) return "–";
  if (unit === "s") return seconds(value, fine);
  if (unit === "share") return precise.format(value);
  return unit ? `${number(value)} ${unit}` : number(value);
}

function bestOf(values, direction) {
  const known = values.filter((value) => value !== null && value !== undefined);
  if (!direction || known.length < 2) return NaN;
  return direction === "lower" ? Math.min(...known) : Math.max(...known);
}

// ---- utilisation ----

const FILLS = { setup: "setup", blocked: "blocked", waiting: "blocked", down: "down", broken: "down", off: "closed", closed: "closed" };

function utilisationSection() {
  const charts = report.charts.filter((chart) => Object.keys(chart.busy).length && chart.end > 0);
  if (!charts.length) return null;
  const lanes = [...new Set(charts.flatMap((chart) => chart.lanes.filter((_, i) => busyTicks(chart, i) > 0)))];
  const kinds = [...new Set(charts.flatMap((chart) => Object.keys(chart.busy)))];
  const rows = lanes.map((lane) => el("tr", {}, el("th", { scope: "row" }, lane || "events"),
    charts.map((chart) => busyCell(chart, chart.lanes.indexOf(lane)))));
  const legend = el("p", { class: "legend" }, kinds.map((kind) => key(kind)));
  const content = [legend, table(["", ...charts.map((chart) => chart.label)], rows, "busy")];
  if (lanes.length <= 25) return section("Utilisation", content);
  const all = el("details", {}, el("summary", {}, `All ${plural(lanes.length, "lane")}`), content);
  return section("Utilisation", meanUtilisation(charts), all);
}

function busyTicks(chart, lane) {
  return Object.values(chart.busy).reduce((sum, ticks) => sum + (ticks[lane] ?? 0), 0);
}

function meanUtilisation(charts) {
  const rows = charts.map((chart) => {
    const lanes = chart.lanes.map((_, i) => i).filter((i) => busyTicks(chart, i) > 0);
    const run = lanes.map((i) => (chart.busy.run?.[i] ?? busyTicks(chart, i)) / chart.end);
    const mean = run.reduce((sum, share) => sum + share, 0) / Math.max(1, run.length);
    run.sort((a, b) => a - b);
    return el("tr", {}, el("th", { scope: "row" }, chart.label), el("td", {}, percent.format(mean)),
      el("td", {}, percent.format(run[0] ?? 0)), el("td", {}, percent.format(run.at(-1) ?? 0)));
  });
  return table(["", "Mean", "Least", "Most"], rows, "numbers");
}

function busyCell(chart, lane) {
  if (lane < 0) return el("td", {}, "–");
  const parts = Object.entries(chart.busy).filter(([, ticks]) => ticks[lane] > 0)
    .sort(([a], [b]) => (b === "run") - (a === "run"));
  const bar = el("span", { class: "stack", "aria-hidden": "true" }, parts.map(([kind, ticks]) => {
    const piece = swatch(kind);
    piece.style.width = `${Math.min(100, (100 * ticks[lane]) / chart.end)}%`;
    return piece;
  }));
  const said = parts.map(([kind, ticks]) => `${percent.format(ticks[lane] / chart.end)} ${kind}`);
  const main = parts.length ? percent.format(parts[0][1][lane] / chart.end) : "0%";
  return el("td", { title: said.join(", ") || "idle" }, bar, el("span", { class: "share" }, main));
}

function key(kind) {
  return el("span", { class: "key" }, swatch(kind), kind);
}

function swatch(kind) {
  const box = el("i", { class: `k-${FILLS[kind] ?? "run"}` });
  if (!(kind in STYLES)) box.style.opacity = 1 - styleOf(kind).pale;
  return box;
}

// ---- comparison: dots with confidence intervals ----

function comparisonSection() {
  const { comparison } = report;
  if (!comparison || !comparison.estimates.length) return null;
  const metrics = [...new Set(comparison.estimates.map((row) => row.metric))];
  const scenarios = [...new Set(comparison.estimates.map((row) => row.scenario))];
  const place = el("div", { "aria-live": "polite" });
  const metric = choice("Metric", metrics, spoken);
  const scenario = choice("Scenario", scenarios, (name) => name);
  const show = () => place.replaceChildren(...comparisonOf(metric.value(), scenario.value()));
  metric.element.addEventListener("change", show);
  scenario.element.addEventListener("change", show);
  show();
  return section("Comparison",
    el("div", { class: "choices" }, metric.element, scenarios.length > 1 ? scenario.element : null),
    place, matrices(metrics, scenarios), failures());
}

function failures() {
  const failed = report.comparison.failures;
  if (!failed.length) return null;
  const rows = failed.slice(0, 100).map((row) => el("tr", {},
    [row.scenario, row.policy, number(row.seed), row.error].map((text) => el("td", {}, text))));
  return el("div", {}, el("h3", {}, `${plural(failed.length, "run")} failed`),
    table(["Scenario", "Policy", "Seed", "Error"], rows, "plain"));
}

function choice(label, options, says) {
  const select = el("select", {}, options.map((name) => el("option", { value: name }, says(name))));
  return { element: el("label", {}, `${label} `, select), value: () => select.value };
}

function comparisonOf(metric, scenario) {
  const { estimates, differences, better } = report.comparison;
  const direction = better[metric];
  const of = (row) => row.metric === metric && row.scenario === scenario;
  const rows = estimates.filter(of).map((row) => ({ ...row, label: row.policy }));
  const order = direction === "higher" ? -1 : 1;
  rows.sort((a, b) => order * ((a.mean ?? Infinity) - (b.mean ?? Infinity)));
  const best = bestOf(rows.map((row) => row.mean), direction);
  for (const row of rows) row.best = row.mean === best;
  const meaning = report.meanings[metric]?.[1] ?? "";
  const what = `${headed(metric)}${meaning ? `: ${meaning}` : ""}`;
  const note = direction ? `${what}${meaning ? ";" : ":"} ${direction} is better.` : `${what}.`;
  const text = `${note} Dots are means, lines their confidence intervals.`;
  const parts = [dotPlot(rows, "Policy", text, false, provenBound(metric, scenario))];
  const paired = differences.filter(of).map((row) => ({ ...row, label: `${row.policy} − ${row.versus}`,
    clear: row.low !== null && row.high !== null && (row.low > 0 || row.high < 0) }));
  if (paired.length) {
    const meaning = "Paired differences on the same workloads. An interval that spans zero shows no difference.";
    parts.push(el("h3", {}, "Differences"), dotPlot(paired, "Pair", meaning, true));
  }
  return parts;
}

// What a solver proved of this metric on this scenario: no policy can be better.
function provenBound(metric, scenario) {
  const { solved } = report;
  return solved && solved.objective === metric && solved.scenario === scenario ? solved.bound : null;
}

function dotPlot(rows, head, caption, fromZero, bound = null) {
  const ends = rows.flatMap((row) => [row.low ?? row.mean, row.high ?? row.mean]).filter((x) => x !== null);
  if (fromZero) ends.push(0);
  if (bound !== null) ends.push(bound);
  let [low, high] = [Math.min(...ends), Math.max(...ends)];
  const pad = (high - low || Math.abs(high) || 1) * 0.06;
  [low, high] = [low - pad, high + pad];
  const at = (value) => `${(100 * (value - low)) / (high - low)}%`;
  const step = roundStep((high - low) / 5);
  const says = alike(rows.map((row) => row.mean), rows.map(half));
  const marks = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) marks.push(k * step);
  const line = (value, kind) => svg("line", { x1: at(value), x2: at(value), y1: 0, y2: "100%", class: kind });
  const lines = () => [marks.map((value) => line(value, value === 0 && fromZero ? "zero" : "grid")),
    bound === null ? null : line(bound, "proven")];
  const body = rows.map((row) => el("tr", { class: row.best ? "best" : null },
    el("th", { scope: "row" }, row.label, row.best ? el("span", { class: "tag" }, "best") : null),
    el("td", { class: "plot" }, svg("svg", { "aria-hidden": "true" }, lines(), dot(row, at))),
    el("td", {}, says(row.mean)), el("td", {}, interval(row, says)), el("td", {}, number(row.n))));
  const scale = svg("svg", { "aria-hidden": "true", class: "scale" }, marks.map((value) =>
    svg("text", { x: at(value), y: 13, "text-anchor": "middle" }, number(+value.toPrecision(12)))));
  body.push(el("tr", { class: "axis" }, el("td"), el("td", { class: "plot" }, scale), el("td"), el("td"), el("td")));
  const drawn = table([head, "", "Mean", "Interval", "Runs"], body, "dots");
  const proven = bound === null ? null : el("span", { class: "key" }, el("i", { class: "l-proven" }),
    `proven bound ${says(bound)}`);
  return el("div", {}, el("p", { class: "caption" }, caption, " ", proven), drawn);
}

function dot(row, at) {
  if (row.mean === null) return null;
  const known = row.low !== null && row.high !== null;
  const kind = row.clear === false ? "unclear" : "";
  return svg("g", { class: kind },
    known ? svg("line", { x1: at(row.low), x2: at(row.high), y1: "50%", y2: "50%", class: "interval" }) : null,
    known ? [row.low, row.high].map((x) => svg("line", { x1: at(x), x2: at(x), y1: "32%", y2: "68%", class: "interval" })) : null,
    svg("circle", { cx: at(row.mean), cy: "50%", r: 4.5 }));
}

function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].find((factor) => factor * power >= least * 0.9999) * power;
}

// Half the width of a confidence interval; 0 when it is not known.
function half(row) {
  return row.low === null || row.high === null ? 0 : (row.high - row.low) / 2;
}

function interval(row, says) {
  return row.low === null || row.high === null ? "–" : `${says(row.low)} to ${says(row.high)}`;
}

function matrices(metrics, scenarios) {
  const { estimates, better } = report.comparison;
  const tables = scenarios.map((scenario) => {
    const here = estimates.filter((row) => row.scenario === scenario);
    const policies = [...new Set(here.map((row) => row.policy))];
    const find = (policy, metric) => here.find((row) => row.policy === policy && row.metric === metric);
    const best = metrics.map((metric) =>
      bestOf(policies.map((policy) => find(policy, metric)?.mean ?? null), better[metric]));
    const says = metrics.map((metric) => {
      const kin = here.filter((row) => row.metric === metric);
      return alike(kin.map((row) => row.mean), kin.map(half));
    });
    const rows = policies.map((policy) => el("tr", {}, el("th", { scope: "row" }, policy), metrics.map((metric, m) => {
      const row = find(policy, metric);
      const text = row ? says[m](row.mean) + (half(row) ? ` ± ${says[m](half(row))}` : "") : "–";
      return el("td", { class: row && row.mean === best[m] ? "best" : null }, text);
    })));
    return [scenarios.length > 1 ? el("h3", {}, scenario) : null, table(["Policy", ...metrics.map(headed)], rows, "numbers")];
  });
  return el("details", {}, el("summary", {}, "All metrics as a table"), tables);
}

// A metric with its unit in brackets.
function headed(name) {
  const unit = report.meanings[name]?.[0];
  return unit && unit !== "share" ? `${spoken(name)} (${unit})` : spoken(name);
}

// ---- solver ----

function solverSection() {
  const { solved } = report;
  if (!solved) return null;
  const facts = [["objective", spoken(solved.objective)], ["status", solved.status], ["value", number(solved.value)],
    ["bound", number(solved.bound)], ["gap", solved.gap === null ? "–" : percent.format(solved.gap)],
    ["seconds", number(solved.seconds)], ["solver", solved.solver || "–"]];
  const tiles = facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)));
  const reason = solved.reason ? el("p", {}, solved.reason) : null;
  return section("Solution", el("dl", { class: "tiles" }, tiles), reason, progress(solved));
}

function progress(solved) {
  const steps = solved.steps.filter((step) => step.value !== null || step.bound !== null);
  if (steps.length < 2) return null;
  const all = steps.flatMap((step) => [step.value, step.bound]).filter((value) => value !== null);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const last = Math.max(solved.seconds, steps.at(-1).seconds) || 1;
  const x = (seconds) => (100 * seconds) / last;
  const y = (value) => 96 - (92 * (value - low)) / (high - low || 1);
  const path = (field) => {
    const known = steps.filter((step) => step[field] !== null);
    if (!known.length) return null;
    const parts = known.map((step, i) => (i ? `H${x(step.seconds)}V${y(step[field])}` : `M${x(step.seconds)} ${y(step[field])}`));
    return svg("path", { d: `${parts.join("")}H100`, class: field, "vector-effect": "non-scaling-stroke" });
  };
  const step = roundStep((high - low || 1) / 4);
  const scale = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) scale.push(+(k * step).toPrecision(12));
  const lines = scale.map((value) => svg("line", { x1: 0, x2: 100, y1: y(value), y2: y(value), "vector-effect": "non-scaling-stroke" }));
  const labels = scale.map((value) => {
    const label = el("b", {}, number(value));
    label.style.top = `${y(value)}%`;
    return label;
  });
  const figure = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img",
    "aria-label": "Value and bound over seconds; the table below has the numbers" }, lines, path("bound"), path("value"));
  const rows = steps.map((step) => el("tr", {}, el("td", {}, number(step.seconds)), el("td", {}, number(step.value)), el("td", {}, number(step.bound))));
  return el("div", {},
    el("p", { class: "legend" }, el("span", { class: "key" }, el("i", { class: "l-value" }), "best value found"),
      el("span", { class: "key" }, el("i", { class: "l-bound" }), "proven bound")),
    el("div", { class: "progress" },
      el("span", { class: "y" }, el("i", {}, labels.at(-1)?.textContent), labels), figure,
      el("span", { class: "x" }, el("b", {}, "0 s"), el("b", {}, `${number(last)} s`))),
    el("details", {}, el("summary", {}, "As a table"), table(["Seconds", "Value", "Bound"], rows, "numbers")));
}

// ---- checker ----

function checkSection() {
  if (report.violations === null) return null;
  if (!report.violations.length) return section("Check", el("p", { class: "sound" }, "The independent checker found no violation."));
  const items = report.violations.map((broken) => el("li", {}, el("strong", {}, broken.rule), " ", broken.message));
  const found = section("Check", el("p", { class: "alarm", role: "alert" },
    `The independent checker found ${plural(report.violations.length, "violation")}.`), el("ul", { class: "violations" }, items.slice(0, 200)));
  if (items.length > 200) found.append(el("p", {}, `and ${items.length - 200} more`));
  return found;
}
