// The list of streams. Only the visible rows are in the document, however many streams there are.
const FEW = 12;
const SPARE = 6;
const ALL_AT_ONCE = 60;
const list = { streams: [], items: [], closed: new Set(), open: false, pool: [], focus: 0 };

const streamWords = (stream) => `${stream.exchange} ${stream.symbol} ${stream.type}`;
const MARKS = { silent: ["▲", "x", "silent"], g: ["◆", "g", "has gaps"], p: ["▨", "p", "repaired"], u: ["◐", "u", "unverifiable"], r: ["●", "r", "recorded"], n: ["○", "n", "nothing known"] };

function condition(stream) {
  const { sums } = parseRuns(stream.runs);
  return stream.silent ? "silent" : sums.g ? "g" : sums.p ? "p" : sums.u ? "u" : sums.r ? "r" : "n";
}

function badness(stream) {
  const { sums } = parseRuns(stream.runs);
  return (stream.silent ? 1e6 : 0) + (sums.g + sums.x) * 1000 + sums.p + (stream.limit == null ? -1e3 : 0);
}

const byName = (a, b) => (a.words < b.words ? -1 : a.words > b.words ? 1 : 0);
const ORDERS = {
  worst: (a, b) => b.badness - a.badness || byName(a, b),
  name: byName,
  rate: (a, b) => (b.rate || 0) - (a.rate || 0) || byName(a, b),
};
const GROUPS = { type: (stream) => stream.type, exchange: (stream) => stream.exchange, symbol: (stream) => stream.symbol };

function arrange() {
  const wanted = $("search").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const found = list.streams.filter((stream) => wanted.every((word) => stream.lower.includes(word)));
  found.sort(ORDERS[$("sort").value]);
  const groupOf = GROUPS[$("group").value];
  const all = groupOf ? grouped(found, groupOf) : found.map((stream) => ({ stream }));
  const most = wanted.length || groupOf || list.open || all.length <= FEW + 4 ? all.length : FEW;
  list.items = all.slice(0, most);
  list.focus = Math.min(list.focus, Math.max(0, list.items.length - 1));
  $("none").hidden = found.length > 0;
  $("more").hidden = Boolean(wanted.length || groupOf) || all.length <= FEW + 4;
  setText($("more"), list.open ? "Show fewer" : `Show all ${number(all.length)}`);
  setText($("streams-title"), wanted.length ? `Streams (${number(found.length)} of ${number(list.streams.length)})` : `Streams (${number(list.streams.length)})`);
  render();
}

function grouped(found, groupOf) {
  const groups = new Map();
  for (const stream of found) {
    const name = groupOf(stream);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(stream);
  }
  return [...groups].flatMap(([name, streams]) => {
    const closed = list.closed.has(name);
    return [{ group: name, streams, closed }, ...(closed ? [] : streams.map((stream) => ({ stream })))];
  });
}

function poolRow() {
  const parts = { mark: element("span", { class: "mark", "aria-hidden": "true" }), symbol: element("b"), about: element("span"), strip: newStrip(16), rate: element("span", { class: "figure rate" }), age: element("span", { class: "figure" }) };
  parts.holder = element("span", { class: "strip" }, parts.strip.svg);
  parts.strip.svg.setAttribute("aria-hidden", "true");
  parts.button = element("button", { type: "button", class: "row" }, parts.mark, element("span", { class: "name" }, parts.symbol, parts.about), parts.holder, parts.rate, parts.age);
  parts.node = element("li", {}, parts.button);
  parts.button.addEventListener("click", () => activate(Number(parts.node.dataset.index)));
  parts.button.addEventListener("focus", () => { list.focus = Number(parts.node.dataset.index); tabStop(); });
  $("list").append(parts.node);
  return parts;
}

function rowHeight() {
  return parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row")) || 46;
}

function visibleRange() {
  const high = rowHeight(), top = $("list").getBoundingClientRect().top;
  if (list.items.length <= ALL_AT_ONCE) return [0, list.items.length, high];
  const first = Math.max(0, Math.floor(-top / high) - SPARE);
  const last = Math.min(list.items.length, Math.ceil((window.innerHeight - top) / high) + SPARE);
  return [first, Math.max(first, last), high];
}

function render() {
  const [first, last, high] = visibleRange();
  $("list").style.height = `${list.items.length * high}px`;
  const wanted = new Set();
  for (let index = first; index < last; index += 1) wanted.add(index);
  // The row that has the focus stays in the document, wherever it is.
  if (list.pool.some((row) => row.button === document.activeElement) && list.focus < list.items.length) wanted.add(list.focus);
  const free = list.pool.filter((row) => !wanted.delete(row.index) || row.index >= list.items.length);
  for (const index of wanted) {
    const row = free.pop() || poolRow();
    if (!list.pool.includes(row)) list.pool.push(row);
    row.index = index;
  }
  for (const row of free) { row.node.remove(); list.pool.splice(list.pool.indexOf(row), 1); }
  for (const row of list.pool) place(row, high);
  orderRows();
  tabStop();
}

