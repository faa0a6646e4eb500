"""The page that shows certificates to people: the heatmap, what each colour means, and the days to look at. No I/O."""

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Final
from urllib.parse import quote

from collector.certificates.certificate import stream_key
from collector.certificates.heatmap import LOOKS, Cell, svg
from collector.domain.redact import printable

MOST_LISTED: Final = 500
"""Days that the table names; the others are counted."""

_STYLE: Final = """
:root { color-scheme: light; }
body { margin: 0 auto; padding: 2rem clamp(1rem, 4vw, 3rem) 4rem; background: #f6f5f0; color: #1c2421;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: break-word; }
h1 { font-size: 2.2rem; font-weight: 650; letter-spacing: -.02em; line-height: 1.15; margin: 0; }
h2 { font-size: .8rem; font-weight: 600; letter-spacing: .06em; text-transform: uppercase; color: #5d6863; margin: 2.5rem 0 .7rem; }
p { margin: .3rem 0 0; color: #5d6863; }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; margin-top: 1.6rem; }
.tiles div { background: #fffefa; border: 1px solid #e1dfd5; border-radius: 12px; padding: .7rem 1.1rem; min-width: 7.5rem; }
.tiles b { display: block; font-size: 1.5rem; font-weight: 650; }
.card { background: #fffefa; border: 1px solid #e1dfd5; border-radius: 12px; overflow-x: auto; }
.card svg { display: block; direction: ltr; } .newest { direction: rtl; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1rem; margin: 0; }
dt { font-weight: 600; } dt i { display: inline-block; width: .85rem; height: .85rem; margin-right: .55rem; vertical-align: -1px; }
dd { margin: 0; color: #5d6863; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .4rem .9rem; border-top: 1px solid #e1dfd5; }
th { border-top: 0; color: #5d6863; font-weight: 600; font-size: .85rem; } td:last-child { white-space: nowrap; }
a { color: #2c6e8f; }
""".strip()


def page(cells: Sequence[Cell]) -> str:
    """The page, which needs no other file; of the same cells always the same text. Its links lead to certificates below it.

    A heatmap that is wider than the window shows its newest days first: what is written from right to left begins there.
    """
    states = Counter(cell.state for cell in cells)
    trouble = sorted(
        (cell for cell in cells if cell.state in {"degraded", "missing"}),
        key=lambda cell: (cell.day, cell.stream),
        reverse=True,
    )
    streams = len({cell.stream for cell in cells})
    span = f"{min(cell.day for cell in cells)} to {max(cell.day for cell in cells)}" if cells else "no day yet"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Certificates, {span}</title>
<style>
{_STYLE}
</style>
</head>
<body>
<h1>What was recorded, and what of it is proven</h1>
<p>{_number(streams, "stream")}, {span} (UTC). {_number(sum(cell.messages for cell in cells), "message")}.</p>
<div class="tiles">
{"".join(f"<div><b>{states[state]:,}</b>{state}</div>" for state in ("available", "degraded", "pending", "missing"))}
</div>
<h2>Each day of each stream</h2>
<div class="card newest">
{svg(cells)}</div>
<h2>Colours</h2>
<dl>
{"".join(f'<dt><i style="background:{look.colour}"></i>{look.name}</dt><dd>{look.meaning}</dd>' for look in LOOKS)}
</dl>
<h2>Days to look at</h2>
{_table(trouble)}
</body>
</html>
"""


def _table(trouble: Sequence[Cell]) -> str:
    if not trouble:
        return "<p>None: every day that is over is available.</p>"
    rows = "\n".join(map(_row, trouble[:MOST_LISTED]))
    more = len(trouble) - MOST_LISTED
    said = f"<p>And {_number(more, 'earlier day')}; the heatmap has all.</p>" if more > 0 else ""
    head = "<tr><th>Stream</th><th>Day</th><th>Certificate</th></tr>"
    return f'<div class="card"><table>\n{head}\n{rows}\n</table></div>{said}'


def _row(cell: Cell) -> str:
    name = escape(printable(" ".join(cell.stream)))
    link = escape(quote(stream_key(cell.stream, str(cell.day)) + ".json", safe="/="))
    return f'<tr><td>{name}</td><td>{escape(cell.text)}</td><td><a href="{link}">open</a></td></tr>'


def _number(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"
