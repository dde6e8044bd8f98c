// Mouse, touch and keyboard on a panel, and the tooltip.

const tooltip = el("div", { class: "tooltip", role: "status", "aria-live": "polite", hidden: true });

function listen(panel) {
  const { box, map } = panel;
  box.addEventListener("wheel", (event) => onWheel(panel, event), { passive: false });
  box.addEventListener("dblclick", reset);
  box.addEventListener("scroll", redraw, { passive: true });
  box.addEventListener("keydown", (event) => onKey(panel, event));
  box.addEventListener("pointerleave", () => hideTooltip());
  listenDrag(panel, box);
  listenMap(panel, map);
  panel.strip.addEventListener("pointermove", (event) => onStripHover(panel, event));
  panel.strip.addEventListener("pointerleave", () => hideTooltip());
}

// One pointer drags (or clicks, if it stays), two pinch.
function listenDrag(panel, box) {
  const fingers = new Map();
  let drag = null;
  box.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.offsetX > box.clientWidth) return;
    fingers.set(event.pointerId, event.clientX);
    box.setPointerCapture(event.pointerId);
    drag = { x: event.clientX, y: event.clientY, view: stage.view, scroll: box.scrollTop, moved: fingers.size > 1 };
  });
  box.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return panel.hover(event);
    if (fingers.size > 1) return pinch(panel, fingers, event);
    const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
    drag.moved ||= Math.hypot(dx, dy) > 4;
    if (!drag.moved) return undefined;
    hideTooltip();
    box.classList.add("dragging");
    const shift = dx / panel.frame().scale;
    setView(drag.view.from - shift, drag.view.to - shift);
    box.scrollTop = drag.scroll - dy;
    return undefined;
  });
  const finish = (event) => {
    if (!fingers.delete(event.pointerId)) return;
    if (!drag.moved && event.type === "pointerup") panel.click(event);
    for (const x of fingers.values()) drag = { ...drag, x, view: stage.view }; // the other finger drags on
    box.classList.remove("dragging");
  };
  box.addEventListener("pointerup", finish);
  box.addEventListener("pointercancel", finish);
}

// The ticks under both fingers stay under them.
function pinch(panel, fingers, event) {
  const frame = panel.frame();
  const edge = panel.box.getBoundingClientRect().left;
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return { wide: Math.max(20, Math.abs(a - b)), middle: (a + b) / 2 - edge };
  };
  const before = spread();
  fingers.set(event.pointerId, event.clientX);
  const after = spread();
  const at = frame.time(before.middle);
  const length = ((stage.view.to - stage.view.from) * before.wide) / after.wide;
  const start = at - (length * (after.middle - frame.left)) / (frame.right - frame.left);
  hideTooltip();
  setView(start, start + length);
}

function place(panel, event) {
  const edge = panel.box.getBoundingClientRect();
  return { x: event.clientX - edge.left, y: event.clientY - edge.top };
}

// The wheel zooms; with Shift, or sideways, it moves. When there is nothing left to zoom out of,
// the page scrolls as it would anywhere else.
function onWheel(panel, event) {
  const frame = panel.frame();
  const lines = event.deltaMode === 1 ? 16 : 1;
  const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
  const { x } = place(panel, event);
  const moved = sideways
    ? pan(((event.deltaX || event.deltaY) * lines) / (frame.right - frame.left))
    : zoom(Math.exp(Math.max(-120, Math.min(120, event.deltaY * lines)) / 400), frame.time(Math.max(x, frame.left)));
  if (moved || sideways || event.deltaY < 0) event.preventDefault();
}

const KEYS = {
  ArrowLeft: () => pan(-0.15),
  ArrowRight: () => pan(0.15),
  "+": () => zoom(0.7, (stage.view.from + stage.view.to) / 2),
  "=": () => zoom(0.7, (stage.view.from + stage.view.to) / 2),
  "-": () => zoom(1 / 0.7, (stage.view.from + stage.view.to) / 2),
  0: reset,
  Home: reset,
  Escape: () => setPin(stage.pin ?? ""),
};

