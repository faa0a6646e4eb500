// Coverage strips. Each state has its own height as well as its own colour; red is only for what is silent now.
const STATES = [
  ["r", "recorded", "Recorded, proven complete by ids"],
  ["u", "unverifiable", "Recorded, without ids to prove it"],
  ["p", "repaired", "Past gap, repaired"],
  ["g", "gap", "Past gap"],
  ["x", "silent now", "Silent now"],
  ["w", "not known yet", "Not known yet: after the newest stored row"],
  [".", "nothing known", "Nothing known"],
];
const WORDS = Object.fromEntries(STATES.map(([letter, word]) => [letter, word]));
const NOTHING = { r: 0, u: 0, p: 0, g: 0, x: 0, w: 0, ".": 0 };
const LOST = "pgx";
const parsedRuns = new Map();

// A row is stored and reported within these seconds.
const STORED_MS = 10000;
// Of fewer cells, one with a short gap would be a large share.
const CELLS_OF_A_SHARE = 12;

// If the stream is silent, its last gap is not a past one.
const withSilence = (runs, silent) => (silent ? runs.replace(/g(\d+)$/, "x$1") : runs);

function parseRuns(runs) {
  let found = parsedRuns.get(runs);
  if (!found) {
    const parts = [], sums = { ...NOTHING };
    for (const [, letter, count] of runs.matchAll(/([rupgx.])(\d+)/g)) {
      parts.push([letter, Number(count)]);
      sums[letter] += Number(count);
    }
    found = { parts, sums };
    if (parsedRuns.size > 5000) parsedRuns.clear();
    parsedRuns.set(runs, found);
  }
  return found;
}

// A stream's strip in time: the state of each stretch and where it begins and ends, from the start of recording to now.
// Where rows are still on their way to the database the state is not known yet.
function stretchesOf({ runs, durable }, coverage, startedMs) {
  const stored = Math.max(durable || 0, startedMs), waits = coverage.now_ms - stored > STORED_MS;
  const stretches = [];
  let at = gridStart(coverage);
  for (const [letter, count] of parseRuns(runs).parts) {
    const from = Math.max(at, startOf(coverage));
    at += count * coverage.cell_secs * 1000;
    const to = Math.min(at, coverage.now_ms);
    const known = waits && !LOST.includes(letter) ? Math.min(Math.max(from, stored), to) : to;
    if (known > from) stretches.push([letter, from, known]);
    if (to > Math.max(known, from)) stretches.push(["w", Math.max(known, from), to]);
  }
  return stretches;
}

function secsOf(stretches) {
  const secs = { ...NOTHING };
  for (const [letter, from, to] of stretches) secs[letter] += (to - from) / 1000;
  return secs;
}

// How much there is of each state. A gap may be much shorter than its cell, so the cells with gaps are counted.
function amountsOf(stream) {
  const secs = secsOf(stream.stretches), { sums } = parseRuns(stream.runs);
  return STATES.filter(([letter]) => (LOST.includes(letter) ? sums[letter] : secs[letter] >= 0.5))
    .map(([letter, word]) => [letter, word, LOST.includes(letter) ? plural(sums[letter], "cell") : exactSpan(secs[letter])]);
}

const describeStream = (stream) => amountsOf(stream).map(([letter, word, amount]) => `${word} ${LOST.includes(letter) ? "in " : ""}${amount}`).join(", ") || "nothing known";

// Top and height of each state in a strip of height 1.
const BANDS = { r: [0.15, 0.7], u: [0.45, 0.4], p: [0.15, 0.7], g: [0, 1], x: [0, 1], w: [0.68, 0.2], ".": [0.82, 0.06] };
const ORDER = [".", "w", "u", "r", "p", "g", "x"];
const newPaths = () => Object.fromEntries(ORDER.map((letter) => [letter, svgElement("path", { class: letter === "." ? "n" : letter })]));

function newStrip(height) {
  const svg = svgElement("svg", { class: "cells", height, role: "img", focusable: "false" });
  const title = svgElement("title");
  const paths = newPaths();
  svg.append(title, ...Object.values(paths));
  return { svg, title, paths, height };
}