// Screen readers and the Tab key follow the order in the document.
function orderRows() {
  list.pool.sort((a, b) => a.index - b.index);
  let before = null;
  for (const row of list.pool) {
    const next = before ? before.nextSibling : $("list").firstChild;
    if (next !== row.node && row.button !== document.activeElement) $("list").insertBefore(row.node, next);
    before = row.node;
  }
}

function place(row, high) {
  const item = list.items[row.index];
  const top = `translateY(${row.index * high}px)`;
  if (row.node.style.transform !== top) row.node.style.transform = top;
  setAttr(row.node, "data-index", String(row.index));
  setAttr(row.node, "aria-posinset", String(row.index + 1));
  setAttr(row.node, "aria-setsize", String(list.items.length));
  row.button.classList.toggle("head", "group" in item);
  if ("group" in item) placeGroup(row, item);
  else placeStream(row, item.stream);
}

function placeGroup(row, item) {
  const troubled = item.streams.filter((stream) => stream.badness > 0).length;
  setText(row.mark, item.closed ? "▸" : "▾");
  setAttr(row.mark, "class", "mark n");
  setText(row.symbol, item.group);
  setText(row.about, `${plural(item.streams.length, "stream")}${troubled ? `, ${number(troubled)} to look at` : ""}`);
  setText(row.rate, `${rate(item.streams.reduce((sum, stream) => sum + (stream.rate || 0), 0))} / s`);
  setText(row.age, "");
  row.age.classList.remove("late");
  row.holder.hidden = true;
  setAttr(row.button, "aria-expanded", String(!item.closed));
  setAttr(row.button, "aria-label", `${item.group}: ${row.about.textContent}`);
}

function placeStream(row, stream) {
  const now = live.now();
  const [sign, letter, word] = MARKS[condition(stream)];
  setText(row.mark, sign);
  setAttr(row.mark, "class", `mark ${letter}`);
  setText(row.symbol, stream.symbol);
  setText(row.about, `${stream.type} · ${stream.exchange}`);
  setAttr(row.button, "title", streamWords(stream));
  setText(row.rate, stream.rate == null ? "" : `${rate(stream.rate)} / s`);
  const age = ago(stream.durable, now);
  setText(row.age, age.replace(" ago", ""));
  row.age.classList.toggle("late", stream.silent);
  row.holder.hidden = false;
  drawStrip(row.strip, stream.stretches, Math.round(row.holder.getBoundingClientRect().width));
  const amounts = describeStream(stream);
  setText(row.strip.title, amounts);
  row.button.removeAttribute("aria-expanded");
  setAttr(row.button, "aria-label", `${streamWords(stream)}: ${word}; newest row ${age}; ${list.window}: ${amounts}`);
}

function tabStop() {
  for (const row of list.pool) row.button.tabIndex = row.index === list.focus ? 0 : -1;
  if (!list.pool.some((row) => row.index === list.focus) && list.pool.length) list.pool[0].button.tabIndex = 0;
}

function activate(index) {
  const item = list.items[index];
  if ("group" in item) {
    if (!list.closed.delete(item.group)) list.closed.add(item.group);
    arrange();
  } else showDetail(item.stream);
}

function moveFocus(event) {
  const page = Math.max(1, Math.floor(window.innerHeight / rowHeight()) - 2);
  const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -list.items.length, End: list.items.length };
  if (!(event.key in moves)) return;
  event.preventDefault();
  const index = Math.max(0, Math.min(list.items.length - 1, list.focus + moves[event.key]));
  const top = $("list").getBoundingClientRect().top + index * rowHeight();
  if (top < 0 || top + rowHeight() > window.innerHeight) window.scrollBy(0, top - window.innerHeight / 2);
  list.focus = index;
  render();
  list.pool.find((row) => row.index === index)?.button.focus({ preventScroll: true });
}

$("list").addEventListener("keydown", moveFocus);
for (const id of ["search", "sort", "group"]) $(id).addEventListener("input", () => { list.focus = 0; arrange(); });
$("more").addEventListener("click", () => { list.open = !list.open; arrange(); });
addEventListener("scroll", () => { if (list.items.length) render(); }, { passive: true });
addEventListener("resize", () => live.data && showAll(live.data));

const isInUse = () => $("list").contains(document.activeElement) || $("list").matches(":hover");

function showStreams(streams, coverage) {
  const order = new Map(list.items.flatMap((item) => (item.stream ? [[item.stream.key, item]] : [])));
  list.streams = streams;
  list.window = windowWords(coverage);
  // Rows do not move under the pointer or the focus.
  if (isInUse() && streams.length === list.count) {
    for (const stream of streams) if (order.has(stream.key)) order.get(stream.key).stream = stream;
    render();
  } else arrange();
  list.count = streams.length;
}
