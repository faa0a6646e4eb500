"""Since when each reason of ill health has held without a break."""

from collections.abc import Iterable, Mapping

from collector.domain.names import iso_time
from collector.monitoring.health import Reason


class ReasonTimes:
    """Remembers when each reason that holds appeared."""

    def __init__(self) -> None:
        self._since: Mapping[str, str] = {}

    def update(self, reasons: Iterable[Reason], now_us: int) -> list[dict[str, str]]:
        """Take in the reasons that hold now; returns each with its `since`. One that was gone starts anew."""
        now = iso_time(now_us)
        dated = [{"code": code, "text": text, "since": self._since.get(code, now)} for code, _headline, text in reasons]
        self._since = {reason["code"]: reason["since"] for reason in dated}
        return dated