function onKey(panel, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "n" || event.key === "p") step(panel, event.key === "n" ? 1 : -1);
  else if (event.key in KEYS) KEYS[event.key]();
  else return;
  event.preventDefault();
}

// To the next or previous bar of the pinned job, and its tooltip.
function step(panel, direction) {
  const list = panel.emphasis()?.list ?? [];
  if (!list.length) return;
  const at = list.indexOf(panel.current);
  const i = list[(at + direction + list.length) % list.length];
  panel.current = i;
  const { bars } = panel.model;
  const { from, to } = stage.view;
  if (bars.start[i] < from || bars.end[i] > to) {
    const middle = (bars.start[i] + bars.end[i]) / 2;
    setView(middle - (to - from) / 2, middle + (to - from) / 2);
  }
  const y = barTop(panel.model, i);
  if (y < panel.box.scrollTop + AXIS || y > panel.box.scrollTop + panel.box.clientHeight - 30) {
    panel.box.scrollTop = y - panel.box.clientHeight / 2;
  }
  const edge = panel.box.getBoundingClientRect();
  const x = panel.frame().x(Math.max(bars.start[i], stage.view.from));
  showTooltip(describeBar(panel, i), edge.left + x, edge.top + y - panel.box.scrollTop + 14);
}

function under(panel, event) {
  const { x, y } = place(panel, event);
  const frame = panel.frame();
  if (x < frame.left || y < AXIS) return null;
  return hit(panel.model, frame.time(x), y + frame.scroll, 3 / frame.scale);
}

function onClick(panel, event) {
  const found = under(panel, event);
  const { bars, marks, chart } = panel.model;
  if (!found) return setPin(stage.pin ?? "");
  panel.current = found.bar;
  return setPin(chart.groups[found.bar === undefined ? marks.group[found.mark] : bars.group[found.bar]]);
}

function onHover(panel, event) {
  const { x, y } = place(panel, event);
  const frame = panel.frame();
  moveCross(x < frame.left || x > frame.right ? null : frame.time(x));
  if (x < frame.left) {
    const lane = panel.model.lanes[laneAt(panel.model, y + frame.scroll)];
    if (y > AXIS && lane) return showTooltip(describeLane(panel, lane), event.clientX, event.clientY);
    return hideTooltip();
  }
  const found = under(panel, event);
  panel.box.classList.toggle("pointing", found !== null);
  if (!found) return hideTooltip(false);
  const content = found.bar === undefined ? describeMark(panel, found.mark) : describeBar(panel, found.bar);
  return showTooltip(content, event.clientX, event.clientY);
}

function onStripHover(panel, event) {
  const frame = panel.frame();
  const edge = panel.strip.getBoundingClientRect();
  const at = frame.time(event.clientX - edge.left);
  const strip = panel.model.levels[Math.floor((event.clientY - edge.top) / STRIP)];
  if (!strip || at < frame.view.from || at > frame.view.to) return hideTooltip();
  moveCross(at);
  const rows = strip.series.slice(0, 12).map((series) => {
    const i = firstAbove(series.time, at, 0, series.time.length) - 1;
    return [series.lane || strip.name, i < 0 ? "–" : number(series.value[i])];
  });
  const when = time(Math.round(at), panel.chart.unit);
  return showTooltip(card(spoken(strip.name), [["Time", when], ...rows]), event.clientX, event.clientY);
}

// The minimap: drag to move the window, press elsewhere to bring it there.
function listenMap(panel, map) {
  const at = (event) => {
    const frame = panel.frame();
    const x = event.clientX - map.getBoundingClientRect().left;
    const share = (x - frame.left) / (frame.right - frame.left);
    return stage.full.from + share * (stage.full.to - stage.full.from);
  };
  let held = null;
  map.addEventListener("pointerdown", (event) => {
    const { from, to } = stage.view;
    const inside = at(event) >= from && at(event) <= to;
    held = inside ? at(event) - from : (to - from) / 2;
    map.setPointerCapture(event.pointerId);
    setView(at(event) - held, at(event) - held + to - from);
  });
  map.addEventListener("pointermove", (event) => {
    if (held === null) return;
    const length = stage.view.to - stage.view.from;
    setView(at(event) - held, at(event) - held + length);
  });
  map.addEventListener("pointerup", () => (held = null));
  map.addEventListener("pointercancel", () => (held = null));
  map.addEventListener("dblclick", reset);
}

