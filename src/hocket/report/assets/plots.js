// Plots of the domain: lines, steps and dots over two axes. They are drawings in SVG whose points are
// also read by pointing at them, and as tables.

const PLOT = { height: 250, left: 54, right: 14, top: 12, bottom: 40 };

// A label has one colour in all figures of the page.
const labels = [...new Set(report.figures.flatMap((figure) =>
  figure.figure === "plot" ? figure.lines.map((line) => line.label) : []))];

function labelColour(label) {
  return `var(--p${labels.indexOf(label) % TONES})`;
}

// Sets a colour where the page's own policy lets it be set: not as an attribute.
function tinted(node, property, label) {
  node.style[property] = labelColour(label);
  return node;
}

function paintLabels() {
  const { palette } = theme();
  palette.forEach((colour, n) => document.documentElement.style.setProperty(`--p${n}`, colour));
}

// ---- numbers on axes ----

const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

// Seconds as people say them: 250 µs, 35 ms, 1.5 s, 12 min.
function seconds(value, format = short) {
  const size = Math.abs(value);
  if (size === 0) return "0 s";
  if (size < 1e-3) return minus(`${format.format(value * 1e6)} µs`);
  if (size < 1) return minus(`${format.format(value * 1e3)} ms`);
  if (size < 600) return minus(`${format.format(value)} s`);
  return minus(size < 7200 ? `${format.format(value / 60)} min` : `${format.format(value / 3600)} h`);
}

function axisText(axis, value, format = short) {
  if (axis.kind === "seconds") return seconds(value, format);
  if (axis.kind === "share") return percent.format(value);
  return minus(format.format(value));
}

// The ends of an axis and its marks. Logarithmic axes have marks at 1, 2, 5, or powers of ten alone
// where those are many. `room` is the share of the axis that stays free beyond the data.
function scaleOf(axis, values, [from, to], room = [0, 0.03]) {
  const known = values.filter((value) => Number.isFinite(value) && (!axis.log || value > 0));
  let low = axis.low ?? Math.min(...known);
  let high = axis.high ?? Math.max(...known);
  if (!known.length) [low, high] = [axis.log ? 0.1 : 0, 1];
  if (!(high > low)) [low, high] = axis.log ? [low / 1.5, low * 1.5] : [low - (Math.abs(low) || 1) / 2, low + (Math.abs(low) || 1) / 2];
  const bend = axis.log ? Math.log10 : (value) => value;
  const length = axis.log ? high / low : high - low;
  const more = (value, share) => (axis.log ? value * length ** share : value + length * share);
  [low, high] = [axis.low ?? more(low, -room[0]), axis.high ?? more(high, room[1])];
  const [a, b] = [bend(low), bend(high)];
  const at = (value) => from + ((to - from) * (bend(Math.max(value, axis.log ? 1e-12 : -Infinity)) - a)) / (b - a);
  const back = (place) => {
    const value = a + ((place - from) / (to - from)) * (b - a);
    return axis.log ? 10 ** value : value;
  };
  const marks = axis.log ? logMarks(low, high) : evenMarks(axis, low, high, Math.abs(to - from));
  return { at, back, marks, low, high };
}

function evenMarks(axis, low, high, length) {
  const least = (high - low) / (length / 62);
  const step = axis.kind === "seconds" && high > 100 ? axisStep(least, "s") : roundStep(least);
  const marks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high * (1 + 1e-9); k++) marks.push(+(k * step).toPrecision(12));
  return marks;
}

function logMarks(low, high) {
  const decades = Math.log10(high / low);
  const factors = decades > 3.2 ? [1] : decades > 1.6 ? [1, 3] : decades > 0.7 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  const marks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const factor of factors) {
      const value = +(factor * 10 ** power).toPrecision(6);
      if (value >= low * 0.999 && value <= high * 1.001) marks.push(value);
    }
  }
  return marks;
}

