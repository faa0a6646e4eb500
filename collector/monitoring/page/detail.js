// One stream, closely.
let detailed = null;
const big = strip(36);
const bigAxis = made("div", { class: "axis", "aria-hidden": "true" });
$("detail-strip").append(big.svg, bigAxis);

function showDetail(stream) {
  detailed = stream.key;
  fillDetail(stream);
  $("detail").showModal();
  fillDetail(stream);
}

function fillDetail(stream) {
  const { coverage, gaps } = live.data, now = live.now();
  say($("detail-title"), stream.symbol);
  say($("detail-about"), `${stream.type} · ${stream.exchange} · ${stream.proves ? "its ids prove whether anything is missing" : "its exchange gives no ids that prove it complete"}`);
  const width = Math.round($("detail-strip").getBoundingClientRect().width);
  drawStrip(big, stream.runs, width, coverage.cell_secs);
  axis(bigAxis, coverage, width);
  const { sums } = read(stream.runs);
  const facts = [
    ["Newest row", ago(stream.durable, now)], ["May be silent for", stream.limit == null ? "not configured" : span(stream.limit)],
    ["Messages a second", rate(stream.rate)], ["Messages", number(stream.messages)], ["Rows in the gap ledger", number(stream.gaps)],
    ...STATES.filter(([letter]) => sums[letter]).map(([letter, word]) => [word[0].toUpperCase() + word.slice(1), span(sums[letter] * coverage.cell_secs)]),
  ];
  $("detail-facts").replaceChildren(...facts.map(([name, value]) => made("div", {}, made("dt", {}, name), made("dd", {}, value))));
  listed($("detail-runs"), stretches(stream, coverage));
  const own = gaps.filter((gap) => gap.exchange === stream.exchange && [stream.symbol, "_"].includes(gap.symbol) && [stream.type, "_"].includes(gap.data_type));
  listed($("detail-gaps"), own.reverse().map((gap) => gapWords(gap, now)));
}

function listed(node, lines) {
  node.replaceChildren(...(lines.length ? lines : ["none"]).map((line) => made("li", {}, line)));
}

function stretches(stream, coverage) {
  const lines = [];
  const now = live.now();
  let at = startOf(coverage);
  for (const [letter, count] of read(stream.runs).parts) {
    const end = at + count * coverage.cell_secs * 1000;
    if (LOST.includes(letter)) lines.unshift(`${when(at, now)} to ${when(Math.min(end, now), now)}: ${WORDS[letter]}`);
    at = end;
  }
  return lines;
}

function gapWords(gap, now) {
  const lasted = gap.ended_at_ms == null ? "still open" : gap.ended_at_ms > gap.started_at_ms ? `${span((gap.ended_at_ms - gap.started_at_ms) / 1000)} long` : "between two messages";
  const missing = gap.missing == null ? "" : `, ${number(gap.missing)} missing`;
  return `${moment(gap.started_at_ms)}: ${gap.kind.replaceAll("_", " ")}, ${lasted}${missing}, cause ${gap.cause.replaceAll("_", " ")}, ${gap.status.replaceAll("_", " ")}`;
}

$("close").addEventListener("click", () => $("detail").close());
$("detail").addEventListener("click", (event) => { if (event.target === $("detail")) $("detail").close(); });
$("detail").addEventListener("close", () => { detailed = null; });
