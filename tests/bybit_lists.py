"""A server with Bybit's list of instruments, in pages, and its tickers."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.json_server import JsonServer

PAGE = 2

LISTED: Mapping[str, tuple[str, str, str]] = {
    "BTCUSDT": ("LinearPerpetual", "Trading", "900.5"),
    "ETHUSDT": ("LinearPerpetual", "Trading", "800"),
    "BTCPERP": ("LinearPerpetual", "Trading", "70"),
    "BTC-26DEC26": ("LinearFutures", "Trading", "5"),
    "LUNAUSDT": ("LinearPerpetual", "Closed", "0"),
}


class BybitLists(JsonServer):
    """`asked` has the targets of all requests."""

    def __init__(self, *, with_volumes: bool = True, code: int = 0, with_bad_entry: bool = False) -> None:
        self.asked: list[str] = []
        self._with_volumes = with_volumes
        self._code = code
        self._bad: list[Any] = [{"symbol": None}] if with_bad_entry else []
        super().__init__(self._answer)

    def _answer(self, target: str) -> Any:
        self.asked.append(target)
        parts = urlsplit(target)
        result = self._page(parse_qs(parts.query)) if parts.path.endswith("instruments-info") else self._tickers()
        return None if result is None else {"retCode": self._code, "retMsg": "why not", "result": result}

    def _page(self, query: Mapping[str, list[str]]) -> dict[str, Any]:
        start = int(query.get("cursor", ["0"])[0])
        items = [
            {"symbol": symbol, "contractType": contract, "status": status}
            for symbol, (contract, status, _) in list(LISTED.items())[start : start + PAGE]
        ]
        return {"list": items + self._bad, "nextPageCursor": str(start + PAGE) if start + PAGE < len(LISTED) else ""}

    def _tickers(self) -> dict[str, Any] | None:
        if not self._with_volumes:
            return None
        return {"list": [{"symbol": symbol, "turnover24h": value} for symbol, (_, _, value) in LISTED.items()]}
