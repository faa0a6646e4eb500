// Several hosts: what an edge publishes, what a storage host takes from its edges, and a table of all of them.
const hostTable = { shown: "" };
$("hosts").append(
  element("thead", {}, element("tr", {}, ...["host", "role", "health", "lag", "waits", "seen"].map((name) => element("th", { scope: "col" }, name)))),
  (hostTable.body = element("tbody")),
);

const perSec = (value) => (value == null ? "–" : `${size(value)}/s`);
const behind = (secs, bytes) => (secs > 1 ? `${span(secs)} behind, ${size(bytes)}` : "in step");
// A drop for each 20 kB, so that a pipe of bytes moves like one of frames.
const drops = (bytesPerSec) => (bytesPerSec || 0) / 20000;

function showPublishing(data, stage, now, holds) {
  const { publish } = data, { per_sec: speed, total: sent, history } = stage.published;
  const cut = publish.filter((each) => !each.connected).length;
  fillStation(stations.publish, perSec(speed), "", `${size(sent)} so far`,
    cut ? (cut === publish.length ? "not connected" : `${plural(cut, "feed")} not connected`) : plural(total(publish, "rewinds"), "rewind"), cut > 0);
  drawSparkline(stations.publish, history);
  const unpublished = total(publish, "unpublished_bytes"), lag = Math.max(0, ...publish.map((each) => each.lag_secs));
  setPipe(stations.leaving, lag > 1 && unpublished ? `${size(unpublished)} to go` : "in step", drops(speed), cut ? "much" : loadOf(unpublished ? lag : 0));
  const waiting = total(publish, "lag_bytes");
  setPipe(stations.taken, behind(lag, waiting), drops(speed), loadOf(lag));
  const told = Math.max(0, ...publish.map((each) => parseTime(each.place_at) || 0)) || null;
  fillStation(stations.storage, lag > 1 ? span(lag) : "in step", lag > 1 ? "behind" : "",
    `it said so ${ago(told, now)}`, `${size(total(publish, "journal_bytes"))} kept here`, holds("publish_behind"));
}

function showRelaying(data, stage, now) {
  const { relays, edges, cluster } = data, { per_sec: speed, total: taken, history } = stage.relayed;
  const names = [...new Set(edges.map((each) => each.edge))], gone = new Set(edges.filter((each) => each.alive === false).map((each) => each.edge));
  const heard = Math.max(0, ...edges.map((each) => parseTime(each.last_received_at) || 0)) || null;
  const members = cluster.members.length;
  fillStation(stations.edges, gone.size ? `${number(names.length - gone.size)} of ${number(names.length)}` : number(names.length), names.length === 1 ? "edge" : "edges",
    members && cluster.copies ? `each symbol on ${number(cluster.copies)} of ${number(members)}` : "each symbol on every edge",
    gone.size ? `${[...gone].join(", ")} gone` : `data ${ago(heard, now)}`, gone.size > 0);
  const cut = relays.filter((each) => !each.connected).length;
  const lost = total(relays, "lost"), hole = edges.some((each) => each.hole);
  fillStation(stations.relay, perSec(speed), "", `${size(taken)} so far`,
    cut ? "not connected to NATS" : hole ? "a slice is missing" : lost ? `${number(lost)} lost by edges` : plural(total(relays, "holes"), "hole") + " filled", cut > 0 || hole);
  drawSparkline(stations.relay, history);
  const lag = Math.max(0, ...edges.map((each) => each.lag_secs));
  setPipe(stations.sent, behind(lag, total(edges, "lag_bytes")), drops(speed), cut ? "much" : loadOf(lag));
}

function healthOf(host) {
  if (!host.alive) return "gone";
  return host.healthy ? "healthy" : host.reasons.map((reason) => reason.code).join(", ") || "not healthy";
}

// This host first, then those in trouble.
function allHosts(data) {
  const here = {
    host: data.host, role: data.role, healthy: data.healthy, reasons: data.reasons, alive: true, seen_secs: null,
    lag_secs: Math.max(0, ...data.journals.map((journal) => journal.lag_secs)), lag_bytes: total(data.journals, "lag_bytes"),
  };
  const rank = (host) => Number(host.alive && host.healthy);
  const others = data.cluster.hosts.filter((host) => host.host !== data.host);
  return [here, ...others.sort((one, other) => rank(one) - rank(other) || one.role.localeCompare(other.role) || one.host.localeCompare(other.host))];
}

function showHosts(data) {
  const several = data.role !== "all";
  setAttr(document.documentElement, "data-role", data.role);
  $("among").hidden = !several;
  if (!several) return;
  const { cluster, tables } = data, uncovered = cluster.uncovered.length;
  setText($("among-about"), [
    cluster.quorum ? "" : "most NATS servers do not answer",
    uncovered ? `${plural(uncovered, "symbol")} on too few edges` : "",
    cluster.overcovered.length ? `${plural(cluster.overcovered.length, "symbol")} on more edges than wanted` : "",
    tables.commits || tables.backlog_segments ? `tables: ${plural(tables.commits, "commit")}, ${plural(tables.backlog_segments, "segment")} waiting` : "",
  ].filter(Boolean).join(" · "));
  const rows = allHosts(data), signature = JSON.stringify(rows);
  if (signature === hostTable.shown) return;
  hostTable.shown = signature;
  hostTable.body.replaceChildren(...rows.map((host) => element("tr", {},
    element("th", { scope: "row" }, host.host), element("td", {}, host.role),
    element("td", { class: host.alive && host.healthy ? "" : "warn" }, healthOf(host)),
    element("td", {}, !host.alive ? "–" : host.lag_secs > 1 ? span(host.lag_secs) : "none"), element("td", {}, host.alive ? size(host.lag_bytes) : "–"),
    element("td", {}, host.seen_secs == null ? "this host" : host.seen_secs < 5 ? "now" : `${span(host.seen_secs)} ago`))));
}
