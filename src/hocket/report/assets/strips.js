// Strips: the levels of many lanes over one time, with events, arrows between lanes, and states.
// They share their stretch of time with the Gantt charts.

const SIGN_SHAPES = [["triangle", -1], ["diamond", 1], ["square", 1], ["circle", 1]];
const SIGN_MARKS = ["▼", "◆", "■", "●"];

// The colours of levels, events and arrows; they stand beside each other and not for policies.
function stripColours(colours) {
  return {
    levels: [colours.palette[0], colours.palette[2], colours.palette[1]],
    signs: [colours.alarm, colours.palette[9], colours.ink, colours.palette[4]],
    arrow: colours.palette[4],
  };
}

class StripsFigure {
  constructor(figure) {
    this.figure = figure;
    this.visible = true;
    this.drawn = 0;
    const count = figure.lanes.length;
    this.height = count <= 4 ? 66 : count <= 8 ? 50 : count <= 16 ? 36 : count <= 40 ? 26 : 18;
    this.total = AXIS + count * this.height + 4;
    this.canvas = el("canvas");
    const label = `${figure.title}: ${figure.levels.map((level) => level.name).join(", ")} of ${plural(count, "lane")}. ` +
      "Arrow keys move, plus and minus zoom, 0 shows all.";
    this.box = el("div", { class: "lanes", tabindex: 0, role: "application", "aria-roledescription": "timeline", "aria-label": label }, this.canvas);
    this.cross = el("div", { class: "cross whole", "aria-hidden": "true", hidden: true });
    this.root = el("div", { class: "gantt strips" }, this.box, this.cross);
    const pen = this.canvas.getContext("2d");
    const widest = figure.lanes.reduce((width, lane) => Math.max(width, textWidth(pen, lane.name)), 42);
    this.gutter = Math.min(150, 22 + widest);
    this.events = figure.lanes.map(() => []);
    for (const event of figure.events) this.events[event[0]].push(event);
    for (const events of this.events) events.sort((a, b) => a[1] - b[1]);
    new ResizeObserver(() => redraw()).observe(this.box);
    new IntersectionObserver(([entry]) => {
      this.visible = entry.isIntersecting;
      if (this.visible) redraw();
    }, { rootMargin: "200px" }).observe(this.root);
    this.listen();
  }

