// Drawing a Gantt chart on canvases. A frame costs as much as there are pixels, not bars: rows are
// entered by binary search, and bars narrower than a pixel are drawn once for each pixel.

const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif';
const textWidths = new Map();

function textWidth(pen, text) {
  let width = textWidths.get(text);
  if (width === undefined) {
    pen.font = FONT;
    width = pen.measureText(text).width;
    if (textWidths.size < 50000) textWidths.set(text, width);
  }
  return width;
}

function shortened(pen, text, room) {
  if (textWidth(pen, text) <= room) return text;
  let kept = Math.max(1, Math.floor((text.length * room) / textWidth(pen, text)) - 1);
  while (kept > 1 && pen.measureText(`${text.slice(0, kept)}…`).width > room) kept--;
  return `${text.slice(0, kept)}…`;
}

const hatches = new Map();

// A repeating pattern of diagonal lines: "up" like /, "down" like \, "cross" both.
function hatch(pen, direction, colour, scale) {
  const key = `${direction} ${colour} ${scale}`;
  if (!hatches.has(key)) {
    const size = Math.round(7 * scale);
    const tile = el("canvas", { width: size, height: size });
    const stroke = tile.getContext("2d");
    stroke.strokeStyle = colour;
    stroke.lineWidth = scale * (direction === "cross" ? 1 : 1.7);
    const lines = [];
    if (direction !== "down") lines.push([-1, 1, 1, -1], [0, size, size, 0], [size - 1, size + 1, size + 1, size - 1]);
    if (direction !== "up") lines.push([-1, size - 1, 1, size + 1], [0, 0, size, size], [size - 1, -1, size + 1, 1]);
    for (const [x0, y0, x1, y1] of lines) {
      stroke.beginPath();
      stroke.moveTo(x0, y0);
      stroke.lineTo(x1, y1);
      stroke.stroke();
    }
    const pattern = pen.createPattern(tile, "repeat");
    pattern.setTransform(new DOMMatrix([1 / scale, 0, 0, 1 / scale, 0, 0]));
    hatches.set(key, pattern);
  }
  return hatches.get(key);
}

// Fits a canvas to its size on the screen and clears it. Drawing is then in CSS pixels.
function prepare(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = FONT;
  pen.textBaseline = "middle";
  return pen;
}

// Collects the visible bars by kind and tone, as [x, y, width, height, bar, ...], and paints them.
class Batch {
  constructor(model, frame, colours) {
    Object.assign(this, { model, frame, colours, lists: [], count: 0 });
  }

  row(row, y, height) {
    const { bars } = this.model;
    const { from, to } = this.frame.view;
    let i = firstAbove(bars.end, from, row.from, row.to);
    let free = -Infinity; // the first pixel that holds no narrow bar yet
    while (i < row.to && bars.start[i] < to) {
      const x = this.frame.x(bars.start[i]);
      const right = this.frame.x(bars.end[i]);
      if (right - x >= 1) {
        this.add(i, x, y, right - x, height);
        i++;
      } else {
        const pixel = Math.max(free, Math.floor(x));
        this.add(i, pixel, y, 1, height);
        free = pixel + 1;
        i = firstAbove(bars.end, this.frame.time(free), i + 1, row.to);
      }
    }
  }

  add(i, x, y, width, height) {
    const { bars, tones } = this.model;
    const slot = bars.kind[i] * (TONES + 1) + tones[bars.group[i]];
    const list = (this.lists[slot] ??= []);
    const left = Math.max(x, this.frame.left - 8); // far outside, a long bar needs no precision
    const right = Math.min(x + width, this.frame.right + 8);
    list.push(left, y, Math.max(1, right - left - (width > 4 ? 1 : 0)), height, i);
    this.count++;
  }