// A thin line at one instant through all panels.
function moveCross(at) {
  for (const panel of [...stage.panels, ...stage.strips]) {
    const frame = panel.frame();
    panel.cross.hidden = at === null || at < frame.view.from || at > frame.view.to;
    if (at !== null) panel.cross.style.transform = `translateX(${Math.round(frame.x(at))}px)`;
  }
}

// ---- the tooltip ----

function card(heading, rows, reason = "", colour = null) {
  const swatch = colour && el("span", { class: "swatch" });
  if (swatch) swatch.style.background = colour;
  return [
    el("strong", {}, swatch, heading),
    el("dl", {}, rows.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
    reason ? el("p", { class: "reason" }, reason) : null,
  ];
}

function describeBar({ model, chart }, i) {
  const { bars, due } = model;
  const group = chart.groups[bars.group[i]];
  const name = chart.names[bars.name[i]];
  const says = (ticks) => time(ticks, chart.unit);
  const rows = [
    group && name ? ["Job", group] : null,
    ["On", chart.lanes[bars.lane[i]] || "–"],
    ["Time", `${says(bars.start[i])} to ${says(bars.end[i])}`],
    ["Lasts", says(bars.end[i] - bars.start[i])],
    ["Kind", chart.kinds[bars.kind[i]]],
    ...dueRows(due.get(bars.group[i]), bars.end[i], says),
  ];
  return card(name || group || chart.kinds[bars.kind[i]], rows.filter(Boolean),
    chart.reasons[bars.reason[i]], groupColour(group));
}

function dueRows(due, end, says) {
  if (due === undefined) return [];
  return [["Due", end > due ? `${says(due)}, late by ${says(end - due)}` : says(due)]];
}

function describeMark({ model, chart }, i) {
  const { marks } = model;
  const group = chart.groups[marks.group[i]];
  const name = chart.names[marks.name[i]];
  const rows = [
    ["Event", chart.kinds[marks.kind[i]]],
    group && name ? ["Job", group] : null,
    chart.lanes[marks.lane[i]] ? ["On", chart.lanes[marks.lane[i]]] : null,
    ["Time", time(marks.time[i], chart.unit)],
    together(model, i) > 1 ? ["With", plural(together(model, i) - 1, "other")] : null,
  ];
  return card(name || group || chart.kinds[marks.kind[i]], rows.filter(Boolean),
    chart.reasons[marks.reason[i]], groupColour(group));
}

// How many marks lie on one another.
function together({ marks, lanes }, i) {
  const [from, to] = lanes[marks.lane[i]].marks;
  const after = firstAbove(marks.time, marks.time[i], from, to);
  return after - firstAbove(marks.time, marks.time[i] - 0.5, from, to);
}

function describeLane({ chart }, lane) {
  const at = chart.lanes.indexOf(lane.name);
  const rows = Object.entries(chart.busy)
    .filter(([, ticks]) => ticks[at])
    .map(([kind, ticks]) => [spoken(kind), `${percent.format(ticks[at] / (chart.end || 1))} of the time`]);
  return card(lane.name || "events", rows.length ? rows : [["Idle", "nothing recorded"]]);
}

function showTooltip(content, x, y) {
  tooltip.replaceChildren(...content.filter(Boolean));
  tooltip.hidden = false;
  const { offsetWidth: width, offsetHeight: height } = tooltip;
  const left = x + 16 + width > innerWidth - 8 ? x - width - 12 : x + 16;
  const top = Math.min(y + 14, innerHeight - height - 8);
  tooltip.style.transform = `translate(${Math.max(8, left)}px, ${Math.max(8, top)}px)`;
}

function hideTooltip(cross = true) {
  tooltip.hidden = true;
  if (cross) moveCross(null);
}
