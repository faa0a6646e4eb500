"""The page at `/`: put together from `page/`, without data of its own, and let in nothing but itself."""

import base64
import hashlib
from pathlib import Path
from typing import Final

from collector.http.server import Response

_FOLDER: Final = Path(__file__).with_name("page")
_SCRIPTS: Final = ("base", "coverage", "flow", "streams", "detail", "events", "processes", "main")


def status_page() -> Response:
    """The whole page. A browser runs and paints exactly its own script and style, and asks nobody but this recorder."""
    style = (_FOLDER / "page.css").read_text("utf-8")
    script = _script()
    text = (_FOLDER / "index.html").read_text("utf-8").replace("{{style}}", style).replace("{{script}}", script)
    return Response(
        text.encode(), "text/html; charset=utf-8", headers={"Content-Security-Policy": _policy(style, script)}
    )


def _script() -> str:
    parts = [(_FOLDER / f"{name}.js").read_text("utf-8") for name in _SCRIPTS]
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n"


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