// ---- one plot ----

class PlotFigure {
  constructor(figure) {
    this.figure = figure;
    this.hidden = new Set();
    this.width = 0;
    this.cursor = svg("g", { class: "cursor" });
    this.drawing = svg("svg", { height: PLOT.height, role: "img", "aria-label": `${figure.title}; the table below has the numbers` });
    this.drawing.addEventListener("pointermove", (event) => this.hover(event));
    this.drawing.addEventListener("pointerleave", () => this.leave());
    const frame = el("div", {}, this.drawing);
    this.root = el("figure", { class: "plotted" },
      el("figcaption", {}, el("strong", {}, figure.title), el("span", {}, figure.caption)),
      frame, this.table());
    new ResizeObserver(() => this.fit(frame.clientWidth)).observe(frame);
  }

  // Draws for a width in pixels, so that texts keep their size.
  fit(width) {
    if (!width || width === this.width) return;
    this.width = width;
    const { figure } = this;
    const { height, left, right, top, bottom } = PLOT;
    const dots = figure.style === "dots";
    this.xs = scaleOf(figure.x, figure.lines.flatMap((line) => line.x), [left, width - right], dots ? [0.06, 0.06] : [0, 0.03]);
    const ups = figure.lines.flatMap((line) => [...line.y, ...line.low, ...line.high]);
    const limits = figure.marks.filter((mark) => mark.axis === "y").map((mark) => mark.at);
    const reach = limits.filter((at) => at <= Math.max(...ups) * 1.6);
    this.ys = scaleOf(figure.y, [...ups, ...reach], [height - bottom, top]);
    this.drawing.setAttribute("width", width);
    this.draw();
  }

  draw() {
    const { figure } = this;
    const lines = figure.lines.filter((line) => !this.hidden.has(line.label));
    const marks = figure.style === "dots"
      ? lines.map((line) => this.dots(line))
      : lines.map((line) => this.path(line));
    this.drawing.replaceChildren(...this.axes(), ...figure.marks.flatMap((mark) => this.limit(mark)), ...marks.flat(), this.cursor);
    this.cursor.replaceChildren();
  }

