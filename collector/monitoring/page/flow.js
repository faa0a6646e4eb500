// The flow of the data: four stations, and between them what moves and what waits.
const BEHIND_SECS = 10;
const MUCH_SECS = 60;
const CLOCK_OFF_SECS = 0.5;
const UNWELL = { there: "held up", away: "the store is away", refusing: "the store refuses" };

function station(title) {
  const parts = { big: element("p", { class: "big" }), one: element("p", { class: "note" }), two: element("p", { class: "note" }), three: element("p", { class: "note" }) };
  const spark = svgElement("svg", { class: "spark", viewBox: "0 0 60 20", preserveAspectRatio: "none", role: "img" });
  parts.area = svgElement("path", { class: "area" });
  parts.edge = svgElement("path", { class: "edge" });
  spark.append(parts.area, parts.edge);
  parts.spark = spark;
  $("flow").append(element("li", { class: "station" }, element("h3", {}, title), parts.big, parts.one, parts.two, parts.three, spark));
  return parts;
}

function pipe() {
  const line = { x1: 0, y1: 7, x2: "100%", y2: 7 };
  const svg = svgElement("svg", { "aria-hidden": "true" }, svgElement("line", { class: "bed", ...line }), svgElement("line", { class: "drops", ...line }));
  const label = element("span", { class: "label" });
  const node = element("li", { class: "pipe", "data-speed": "0" }, svg, label);
  $("flow").append(node);
  return { node, label };
}

// What a host of each role has; every second one is a pipe.
const FLOWS = {
  all: [["exchange", "Exchange"], ["arriving"], ["ingest", "Ingest"], ["journal"], ["writer", "Writer"], ["sealed"], ["archive", "Archive"]],
  edge: [["exchange", "Exchange"], ["arriving"], ["ingest", "Ingest"], ["leaving"], ["publish", "NATS"], ["taken"], ["storage", "Storage"]],
  storage: [["edges", "Edges"], ["sent"], ["relay", "Relay"], ["journal"], ["writer", "Writer"], ["sealed"], ["archive", "Archive"]],
};
let stations = {}, laidFor = "";

function layFlow(role) {
  if (role === laidFor) return;
  laidFor = role;
  $("flow").replaceChildren();
  stations = Object.fromEntries((FLOWS[role] || FLOWS.all).map(([name, title]) => [name, title ? station(title) : pipe()]));
  for (const bare of ["exchange", "edges", "storage"]) stations[bare]?.spark.remove();
}

function fillStation(parts, big, unit, one, two, warn = false) {
  if (parts.said !== `${big} ${unit}`) {
    parts.said = `${big} ${unit}`;
    parts.big.replaceChildren(big, " ", element("small", {}, unit));
  }
  setText(parts.one, one);
  setText(parts.two, two);
  parts.two.classList.toggle("warn", warn);
}

function drawSparkline(parts, history) {
  setAttr(parts.spark, "aria-label", history.length ? `Last 5 minutes: now ${rate(history.at(-1))} a second, at most ${rate(Math.max(...history))}` : "No history yet");
  const top = Math.max(1e-9, ...history);
  const points = history.map((value, index) => `${60 - history.length + index + 1},${(19 - (18 * value) / top).toFixed(2)}`);
  const edge = points.length > 1 ? `M${points.join("L")}` : "";
  setAttr(parts.edge, "d", edge);
  setAttr(parts.area, "d", edge && `${edge}L60,20L${60 - history.length + 1},20Z`);
}

function setPipe(parts, label, perSec, load = "") {
  setText(parts.label, label);
  setAttr(parts.node, "data-speed", !perSec ? "0" : perSec < 20 ? "1" : perSec < 500 ? "2" : "3");
  setAttr(parts.node, "data-load", load);
}

// Checkpoints are due all day long and mean no loss, so they are not counted.
function repairText(data) {
  if (!data.processes.some((process) => process.name === "repair")) return "";
  const { waiting, answered } = data.repair;
  const waits = (waiting.trades || 0) + (waiting.book || 0), done = (answered.trades || 0) + (answered.book || 0);
  if (waits) return `${plural(waits, "request")} over REST waiting`;
  return done ? `${plural(done, "request")} over REST answered` : "nothing asked over REST";
}

