// What is wrong, since when, and what to do about it: the remedies stand in the table at the foot of the page.
const reasonList = { codes: "", rows: [] };

// On a phone remedies are folded, so that all reasons fit on the screen.
const narrow = matchMedia("(max-width: 640px)");

function remedy(text) {
  const node = element("details", { class: "remedy" }, element("summary", {}, "What to do"), element("p", {}, text));
  node.open = !narrow.matches;
  return node;
}

narrow.addEventListener("change", () => { for (const node of $("reasons").querySelectorAll("details")) node.open = !narrow.matches; });

function reasonRow(code) {
  const help = document.getElementById(`reason-${code}`);
  const row = { text: element("p", { class: "text" }), since: element("time"), at: null };
  const meta = element("p", { class: "meta" }, row.since, " ", help ? element("a", { href: `#reason-${code}` }, code) : code);
  row.node = element("li", {}, row.text, meta);
  if (help) meta.before(remedy(help.querySelector(".remedy").textContent));
  return row;
}

function showReasons(reasons) {
  const codes = reasons.map(({ code }) => code).join(" ");
  if (codes !== reasonList.codes) {
    reasonList.codes = codes;
    reasonList.rows = reasons.map(({ code }) => reasonRow(code));
    $("reasons").replaceChildren(...reasonList.rows.map(({ node }) => node));
  }
  reasons.forEach(({ text, since }, index) => {
    setText(reasonList.rows[index].text, text);
    reasonList.rows[index].at = parseTime(since);
  });
}

function dateReasons(now) {
  for (const { since, at } of reasonList.rows) {
    setText(since, at == null ? "" : `since ${when(at, now)} (${ago(at, now).replace(" ago", "")})`);
  }
}

// A link to a reason opens the table.
function openHelp() {
  const row = location.hash.startsWith("#reason-") && document.getElementById(location.hash.slice(1));
  if (!row) return;
  $("help").open = true;
  row.scrollIntoView({ block: "center" });
}

addEventListener("hashchange", openHelp);
openHelp();
