// How far back the coverage strips reach; the choice is remembered.
const WINDOWS = {
  "1h": { path: "page-1h.json", words: "last hour" },
  "24h": { path: "page.json", words: "last 24 hours" },
  "7d": { path: "page-7d.json", words: "last 7 days" },
};

function chooseWindow(name) {
  live.window = name;
  remember("window", name);
  for (const button of $("windows").children) setAttr(button, "aria-pressed", String(button.value === name));
}

function showWindow(coverage) {
  const words = windowWords(coverage);
  setText($("coverage-title"), coverage.is_since_start ? words[0].toUpperCase() + words.slice(1) : `The ${words}`);
  setText($("column-window"), words);
}

for (const button of $("windows").children) {
  button.addEventListener("click", () => { chooseWindow(button.value); poll(); });
}