  paint(pen, { faded = 0, labels = false, plain = false } = {}) {
    this.lists.forEach((list, slot) => {
      const style = this.model.styles[Math.floor(slot / (TONES + 1))];
      const pure = toneColour(slot % (TONES + 1), this.colours);
      const base = style.hatch === "cross" ? this.colours.down : pure;
      const fill = mix(base, this.colours.ground, Math.max(faded, style.pale));
      pen.fillStyle = fill;
      if (this.count > 2500 || plain) paintSquare(pen, list);
      else paintRounded(pen, list);
      if (style.hatch && !plain) this.paintHatch(pen, list, style, pure, faded);
      else if (labels) this.paintLabels(pen, list, fill);
    });
  }

  paintHatch(pen, list, { hatch: direction, pale }, colour, faded) {
    const cross = direction === "cross";
    pen.globalAlpha = faded ? 0.2 : cross ? 0.5 * (1 - pale) : 0.9;
    pen.fillStyle = hatch(pen, direction, cross ? this.colours.soft : colour, window.devicePixelRatio || 1);
    for (let k = 0; k < list.length; k += 5) {
      if (list[k + 2] >= 3) pen.fillRect(list[k], list[k + 1], list[k + 2], list[k + 3]);
    }
    pen.globalAlpha = 1;
  }

  paintLabels(pen, list, fill) {
    const { bars, chart } = this.model;
    pen.fillStyle = readable(fill);
    pen.textAlign = "center";
    for (let k = 0; k < list.length; k += 5) {
      if (list[k + 2] < 18 || list[k + 3] < 11) continue;
      const i = list[k + 4];
      const left = Math.max(list[k], this.frame.left);
      const room = Math.min(list[k] + list[k + 2], this.frame.right) - left - 4;
      const text = chart.names[bars.name[i]] || chart.groups[bars.group[i]];
      const fitting = shortened(pen, text, room);
      if (fitting !== text && fitting.length < 6) continue; // a stump tells nothing
      pen.fillText(fitting, left + 2 + room / 2, list[k + 1] + list[k + 3] / 2 + 0.5);
    }
  }
}

function paintSquare(pen, list) {
  for (let k = 0; k < list.length; k += 5) pen.fillRect(list[k], list[k + 1], list[k + 2], list[k + 3]);
}

function paintRounded(pen, list) {
  for (let k = 0; k < list.length; k += 5) {
    const [x, y, w, h] = [list[k], list[k + 1], list[k + 2], list[k + 3]];
    pen.beginPath();
    pen.roundRect(x, y, w, h, w > 6 && h > 8 ? 2.5 : 0);
    pen.fill();
  }
}

function paintLanes(pen, model, frame, colours) {
  pen.textAlign = "left";
  model.lanes.forEach((lane, n) => {
    if (lane.top + lane.height < frame.top || lane.top > frame.bottom) return;
    const y = lane.top - frame.scroll;
    if (n % 2 === 0) {
      pen.fillStyle = colours.lane;
      pen.fillRect(0, y, frame.right, lane.height);
    }
  });
}

function paintLaneNames(pen, model, frame, colours) {
  pen.fillStyle = colours.ground;
  pen.fillRect(0, 0, frame.left - 1, frame.height);
  pen.textAlign = "right";
  model.lanes.forEach((lane, n) => {
    if (lane.top + lane.height < frame.top || lane.top > frame.bottom) return;
    const y = lane.top - frame.scroll;
    if (n % 2 === 0) {
      pen.fillStyle = colours.lane;
      pen.fillRect(0, y, frame.left - 1, lane.height);
    }
    pen.fillStyle = lane.name ? colours.ink : colours.soft;
    pen.fillText(shortened(pen, lane.name || "events", frame.left - 18), frame.left - 10, y + lane.height / 2 + 0.5);
  });
}

