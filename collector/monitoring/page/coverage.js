// Coverage strips. Each state has its own height as well as its own colour; red is only for what is silent now.
const STATES = [
  ["r", "recorded", "Recorded, proven complete by ids"],
  ["u", "unverifiable", "Recorded, without ids to prove it"],
  ["p", "repaired", "Past gap, repaired"],
  ["g", "gap", "Past gap"],
  ["x", "silent now", "Silent now"],
  [".", "nothing known", "Nothing known"],
];
const WORDS = Object.fromEntries(STATES.map(([letter, word]) => [letter, word]));
const NOTHING = { r: 0, u: 0, p: 0, g: 0, x: 0, ".": 0 };
const LOST = "pgx";
const parsedRuns = new Map();

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

function describeCells(sums, cellSecs) {
  const parts = STATES.filter(([letter]) => sums[letter]).map(([letter, word]) => `${word} ${span(sums[letter] * cellSecs)}`);
  return parts.join(", ") || "nothing known";
}

// Top and height of each state in a strip of height 1.
const BANDS = { r: [0.15, 0.7], u: [0.45, 0.4], p: [0.15, 0.7], g: [0, 1], x: [0, 1], ".": [0.82, 0.06] };
const ORDER = [".", "u", "r", "p", "g", "x"];
const newPaths = () => Object.fromEntries(ORDER.map((letter) => [letter, svgElement("path", { class: letter === "." ? "n" : letter })]));

function newStrip(height) {
  const svg = svgElement("svg", { class: "cells", height, role: "img", focusable: "false" });
  const title = svgElement("title");
  const paths = newPaths();
  svg.append(title, ...Object.values(paths));
  return { svg, title, paths, height, drawn: "" };
}

function drawStrip(target, runs, width, cellSecs) {
  if (target.drawn === `${runs} ${width}` || !width) return;
  target.drawn = `${runs} ${width}`;
  const { parts, sums } = parseRuns(runs);
  const cells = parts.reduce((sum, [, count]) => sum + count, 0) || 1;
  const d = { r: "", u: "", p: "", g: "", x: "", ".": "" };
  let at = 0;
  for (const [letter, count] of parts) {
    const left = Math.round((at / cells) * width), right = Math.round(((at + count) / cells) * width);
    const wide = Math.max(right - left, LOST.includes(letter) ? 3 : 1);
    const [top, tall] = BANDS[letter];
    const from = Math.min(left, width - wide);
    d[letter] += `M${from} ${(top * target.height).toFixed(1)}h${wide}v${(tall * target.height).toFixed(1)}h${-wide}z`;
    at += count;
  }
  target.svg.setAttribute("viewBox", `0 0 ${width} ${target.height}`);
  for (const letter of Object.keys(d)) setAttr(target.paths[letter], "d", d[letter]);
  setText(target.title, describeCells(sums, cellSecs));
}

const LABEL_PX = 88, DAY_MS = 86400000;
const STEPS_MS = [5, 10, 15, 30, 60, 180, 360, 720].map((minutes) => minutes * 60000).concat([1, 2, 4].map((days) => days * DAY_MS));
const startOf = (coverage) => coverage.ended_at_ms - coverage.cells * coverage.cell_secs * 1000;

// What the strips show: the wanted time, or all there is since the recorder first started.
function windowWords(coverage) {
  return coverage.is_since_start ? `since ${when(coverage.since_ms, live.now())}` : WINDOWS[live.window].words;
}

