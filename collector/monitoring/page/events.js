// Events: the newest lines of the logs and rows of the gap ledger.
const FIRST_EVENTS = 12;
const eventList = { most: FIRST_EVENTS, shown: "", times: [] };
const PLAIN = {
  started: "The recorder started", recording: "Recording began", process_started: "A process started", process_stopped: "A process stopped",
  process_died: "A process died", process_hung: "A hanging process was killed", process_failed: "A process failed",
  connected: "Connected", disconnected: "A connection ended", connect_failed: "Could not connect", renewing: "A connection is renewed",
  renewed_with_silent_streams: "A renewed connection lacks streams",
  segment_opened: "A segment was opened", segment_sealed: "A segment was sealed", segment_archived: "A segment was archived",
  segment_failed: "A segment could not be archived", segment_quarantined: "A segment was quarantined", seal_delayed: "A seal was delayed",
  segments_removed: "Segments were removed by hand", segments_put_back: "Removed segments were restored", segments_missing: "Segments are missing", open_segments_set_aside: "Open segments put there by hand were set aside", journal_removed: "A journal file was removed by hand",
  store_away: "The store does not answer", store_refuses: "The store refuses", store_back: "The store takes objects again", store_asked_otherwise: "The store is used in another way", health_reason: "Unhealthy", health_reason_gone: "No longer unhealthy for this reason",
  refusing: "Frames are refused", resumed: "Frames are taken again", commit_failed: "A commit failed", commit_recovered: "Commits work again",
  gap: "A gap was found", http_listening: "The page is served", frame_undecodable: "A frame could not be decoded", stopping: "Stopping", writer_paused: "The writer waits for room on the disk", writer_resumed: "The writer goes on",
  rest_failed: "Repair gets no answer", rest_recovered: "Repair gets answers again", rest_banned: "The exchange bans requests for a while", rest_refused: "A request of repair was refused",
  segment_replaced: "A segment was replaced by its Parquet files", stream_never_spoke: "Streams without any message",
  connection_unanswering: "A connection does not answer, another is tried",
  streams_overdue: "Streams are overdue, another connection is tried",
};
const GOOD = new Set(["recording", "health_reason_gone", "resumed", "commit_recovered", "writer_resumed", "ping_recovered", "rest_recovered", "store_back"]);
const SIGNS = { info: "·", debug: "·", good: "●", warning: "▲", error: "◆", critical: "◆", gap: "◆" };
const isTrouble = (level) => !["info", "debug", "good"].includes(level);

function eventOfLine(event) {
  const level = GOOD.has(event.event) ? "good" : event.level in SIGNS ? event.level : "info";
  const text = [event.process, event.text].filter(Boolean).join("  ");
  return {
    at: parseTime(event.at), since: parseTime(event.first_at), times: event.times, level: level === "critical" ? "error" : level,
    title: PLAIN[event.event] || event.event.replaceAll("_", " "), text,
  };
}

// A stream may have several of the rows.
function placeOfGaps(rows) {
  const streams = new Set(rows.map((gap) => [gap.exchange, gap.symbol, gap.data_type].filter((word) => word !== "_").join(" ")));
  const place = streams.size === 1 ? [...streams][0] : plural(streams.size, "stream");
  return rows.length === streams.size ? place : `${plural(rows.length, "gap")} of ${place}`;
}

// An outage gives every stream a row: together they are one event.
function eventsOfGaps(gaps) {
  const together = new Map();
  for (const gap of gaps) {
    const same = [gap.kind, gap.cause, gap.status, Math.floor(gap.started_at_ms / 5000), gap.ended_at_ms == null].join(" ");
    if (!together.has(same)) together.set(same, []);
    together.get(same).push(gap);
  }
  return [...together.values()].map((rows) => {
    const [gap] = rows, repaired = gap.status === "repaired";
    const place = placeOfGaps(rows);
    const lasted = gap.ended_at_ms == null ? "and lasts" : gap.ended_at_ms > gap.started_at_ms ? `of ${span((gap.ended_at_ms - gap.started_at_ms) / 1000)}` : "";
    const missing = rows.reduce((sum, row) => sum + (row.missing || 0), 0);
    const at = Math.max(...rows.map((row) => row.detected_at_ms));
    return {
      at, since: at, times: 1, level: repaired ? "good" : "gap",
      title: `${repaired ? "Gap repaired" : "Gap"}: ${gap.kind.replaceAll("_", " ")} ${lasted}`.trim(),
      text: `${place}  cause ${gap.cause.replaceAll("_", " ")}${missing ? `, ${number(missing)} missing` : ""}`,
    };
  });
}

// Newest first. Equal events in a row become one with a count and the time of the first.
function mergeRepeats(events) {
  const lines = [];
  for (const event of events) {
    const newer = lines.at(-1);
    if (newer && newer.title === event.title && newer.text === event.text) { newer.times += event.times; newer.since = event.since; }
    else lines.push(event);
  }
  return lines;
}

const since = (event) => when(event.since, event.at);
const repeatText = (event) => (event.times > 1 ? [element("i", {}, `${number(event.times)} times since ${since(event)}`)] : []);

function showEvents(data, now) {
  const all = [...data.events.map(eventOfLine), ...eventsOfGaps(data.gaps)].sort((a, b) => b.at - a.at);
  const wanted = mergeRepeats($("trouble").checked ? all.filter((event) => isTrouble(event.level)) : all);
  const some = wanted.slice(0, eventList.most);
  const signature = JSON.stringify(some);
  if (signature !== eventList.shown) {
    eventList.shown = signature;
    eventList.times = some.map((event) => ({ at: event.at, node: element("time", { datetime: new Date(event.at).toISOString(), title: dateTime(event.at) }) }));
    $("events").replaceChildren(...some.map((event, index) =>
      element("li", { class: event.level }, eventList.times[index].node, element("span", { class: "sign", "aria-hidden": "true" }, SIGNS[event.level]),
        element("span", { class: "what" }, element("b", {}, event.title), ...repeatText(event), element("span", {}, event.text)))));
  }
  for (const { at, node } of eventList.times) setText(node, ago(at, now));
  $("quiet").hidden = some.length > 0;
  $("more-events").hidden = wanted.length <= eventList.most;
}

$("trouble").addEventListener("input", () => live.data && showEvents(live.data, live.now()));
$("more-events").addEventListener("click", () => { eventList.most += 40; if (live.data) showEvents(live.data, live.now()); });