// With segments of less than a minute the second matters.
const sealTime = (ms) => (ms % 60000 ? when(ms, ms) : timeOfDay(ms));
const loadOf = (secs) => (secs > MUCH_SECS ? "much" : secs > BEHIND_SECS ? "some" : "");
const total = (items, name) => items.reduce((sum, item) => sum + (item[name] || 0), 0);

function showFlow(data, bytesPerSec, now) {
  layFlow(data.role);
  const stage = Object.fromEntries(data.flow.map((each) => [each.stage, each]));
  const holds = (code) => data.reasons.some((reason) => reason.code === code);
  if (stations.exchange) showReceiving(data, stage, bytesPerSec, now, holds);
  if (stations.publish) showPublishing(data, stage, now, holds);
  if (stations.relay) showRelaying(data, stage, now);
  if (stations.writer) showStoring(data, stage, holds);
}

function showReceiving(data, stage, bytesPerSec, now, holds) {
  const { feeds, writer } = data;
  const lines = total(feeds, "connections"), open = total(feeds, "connections_open");
  const heard = Math.max(0, ...feeds.map((feed) => parseTime(feed.last_data_at) || 0)) || null;
  const names = feeds.map((feed) => feed.exchange).join(", ");
  const closed = lines - open;
  fillStation(stations.exchange, `${number(open)}`, open === 1 ? "line open" : "lines open", names.length > 60 ? plural(feeds.length, "feed") : names,
    closed ? `${plural(closed, "line")} not open` : `data ${ago(heard, now)}`, closed > 0);
  const offsets = feeds.map((feed) => feed.clock_offset_secs).filter((secs) => secs != null);
  const offset = offsets.length ? offsets.reduce((worst, secs) => (Math.abs(secs) > Math.abs(worst) ? secs : worst)) : null;
  const off = offset != null && Math.abs(offset) > CLOCK_OFF_SECS;
  setText(stations.exchange.three, offset == null ? "" : off ? `clock off by ${fine.format(Math.abs(offset))} s` : `clock within ${span(Math.abs(offset))}`);
  stations.exchange.three.classList.toggle("warn", off);
  const refused = writer.refused;
  fillStation(stations.ingest, rate(stage.frames.per_sec), "frames / s", `${number(stage.frames.total)} so far`,
    refused ? `${number(refused)} refused` : plural(total(feeds, "reconnects"), "reconnect"), holds("journal_over_budget"));
  setText(stations.ingest.three, repairText(data));
  drawSparkline(stations.ingest, stage.frames.history);
  setPipe(stations.arriving, bytesPerSec == null ? "" : `${size(bytesPerSec)}/s`, open ? stage.frames.per_sec : 0, open ? "" : "much");
}

function showStoring(data, stage, holds) {
  const { journals, archive, segments, writer } = data;
  fillStation(stations.writer, rate(stage.stored.per_sec), "rows / s", `${number(stage.stored.total)} stored`,
    writer.undecodable ? `${number(writer.undecodable)} undecodable` : `commit ${span(writer.commit_secs)}`, holds("frames_undecodable"));
  const failing = Boolean(archive.last_error);
  const isFirst = !stage.archived.total && !segments.sealed && !failing;
  const nextSeal = parseTime(archive.next_seal_at);
  fillStation(stations.archive, isFirst ? sealTime(nextSeal) : number(stage.archived.total), isFirst ? "" : "rows",
    isFirst ? "next seal, then the first upload" : `${plural(segments.archived, "segment")}, next at ${sealTime(nextSeal)}`,
    failing ? UNWELL[archive.state] : segments.quarantined ? `${number(segments.quarantined)} in quarantine` : `${size(data.disk.free_bytes)} disk free`,
    failing || segments.quarantined > 0);
  drawSparkline(stations.writer, stage.stored.history);
  drawSparkline(stations.archive, stage.archived.history);
  const lag = Math.max(0, ...journals.map((journal) => journal.lag_secs));
  const waiting = archive.backlog_segments;
  setPipe(stations.journal, lag > 1 ? `${span(lag)} behind, ${size(total(journals, "lag_bytes"))}` : "in step", stage.messages.per_sec, loadOf(lag));
  setPipe(stations.sealed, failing && !waiting ? "held up" : waiting ? `${plural(waiting, "segment")} waiting, ${size(archive.backlog_bytes)}` : "nothing waits", stage.stored.per_sec,
    failing ? "much" : loadOf(waiting > 1 ? archive.backlog_age_secs / 10 : 0));
}
