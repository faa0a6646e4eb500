// One stream in detail.
let detailed = null;
const big = newStrip(36);
const bigAxis = element("div", { class: "axis", "aria-hidden": "true" });
$("detail-strip").append(big.svg, bigAxis);

function showDetail(stream) {
  detailed = stream.key;
  fillDetail(stream);
  $("detail").showModal();
  fillDetail(stream);
}

function fillDetail(stream) {
  const { coverage, gaps } = live.data, now = live.now();
  setText($("detail-title"), stream.symbol);
  setText($("detail-about"), `${stream.type} · ${stream.exchange} · ${stream.proves ? "its ids prove whether anything is missing" : "its exchange gives no ids that prove it complete"}`);
  const width = Math.round($("detail-strip").getBoundingClientRect().width);
  drawStrip(big, stream.stretches, width);
  setText(big.title, describeStream(stream));
  axis(bigAxis, coverage, width);
  const facts = [
    ["Newest row", ago(stream.durable, now)], ["May be silent for", stream.limit == null ? "not configured" : span(stream.limit)],
    ["Messages a second", rate(stream.rate)], ["Messages", number(stream.messages)], ["Rows in the gap ledger", number(stream.gaps)],
    ...linesOf(stream),
    ...amountsOf(stream).map(([, word, amount]) => [word[0].toUpperCase() + word.slice(1), amount]),
  ];
  $("detail-facts").replaceChildren(...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  fillList($("detail-runs"), gapStretches(stream));
  const own = gaps.filter((gap) => gap.exchange === stream.exchange && [stream.symbol, "_"].includes(gap.symbol) && [stream.type, "_"].includes(gap.data_type));
  fillList($("detail-gaps"), own.reverse().map((gap) => describeGap(gap, now)));
}

// Which of several lines brought the messages, and what one skipped and another brought.
function linesOf({ saved, first }) {
  if (!first.length) return [];
  const shares = first.map(([line, count]) => `line ${line}: ${number(count)}`).join(", ");
  return [["Saved by lines", saved == null ? "its ids cannot show it" : number(saved)], ["Came first on", shares]];
}

function fillList(node, lines) {
  node.replaceChildren(...(lines.length ? lines : ["none"]).map((line) => element("li", {}, line)));
}

// A gap may be shorter than the cells it lies in.
function gapStretches(stream) {
  const now = live.now();
  return stream.stretches.filter(([letter]) => LOST.includes(letter))
    .map(([letter, from, to]) => `within ${when(from, now)} to ${when(to, now)}: ${WORDS[letter]}`).reverse();
}

function describeGap(gap, now) {
  const lasted = gap.ended_at_ms == null ? "still open" : gap.ended_at_ms > gap.started_at_ms ? `${span((gap.ended_at_ms - gap.started_at_ms) / 1000)} long` : "between two messages";
  const missing = gap.missing == null ? "" : `, ${number(gap.missing)} missing`;
  return `${dateTime(gap.started_at_ms)}: ${gap.kind.replaceAll("_", " ")}, ${lasted}${missing}, cause ${gap.cause.replaceAll("_", " ")}, ${gap.status.replaceAll("_", " ")}`;
}

$("close").addEventListener("click", () => $("detail").close());
$("detail").addEventListener("click", (event) => { if (event.target === $("detail")) $("detail").close(); });
$("detail").addEventListener("close", () => { detailed = null; });