  listen() {
    const { box } = this;
    box.addEventListener("wheel", (event) => onWheel(this, event), { passive: false });
    box.addEventListener("dblclick", reset);
    box.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
      KEYS[event.key]();
      event.preventDefault();
    });
    box.addEventListener("pointerleave", () => hideTooltip());
    listenDrag(this, box);
  }

  frame() {
    const { view } = stage;
    const width = this.box.clientWidth;
    const [left, right] = [this.gutter, Math.max(this.gutter + 40, width - 8)];
    const scale = (right - left) / (view.to - view.from);
    return { view, left, right, width, scale, height: this.total, scroll: 0, end: this.figure.end,
      x: (at) => left + (at - view.from) * scale, time: (x) => view.from + (x - left) / scale };
  }

  top(lane) {
    return AXIS + lane * this.height;
  }

  draw() {
    const frame = this.frame();
    const colours = theme();
    const tones = stripColours(colours);
    const pen = prepare(this.canvas, frame.width, this.total);
    this.drawn = 0;
    paintAxis(pen, { chart: this.figure }, frame, colours);
    pen.save();
    pen.beginPath();
    pen.rect(frame.left, AXIS, frame.right - frame.left + 1, this.total);
    pen.clip();
    this.figure.lanes.forEach((lane, n) => this.lane(pen, lane, n, frame, colours, tones));
    this.bands(pen, frame, colours);
    this.arrows(pen, frame, colours, tones);
    this.signs(pen, frame, colours, tones);
    pen.restore();
    this.names(pen, frame, colours);
  }

  lane(pen, lane, n, frame, colours, tones) {
    const y0 = this.top(n) + this.height - 2;
    const reach = this.height - 5;
    pen.fillStyle = colours.line;
    pen.fillRect(frame.left, y0 + 1, frame.right - frame.left, 1);
    this.figure.levels.forEach((level, k) => {
      const path = this.path(lane.values[k], mostOf(k), frame, y0, reach);
      if (!path) return;
      pen.strokeStyle = pen.fillStyle = tones.levels[k % tones.levels.length];
      if (level.style === "area") {
        pen.globalAlpha = 0.22;
        pen.fill(path.area);
        pen.globalAlpha = 0.75;
        pen.lineWidth = 1;
      } else {
        pen.lineWidth = 1.5;
      }
      pen.stroke(path.line);
      pen.globalAlpha = 1;
      this.drawn++;
    });
  }

  // The steps of a level in view; of readings within one pixel the highest.
  path(values, most, frame, y0, reach) {
    const { step } = this.figure;
    const [line, area] = [new Path2D(), new Path2D()];
    const last = Math.min(values.length - 1, Math.floor(frame.view.to / step));
    let [begun, open] = [false, null];
    const close = (x) => {
      if (open === null) return;
      area.lineTo(x, y0);
      area.lineTo(open, y0);
      area.closePath();
      open = null;
    };
    for (let k = Math.max(0, Math.floor(frame.view.from / step)); k <= last;) {
      const x = frame.x(k * step);
      let [value, next] = [values[k], k + 1];
      while (next <= last && frame.x(next * step) < x + 1) value = Math.max(value ?? 0, values[next++] ?? 0);
      const right = Math.min(frame.x(next * step), frame.x(this.figure.end));
      if (value === null) {
        close(x);
      } else {
        const y = y0 - (Math.min(value, most) / most) * reach;
        if (open === null) {
          line.moveTo(x, y);
          area.moveTo(x, y);
          open = x;
        }
        for (const path of [line, area]) {
          path.lineTo(x, y);
          path.lineTo(right, y);
        }
        begun = true;
      }
      if (next > last) close(right);
      k = next;
    }
    return begun ? { line, area } : null;
  }

  bands(pen, frame, colours) {
    for (const [lane, start, end, kind] of this.figure.bands) {
      if (end < frame.view.from || start > frame.view.to) continue;
      const [x0, x1] = [Math.max(frame.left - 4, frame.x(start)), Math.min(frame.right + 4, frame.x(end))];
      const [y, height] = [this.top(lane) + 1, this.height - 2];
      pen.globalAlpha = kind === "down" ? 0.85 : 0.4;
      pen.fillStyle = colours.down;
      pen.fillRect(x0, y, Math.max(1, x1 - x0), height);
      pen.fillStyle = hatch(pen, kind === "down" ? "cross" : kind === "start" ? "up" : "down", colours.soft, window.devicePixelRatio || 1);
      pen.fillRect(x0, y, Math.max(1, x1 - x0), height);
      pen.globalAlpha = 1;
      if (x1 - x0 > textWidth(pen, kind) + 10 && height > 12) {
        pen.fillStyle = colours.ink;
        pen.textAlign = "center";
        pen.fillText(kind, (x0 + x1) / 2, y + height / 2);
      }
    }
  }

  arrows(pen, frame, colours, tones) {
    const inView = this.figure.arrows.filter(([, , start, end]) => end >= frame.view.from && start <= frame.view.to);
    const many = inView.length > 150;
    pen.strokeStyle = pen.fillStyle = tones.arrow;
    pen.lineWidth = many ? 0.8 : 1.4;
    pen.globalAlpha = many ? Math.max(0.25, 80 / inView.length) : 0.85;
    for (const [source, target, start, end] of inView) {
      const [x0, x1] = [frame.x(start), frame.x(end)];
      const [y0, y1] = [source, target].map((lane) => this.top(lane) + this.height / 2);
      const down = y1 > y0 ? 1 : -1;
      const bend = Math.max(14, Math.abs(y1 - y0) * 0.35) * down;
      pen.beginPath();
      pen.moveTo(x0, y0);
      pen.bezierCurveTo(x0, y0 + bend, x1, y1 - bend, x1, y1 - down * 5);
      pen.stroke();
      pen.beginPath();
      pen.moveTo(x1, y1);
      pen.lineTo(x1 - 3.2, y1 - down * 6.5);
      pen.lineTo(x1 + 3.2, y1 - down * 6.5);
      pen.fill();
      if (!many) {
        pen.beginPath();
        pen.arc(x0, y0, 2.2, 0, 7);
        pen.fill();
      }
    }
    pen.globalAlpha = 1;
    this.drawn += inView.length;
  }

  signs(pen, frame, colours, tones) {
    this.events.forEach((events, lane) => {
      const free = {};
      for (const [, at, kind, count] of events) {
        const x = frame.x(at);
        if (x < frame.left - 5 || x > frame.right + 5 || x < (free[kind] ?? -Infinity)) continue;
        free[kind] = x + 4; // nearer ones would cover it
        const [shape, turn] = SIGN_SHAPES[kind % SIGN_SHAPES.length];
        pen.fillStyle = tones.signs[kind % tones.signs.length];
        glyph(pen, shape, x, this.top(lane) + 6, turn * Math.min(5.5, 3 + Math.log2(count) / 2));
        pen.fill();
        this.drawn++;
      }
    });
  }

  names(pen, frame, colours) {
    pen.fillStyle = colours.ground;
    pen.fillRect(0, AXIS, frame.left - 1, this.total);
    pen.textAlign = "right";
    pen.fillStyle = colours.ink;
    this.figure.lanes.forEach((lane, n) => {
      pen.fillText(shortened(pen, lane.name, frame.left - 18), frame.left - 10, this.top(n) + this.height / 2 + 0.5);
    });
  }

  where(lane, at) {
    const edge = this.box.getBoundingClientRect();
    return { x: edge.left + this.frame().x(at), y: edge.top + this.top(lane) + this.height / 2 };
  }

  click() {}

  hover(event) {
    const { x, y } = place(this, event);
    const frame = this.frame();
    const inside = x >= frame.left && x <= frame.right;
    moveCross(inside ? frame.time(x) : null);
    const n = Math.floor((y - AXIS) / this.height);
    const lane = this.figure.lanes[n];
    if (!inside || !lane || y < AXIS) return hideTooltip(!inside);
    return showTooltip(this.describe(lane, n, frame.time(x), 5 / frame.scale), event.clientX, event.clientY);
  }

  // Levels of a lane at a time, and what happened within `reach` of it.
  describe(lane, n, at, reach) {
    const { figure } = this;
    const k = Math.floor(at / figure.step);
    const says = (ticks) => time(Math.round(ticks), figure.unit);
    const levels = figure.levels.map((level, i) => {
      const value = lane.values[i][k];
      return [level.name, value === null || value === undefined ? "–" : level.share ? percent.format(value) : number(value)];
    });
    const states = figure.bands.filter(([of, start, end]) => of === n && at >= start && at < end)
      .map(([, start, end, kind]) => [kind, `${says(start)} to ${says(end)}`]);
    const near = this.events[n].filter(([, when]) => Math.abs(when - at) <= reach)
      .slice(0, 4).map(([, , kind, count, text]) => [figure.signs[kind], text || plural(count, "request")]);
    const moves = figure.arrows.filter(([source, target, start, end]) =>
      (source === n && Math.abs(start - at) <= reach) || (target === n && Math.abs(end - at) <= reach))
      .slice(0, 3).map(([source, target, start, end, text]) => [source === n ? `to ${figure.lanes[target].name}` : `from ${figure.lanes[source].name}`, `${text} (${says(end - start)})`]);
    return card(`${lane.name} at ${says(at)}`, [...levels, ...states, ...near, ...moves]);
  }
}

