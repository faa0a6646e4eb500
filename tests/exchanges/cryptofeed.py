"""What cryptofeed counted when it played a recording, held against what our adapters make of the same frames."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope
from tests.conftest import Lines
from tests.exchanges.recorded_markets import RecordedMarket, recording

ALL_FRAMES: Final = 1_000_000


class Asked(NamedTuple):
    """Books that cryptofeed asked the REST server for, to begin with: it counts these, and leaves out older updates."""

    url: str
    """A pattern whose group is the symbol of the book."""
    place: Callable[[Any], int]
    """Where in its stream of updates a book stands."""
    is_older: Callable[[Envelope, int], bool]
    """Whether they leave out such an update, given the place of the book."""

    def more(self, lines: Sequence[Mapping[str, Any]], updates: Sequence[Envelope]) -> int:
        """How many books they count more than we, less the updates that they leave out."""
        places: dict[str, int] = {}
        for line in lines:
            if line["dir"] == "http" and (found := re.search(self.url, line["url"])):
                places[found[1]] = self.place(json.loads(line["raw"]))
        return len(places) - sum(self.is_older(one, places[one.stream.symbol]) for one in updates)


def messages(markets: Sequence[RecordedMarket], recorded: Lines) -> list[Envelope]:
    """What our adapters make of all frames of one recording; frames that they cannot decode are counted elsewhere."""
    found: list[Envelope] = []
    for market in markets:
        played = recording(market._replace(most=ALL_FRAMES), recorded)
        decode = market.adapter.decoder(played.subscription)
        for received in played.frames:
            try:
                found += decode(received.frame)
            except UndecodableError:
                continue
    return [one for one in found if one.payload]


def counted_of(found: Sequence[Envelope]) -> Counter[str]:
    """How many messages there are of each of our data types."""
    return Counter(one.stream.data_type for one in found)
