"""Puts events into an order that both clocks keep, as hftbacktest wants them.

Rows come as they were received. One whose exchange time lies before that of a row received earlier stands twice: as an event
at the exchange in the order of its clock, and as a local one in the order of the other. All others are both at once. The
result is what hftbacktest's `correct_event_order` makes, found without stepping through it row by row.
"""

from typing import Any, Final

import numpy as np

from collector.exports.events import AT_EXCHANGE, AT_LOCAL, is_trade

_MARKS: Final = (AT_EXCHANGE | AT_LOCAL, AT_EXCHANGE, AT_LOCAL)


def settled(events: Any, later_min: int) -> int:
    """How many of the first events no later one can come before, by either clock; `later_min` is the least exchange time of
    all events behind these.
    """
    times = events["exch_ts"]
    most = np.maximum.accumulate(times)
    least_behind = np.minimum.accumulate(np.append(times[1:], later_min)[::-1])[::-1]
    places = np.flatnonzero(most < least_behind)
    return int(places[-1]) + 1 if len(places) else 0


def ordered(events: Any) -> Any:
    """The events, given as received, in the order of both clocks and with the marks that say whose event each is."""
    by_exchange = np.lexsort((~is_trade(events), events["exch_ts"]))
    keys = _keys(events)
    # What is behind nothing later by either clock leads: it is an event of both, and parts what stands twice into stretches.
    leads = keys == np.maximum.accumulate(keys)
    leads[by_exchange] &= keys[by_exchange] == np.maximum.accumulate(keys[by_exchange])
    exchange_only, local_only = by_exchange[~leads[by_exchange]], np.flatnonzero(~leads)
    stretches = np.cumsum(leads[by_exchange])[~leads[by_exchange]], np.cumsum(leads)[~leads]
    places = _merged(stretches, (keys[exchange_only], keys[local_only]))

    rows = np.concatenate([np.flatnonzero(leads), exchange_only, local_only])
    of_both = int(np.count_nonzero(leads))
    stretch = np.concatenate([np.arange(1, of_both + 1), *stretches])
    marks = np.repeat(np.array(_MARKS, np.uint64), [of_both, len(exchange_only), len(local_only)])
    order = np.lexsort((np.concatenate([np.full(of_both, -1), *places]), stretch))
    found = events[rows[order]]
    found["ev"] |= marks[order]
    return found


def _merged(stretches: tuple[Any, Any], keys: tuple[Any, Any]) -> tuple[Any, Any]:
    """The places of events at the exchange, and of local ones, within their stretches: the earlier key first, else the local one.

    An event waits for those before it in its own order, so what counts is the latest key up to it.
    """
    _, ranks = np.unique(np.concatenate(keys), return_inverse=True)
    at_exchange, local = np.split(ranks, [len(keys[0])])
    first, second = (
        np.maximum.accumulate(stretch * len(ranks) + rank)
        for stretch, rank in zip(stretches, (at_exchange, local), strict=True)
    )
    return (
        np.arange(len(first)) + np.searchsorted(second, first, "right"),
        np.arange(len(second)) + np.searchsorted(first, second, "left"),
    )


def _keys(events: Any) -> Any:
    """Both times as one number that sorts by the exchange's first: NumPy orders complex numbers so."""
    exchange, local = (events[name] - events[name].min() for name in ("exch_ts", "local_ts"))
    keys = np.empty(len(events), np.complex128)
    keys.real, keys.imag = exchange, local
    return keys