// All strips of a page have one scale for each level, so that they can be compared.
function mostOf(level) {
  return Math.max(...stage.strips.map((strips) => strips.figure.levels[level].top));
}

// ---- the section ----

function stripsSection() {
  const figures = report.figures.filter((figure) => figure.figure === "strips");
  if (!figures.length) return null;
  stage.strips = figures.map((figure) => new StripsFigure(figure));
  const middle = () => (stage.view.from + stage.view.to) / 2;
  const button = (text, label, act) => el("button", { type: "button", "aria-label": label, title: label, onclick: act }, text);
  const buttons = el("span", { class: "group" }, button("−", "Zoom out", () => zoom(1 / 0.6, middle())),
    button("+", "Zoom in", () => zoom(0.6, middle())), button("Fit", "Show everything", reset));
  const found = section(figures[0].group, el("div", { class: "toolbar strips" }, buttons, stripsLegend(figures)));
  for (const strips of stage.strips) {
    const small = [strips.figure.caption, leftOut(strips.figure.title)].filter(Boolean).join(" ");
    found.append(el("h3", {}, strips.figure.title, el("small", {}, small)), strips.root);
  }
  return found;
}

// What the Gantt chart of a run would have been too full of.
function leftOut(title) {
  const counts = Object.entries(report.charts.find((chart) => chart.label === title)?.left_out ?? {});
  return counts.length ? `Too many to draw one by one: ${counts.map(([kind, count]) => plural(count, kind)).join(", ")}.` : "";
}

function stripsLegend(figures) {
  const [first] = figures;
  const place = el("div", { class: "legend" });
  const fillIn = () => {
    const tones = stripColours(theme());
    const levels = first.levels.map((level, k) => {
      const box = el("i", { class: level.style });
      box.style.background = tones.levels[k % tones.levels.length];
      return el("span", { class: "key" }, box, `${level.name} (0–${level.share ? percent.format(mostOf(k)) : number(mostOf(k))})`);
    });
    const signs = first.signs.map((name, k) => {
      const sign = el("b", { "aria-hidden": "true" }, SIGN_MARKS[k % SIGN_MARKS.length]);
      sign.style.color = tones.signs[k % tones.signs.length];
      return figures.some((figure) => figure.events.some((event) => event[2] === k)) ? el("span", { class: "key" }, sign, name) : null;
    });
    const arrow = el("b", { "aria-hidden": "true" }, "↷");
    arrow.style.color = tones.arrow;
    const moved = figures.some((figure) => figure.arrows.length) ? el("span", { class: "key" }, arrow, "migrated") : null;
    place.replaceChildren(...[...levels, ...signs, moved].filter(Boolean));
  };
  stage.painters.push(fillIn);
  fillIn();
  return place;
}
