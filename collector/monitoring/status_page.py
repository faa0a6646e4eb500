"""The page at `/`, assembled from `page/`. It holds no data of the recorder and loads nothing from elsewhere."""

import base64
import hashlib
from html import escape
from pathlib import Path
from typing import Final

from collector.http.response import Response
from collector.monitoring.reason_help import REASON_HELP

_FOLDER: Final = Path(__file__).with_name("page")
_SCRIPTS: Final = (
    "base",
    "coverage",
    "flow",
    "hosts",
    "streams",
    "detail",
    "events",
    "processes",
    "reasons",
    "windows",
    "main",
)


def status_page() -> Response:
    """The whole page. Its policy lets a browser run only its own script and style, and connect only to this recorder."""
    style = (_FOLDER / "page.css").read_text("utf-8")
    script = _script()
    text = (_FOLDER / "index.html").read_text("utf-8")
    for name, part in (("style", style), ("script", script), ("reasons", _reasons())):
        text = text.replace(f"{{{{{name}}}}}", part)
    return Response(
        text.encode(), "text/html; charset=utf-8", headers={"Content-Security-Policy": _policy(style, script)}
    )


def _script() -> str:
    parts = [(_FOLDER / f"{name}.js").read_text("utf-8") for name in _SCRIPTS]
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n"


def _reasons() -> str:
    """The rows of the table to which the code of a reason links."""
    return "\n".join(_reason(code, *map(escape, help_text)) for code, help_text in REASON_HELP.items())


def _reason(code: str, meaning: str, remedy: str, chapter: str) -> str:
    more = f'<dd>More: docs/OPERATIONS.md, "{chapter}"</dd>' if chapter else ""
    return (
        f'<div id="reason-{code}" tabindex="-1"><dt><code>{code}</code></dt><dd>{_sentence(meaning)}</dd>'
        f'<dd class="remedy">{_sentence(remedy)}</dd>{more}</div>'
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _policy(style: str, script: str) -> str:
    """Source: https://www.w3.org/TR/CSP3/ and https://www.w3.org/TR/trusted-types/."""
    return "; ".join((
        "default-src 'none'",
        f"script-src {_hash(script)}",
        f"style-src {_hash(style)}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ))  # fmt: skip


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
