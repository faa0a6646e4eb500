"""Compares the configured symbols with what the exchanges list now, for --check: each exchange is asked once."""

import threading
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from time import monotonic
from typing import Final, NamedTuple

from collector.config import Config, FeedConfig
from collector.domain.redact import printable
from collector.domain.symbol_choice import Choice, Instrument, Wanted, choose, is_exact
from collector.exchanges.registry import adapter
from collector.feed.rest import RestClient
from collector.processes.context import SystemClock
from collector.processes.listing import ListingError, ask_instruments, ask_volumes

ANSWER_SECS: Final = 10.0
"""How long to wait for all lists together. One that has not come by then counts as not reachable."""

_NAMED: Final = 5
"""Symbols that a line names; it counts the others."""


class Answer(NamedTuple):
    """What an exchange lists, or why nobody knows."""

    instruments: list[Instrument]
    trouble: str = ""


NOT_ASKED: Final = Answer([], "not asked: feed.ws_url is set and feed.rest_url is not")

Place = tuple[str, str]
"""An exchange, and the REST server to ask; empty for the exchange's own."""


def ask(config: Config) -> dict[str, Answer]:
    """What the exchange of each feed lists. An exchange without a list is not asked, and not in the answer."""
    answers: dict[Place, Answer] = {}
    places = {feed.name: (feed.exchange, feed.rest_url) for feed in config.feed if _has_list(feed)}
    needing = {(feed.exchange, feed.rest_url) for feed in config.feed if feed.wanted.top}
    asked = {places[feed.name] for feed in config.feed if feed.name in places and (feed.rest_url or not feed.ws_url)}
    threads = [
        threading.Thread(target=_ask_into, args=(answers, place, place in needing), daemon=True) for place in asked
    ]
    for thread in threads:
        thread.start()
    until = monotonic() + ANSWER_SECS
    for thread in threads:
        thread.join(max(0.0, until - monotonic()))
    late = Answer([], f"no answer within {ANSWER_SECS:.0f} s")
    return {name: answers.get(place, late) if place in asked else NOT_ASKED for name, place in places.items()}


def problems(config: Config, answers: Mapping[str, Answer]) -> Iterator[str]:
    """One line for each exact symbol that its exchange does not list."""
    for index, feed in enumerate(config.feed):
        listed = [each.symbol for each in _answer(answers, feed).instruments]
        for symbol in feed.wanted.exact if listed else ():
            if symbol not in listed:
                close = get_close_matches(symbol, listed, n=1)
                hint = f"; did you mean {printable(close[0])}?" if close else ""
                yield f"feed[{index}].symbols = {symbol!a}: is not listed by {feed.exchange}{hint}"


def symbols_of(feed: FeedConfig, answers: Mapping[str, Answer]) -> tuple[str, ...]:
    """The symbols that the feed would record now: without a list only those configured by name."""
    choice = choose(feed.wanted, _answer(answers, feed).instruments, Choice(), SystemClock.now_us())
    return feed.wanted.exact if choice is None or not feed.wanted.needs_list else choice.symbols


def lines(config: Config, answers: Mapping[str, Answer]) -> Iterator[str]:
    """What was found out, a line a feed."""
    for feed in config.feed:
        answer = _answer(answers, feed)
        if answer.trouble:
            kind = (
                "symbols are not known"
                if feed.wanted.needs_list
                else "symbols were not compared with the exchange's list"
            )
            yield f"warning   {feed.name}: {kind}: {answer.trouble}"
            continue
        idle = [each.symbol for each in answer.instruments if not each.is_trading and each.symbol in feed.wanted.exact]
        if idle:
            yield f"warning   {feed.name}: listed, but not trading now: {_named(idle)}"
        if feed.wanted.needs_list:
            found = symbols_of(feed, answers)
            entries = " ".join(feed.symbols)
            which = f": {_named(found)}" if found else ""
            yield f"symbols   {feed.name}: {len(found)} of {len(answer.instruments)} match {entries}{which}"
            yield from _without_match(feed, answer.instruments)
        else:
            yield f"symbols   {feed.name}: all are listed by {feed.exchange}"


def _without_match(feed: FeedConfig, instruments: list[Instrument]) -> Iterator[str]:
    """A warning for each pattern and `top:N` that would record nothing now."""
    but = f" but {' '.join(feed.exclude)}" if feed.exclude else ""
    for entry in feed.wanted.entries:
        alone = choose(Wanted((entry,), feed.exclude), instruments, Choice(), SystemClock.now_us())
        if not is_exact(entry) and (alone is None or not alone.symbols):
            yield f"warning   {feed.name}: nothing that trades matches {entry}{but}"


def _answer(answers: Mapping[str, Answer], feed: FeedConfig) -> Answer:
    return answers.get(feed.name, Answer([], f"{feed.exchange} has no list of instruments"))


def _has_list(feed: FeedConfig) -> bool:
    rest = adapter(feed.exchange).rest
    return rest is not None and bool(rest.lists())


def _ask_into(answers: dict[Place, Answer], place: Place, with_volumes: bool) -> None:
    exchange, rest_url = place
    rest = adapter(exchange).rest
    if rest is None:
        return
    client = RestClient(rest_url or rest.limits.url, SystemClock())
    try:
        listed, _ = ask_instruments(exchange, rest, client)
        volumes = ask_volumes(exchange, rest, client) if with_volumes else {}
    except ListingError as error:
        answers[place] = Answer([], printable(str(error)))
        return
    answers[place] = Answer([Instrument(each.symbol, each.is_trading, volumes.get(each.symbol)) for each in listed])


def _named(symbols: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(symbols) - _NAMED} more" if len(symbols) > _NAMED else ""
    return " ".join(map(printable, symbols[:_NAMED])) + more
