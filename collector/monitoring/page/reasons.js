// What is wrong, since when, and what to do about it: the remedies stand in the table at the foot of the page.
const wrong = { codes: "", rows: [] };

// On a phone a remedy opens at a touch: the reasons themselves come first.
const narrow = matchMedia("(max-width: 640px)");

function remedy(text) {
  const node = made("details", { class: "remedy" }, made("summary", {}, "What to do"), made("p", {}, text));
  node.open = !narrow.matches;
  return node;
}

narrow.addEventListener("change", () => { for (const node of $("reasons").querySelectorAll("details")) node.open = !narrow.matches; });

function reasonRow(code) {
  const help = document.getElementById(`reason-${code}`);
  const row = { text: made("p", { class: "text" }), since: made("time"), at: null };
  const meta = made("p", { class: "meta" }, row.since, " ", help ? made("a", { href: `#reason-${code}` }, code) : code);
  row.node = made("li", {}, row.text, meta);
  if (help) meta.before(remedy(help.querySelector(".remedy").textContent));
  return row;
}

function showReasons(reasons) {
  const codes = reasons.map(({ code }) => code).join(" ");
  if (codes !== wrong.codes) {
    wrong.codes = codes;
    wrong.rows = reasons.map(({ code }) => reasonRow(code));
    $("reasons").replaceChildren(...wrong.rows.map(({ node }) => node));
  }
  reasons.forEach(({ text, since }, index) => {
    say(wrong.rows[index].text, text);
    wrong.rows[index].at = parsed(since);
  });
}

function dateReasons(now) {
  for (const { since, at } of wrong.rows) {
    say(since, at == null ? "" : `since ${when(at, now)} (${ago(at, now).replace(" ago", "")})`);
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
