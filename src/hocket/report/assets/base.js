// Elements, numbers, times and colours: what every other part of the page rests on.
// Texts of the document are only ever set as text nodes, never as markup.

const report = JSON.parse(document.getElementById("hocket-data").textContent);

function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

const words = new Intl.Collator("en", { numeric: true });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const precise = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 2 });
const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });

function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 1e3) return minus(whole.format(value));
  return minus(size !== 0 && size < 1e-4 ? value.toExponential(3) : fine.format(value));
}

function minus(text) {
  return text.replace("-", "−");
}

// A way to write all of `values` with the same decimals: two digits of the smallest of `spreads`, the
// half widths of their intervals, or four digits of the largest value when no spread is known.
function alike(values, spreads = []) {
  const known = values.filter((value) => value !== null && value !== undefined);
  const largest = known.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const narrow = spreads.filter((spread) => spread > 0);
  if ((known.every(Number.isInteger) && !narrow.length) || largest === 0 || largest < 1e-4) return number;
  const size = narrow.length ? Math.min(...narrow) : largest / 100;
  const digits = Math.max(0, Math.min(8, 1 - Math.floor(Math.log10(size))));
  const format = new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return (value) => (value === null || value === undefined ? "–" : minus(format.format(value)));
}

function plural(count, word) {
  return `${whole.format(count)} ${word}${count === 1 ? "" : "s"}`;
}

function spoken(name) {
  return name.replaceAll("_", " ");
}

// ---- times ----

const NANOSECONDS = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, min: 6e10, h: 3.6e12, day: 8.64e13 };
const SMALL = [["s", 1e9], ["ms", 1e6], ["µs", 1e3], ["ns", 1]];
const LARGE = [["d", 8.64e13], ["h", 3.6e12], ["min", 6e10]];

// Exact: 95 min reads "1 h 35 min", 1500 us reads "1.5 ms", abstract ticks read as they are.
function time(ticks, unit) {
  if (!(unit in NANOSECONDS)) return number(ticks);
  let rest = Math.abs(ticks) * NANOSECONDS[unit];
  if (rest === 0) return "0";
  const parts = [];
  for (const [name, size] of LARGE) {
    const count = Math.floor(rest / size);
    if (count) parts.push(`${whole.format(count)} ${name}`);
    rest -= count * size;
  }
  if (rest > 0) {
    const [name, size] = SMALL.find(([, bound]) => rest >= bound || bound === 1);
    parts.push(`${+(rest / size).toFixed(9)} ${name}`);
  }
  return (ticks < 0 ? "−" : "") + parts.join(" ");
}

const CLOCK_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600,
  43200, 86400].map((seconds) => seconds * 1e9);

// The distance between the marks of a time axis, in ticks: at least `least`, round for the unit.
function axisStep(least, unit) {
  const tick = NANOSECONDS[unit] ?? 1;
  const wanted = Math.max(least, 1) * tick;
  if (unit in NANOSECONDS && wanted > 5e8 && wanted <= 8.64e13) {
    const step = CLOCK_STEPS.find((step) => step >= wanted && step % tick === 0);
    if (step) return step / tick;
  }
  const base = wanted > 8.64e13 && unit in NANOSECONDS ? 8.64e13 : tick;
  const power = 10 ** Math.floor(Math.log10(wanted / base));
  const factor = [1, 2, 5, 10].find((factor) => factor * power * base >= wanted * 0.9999);
  return (factor * power * base) / tick;
}

// ---- colours ----

// Twelve hues that stay apart under the common colour-vision deficiencies (after Paul Tol's
// schemes), ordered so that neighbours differ in lightness too.
const THEMES = {
  light: {
    ground: "#ffffff", ink: "#1d2329", soft: "#68727d", line: "#e4e7ea", lane: "#f6f7f8",
    none: "#a9b1b9", accent: "#0b63c5", alarm: "#c2321f", hatch: "#ffffff", down: "#c9ced3",
    palette: ["#4477aa", "#ee8866", "#44aa99", "#ddbb44", "#aa4499", "#88ccee", "#117755",
      "#cc6677", "#a3a33a", "#5b4fb3", "#77aadd", "#882255"],
  },
  dark: {
    ground: "#171b20", ink: "#e8ebee", soft: "#95a0ab", line: "#2b3138", lane: "#1c2127",
    none: "#626c76", accent: "#6cb2ff", alarm: "#ff8a75", hatch: "#171b20", down: "#3d464f",
    palette: ["#5b93cc", "#f0916f", "#4fbcaa", "#e2c455", "#c267b3", "#9ad6f2", "#2f9c76",
      "#dd7b8b", "#b6b650", "#8a7fe0", "#86b6e6", "#bb4f85"],
  },
};

const dusk = matchMedia("(prefers-color-scheme: dark)");
let printing = false;

function theme() {
  return dusk.matches && !printing ? THEMES.dark : THEMES.light;
}

function rgb(hex) {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}

function mix(one, other, share) {
  const [a, b] = [rgb(one), rgb(other)];
  const parts = a.map((value, i) => Math.round(value + (b[i] - value) * share));
  return `#${parts.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

function readable(background) {
  const [r, g, b] = rgb(background).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#14181c" : "#ffffff";
}

const GLYPHS = ["diamond", "triangle", "circle", "square"];
const SIGNS = ["◆", "▲", "●", "■"];
const markKinds = [...new Set(report.charts.flatMap((chart) => chart.marks.kind.map((kind) => chart.kinds[kind])))];

// A job has one colour in all timelines of a report, whatever order they name it in.
const allGroups = [...new Set(report.charts.flatMap((chart) => chart.groups))]
  .filter((group) => group !== "")
  .sort(words.compare);
const groupOrder = new Map(allGroups.map((group, i) => [group, i]));

const TONES = THEMES.light.palette.length; // the tone after the last is that of no job

function toneOf(group) {
  const at = groupOrder.get(group);
  return at === undefined ? TONES : at % TONES;
}

function toneColour(tone, colours) {
  return tone === TONES ? colours.none : colours.palette[tone];
}

function groupColour(group, colours = theme()) {
  return toneColour(toneOf(group), colours);
}