function paintAxis(pen, model, frame, colours) {
  const { unit } = model.chart;
  const step = axisStep((frame.view.to - frame.view.from) / ((frame.right - frame.left) / 92), unit);
  pen.fillStyle = colours.ground;
  pen.fillRect(0, 0, frame.right, AXIS - 1);
  pen.fillStyle = colours.line;
  pen.fillRect(frame.left, AXIS - 1, frame.right - frame.left, 1);
  pen.textAlign = "center";
  const first = Math.max(0, Math.ceil(frame.view.from / step));
  for (let k = first; k * step <= frame.view.to; k++) {
    const x = Math.round(frame.x(k * step));
    pen.fillStyle = colours.line;
    pen.fillRect(x, AXIS - 6, 1, frame.height);
    pen.fillStyle = colours.soft;
    const text = time(k * step, unit);
    const half = textWidth(pen, text) / 2;
    if (x + half < frame.right && x - half > frame.left - 20) pen.fillText(text, x, 13);
  }
  pen.textAlign = "right";
  pen.fillText(unit === "tick" ? "time" : "", frame.left - 10, 13);
}

function glyph(pen, shape, x, y, r) {
  pen.beginPath();
  if (shape === "circle") pen.arc(x, y, r * 0.85, 0, 7);
  else if (shape === "square") pen.rect(x - r * 0.75, y - r * 0.75, r * 1.5, r * 1.5);
  else {
    pen.moveTo(x, y - r);
    pen.lineTo(x + r, shape === "diamond" ? y : y + r * 0.8);
    pen.lineTo(shape === "diamond" ? x : x - r, shape === "diamond" ? y + r : y + r * 0.8);
    if (shape === "diamond") pen.lineTo(x - r, y);
    pen.closePath();
  }
}

function paintMarks(pen, model, frame, colours, emphasised) {
  const { marks } = model;
  let drawn = 0;
  for (const lane of model.lanes) {
    if (lane.top + lane.height < frame.top || lane.top > frame.bottom) continue;
    const y = markHeight(lane) - frame.scroll;
    let i = firstAbove(marks.time, frame.view.from - 1e-9, ...lane.marks);
    const last = firstAbove(marks.time, frame.view.to, ...lane.marks);
    const dense = last - i > (frame.right - frame.left) / 24;
    while (i < last) {
      if (emphasised !== null && !emphasised(marks.group[i], marks.name[i])) {
        i++;
        continue;
      }
      const x = frame.x(marks.time[i]);
      pen.fillStyle = toneColour(model.tones[marks.group[i]], colours);
      glyph(pen, model.glyphs[marks.kind[i]], x, y, dense ? 2.6 : 4.2);
      pen.fill();
      if (!dense) {
        pen.strokeStyle = colours.ink;
        pen.lineWidth = 0.8;
        pen.stroke();
      }
      drawn++;
      i = firstAbove(marks.time, frame.time(x + 1), i + 1, last); // nearer ones would cover it
    }
  }
  return drawn;
}

function paintDueDates(pen, model, frame, colours, emphasised) {
  const { chart } = model;
  let last = -10;
  for (const [group, at] of [...model.due].sort((a, b) => a[1] - b[1])) {
    const x = frame.x(at);
    const lit = emphasised !== null && emphasised(group, -1);
    if (x < frame.left - 1 || x > frame.right + 1 || (!lit && x - last < 1)) continue;
    last = x;
    pen.fillStyle = emphasised === null || lit ? groupColour(chart.groups[group], colours) : colours.line;
    glyph(pen, "triangle", x, AXIS - 6, -4);
    pen.fill();
    if (!lit || emphasised.single === undefined) continue;
    pen.strokeStyle = colours.alarm;
    pen.lineWidth = 1.5;
    pen.setLineDash([4, 3]);
    pen.beginPath();
    pen.moveTo(x, AXIS);
    pen.lineTo(x, frame.height);
    pen.stroke();
    pen.setLineDash([]);
  }
}

// The pinned job's way through the machines.
function paintPath(pen, model, frame, colours, list) {
  const { bars } = model;
  const middle = (i) => barTop(model, i) + model.lanes[bars.lane[i]].track / 2 - frame.scroll;
  pen.strokeStyle = colours.ink;
  pen.lineWidth = 1.3;
  pen.beginPath();
  for (let k = 1; k < list.length; k++) {
    const [a, b] = [list[k - 1], list[k]];
    if (bars.start[b] < frame.view.from - 0 && bars.end[a] < frame.view.from) continue;
    if (bars.end[a] > frame.view.to) continue;
    const [x0, x1] = [bars.end[a], bars.start[b]].map((at) => Math.max(-4000, Math.min(8000, frame.x(at))));
    pen.moveTo(x0, middle(a));
    const bend = Math.max(10, (x1 - x0) / 2);
    pen.bezierCurveTo(x0 + bend, middle(a), x1 - bend, middle(b), x1, middle(b));
  }
  pen.stroke();
}