function drawStrip(target, stretches, width) {
  if (!width || !stretches.length) return;
  const start = stretches[0][1], long = stretches.at(-1)[2] - start;
  const d = { r: "", u: "", p: "", g: "", x: "", w: "", ".": "" };
  for (const [letter, begun, ended] of stretches) {
    const left = Math.round(((begun - start) / long) * width), right = Math.round(((ended - start) / long) * width);
    const wide = Math.max(right - left, LOST.includes(letter) ? 3 : 1);
    const [top, tall] = BANDS[letter];
    const from = Math.min(left, width - wide);
    d[letter] += `M${from} ${(top * target.height).toFixed(1)}h${wide}v${(tall * target.height).toFixed(1)}h${-wide}z`;
  }
  setAttr(target.svg, "viewBox", `0 0 ${width} ${target.height}`);
  for (const letter of Object.keys(d)) setAttr(target.paths[letter], "d", d[letter]);
}

const LABEL_PX = 88, DAY_MS = 86400000;
const STEPS_MS = [5, 10, 15, 30, 60, 180, 360, 720].map((minutes) => minutes * 60000).concat([1, 2, 4].map((days) => days * DAY_MS));
const gridStart = (coverage) => coverage.ended_at_ms - coverage.cells * coverage.cell_secs * 1000;
// In its first cell the recorder ran only from its start on.
const startOf = (coverage) => coverage.since_ms;

// What the strips show: the wanted time, or all there is since the recorder first started.
function windowWords(coverage) {
  return coverage.is_since_start ? `since ${when(coverage.since_ms, live.now())}` : WINDOWS[live.window].words;
}

function axis(node, coverage, width) {
  const start = startOf(coverage), long = Math.max(1, coverage.now_ms - start), marks = [];
  const room = width / (LABEL_PX * (long > DAY_MS ? 1.25 : 1));
  // Over several days times of day would repeat, so the labels are dates.
  const step = STEPS_MS.find((each) => long / each <= room && (each >= DAY_MS || long <= 2 * DAY_MS)) || 7 * DAY_MS;
  const label = step < DAY_MS ? timeOfDay : (ms) => `${iso(ms).slice(0, 10)} UTC`;
  for (let at = Math.ceil(start / step) * step; at < coverage.now_ms; at += step) {
    const place = ((at - start) / long) * 100;
    if (place * width < 45 * LABEL_PX || (100 - place) * width < 75 * LABEL_PX) continue;
    const text = element("span", {}, label(at));
    text.style.left = `${place}%`;
    marks.push(text);
  }
  const last = element("span", {}, "now");
  last.style.left = "100%";
  node.replaceChildren(...marks, last);
}

const overview = { height: 72, svg: svgElement("svg", { class: "cells", height: 72, role: "img" }), axis: element("div", { class: "axis", "aria-hidden": "true" }) };
overview.title = svgElement("title");
overview.paths = newPaths();
overview.svg.append(overview.title, ...Object.values(overview.paths));
$("overview").append(overview.svg, overview.axis);
for (const [letter, , meaning] of STATES) {
  const sample = newStrip(14);
  const share = element("b");
  $("legend").append(element("li", { "data-state": letter }, sample.svg, meaning, " ", share));
  drawStrip(sample, [[letter, 0, 1]], 22);
  sample.title.remove();
}

