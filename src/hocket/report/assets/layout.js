// A chart of the document decoded into sorted arrays, and the searches on them.

// Kinds of bars that are not plain work: how pale they are and how they are hatched.
const STYLES = {
  setup: { pale: 0.45, hatch: "up" },
  blocked: { pale: 0.62, hatch: "down" },
  waiting: { pale: 0.62, hatch: "down" },
  down: { pale: 0, hatch: "cross" },
  broken: { pale: 0, hatch: "cross" },
  off: { pale: 0.6, hatch: "cross" },
  closed: { pale: 0.6, hatch: "cross" },
};

// Further kinds of plain work differ by shade: "prefill" is full, "decode" is paler.
const SHADES = [0, 0.4, 0.6, 0.2];
const usedKinds = new Set(report.charts.flatMap((chart) => chart.bars.kind.map((kind) => chart.kinds[kind])));
const plainKinds = [...usedKinds].filter((kind) => !(kind in STYLES)).sort((a, b) => (b === "run") - (a === "run"));

function styleOf(kind) {
  return STYLES[kind] ?? { pale: SHADES[Math.max(0, plainKinds.indexOf(kind)) % SHADES.length], hatch: null };
}

function decode(chart) {
  const bars = decodeBars(chart);
  const lanes = chart.lanes.map((name) => ({ name, rows: [], behind: [], tracks: 0, marks: [0, 0] }));
  let from = 0;
  for (const [lane, track, count] of chart.rows) {
    const row = { track, from, to: (from += count) };
    (track < 0 ? lanes[lane].behind : lanes[lane].rows).push(row);
    lanes[lane].tracks = Math.max(lanes[lane].tracks, track + 1);
  }
  const marks = decodeMarks(chart, lanes);
  const due = new Map(chart.due.map(([group, at]) => [group, at]));
  const tones = Uint8Array.from(chart.groups, toneOf);
  const styles = chart.kinds.map(styleOf);
  const glyphs = chart.kinds.map((kind) => GLYPHS[markKinds.indexOf(kind) % GLYPHS.length]);
  return { chart, bars, lanes, marks, due, tones, styles, glyphs, levels: decodeLevels(chart), byGroup: null };
}

function decodeBars(chart) {
  const { gap, length, kind, group, name, reason } = chart.bars;
  const count = gap.length;
  const bars = { count, kind, group, name, reason, lane: new Int32Array(count),
    track: new Int32Array(count), start: new Float64Array(count), end: new Float64Array(count) };
  let i = 0;
  for (const [lane, track, size] of chart.rows) {
    let at = 0;
    for (const last = i + size; i < last; i++) {
      bars.lane[i] = lane;
      bars.track[i] = track;
      bars.start[i] = at + gap[i];
      at = bars.end[i] = bars.start[i] + length[i];
    }
  }
  return bars;
}

function decodeMarks(chart, lanes) {
  const { lane, gap, kind, group, name, reason } = chart.marks;
  const times = new Float64Array(gap.length);
  for (let i = 0; i < gap.length; i++) {
    const fresh = i === 0 || lane[i] !== lane[i - 1];
    times[i] = gap[i] + (fresh ? 0 : times[i - 1]);
    if (fresh) lanes[lane[i]].marks = [i, i];
    lanes[lane[i]].marks[1] = i + 1;
  }
  return { count: gap.length, lane, time: times, kind, group, name, reason };
}

// Gauges of one name share a strip: [{name, top, series: [{lane, time, value}]}].
function decodeLevels(chart) {
  const strips = new Map();
  for (const level of chart.levels) {
    let at = 0;
    const time = Float64Array.from(level.gap, (gap) => (at += gap));
    const strip = strips.get(level.name) ?? { name: level.name, low: 0, top: 0, series: [] };
    for (const value of level.value) {
      strip.top = Math.max(strip.top, value ?? 0);
      strip.low = Math.min(strip.low, value ?? 0);
    }
    strip.series.push({ lane: level.lane, time, value: level.value });
    strips.set(level.name, strip);
  }
  return [...strips.values()];
}

