// The processes: the supervisor, then its children in the order of the flow.
const FIGURES = [
  ["pid", (process) => process.pid ?? "–"],
  ["CPU", (process) => (process.cpu_percent == null ? "–" : `${fine.format(process.cpu_percent)} %`)],
  ["memory", (process) => size(process.rss_bytes)],
  ["open files", (process) => number(process.open_files)],
  ["restarts", (process) => number(process.restarts)],
];
const UP = new Set(["running", "draining"]);
const crew = { shown: "" };
$("processes").append(
  made("thead", {}, made("tr", {}, ...["process", "state", ...FIGURES.map(([name]) => name)].map((name) => made("th", { scope: "col" }, name)))),
  (crew.body = made("tbody")),
);

function showProcesses(processes) {
  const signature = JSON.stringify(processes);
  if (signature === crew.shown) return;
  crew.shown = signature;
  crew.body.replaceChildren(...processes.map((process) => made("tr", {},
    made("th", { scope: "row" }, process.name), made("td", { class: UP.has(process.state) ? "" : "warn" }, process.state),
    ...FIGURES.map(([, told]) => made("td", {}, told(process))))));
}
