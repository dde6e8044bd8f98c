// The timelines: one panel each, all showing the same stretch of time, search and pinned job.

const stage = {
  panels: [],
  strips: [], // further pictures over the same time
  plots: [],
  full: { from: 0, to: 1 },
  view: { from: 0, to: 1 },
  query: "",
  pin: null, // name of the pinned job
  frames: [], // milliseconds that the last frames took
  waiting: false,
  listeners: [], // called when view, search or pinned job change
  painters: [], // called when the colours change
};

function redraw() {
  if (stage.waiting) return;
  stage.waiting = true;
  requestAnimationFrame(() => {
    stage.waiting = false;
    drawNow();
  });
}

function drawNow() {
  const begun = performance.now();
  for (const panel of [...stage.panels, ...stage.strips]) if (panel.visible) panel.draw();
  stage.frames.push(performance.now() - begun);
  if (stage.frames.length > 400) stage.frames.shift();
}

function changed() {
  for (const listener of stage.listeners) listener();
  redraw();
}

// Shows the ticks `from` to `to`, kept inside the whole and not shorter than two ticks.
function setView(from, to) {
  const { full } = stage;
  const length = Math.min(Math.max(to - from, 2), full.to - full.from);
  const start = Math.min(Math.max(from, full.from), full.to - length);
  const before = stage.view;
  stage.view = { from: start, to: start + length };
  const moved = before.from !== stage.view.from || before.to !== stage.view.to;
  if (moved) changed();
  return moved;
}

// Zooms by `factor` (below 1: closer) so that the instant `at` stays where it is.
function zoom(factor, at) {
  const { from, to } = stage.view;
  return setView(at - (at - from) * factor, at + (to - at) * factor);
}

function pan(share) {
  const step = (stage.view.to - stage.view.from) * share;
  return setView(stage.view.from + step, stage.view.to + step);
}

function reset() {
  return setView(stage.full.from, stage.full.to);
}

function setQuery(text) {
  stage.query = text.trim();
  for (const panel of stage.panels) panel.find();
  changed();
}

function setPin(group) {
  stage.pin = group === stage.pin || group === "" ? null : group;
  changed();
}

class Panel {
  constructor(chart) {
    this.chart = chart;
    this.model = decode(chart);
    this.total = arrange(this.model);
    this.found = null;
    this.drawn = 0;
    this.visible = true;
    this.overview = { canvas: el("canvas"), key: "" };
    this.build();
    new ResizeObserver(() => redraw()).observe(this.box);
    new IntersectionObserver(([entry]) => {
      this.visible = entry.isIntersecting;
      if (this.visible) redraw();
    }, { rootMargin: "200px" }).observe(this.root);
  }

  build() {
    const { chart, model } = this;
    const label = `Gantt chart of ${chart.label}: ${plural(model.bars.count, "bar")} on ` +
      `${plural(model.lanes.length, "lane")}. Arrow keys move, plus and minus zoom, 0 shows all, ` +
      "n and p step through the pinned job.";
    this.canvas = el("canvas");
    this.spacer = el("div", { class: "spacer" }, this.canvas);
    this.spacer.style.height = `${this.total}px`;
    this.box = el("div", { class: "lanes", tabindex: 0, role: "application", "aria-roledescription": "Gantt chart", "aria-label": label }, this.spacer);
    this.strip = el("canvas", { class: "strip", "aria-hidden": "true" });
    this.map = el("canvas", { class: "map", "aria-hidden": "true" });
    this.cross = el("div", { class: "cross", "aria-hidden": "true", hidden: true });
    this.frameBox = el("div", { class: "gantt" }, this.box, this.strip, this.map, this.cross);
    this.root = el("div", { class: "panel" }, this.frameBox);
    const names = [...model.lanes.map((lane) => lane.name), ...model.levels.map((level) => level.name)];
    const pen = this.canvas.getContext("2d");
    const widest = names.reduce((width, name) => Math.max(width, textWidth(pen, name)), 42);
    this.gutter = Math.min(150, 22 + widest);
  }