function paintStrip(pen, strip, frame, top, colours) {
  const range = strip.top - strip.low || 1;
  const y = (value) => top + STRIP - 8 - ((value - strip.low) / range) * (STRIP - 18);
  pen.fillStyle = colours.line;
  pen.fillRect(frame.left, Math.round(y(strip.low)), frame.right - frame.left, 1);
  strip.series.forEach((series, n) => {
    const colour = colours.palette[n % TONES];
    paintSteps(pen, series, frame, y, colour, strip.series.length === 1 ? y(strip.low) : null);
  });
  if (strip.series.length > 1) paintSeriesNames(pen, strip, frame, top, colours);
  pen.fillStyle = colours.ground;
  pen.fillRect(0, top, frame.left - 1, STRIP);
  pen.textAlign = "right";
  pen.fillStyle = colours.ink;
  pen.fillText(shortened(pen, strip.name, frame.left - 18), frame.left - 10, top + STRIP / 2);
  pen.fillStyle = colours.soft;
  pen.fillText(number(strip.top), frame.left - 10, top + 9);
  pen.fillText(number(strip.low), frame.left - 10, top + STRIP - 8);
}

function paintSeriesNames(pen, strip, frame, top, colours) {
  let x = frame.right - 4;
  pen.textAlign = "right";
  for (const [n, series] of [...strip.series.slice(0, 8).entries()].reverse()) {
    const name = shortened(pen, series.lane, 90);
    const width = textWidth(pen, name);
    pen.fillStyle = colours.ground;
    pen.globalAlpha = 0.7;
    pen.fillRect(x - width - 12, top + 2, width + 14, 14);
    pen.globalAlpha = 1;
    pen.fillStyle = colours.palette[n % TONES];
    pen.fillRect(x - width - 9, top + 6, 6, 6);
    pen.fillStyle = colours.soft;
    pen.fillText(name, x, top + 9);
    x -= width + 18;
  }
}

// A step line: a level holds until the next reading. Readings within one pixel become its range.
function paintSteps(pen, { time: times, value }, frame, y, colour, floor) {
  const last = times.length;
  let i = Math.max(0, firstAbove(times, frame.view.from, 0, last) - 1);
  const points = [];
  while (i < last && times[i] <= frame.view.to) {
    const x = Math.max(frame.left, frame.x(times[i]));
    const next = Math.max(i + 1, firstAbove(times, frame.time(Math.floor(x) + 1), i, last));
    let [low, high] = [Infinity, -Infinity];
    for (let k = i; k < next; k++) {
      if (value[k] === null) continue;
      low = Math.min(low, value[k]);
      high = Math.max(high, value[k]);
    }
    if (low <= high) points.push([x, y(low), y(high), y(value[next - 1] ?? low)]);
    i = next;
  }
  if (!points.length) return;
  const line = new Path2D();
  points.forEach(([x, low, high, end], k) => {
    if (k === 0) line.moveTo(x, low);
    else line.lineTo(x, points[k - 1][3]);
    if (low !== high) {
      line.lineTo(x, low);
      line.lineTo(x, high);
    }
    line.lineTo(x, end);
  });
  const right = Math.min(frame.right, frame.x(frame.end));
  line.lineTo(right, points.at(-1)[3]);
  if (floor !== null) {
    const area = new Path2D(line);
    area.lineTo(right, floor);
    area.lineTo(points[0][0], floor);
    pen.globalAlpha = 0.16;
    pen.fillStyle = colour;
    pen.fill(area);
    pen.globalAlpha = 1;
  }
  pen.strokeStyle = colour;
  pen.lineWidth = 1.4;
  pen.stroke(line);
}