  axes() {
    const { figure, xs, ys } = this;
    const { width } = this;
    const { height, left, right, bottom } = PLOT;
    const parts = [];
    for (const value of ys.marks) {
      const y = ys.at(value);
      parts.push(svg("line", { x1: left, x2: width - right, y1: y, y2: y, class: "grid" }),
        svg("text", { x: left - 7, y: y + 3.5, "text-anchor": "end" }, axisText(figure.y, value)));
    }
    let free = -Infinity;
    for (const value of xs.marks) {
      const x = xs.at(value);
      const text = axisText(figure.x, value);
      const half = text.length * 3.1;
      parts.push(svg("line", { x1: x, x2: x, y1: height - bottom, y2: height - bottom + 4, class: "tick" }));
      if (x - half < free || x + half > width) continue;
      free = x + half + 8;
      parts.push(svg("text", { x, y: height - bottom + 16, "text-anchor": "middle" }, text));
    }
    parts.push(svg("line", { x1: left, x2: width - right, y1: height - bottom, y2: height - bottom, class: "base" }),
      svg("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle", class: "name" }, figure.x.label));
    return parts;
  }

  // A limit that lies outside of what is shown is left out.
  limit(mark) {
    const { width } = this;
    const { height, left, right, top, bottom } = PLOT;
    const scale = mark.axis === "x" ? this.xs : this.ys;
    if (mark.at < scale.low || mark.at > scale.high) return [];
    const at = scale.at(mark.at);
    if (mark.axis === "y") {
      return [svg("line", { x1: left, x2: width - right, y1: at, y2: at, class: "limit" }),
        svg("text", { x: width - right - 2, y: at - 4, "text-anchor": "end", class: "limit" }, mark.label)];
    }
    const aside = at > width - right - 40;
    return [svg("line", { x1: at, x2: at, y1: top, y2: height - bottom, class: "limit" }),
      svg("text", { x: at + (aside ? -4 : 4), y: height - bottom - 6, "text-anchor": aside ? "end" : "start", class: "limit" }, mark.label)];
  }

  path(line) {
    const { figure, xs, ys } = this;
    const steps = figure.style === "steps";
    let from = null;
    const parts = line.x.map((value, i) => {
      const [x, y] = [xs.at(value).toFixed(1), ys.at(line.y[i]).toFixed(1)];
      const piece = from === null ? `M${x} ${y}` : steps ? `H${x}V${y}` : `L${x} ${y}`;
      from = y;
      return piece;
    });
    const drawn = [tinted(svg("path", { d: parts.join(""), class: line.dashed ? "line dashed" : "line" }), "stroke", line.label)];
    if (line.low.length) drawn.push(...this.bars(line));
    if (line.x.length <= 24 && !steps) {
      drawn.push(...line.x.map((value, i) => tinted(svg("circle", { cx: xs.at(value), cy: ys.at(line.y[i]), r: 2.6 }), "fill", line.label)));
    }
    return drawn;
  }

  dots(line) {
    const dots = line.x.map((value, i) => tinted(
      svg("circle", { cx: this.xs.at(value), cy: this.ys.at(line.y[i]), r: 5, class: "dot" }), "fill", line.label));
    const few = this.figure.lines.reduce((sum, other) => sum + other.x.length, 0) <= 8;
    return [...(line.low.length ? this.bars(line) : []), ...dots, ...(few ? this.dotNames(line) : [])];
  }

  // Where there are few dots their names stand beside them, on the side where there is room.
  dotNames(line) {
    return line.x.map((value, i) => {
      const x = this.xs.at(value);
      const aside = x > this.width * 0.6;
      return svg("text", { x: x + (aside ? -9 : 9), y: this.ys.at(line.y[i]) + 4, "text-anchor": aside ? "end" : "start", class: "beside" },
        line.label.split("/").at(-1).split("(")[0]);
    });
  }

  bars(line) {
    return line.x.map((value, i) => tinted(svg("line", { x1: this.xs.at(value), x2: this.xs.at(value),
      y1: this.ys.at(line.low[i]), y2: this.ys.at(line.high[i]), class: "interval" }), "stroke", line.label));
  }

  // What every line shows where the pointer is: the nearest dots, or values at one x.
  hover(event) {
    const { height, left, right, bottom, top } = PLOT;
    const edge = this.drawing.getBoundingClientRect();
    const [x, y] = [event.clientX - edge.left, event.clientY - edge.top];
    if (x < left || x > this.width - right || y < top || y > height - bottom + 4) return this.leave();
    if (this.figure.style === "dots") return this.hoverDot(event, x, y);
    const at = this.xs.back(x);
    const lines = this.figure.lines.filter((line) => !this.hidden.has(line.label));
    const read = lines.map((line) => ({ line, i: this.index(line, at) })).filter(({ i }) => i >= 0);
    const rows = read.map(({ line, i }) => [colouredName(line), axisText(this.figure.y, line.y[i], fine)]);
    const dots = read.map(({ line, i }) => tinted(svg("circle", { cx: this.figure.style === "steps" ? x : this.xs.at(line.x[i]),
      cy: this.ys.at(line.y[i]), r: 3 }), "fill", line.label));
    this.cursor.replaceChildren(svg("line", { x1: x, x2: x, y1: top, y2: height - bottom }), ...dots);
    return showTooltip(card(axisText(this.figure.x, at, fine), rows), event.clientX, event.clientY);
  }

  // The point of a line that holds at x: for steps the last one, else the nearest; -1 for none.
  index(line, at) {
    const after = firstAbove(line.x, at, 0, line.x.length);
    if (this.figure.style === "steps") return after - 1;
    if (after === 0 || after === line.x.length) return Math.min(after, line.x.length - 1);
    return at - line.x[after - 1] < line.x[after] - at ? after - 1 : after;
  }

  hoverDot(event, x, y) {
    let best = null;
    for (const line of this.figure.lines) {
      if (this.hidden.has(line.label)) continue;
      line.x.forEach((value, i) => {
        const distance = Math.hypot(this.xs.at(value) - x, this.ys.at(line.y[i]) - y);
        if (distance < (best?.distance ?? 14)) best = { line, i, distance };
      });
    }
    if (!best) return this.leave();
    const { line, i } = best;
    const rows = [[this.figure.x.label, axisText(this.figure.x, line.x[i], fine)], [this.figure.y.label, axisText(this.figure.y, line.y[i], fine)]];
    if (line.notes[i]) rows.push(["scenario", line.notes[i]]);
    this.cursor.replaceChildren(svg("circle", { cx: this.xs.at(line.x[i]), cy: this.ys.at(line.y[i]), r: 8, class: "ring" }));
    return showTooltip(card(line.label, rows), event.clientX, event.clientY);
  }

  // Where a point of a line lies on the screen.
  where(n, i) {
    const line = this.figure.lines[n];
    const edge = this.drawing.getBoundingClientRect();
    return { x: edge.left + this.xs.at(line.x[i]), y: edge.top + this.ys.at(line.y[i]) };
  }

  leave() {
    this.cursor.replaceChildren();
    hideTooltip();
  }

  table() {
    const { figure } = this;
    const place = el("div");
    const details = el("details", {}, el("summary", {}, "As a table"), place);
    details.addEventListener("toggle", () => {
      if (!details.open || place.firstChild) return;
      const rows = figure.lines.flatMap((line) => line.x.map((value, i) => el("tr", {},
        el("th", { scope: "row" }, line.name ? `${line.label}, ${line.name}` : line.label),
        el("td", {}, axisText(figure.x, value, fine)), el("td", {}, axisText(figure.y, line.y[i], fine)))));
      place.append(table(["", figure.x.label, figure.y.label], rows, "numbers"));
    });
    return details;
  }
}