// The first index in [from, to) whose value exceeds `bound`, else `to`. `values` ascend there.
function firstAbove(values, bound, from, to) {
  while (from < to) {
    const middle = (from + to) >> 1;
    if (values[middle] > bound) to = middle;
    else from = middle + 1;
  }
  return from;
}

// Bars of every group by start, made when first asked for: `byGroup[g]` is a list of bar numbers.
function barsOfGroups(model) {
  if (model.byGroup === null) {
    const { bars, chart } = model;
    model.byGroup = chart.groups.map(() => []);
    for (let i = 0; i < bars.count; i++) model.byGroup[bars.group[i]].push(i);
    for (const list of model.byGroup) list.sort((a, b) => bars.start[a] - bars.start[b]);
  }
  return model.byGroup;
}

// The bars that a search finds: those whose job or operation contains the text, in any case.
function search(model, query) {
  const text = query.toLowerCase();
  const holds = (entry) => entry.toLowerCase().includes(text);
  const groups = model.chart.groups.map(holds);
  const names = model.chart.names.map(holds);
  const found = [];
  const { bars } = model;
  for (let i = 0; i < bars.count; i++) {
    if (groups[bars.group[i]] || names[bars.name[i]]) found.push(i);
  }
  return found;
}

// ---- where things lie ----

const AXIS = 34; // height of the time axis
const STRIP = 58; // height of one gauge strip
const MINIMAP = 44;

// Heights of the lanes: roomy for a few, dense for many, taller where a lane does several things.
function arrange(model) {
  const count = model.lanes.length;
  const roomy = count <= 12 ? 32 : count <= 30 ? 25 : count <= 60 ? 19 : 15;
  let top = AXIS;
  for (const lane of model.lanes) {
    const many = lane.tracks > 1;
    const idle = lane.tracks === 0 && lane.behind.length === 0;
    lane.track = many ? Math.max(2, Math.min(14, roomy - 8, 220 / lane.tracks)) : roomy - 6;
    lane.height = many ? Math.max(roomy, lane.tracks * lane.track + 6) : idle ? 20 : roomy;
    lane.top = top;
    top += lane.height;
  }
  return top + 4;
}

function barTop(model, i) {
  const lane = model.lanes[model.bars.lane[i]];
  return lane.top + 3 + Math.max(0, model.bars.track[i]) * lane.track;
}

// Marks sit at the foot of a lane that has bars, else in its middle.
function markHeight(lane) {
  return lane.rows.length ? lane.top + lane.height - 5 : lane.top + lane.height / 2;
}

function laneAt(model, y) {
  return model.lanes.findIndex((lane) => y >= lane.top && y < lane.top + lane.height);
}

// What lies at a time and a height (of the whole picture): {bar}, {mark} or null. `reach` is the
// number of ticks by which the pointer may miss.
function hit(model, at, y, reach) {
  const lane = model.lanes[laneAt(model, y)];
  if (!lane) return null;
  const mark = nearestMark(model, lane, at, y, reach);
  if (mark !== null) return { mark };
  const track = Math.floor((y - lane.top - 3) / lane.track);
  const candidates = [...lane.rows.filter((row) => row.track === track), ...lane.behind];
  for (const row of candidates) {
    const i = firstAbove(model.bars.end, at, row.from, row.to);
    if (i < row.to && model.bars.start[i] <= at) return { bar: i };
    const near = [i - 1, i].filter((j) => j >= row.from && j < row.to && distance(model, j, at) <= reach);
    if (near.length) {
      return { bar: near.reduce((a, b) => (distance(model, b, at) < distance(model, a, at) ? b : a)) };
    }
  }
  return null;
}

function distance({ bars }, i, at) {
  return Math.max(0, bars.start[i] - at, at - bars.end[i]);
}

function nearestMark({ marks }, lane, at, y, reach) {
  if (lane.rows.length && Math.abs(y - markHeight(lane)) > 5) return null;
  const [from, to] = lane.marks;
  const i = firstAbove(marks.time, at, from, to);
  const near = [i - 1, i].filter(
    (j) => j >= from && j < to && Math.abs(marks.time[j] - at) <= 2 * reach,
  );
  if (!near.length) return null;
  return near.reduce((a, b) => (Math.abs(marks.time[b] - at) < Math.abs(marks.time[a] - at) ? b : a));
}
