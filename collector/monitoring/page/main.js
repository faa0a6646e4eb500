// Polls the recorder and shows its answers.
const EVERY_MS = 2000, AT_MOST_MS = 15000, WINDOW_MS = 10000, PATIENCE_MS = 10000, LATE_MS = 6000;
const LAMPS = { well: "%233f9473", ill: "%23bf2f26", new: "%232c6e8f" };
const live = {
  data: null, window: "24h", heardAt: 0, token: "", failures: 0, timer: 0, asking: false, counts: [],
  now() { return this.data.now_ms + performance.now() - this.heardAt; },
};

async function poll() {
  if (live.asking) return;
  live.asking = true;
  const wanted = live.window;
  const headers = live.token ? { Authorization: `Bearer ${live.token}` } : {};
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    // Without credentials no browser opens a window of its own to ask for a password.
    const answer = await fetch(WINDOWS[wanted].path, { headers, credentials: "omit", cache: "no-store", signal: patience.signal });
    if (answer.status === 401) throw new Refusal();
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    onAnswer(await answer.json());
  } catch (error) {
    live.failures += 1;
    if (error instanceof Refusal) onRefused();
    else onNoAnswer();
  } finally {
    clearTimeout(timer);
    live.asking = false;
    if (live.window !== wanted) poll();
    else schedulePoll();
  }
}

class Refusal extends Error {}

function schedulePoll() {
  clearTimeout(live.timer);
  const waits = document.documentElement.dataset.state === "token" || document.hidden;
  if (!waits) live.timer = setTimeout(poll, Math.min(AT_MOST_MS, EVERY_MS * 2 ** Math.min(live.failures, 4)));
}

function onAnswer(data) {
  live.data = data;
  live.heardAt = performance.now();
  live.failures = 0;
  $("token-form").hidden = true;
  $("main").hidden = false;
  showAll(data);
}

function onRefused() {
  $("token-refused").hidden = !live.token;
  $("token-form").hidden = false;
  live.token = "";
  setVerdict("token", "Token needed");
  setText($("heard"), "The recorder is running and answers only with its token");
  $("token").focus();
}

function onNoAnswer() {
  if (!live.data) { setVerdict("lost", "No answer"); setText($("heard"), "The recorder has not answered yet; retrying"); return; }
  setVerdict("lost", "No answer");
  showAges();
}

function setVerdict(state, words) {
  setAttr(document.documentElement, "data-state", state);
  setText($("verdict"), words);
  $("verdict").classList.toggle("long", words.length > 28);
  const title = live.data ? `${words} · ${live.data.host}` : words;
  if (document.title !== title) document.title = title;
  const fill = LAMPS[state] || "%23808a85";
  setAttr(document.querySelector("link[rel=icon]"), "href", `data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3C${state === "ill" ? `rect x='3' y='3' width='10' height='10'` : `circle cx='8' cy='8' r='6'`} fill='${fill}'/%3E%3C/svg%3E`);
}

function showAges() {
  if (!live.data) return;
  dateReasons(live.now());
  const silence = performance.now() - live.heardAt;
  if (document.documentElement.dataset.state === "lost") setText($("heard"), `Last answer ${span(silence / 1000)} ago; retrying`);
  else if (document.documentElement.dataset.state !== "token") {
    const { role, streams, feeds } = live.data;
    const times = role === "edge" ? feeds.map((feed) => parseTime(feed.last_data_at) || 0) : streams.map((row) => row[6] || 0);
    const newest = `Newest ${role === "edge" ? "data" : "row"} ${ago(Math.max(0, ...times) || null, live.now())}`;
    setText($("heard"), silence > LATE_MS ? `Last answer ${span(silence / 1000)} ago` : newest);
  }
}

function showVerdict(data) {
  setVerdict(data.reasons.length ? "ill" : data.headline === "Recording" ? "well" : "new", data.headline);
  showReasons(data.reasons);
}

// Rates over the same time as those of the flow, by the recorder's clock: an answer may be a second old.
function measureRates(data) {
  const at = data.now_ms;
  const bytes = total(data.feeds, "bytes");
  const now = { at, run: data.run_id, bytes, streams: new Map(data.streams.map((row) => [row.slice(0, 3).join("\u0000"), row[3]])) };
  const last = live.counts.at(-1);
  if (last && (last.run !== now.run || bytes < last.bytes || at < last.at || at - last.at > 2 * AT_MOST_MS)) live.counts = [];
  if (!live.counts.length || at - last.at > EVERY_MS / 2) live.counts.push(now);
  while (live.counts.length > 1 && live.counts[1].at <= at - WINDOW_MS) live.counts.shift();
  const [before] = live.counts, secs = (at - before.at) / 1000;
  if (secs < WINDOW_MS / 2000) return { bytes: null, of: () => null };
  return { bytes: (bytes - before.bytes) / secs, of: (key, messages) => (before.streams.has(key) ? Math.max(0, messages - before.streams.get(key)) / secs : null) };
}

function showAll(data) {
  const now = live.now(), speed = measureRates(data);
  showVerdict(data);
  setText($("host"), data.host);
  setText($("about"), `${data.role === "all" ? "" : `${data.role} · `}up ${span(data.uptime_secs)} · version ${data.version} · run ${data.run_id}`);
  $("demo").hidden = !data.demo;
  const streams = data.streams.map(([exchange, symbol, type, messages, gaps, received, durable, silent, limit, proves, saved, first, runs]) => {
    const key = [exchange, symbol, type].join("\u0000"), words = `${exchange} ${symbol} ${type}`;
    const stream = { key, words, lower: words.toLowerCase(), exchange, symbol, type, messages, gaps, received, durable, silent: Boolean(silent), limit, proves: Boolean(proves), runs: withSilence(runs, silent), saved, first, rate: speed.of(key, messages) };
    stream.stretches = stretchesOf(stream, data.coverage, data.now_ms - data.uptime_secs * 1000);
    stream.badness = badness(stream);
    return stream;
  });
  showWindow(data.coverage);
  showFlow(data, speed.bytes, now);
  showHosts(data);
  showOverview(streams, data.coverage);
  showStreams(streams, data.coverage);
  showEvents(data, now);
  showProcesses(data.processes);
  const open = detailed && streams.find((stream) => stream.key === detailed);
  if (open) fillDetail(open);
  showAges();
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  live.token = $("token").value.trim();
  $("token").value = "";
  setAttr(document.documentElement, "data-state", "waiting");
  poll();
});

function setTheme(wanted) {
  document.documentElement.dataset.theme = wanted;
  setText($("theme"), wanted === "dark" ? "Light" : "Dark");
  setAttr($("theme"), "aria-label", wanted === "dark" ? "Use the light colours" : "Use the dark colours");
}

// Where the browser refuses storage a choice lasts as long as the page.
function remember(name, value) {
  try { localStorage.setItem(name, value); } catch { /* nothing to do */ }
}

function remembered(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

const darkness = matchMedia("(prefers-color-scheme: dark)");
const preferred = () => remembered("theme") || (darkness.matches ? "dark" : "light");
darkness.addEventListener("change", () => setTheme(preferred()));
$("theme").addEventListener("click", () => {
  const other = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  remember("theme", other);
  setTheme(other);
});
setTheme(preferred());
chooseWindow(Object.hasOwn(WINDOWS, remembered("window")) ? remembered("window") : "24h");

document.addEventListener("visibilitychange", () => { if (document.hidden) clearTimeout(live.timer); else poll(); });
setInterval(() => { showAges(); if (live.data && !document.hidden) for (const { at, node } of eventList.times) setText(node, ago(at, live.now())); }, 1000);
poll();