function colouredName(line) {
  const swatch = el("span", { class: "swatch" });
  swatch.style.background = labelColour(line.label);
  return [swatch, line.name ? `${line.label}, ${line.name}` : line.label];
}

// ---- the parts of the page ----

// Plots of one group share a section and a legend, whose entries hide and show lines.
function plotSections() {
  const groups = grouped(report.figures.filter((figure) => figure.figure === "plot"));
  stage.painters.push(paintLabels);
  paintLabels();
  return [...groups].map(([group, figures]) => {
    const plots = figures.map((figure) => new PlotFigure(figure));
    const here = [...new Set(figures.flatMap((figure) => figure.lines.map((line) => line.label)))];
    stage.plots.push(...plots);
    return section(group, here.length > 1 ? plotLegend(here, plots) : null,
      el("div", { class: "plots" }, plots.map((plot) => plot.root)));
  });
}

function grouped(figures) {
  const groups = new Map();
  for (const figure of figures) groups.set(figure.group, [...(groups.get(figure.group) ?? []), figure]);
  return groups;
}

function plotLegend(here, plots) {
  return el("div", { class: "legend", role: "group", "aria-label": "Lines" }, here.map((label) => {
    const dot = el("i", {});
    dot.style.background = labelColour(label);
    const toggle = (event) => {
      const shown = event.currentTarget.getAttribute("aria-pressed") !== "true";
      event.currentTarget.setAttribute("aria-pressed", shown);
      for (const plot of plots) {
        plot.hidden[shown ? "delete" : "add"](label);
        plot.draw();
      }
    };
    return el("button", { type: "button", class: "chip line", "aria-pressed": "true", title: "Hide or show", onclick: toggle }, dot, label);
  }));
}