  // How pixels and ticks correspond at the moment.
  frame() {
    const { view } = stage;
    const width = this.box.clientWidth;
    const [left, right] = [this.gutter, Math.max(this.gutter + 40, width - 8)];
    const scale = (right - left) / (view.to - view.from);
    const height = this.box.clientHeight;
    const scroll = this.box.scrollTop;
    return {
      view, left, right, height, scroll, width, end: this.chart.end,
      top: scroll + AXIS, bottom: scroll + height,
      x: (at) => left + (at - view.from) * scale,
      time: (x) => view.from + (x - left) / scale,
      scale,
    };
  }

  hover(event) {
    return onHover(this, event);
  }

  click(event) {
    return onClick(this, event);
  }

  find() {
    this.found = stage.query ? search(this.model, stage.query) : null;
    return this.found;
  }

  // The bars to emphasise, in order of time, or null when all are equal.
  emphasis() {
    if (stage.pin !== null) {
      const group = this.chart.groups.indexOf(stage.pin);
      return { list: group < 0 ? [] : barsOfGroups(this.model)[group], single: group };
    }
    return this.found === null ? null : { list: this.found };
  }

  // Whether a point or due date belongs to what is emphasised; null when all are equal.
  emphasised(emphasis) {
    if (emphasis === null) return null;
    const text = stage.query.toLowerCase();
    const { groups, names } = this.chart;
    const holds = (entry) => (entry ?? "").toLowerCase().includes(text);
    const test = emphasis.single === undefined
      ? (group, name) => holds(groups[group]) || holds(names[name])
      : (group) => group === emphasis.single;
    return Object.assign(test, { single: emphasis.single });
  }

  draw() {
    const limit = printing ? 12000 : stage.panels.length > 1 ? 430 : 620;
    this.box.style.maxHeight = `${limit}px`;
    const frame = this.frame();
    const colours = theme();
    const emphasis = this.emphasis();
    const lit = this.emphasised(emphasis);
    const pen = prepare(this.canvas, frame.width, Math.min(this.total, frame.height));
    paintLanes(pen, this.model, frame, colours);
    paintAxis(pen, this.model, frame, colours);
    pen.save();
    pen.beginPath();
    pen.rect(frame.left, AXIS, frame.right - frame.left + 1, frame.height);
    pen.clip();
    this.drawn = this.paintBars(pen, frame, colours, emphasis);
    this.drawn += paintMarks(pen, this.model, frame, colours, lit);
    pen.restore();
    this.clearAxis(pen, frame, colours, lit);
    this.drawStrips(frame, colours);
    this.drawMap(frame, colours);
  }

  paintBars(pen, frame, colours, emphasis) {
    const behind = new Batch(this.model, frame, colours);
    const front = new Batch(this.model, frame, colours);
    for (const lane of this.model.lanes) {
      if (lane.top + lane.height < frame.top || lane.top > frame.bottom) continue;
      const y = lane.top - frame.scroll;
      for (const row of lane.behind) behind.row(row, y + 1, lane.height - 2);
      for (const row of lane.rows) front.row(row, y + 3 + row.track * lane.track, trackHeight(lane));
    }
    const faded = emphasis === null ? 0 : 0.84;
    behind.paint(pen, { faded });
    front.paint(pen, { faded, labels: faded === 0 });
    const lit = emphasis === null ? 0 : this.paintEmphasised(pen, frame, colours, emphasis);
    return behind.count + front.count + lit;
  }

  paintEmphasised(pen, frame, colours, emphasis) {
    const { bars, lanes } = this.model;
    const batch = new Batch(this.model, frame, colours);
    let [lastX, lastY] = [NaN, NaN];
    for (const i of emphasis.list) {
      if (bars.end[i] < frame.view.from || bars.start[i] > frame.view.to) continue;
      const lane = lanes[bars.lane[i]];
      if (lane.top + lane.height < frame.top || lane.top > frame.bottom) continue;
      const [x, y] = [frame.x(bars.start[i]), barTop(this.model, i) - frame.scroll];
      const width = Math.max(2, frame.x(bars.end[i]) - x);
      if (width === 2 && y === lastY && x - lastX < 1) continue;
      [lastX, lastY] = [x, y];
      batch.add(i, x, y, width, trackHeight(lane));
    }
    if (emphasis.single !== undefined) paintPath(pen, this.model, frame, colours, emphasis.list);
    batch.paint(pen, { labels: true });
    return batch.count;
  }

