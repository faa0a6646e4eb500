// The processes: the supervisor, then its children in the order of the flow.
const FIGURES = [
  ["pid", (process) => process.pid ?? "–"],
  ["CPU", (process) => (process.cpu_percent == null ? "–" : `${fine.format(process.cpu_percent)} %`)],
  ["memory", (process) => size(process.rss_bytes)],
  ["open files", (process) => number(process.open_files)],
  ["restarts", (process) => number(process.restarts)],
];
const UP = new Set(["running", "draining"]);
const processTable = { shown: "" };
$("processes").append(
  element("thead", {}, element("tr", {}, ...["process", "state", ...FIGURES.map(([name]) => name)].map((name) => element("th", { scope: "col" }, name)))),
  (processTable.body = element("tbody")),
);

function showProcesses(processes) {
  const signature = JSON.stringify(processes);
  if (signature === processTable.shown) return;
  processTable.shown = signature;
  processTable.body.replaceChildren(...processes.map((process) => element("tr", {},
    element("th", { scope: "row" }, process.name), element("td", { class: UP.has(process.state) ? "" : "warn" }, process.state),
    ...FIGURES.map(([, told]) => element("td", {}, told(process))))));
}
