"""Draws docs/images/flow.svg, the way of the data from exchange to store, from the table of roles; `flow-edge.svg` and
`flow-storage.svg` show that of an edge and of a storage host.

.venv/bin/python -m tests.pictures.flow
"""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

from collector.config import Config
from collector.config.model import NatsConfig
from collector.processes.roles import ROLES, Role

SERVERS: Final = NatsConfig(urls=("nats://nats-0:4222",))

HOSTS: Final = {
    "flow.svg": Config(),
    "flow-edge.svg": Config(role="edge", nats=SERVERS),
    "flow-storage.svg": Config(role="storage", nats=SERVERS),
}
"""By picture: the host whose processes it shows."""

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs/images"

BOX_WIDTH, BOX_HEIGHT = 138, 72
COLUMN_WIDTH, ROW_HEIGHT = 280, 138
OUTSIDE_WIDTH = 120
MARGIN, GUTTER = 14, 60
TOP = 34
BAND_HEIGHT = 62

STYLE: Final = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2933; text-anchor: middle }
  .name { font-size: 16px; font-weight: 650 }
  .small { font-size: 11.5px; fill: #52606d }
  .sheet { fill: #ffffff }
  .role { fill: #e6f0fb; stroke: #2f6fb3; stroke-width: 1.5 }
  .outside { fill: #f4f5f7; stroke: #7b8794; stroke-dasharray: 4 3 }
  .band { fill: #f2f7ee; stroke: #5a8a3c }
  .flow { fill: none; stroke: #2f6fb3; stroke-width: 1.8; marker-end: url(#head) }
  .notice { fill: none; stroke: #5a8a3c; stroke-width: 1.2; stroke-dasharray: 2 3 }
  .head { fill: #2f6fb3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4e7eb } .small { fill: #9aa5b1 } .sheet { fill: #161b22 }
    .role { fill: #17304a; stroke: #5b9bdf } .outside { fill: #1f262e; stroke: #7b8794 }
    .band { fill: #1d2b16; stroke: #7fb35c } .flow { stroke: #5b9bdf } .head { fill: #5b9bdf } .notice { stroke: #7fb35c }
  }
"""


class Box(NamedTuple):
    """A rectangle with up to three lines of text."""

    x: float
    y: float
    width: float
    lines: tuple[str, ...]
    kind: str

    @property
    def right(self) -> float:
        """Where an arrow leaves it."""
        return self.x + self.width

    @property
    def middle(self) -> float:
        """Its middle, from left to right."""
        return self.x + self.width / 2


def roles_of(config: Config) -> list[Role]:
    """The roles of a host's processes."""
    return [role for role in ROLES if role.process_names(config)]


def picture(roles: Sequence[Role]) -> str:
    """The SVG of these roles: a column a stage, what is outside to the left and right, the supervisor below."""
    boxes = dict(_role_boxes(roles))
    width = max(box.right for box in boxes.values()) + GUTTER + OUTSIDE_WIDTH + MARGIN
    band_y = max(box.y for box in boxes.values()) + BOX_HEIGHT + 46
    parts = [
        *_notices(boxes, band_y),
        *(part for role in roles for part in _flows(role, boxes)),
        *(part for role in roles for part in _outside(role, boxes[role.name], width)),
        *(_drawn(box) for box in boxes.values()),
        *_band(band_y, width),
    ]
    return _sheet(parts, width, band_y + BAND_HEIGHT + MARGIN)


def _role_boxes(roles: Sequence[Role]) -> Iterator[tuple[str, Box]]:
    rows: dict[int, int] = {}
    stages = sorted({role.stage for role in roles})
    for role in roles:
        row = rows.get(role.stage, 0)
        rows[role.stage] = row + 1
        x = MARGIN + OUTSIDE_WIDTH + GUTTER + stages.index(role.stage) * COLUMN_WIDTH
        number = "one for each feed" if role.per_feed else "one"
        yield role.name, Box(x, TOP + row * ROW_HEIGHT, BOX_WIDTH, (role.name, number, f"{role.folder}/"), "role")


def _flows(role: Role, boxes: dict[str, Box]) -> Iterator[str]:
    """An arrow for each input of a role from one that is drawn, named after its files and the notice that announces them."""
    to = boxes[role.name]
    for taken in (taken for taken in role.inputs if taken.sender in boxes):
        sender = boxes[taken.sender]
        if sender.x < to.x:
            start_y = sender.y + BOX_HEIGHT / 2
            end_y = to.y + (BOX_HEIGHT / 2 if sender.y == to.y else BOX_HEIGHT * 0.8)
            middle = (sender.right + to.x) / 2
            bend = f"M{sender.right} {start_y} C{middle} {start_y} {middle} {end_y} {to.x - 3} {end_y}"
            label_x, label_y = (middle, start_y - 24) if sender.y == to.y else (sender.middle + 48, sender.y - 24)
        elif sender.x == to.x:
            bend = f"M{sender.middle} {sender.y + BOX_HEIGHT} V{to.y - 3}"
            label_x, label_y = sender.middle - 66, (sender.y + BOX_HEIGHT + to.y) / 2 - 4
        else:
            start_x, end_y = sender.middle, to.y + BOX_HEIGHT * 0.8
            bend = f"M{start_x} {sender.y + BOX_HEIGHT} Q{start_x} {end_y} {to.right + 3} {end_y}"
            label_x, label_y = (to.right + start_x) / 2 + 8, end_y + 16
        yield f'<path class="flow" d="{bend}"/>'
        yield _text(label_x, label_y, taken.files, "")
        yield _text(label_x, label_y + 15, f"notice: {taken.notice}", "small")


def _outside(role: Role, box: Box, width: float) -> Iterator[str]:
    """What a role reads from, or writes to, outside of the recorder."""
    middle_y = box.y + BOX_HEIGHT / 2
    if role.source:
        source = Box(MARGIN, box.y, OUTSIDE_WIDTH, _two_lines(role.source), "outside")
        yield f'<path class="flow" d="M{source.right} {middle_y} H{box.x - 3}"/>'
        yield _drawn(source)
    if role.target:
        target = Box(width - MARGIN - OUTSIDE_WIDTH, box.y, OUTSIDE_WIDTH, _two_lines(role.target), "outside")
        yield f'<path class="flow" d="M{box.right} {middle_y} H{target.x - 3}"/>'
        yield _drawn(target)


def _notices(boxes: dict[str, Box], band_y: float) -> Iterator[str]:
    lowest = {box.x: max(other.y for other in boxes.values() if other.x == box.x) for box in boxes.values()}
    for x, y in lowest.items():
        yield f'<path class="notice" d="M{x + BOX_WIDTH * 0.3} {y + BOX_HEIGHT} V{band_y}"/>'


def _band(y: float, width: float) -> Iterator[str]:
    yield f'<rect class="band" x="{MARGIN}" y="{y}" width="{width - 2 * MARGIN}" height="{BAND_HEIGHT}" rx="8"/>'
    yield _text(width / 2, y + 25, "supervisor", "name")
    does = "spawns, watches, restarts; forwards notices; stops stage by stage, left to right; serves /status /healthz /metrics"
    yield _text(width / 2, y + 46, does, "small")


def _drawn(box: Box) -> str:
    rect = f'<rect class="{box.kind}" x="{box.x}" y="{box.y}" width="{box.width}" height="{BOX_HEIGHT}" rx="8"/>'
    top = box.y + BOX_HEIGHT / 2 - 9 * (len(box.lines) - 1) + 4
    lines = [
        _text(box.middle, top + 19 * number, line, "small" if number else "name")
        for number, line in enumerate(box.lines)
    ]
    return rect + "".join(lines)


def _two_lines(text: str) -> tuple[str, ...]:
    name, _, rest = text.partition(" (")
    return (name, rest.removesuffix(")")) if rest else (name,)


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x:g}" y="{y:g}"{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>{escape(text)}</text>'


def _sheet(parts: Sequence[str], width: float, height: float) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        'aria-label="The way of the data from the exchange to the store">'
    )
    marker = (
        '<defs><marker id="head" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path class="head" d="M0 0L10 5L0 10z"/></marker></defs>'
    )
    sheet = f'<rect class="sheet" width="{width:g}" height="{height:g}" rx="10"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", marker, sheet, *parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    for name, host in HOSTS.items():
        (FOLDER / name).write_text(picture(roles_of(host)), "utf-8")