  // The axis and the names stay on top of what was scrolled beneath them.
  clearAxis(pen, frame, colours, lit) {
    paintLaneNames(pen, this.model, frame, colours);
    pen.save();
    pen.beginPath();
    pen.rect(0, 0, frame.width, AXIS);
    pen.clip();
    pen.fillStyle = colours.ground;
    pen.fillRect(0, 0, frame.width, AXIS);
    paintAxis(pen, this.model, { ...frame, height: AXIS }, colours);
    pen.restore();
    paintDueDates(pen, this.model, frame, colours, lit);
  }

  drawStrips(frame, colours) {
    const { levels } = this.model;
    this.strip.hidden = levels.length === 0;
    if (!levels.length) return;
    const pen = prepare(this.strip, frame.width, levels.length * STRIP);
    pen.fillStyle = colours.ground;
    pen.fillRect(0, 0, frame.width, levels.length * STRIP);
    levels.forEach((strip, n) => paintStrip(pen, strip, frame, n * STRIP, colours));
  }

  drawMap(frame, colours) {
    const { full, view } = stage;
    const width = frame.right - frame.left;
    const key = `${width} ${dusk.matches} ${printing} ${full.to}`;
    if (key !== this.overview.key) this.drawOverview(width, colours, key);
    const pen = prepare(this.map, frame.width, MINIMAP);
    pen.drawImage(this.overview.canvas, frame.left, 4, width, MINIMAP - 8);
    const scale = width / (full.to - full.from);
    const [x0, x1] = [view.from, view.to].map((at) => frame.left + (at - full.from) * scale);
    pen.fillStyle = colours.ground;
    pen.globalAlpha = 0.72;
    pen.fillRect(frame.left, 4, x0 - frame.left, MINIMAP - 8);
    pen.fillRect(x1, 4, frame.right - x1, MINIMAP - 8);
    pen.globalAlpha = 1;
    pen.strokeStyle = colours.accent;
    pen.lineWidth = 1.5;
    pen.strokeRect(x0 + 0.75, 3.75, Math.max(2, x1 - x0 - 1.5), MINIMAP - 7.5);
    pen.fillStyle = colours.soft;
    pen.textAlign = "right";
    pen.fillText("overview", frame.left - 10, MINIMAP / 2);
  }

  // All lanes squeezed into the minimap; drawn once and kept.
  drawOverview(width, colours, key) {
    const { canvas } = this.overview;
    const height = MINIMAP - 8;
    const pen = prepare(canvas, width, height);
    pen.fillStyle = colours.lane;
    pen.fillRect(0, 0, width, height);
    const { full } = stage;
    const scale = width / (full.to - full.from);
    const frame = { view: full, left: 0, right: width, x: (at) => (at - full.from) * scale,
      time: (x) => full.from + x / scale };
    const rows = this.model.lanes.flatMap((lane) => lane.rows);
    const each = height / Math.max(1, rows.length);
    // More rows than pixels: every so manieth row stands for its neighbours.
    const stride = Math.max(1, Math.ceil(0.75 / each));
    const batch = new Batch(this.model, frame, colours);
    for (let n = 0; n < rows.length; n += stride) {
      batch.row(rows[n], n * each, Math.max(0.75, each * stride - (each > 3 ? 1 : 0)));
    }
    batch.paint(pen, { faded: 0.3, plain: true });
    this.overview.key = key;
  }
}

function trackHeight(lane) {
  return Math.max(1.5, lane.track - (lane.track > 5 ? 1.5 : 0.5));
}