function axis(node, coverage, width) {
  const start = startOf(coverage), long = coverage.ended_at_ms - start, marks = [];
  const room = width / (LABEL_PX * (long > DAY_MS ? 1.25 : 1));
  // Over several days times of day would repeat, so the labels are dates.
  const step = STEPS_MS.find((each) => long / each <= room && (each >= DAY_MS || long <= 2 * DAY_MS)) || 7 * DAY_MS;
  const label = step < DAY_MS ? timeOfDay : (ms) => `${iso(ms).slice(0, 10)} UTC`;
  for (let at = Math.ceil(start / step) * step; at < coverage.ended_at_ms; at += step) {
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
  drawStrip(sample, `${letter}1`, 22, 0);
  sample.title.remove();
}

function showOverview(streams, coverage) {
  const sums = { ...NOTHING };
  const rows = Object.fromEntries(Object.keys(sums).map((letter) => [letter, new Int32Array(coverage.cells + 1)]));
  const add = (letter, at, count) => { rows[letter][at] += 1; rows[letter][at + count] -= 1; };
  for (const stream of streams) {
    let at = 0;
    for (const [letter, count] of parseRuns(stream.runs).parts) {
      if (letter !== ".") add(stream.proves ? "r" : "u", at, count);
      if (LOST.includes(letter)) add(letter, at, count);
      sums[letter] += count;
      at += count;
    }
  }
  const width = Math.round(overview.svg.getBoundingClientRect().width);
  drawOverview(rows, streams.length, coverage.cells, width);
  const lost = sums.g + sums.x, seen = sums.r + sums.u + sums.p + lost;
  for (const item of $("legend").children) {
    const letter = item.dataset.state;
    // Shares are of what is known; what is unknown is given as a time, the mean of all streams.
    const unknown = span((sums["."] * coverage.cell_secs) / Math.max(1, streams.length));
    setText(item.querySelector("b"), letter === "." ? unknown : percent(sums[letter], seen));
    item.hidden = !sums[letter] && letter !== "g" && letter !== "r";
  }
  setText($("share"), seen ? (lost ? `${percent(seen - lost, seen)} of the known five-minute cells without a gap` : "no gap that is known") : "nothing is known yet");
  setText(overview.title, `All ${number(streams.length)} streams together: ${STATES.map(([letter, word]) => `${word} ${percent(sums[letter], seen + sums["."])}`).join(", ")}`);
  const ended = coverage.ended_at_ms;
  const signature = `${ended} ${width} ${coverage.cells}`;
  if (overview.ended !== signature) { overview.ended = signature; axis(overview.axis, coverage, width); }
}

function percent(part, of) {
  if (!part || !of) return "0 %";
  const share = (100 * part) / of;
  if (part < of && share > 99.9) return share > 99.99 ? "> 99.99 %" : `${share.toFixed(2)} %`;
  return share < 0.1 ? "< 0.1 %" : `${share >= 99.95 ? "100" : fine.format(share)} %`;
}

// Each column is one cell of all streams: at the bottom those whose ids prove it, above them the others, and drawn over
// both from the top what is missing, at least four pixels high.
function drawOverview(rows, count, cells, width) {
  if (!width || !count) return;
  const d = { r: "", u: "", p: "", g: "", x: "", ".": "" }, now = { ...NOTHING }, high = overview.height;
  const order = Object.keys(NOTHING);
  let began = 0, before = "";
  const put = (end) => {
    const left = Math.round((began / cells) * width), wide = Math.max(Math.round((end / cells) * width) - left, 0);
    if (!before || !wide) return;
    const [r, u, p, g, x] = before.split(" ").map((share) => (Number(share) / count) * high);
    const block = (letter, top, tall, thin = 0) => {
      const broad = Math.max(wide, thin && 3);
      if (tall > 0) d[letter] += `M${Math.min(left, width - broad)} ${top.toFixed(1)}h${broad}v${tall.toFixed(1)}h${-broad}z`;
    };
    block("r", high - r, r);
    block("u", high - r - u, u);
    const least = (share) => share && Math.max(share, 4);
    block("x", 0, least(x), 1);
    block("g", least(x), Math.min(least(g), high - least(x)), 1);
    block("p", least(x) + least(g), Math.min(least(p), high - least(x) - least(g)), 1);
    if (!r && !u) block(".", high - 2, 1);
  };
  for (let cell = 0; cell <= cells; cell += 1) {
    for (const letter of Object.keys(now)) now[letter] += rows[letter][cell];
    const here = cell === cells ? null : order.map((letter) => now[letter]).join(" ");
    if (here !== before) { put(cell); began = cell; before = here; }
  }
  overview.svg.setAttribute("viewBox", `0 0 ${width} ${high}`);
  for (const letter of Object.keys(d)) setAttr(overview.paths[letter], "d", d[letter]);
}