function showOverview(streams, coverage) {
  const sums = { ...NOTHING };
  const width = Math.round(overview.svg.getBoundingClientRect().width);
  const rows = Object.fromEntries(Object.keys(sums).map((letter) => [letter, new Int32Array(width + 1)]));
  const add = (letter, left, right) => { rows[letter][left] += 1; rows[letter][right] -= 1; };
  const start = startOf(coverage), perPx = Math.max(1, coverage.now_ms - start) / Math.max(1, width);
  let knownCells = 0;
  for (const stream of streams) {
    for (const [letter, from, to] of stream.stretches) {
      const left = Math.round((from - start) / perPx), right = Math.round((to - start) / perPx);
      if (!".w".includes(letter)) add(stream.proves ? "r" : "u", left, right);
      // A narrow gap is at least a pixel wide.
      if (LOST.includes(letter)) add(letter, Math.min(left, width - 1), Math.max(right, Math.min(left, width - 1) + 1));
      if (letter === "w") add("w", left, right);
      sums[letter] += (to - from) / 1000;
    }
    knownCells = Math.max(knownCells, coverage.cells - parseRuns(stream.runs).sums["."]);
  }
  drawOverview(rows, streams.length, width);
  const isEnough = knownCells >= CELLS_OF_A_SHARE;
  const lost = sums.g + sums.x, seen = sums.r + sums.u + sums.p + lost;
  for (const item of $("legend").children) {
    const letter = item.dataset.state;
    // Shares are of what is known; what is unknown is given as a time, the mean of all streams.
    const unknown = exactSpan(sums[letter] / Math.max(1, streams.length));
    setText(item.querySelector("b"), ".w".includes(letter) ? unknown : isEnough ? percent(sums[letter], seen) : "");
    item.hidden = !sums[letter] && letter !== "g" && letter !== "r";
  }
  setText($("share"), seen ? (lost ? (isEnough ? `${percent(seen - lost, seen)} of the known five-minute cells without a gap` : "there are cells with gaps") : "no gap that is known") : "nothing is known yet");
  setText(overview.title, `All ${number(streams.length)} streams together: ${STATES.filter(([letter]) => isEnough || sums[letter]).map(([letter, word]) => (isEnough ? `${word} ${percent(sums[letter], seen + sums["."] + sums.w)}` : word)).join(", ")}`);
  axis(overview.axis, coverage, width);
}

function percent(part, of) {
  if (!part || !of) return "0 %";
  const share = (100 * part) / of;
  if (part < of && share > 99.9) return share > 99.99 ? "> 99.99 %" : `${share.toFixed(2)} %`;
  return share < 0.1 ? "< 0.1 %" : `${share >= 99.95 ? "100" : fine.format(share)} %`;
}

// Each column is a pixel of all streams: at the bottom those whose ids prove it, above them the others, and drawn over
// both from the top what is missing, at least four pixels high.
function drawOverview(rows, count, width) {
  if (!width || !count) return;
  const d = { r: "", u: "", p: "", g: "", x: "", w: "", ".": "" }, now = { ...NOTHING }, high = overview.height;
  const order = Object.keys(NOTHING);
  let began = 0, before = "";
  const put = (end) => {
    const left = began, wide = end - began;
    if (!before || !wide) return;
    const [r, u, p, g, x, w] = before.split(" ").map((share) => (Number(share) / count) * high);
    const block = (letter, top, tall, thin = 0) => {
      const broad = Math.max(wide, thin && 3);
      if (tall > 0) d[letter] += `M${Math.min(left, width - broad)} ${top.toFixed(1)}h${broad}v${tall.toFixed(1)}h${-broad}z`;
    };
    block("r", high - r, r);
    block("u", high - r - u, u);
    block("w", high - r - u - w / 3, w / 3);
    const least = (share) => share && Math.max(share, 4);
    block("x", 0, least(x), 1);
    block("g", least(x), Math.min(least(g), high - least(x)), 1);
    block("p", least(x) + least(g), Math.min(least(p), high - least(x) - least(g)), 1);
    if (!r && !u && !w) block(".", high - 2, 1);
  };
  for (let column = 0; column <= width; column += 1) {
    for (const letter of Object.keys(now)) now[letter] += rows[letter][column];
    const here = column === width ? null : order.map((letter) => now[letter]).join(" ");
    if (here !== before) { put(column); began = column; before = here; }
  }
  overview.svg.setAttribute("viewBox", `0 0 ${width} ${high}`);
  for (const letter of Object.keys(d)) setAttr(overview.paths[letter], "d", d[letter]);
}
