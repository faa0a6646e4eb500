"""Which rows of the gap ledger are one incident."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collector.domain.records import Gap
from collector.read.ledger.gaps import LedgerRow
from collector.read.ledger.incidents import ADJOINING_SECS, LASTING, SILENCE_ADMITS_SECS, STATUSES, incidents

SECOND = 1_000_000
START = 1_795_435_200 * SECOND


def row(
    started: float = 0, ended: float | None = 1, *, exchange: str = "binance", symbol: str = "BTCUSDT", **changed: Any
) -> LedgerRow:
    """A row that begins and ends so many seconds after START."""
    start, end = round(started * SECOND), None if ended is None else START + round(ended * SECOND)
    gap = Gap(
        f"{exchange} {symbol} {started}", "trade", "sequence", "restart", "7", "10", 3,
        START + start, end, None, "unrepairable", None, START + start,
    )  # fmt: skip
    return LedgerRow(exchange, symbol, gap._replace(**changed))


def sizes(*rows: LedgerRow) -> list[int]:
    """How many rows each incident has."""
    return [len(incident.rows) for incident in incidents(rows)]


some_rows = st.lists(
    st.builds(
        lambda start, length, exchange, symbol, cause, kind, status: row(
            start, None if length is None else start + length,
            exchange=exchange, symbol=symbol, cause=cause, kind=kind, status=status,
        ),
        st.integers(0, 300),
        st.none() | st.integers(0, 200),
        st.sampled_from(["binance", "kraken"]),
        st.sampled_from(["BTCUSDT", "ETHUSDT", "_"]),
        st.sampled_from(["restart", "exchange", "disconnect"]),
        st.sampled_from(["sequence", "silence"]),
        st.sampled_from(["open", "repaired", "partly_repaired", "unrepairable"]),
    ),
    max_size=30,
    unique_by=lambda one: (one.stream, one.gap.gap_id),
)  # fmt: skip


@given(some_rows)
def test_every_row_is_in_exactly_one_incident(rows: list[LedgerRow]) -> None:
    assert Counter(one for incident in incidents(rows) for one in incident.rows) == Counter(rows)


@given(some_rows)
def test_no_incident_has_two_causes_or_exchanges(rows: list[LedgerRow]) -> None:
    for incident in incidents(rows):
        assert {(one.exchange, one.gap.cause) for one in incident.rows} == {(incident.exchange, incident.cause)}


@given(some_rows)
def test_the_counts_of_an_incident_add_up_to_its_rows(rows: list[LedgerRow]) -> None:
    for incident in incidents(rows):
        assert incident.statuses.total() == incident.kinds.total() == len(incident.rows)
        assert set(incident.statuses) <= set(STATUSES)
        assert 1 <= len(incident.streams) <= len(incident.rows)
        shown = incident.as_object()
        assert sum(shown[name] for name in STATUSES) == len(shown["gap_ids"]) == len(incident.rows)


@given(some_rows, st.randoms())
def test_the_order_of_the_rows_does_not_matter(rows: list[LedgerRow], random: Any) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert incidents(shuffled) == incidents(rows)


@given(some_rows)
def test_overlapping_closed_rows_of_one_cause_are_one_incident(rows: list[LedgerRow]) -> None:
    found = {id(one): number for number, incident in enumerate(incidents(rows)) for one in incident.rows}
    gaps = [one for one in rows if one.gap.ended_at is not None and one.gap.kind == "sequence"]
    for one in gaps:
        for other in gaps:
            alike = (one.exchange, one.gap.cause) == (other.exchange, other.gap.cause)
            if alike and one.gap.started_at <= other.gap.started_at <= (one.gap.ended_at or 0):
                assert found[id(one)] == found[id(other)]


def test_a_restart_is_one_incident_over_all_streams() -> None:
    rows = [row(number / 60, 25 + number / 60, symbol=f"S{number}USDT") for number in range(60)]
    rows += [one._replace(gap=one.gap._replace(stream_type="agg_trade", status="repaired")) for one in rows]
    (incident,) = incidents(rows)
    assert (incident.cause, len(incident.streams)) == ("restart", 120)
    assert incident.statuses == {"repaired": 60, "unrepairable": 60}
    assert (incident.started_at, incident.ended_at) == (START, START + round((25 + 59 / 60) * SECOND))


def test_rows_that_adjoin_are_one_incident() -> None:
    assert sizes(row(0, 1), row(1, 2)) == [2]
    assert sizes(row(0, 1), row(1 + ADJOINING_SECS, 5)) == [2]
    assert sizes(row(0, 1), row(1.1 + ADJOINING_SECS, 5)) == [1, 1]


def test_a_row_joins_the_incident_of_a_longer_row_before_it() -> None:
    assert sizes(row(0, 100), row(1, 2), row(50, 51)) == [3]


def test_another_exchange_or_cause_is_another_incident() -> None:
    assert sizes(row(), row(exchange="kraken"), row(cause="exchange")) == [1, 1, 1]


def test_a_silence_gathers_only_what_begins_within_a_minute_of_it() -> None:
    silence = {"kind": "silence", "cause": "exchange"}
    early, late = SILENCE_ADMITS_SECS, SILENCE_ADMITS_SECS + ADJOINING_SECS + 0.1
    for ended in (None, 86_400):
        assert sizes(row(0, ended, **silence), row(early, early + 1, cause="exchange")) == [2]
        assert sizes(row(0, ended, **silence), row(late, late + 1, cause="exchange")) == [1, 1]
    assert sizes(row(0, 1, **silence), row(10, 11, **silence)) == [1, 1]


def test_an_incident_lasts_as_long_as_one_of_its_rows() -> None:
    (incident,) = incidents([row(0, 5, status="repaired"), row(1, None, symbol="ETHUSDT", status="open")])
    assert incident.ended_at is None
    assert incident.statuses == {"repaired": 1, LASTING: 1}
    (ended,) = incidents([row(0, 5, status="open")])
    assert (ended.ended_at, ended.statuses) == (START + 5 * SECOND, {"open": 1})


def test_as_json_an_incident_names_its_rows() -> None:
    (incident,) = incidents([row(), row(0.5, None, symbol="ETHUSDT", kind="silence")])
    assert incident.as_object() == {
        "exchange": "binance", "cause": "restart",
        "started_at": "2026-11-23T12:00:00.000000Z", "ended_at": None,
        "streams": 2, "kinds": {"sequence": 1, "silence": 1},
        "repaired": 0, "partly_repaired": 0, "unrepairable": 1, "open": 0, "lasting": 1,
        "gap_ids": ["binance BTCUSDT 0", "binance ETHUSDT 0.5"],
    }  # fmt: skip


def test_without_rows_there_is_no_incident() -> None:
    assert incidents([]) == []
