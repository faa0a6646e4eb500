"""Recognizes `COLLECTOR_` variables that are not settings: those an orchestrator sets for services of that name.

Source of the names: https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
"""

import re
from collections.abc import Mapping
from typing import Final

from collector.config.display import shown_name
from collector.config.keys import VARIABLES

_OF_A_SERVICE: Final = re.compile(
    r"COLLECTOR_PORT_.+"
    r"|COLLECTOR_(?:.+_)?SERVICE_(?:HOST|PORT(?:_.+)?)"
    r"|COLLECTOR_.+_PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?"
)
_ADDRESS_OF_A_SERVICE: Final = re.compile(r"COLLECTOR_(?:.+_)?PORT=(?:tcp|udp|sctp)://.*", re.DOTALL)
_SHOWN: Final = 3


def is_orchestrators(variable: str, text: str) -> bool:
    """Whether an orchestrator sets it in every container beside a service named `collector` or `collector-<more>`."""
    if variable in VARIABLES:
        return False
    return bool(_OF_A_SERVICE.fullmatch(variable) or _ADDRESS_OF_A_SERVICE.fullmatch(f"{variable}={text}"))


def environment_warnings(environment: Mapping[str, str]) -> list[str]:
    """Warnings about a valid environment, one line each."""
    others = sorted(variable for variable, text in environment.items() if is_orchestrators(variable, text))
    if not others:
        return []
    more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    named = ", ".join(map(shown_name, others[:_SHOWN]))
    return [f"{named}{more}: ignored, because an orchestrator sets such variables for a service named collector"]
