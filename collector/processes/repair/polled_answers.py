"""Keeps what the exchange answers to polls and to the requests for its list of instruments."""

from collections.abc import Callable, Sequence

from collector.domain.errors import RetryError
from collector.domain.records import INSTRUMENT, StreamKey
from collector.domain.repair_protocol import RepairAnswer
from collector.exchanges.rest_adapter import Listing, RestAdapter, Unread
from collector.feed.rest import RestResponse
from collector.processes.repair.instrument_lists import InstrumentLists
from collector.processes.repair.polls import Polls
from collector.processes.repair.repair_journal import RepairJournal
from collector.processes.rest_adapters import read_response
from collector.storage.instrument_files import InstrumentList


class PolledAnswers:
    """Of one feed. What is appended is made durable by the caller's next `RepairJournal.sync`."""

    def __init__(
        self,
        rest: RestAdapter,
        journal: RepairJournal,
        polls: Polls,
        lists: InstrumentLists | None,
        symbols: Callable[[], Sequence[str]],
        write_list: Callable[[InstrumentList], None],
        listed_us: int | None,
    ) -> None:
        """`symbols` are those whose `instrument` rows are recorded now. `write_list` may raise OSError."""
        self.listed_us = listed_us
        """When the exchange gave the last whole list, if it ever did."""
        self._rest = rest
        self._journal = journal
        self._polls = polls
        self._lists = lists
        self._symbols = symbols
        self._write_list = write_list

    def about(self, stream: StreamKey) -> RepairAnswer:
        """The first line of a frame with the answer to a poll."""
        return RepairAnswer(
            stream.symbol, stream.data_type, "poll", every_secs=self._polls.of(stream).every_secs
        )  # fmt: skip

    def take_poll(self, stream: StreamKey, answer: RestResponse) -> None:
        """Append the message that the answer holds, if it holds one. Raises UndecodableError, RetryError."""
        message = read_response(lambda: self._rest.read_poll(stream, answer.body))
        if message is not None:
            self._journal.append(answer.received_ns, self.about(stream), answer.body)

    def take_list(self, answer: RestResponse) -> Unread | None:
        """Append the recorded instruments of a part of the list, and keep the list once it is whole. Returns None until then,
        and then what it is without.

        Raises UndecodableError; RetryError if the disk does not take it: the list is then asked for anew.
        """
        if self._lists is None:
            raise ValueError("nobody asked for a list")
        listings, whole, unread = self._lists.take(answer.body)
        try:
            self._append_recorded(listings, answer.received_ns, self._lists.refresh_secs)
            if whole is None:
                return None
            self._write_list(whole)
        except RetryError:
            self._lists.start_over()
            raise
        except OSError as error:
            self._lists.start_over()
            raise RetryError(f"the list of instruments cannot be written: {error}") from error
        self.listed_us = whole.asked_us
        return unread

    def _append_recorded(self, listings: Sequence[Listing], received_ns: int, every_secs: float) -> None:
        recorded = set(self._symbols())
        for listing in listings:
            if listing.symbol in recorded:
                about = RepairAnswer(listing.symbol, INSTRUMENT, "poll", every_secs=every_secs)
                self._journal.append(received_ns, about, listing.payload)
