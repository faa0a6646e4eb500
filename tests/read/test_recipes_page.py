"""Each recipe of docs/RECIPES.md works as it stands, and comes to what a plain reckoning comes to."""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import pytest
from pyarrow import parquet as pq

from collector.exchanges import registry
from collector.exchanges.adapter import Subscription
from collector.storage.journal.format import RecordKind
from tests.conftest import Lines
from tests.processes.writer.writer_harness import connection
from tests.read.recorded_world import TYPES, Frame, RecordedWorld, data_of, fetched_book
from tests.seaweed import Seaweed

PAGE = (Path(__file__).parents[2] / "docs/RECIPES.md").read_text("utf-8")
BEGINNING, *CHAPTERS = re.split(r"^## ", PAGE, flags=re.MULTILINE)
RECIPES = {chapter.partition("\n")[0]: chapter for chapter in CHAPTERS}
START, LOST, PARTS = datetime(2024, 8, 8, 23, 54, 15, tzinfo=UTC), 700, (600, 1_200)
END, EPOCH = START + timedelta(seconds=9), datetime(1970, 1, 1, tzinfo=UTC)
RATE, PREMIUM = "0.00010000", 12.5


def code(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def of_the_perpetual(frames: list[Frame]) -> list[Frame]:
    """Quotes of a perpetual, dearer than each of the coin by the same, and its funding with each hundredth."""
    found: list[Frame] = []
    for at_ns, frame in frames:
        said = json.loads(frame)
        if said["stream"].endswith("@bookTicker"):
            ms = at_ns // 1_000_000
            dearer = {side: str(float(said["data"][side]) + PREMIUM) for side in "ab"}
            found.append((at_ns, as_frame("bookTicker", said["data"] | dearer | {"e": "bookTicker", "E": ms, "T": ms})))
            if len(found) % 100 == 1:
                data = {"e": "markPriceUpdate", "E": ms, "s": "BTCUSDT", "p": "1", "i": "1", "P": "1", "r": RATE}
                found.append((at_ns, as_frame("markPrice@1s", data | {"T": 1_723_190_400_000})))
    return found


def as_frame(channel: str, data: Mapping[str, Any]) -> bytes:
    return json.dumps({"stream": f"btcusdt@{channel}", "data": data}).encode()


def receive_perpetual(world: RecordedWorld, frames: list[Frame]) -> None:
    """Append frames of another exchange to the journal of a feed of its own."""
    world.exchange, now_ns = "binance_usdm", world.now_ns
    subscription = Subscription(("BTCUSDT",), ("book_ticker", "funding_rate"))
    journal = world.journal(symbols=subscription.symbols, data_types=subscription.data_types, feed="g")
    for plan in range(len(registry.adapter(world.exchange).shares(subscription))):
        journal.append_event(RecordKind.CONNECT, frames[0][0], 0, connection(plan + 1, plan=plan))
    for at_ns, frame in frames:
        journal.append_frames(at_ns, 0, [frame], (), 1)
    journal.close()
    world.exchange, world.now_ns = "binance", now_ns


def without_a_trade(frames: list[Frame]) -> list[Frame]:
    """The frames but for the first trade behind some of them."""
    lost = next(index for index, (_, frame) in enumerate(frames) if index > LOST and b"@trade" in frame)
    return frames[:lost] + frames[lost + 1 :]


@pytest.fixture(scope="module")
def heard(frames: list[Frame]) -> list[Frame]:
    """What the recorder received of the coin."""
    return without_a_trade(frames[: PARTS[1]])


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, frames: list[Frame], heard: list[Frame], recorded: Lines
) -> Iterator[Path]:
    """The working folder: an archive of a coin, in which a trade and a moment are missing, and of its perpetual."""
    folder = tmp_path_factory.mktemp("recipes")
    world = RecordedWorld(folder / "data", data_types=TYPES)
    world.fetch(*fetched_book(recorded))
    receive_perpetual(world, of_the_perpetual(frames[: PARTS[1]]))
    for part in (heard[: PARTS[0]], heard[PARTS[0] :]):
        world.receive(part)
        world.seal()
        world.archive()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def given(folder: Path) -> Mapping[str, Any]:
    """The names that every recipe begins with."""
    names: dict[str, Any] = {}
    (beginning,) = code(BEGINNING)
    exec(beginning, names)
    return MappingProxyType(names)


def cooked(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The names that a recipe leaves, which knows nothing of the others."""
    names = dict(given)
    for example in code(RECIPES[name]):
        exec(example, names)
    return names


def received(heard: list[Frame], channel: str) -> list[tuple[datetime, dict[str, Any]]]:
    """What a channel said in the stretch of the recipes, and when it was received."""
    times = [EPOCH + timedelta(microseconds=at_ns // 1_000) for at_ns, _ in heard]
    said = [json.loads(frame) for _, frame in heard]
    return [
        (at, one["data"])
        for at, one in zip(times, said, strict=True)
        if one["stream"] == f"btcusdt@{channel}" and START <= at < END
    ]


def bp(quote: Mapping[str, Any]) -> float:
    bid, ask = float(quote["b"]), float(quote["a"])
    return 20_000 * (ask - bid) / (ask + bid)


def made_at(trade: Mapping[str, Any]) -> datetime:
    return EPOCH + timedelta(milliseconds=trade["T"])


def by_second(some: list[tuple[datetime, Any]]) -> dict[datetime, list[Any]]:
    found: defaultdict[datetime, list[Any]] = defaultdict(list)
    for at, one in some:
        found[at.replace(microsecond=0)].append(one)
    return dict(found)


def test_the_list_at_the_top_has_every_recipe() -> None:
    assert re.findall(r"^\| \[(.+)\]\(", BEGINNING, re.MULTILINE) == list(RECIPES)
    assert [name for name, text in RECIPES.items() if not code(text)] == []


def test_the_spread_is_weighted_by_how_long_it_stood(given: Mapping[str, Any], heard: list[Frame]) -> None:
    rows = {row["second"]: row for row in cooked(given, "The spread over time")["spread"].to_dicts()}
    quotes = received(heard, "bookTicker")
    behind = quotes.index(received(heard[PARTS[0] :], "bookTicker")[0])
    stood = [
        (at, (next_at - at, bp(quote)))
        for number, ((at, quote), (next_at, _)) in enumerate(pairwise(quotes), 1)
        if number != behind
    ]
    expected = by_second(stood)
    assert rows.keys() >= expected.keys()
    for at, of_second in expected.items():
        mean = sum(one / timedelta(seconds=1) * spread for one, spread in of_second) / sum(
            one / timedelta(seconds=1) for one, _ in of_second
        )
        assert rows[at]["mean_bp"] == pytest.approx(mean)
    assert max(row["widest_bp"] for row in rows.values()) == pytest.approx(max(bp(quote) for _, quote in quotes))


def test_volume_weighted_prices_are_the_same_from_bars_and_in_sql(given: Mapping[str, Any], heard: list[Frame]) -> None:
    names = cooked(given, "Volume-weighted prices")
    bars, vwap = (names[name].to_pylist() for name in ("bars", "vwap"))
    assert [row["start"] for row in bars] == [row["start"] for row in vwap]
    assert [row["vwap"] for row in bars] == pytest.approx([row["vwap"] for row in vwap])
    trades = [(made_at(data), data) for data in data_of(heard, "trade")]
    for row, at, of_second in zip(vwap, *zip(*seconds_within(trades).items(), strict=True), strict=True):
        assert row["start"] == at
        assert row["volume"] == pytest.approx(sum(float(trade["q"]) for trade in of_second))
    assert [row["gap_id"] for row in bars if row["gap_id"]] != []
    assert len([row for row in vwap if row["behind_gaps"]]) == 1


def seconds_within(some: list[tuple[datetime, Any]]) -> dict[datetime, list[Any]]:
    return by_second([(at, one) for at, one in some if START <= at < END])


def test_the_imbalance_is_that_of_takers(given: Mapping[str, Any], heard: list[Frame]) -> None:
    found = cooked(given, "Who trades: the imbalance")["imbalance"].to_dict()
    expected = by_second([(made_at(trade), trade) for _, trade in received(heard, "trade")])
    assert list(found) == sorted(expected)
    for at, trades in expected.items():
        sizes = [(float(trade["q"]), -1 if trade["m"] else 1) for trade in trades]
        assert found[at] == pytest.approx(sum(size * sign for size, sign in sizes) / sum(size for size, _ in sizes))


def test_a_ladder_of_the_book_is_printed(given: Mapping[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    book = cooked(given, "The book at a moment")["book"]
    printed = capsys.readouterr().out.splitlines()
    assert [tuple(map(float, re.findall(r"[\d.]+", line))) for line in printed] == [
        (bid_size, bid, ask, ask_size) for (bid, bid_size), (ask, ask_size) in zip(book.bids, book.asks, strict=True)
    ]
    assert len(printed) == 5


def test_depth_near_the_middle_is_what_rests_there(given: Mapping[str, Any]) -> None:
    near = cooked(given, "Depth within 10 basis points")["near"].to_pylist()
    assert [row["at"] for row in near] == [START + timedelta(seconds=number) for number in range(9)]
    for row in near[::4]:
        book = given["archive"].book_at("BTCUSDT", row["at"], exchange="binance")
        assert row["middle"] == book.mid
        for side, levels in (("bid_size", book.bids), ("ask_size", book.asks)):
            within = [size for price, size in levels if abs(price / book.mid - 1) <= 0.001]
            assert row[side] == pytest.approx(sum(within))
        assert row["whole"] is True


def test_each_quote_of_a_perpetual_has_the_funding_known_by_then(given: Mapping[str, Any]) -> None:
    names = cooked(given, "Funding beside the price")
    joined, funding = names["joined"], names["funding"].collect()
    first = funding["received_at"].min()
    before = joined.filter(joined["received_at"] < first)
    assert before["funding_rate"].null_count() == before.height
    assert joined.filter(joined["received_at"] >= first)["funding_rate"].unique().to_list() == [float(RATE)]


def test_the_basis_of_two_exchanges_is_that_of_the_newest_quotes(given: Mapping[str, Any], heard: list[Frame]) -> None:
    basis = cooked(given, "Two exchanges side by side")["basis"].to_pylist()
    quotes = received(heard, "bookTicker")
    assert len(basis) == len(quotes)
    times = Counter(at for at, _ in quotes)
    alone = [(row, quote) for row, (at, quote) in zip(basis, quotes, strict=True) if times[at] == 1]
    assert len(alone) > len(quotes) / 2
    for row, quote in alone:
        middle = (float(quote["b"]) + float(quote["a"])) / 2
        assert row["stale_ms"] == 0
        assert row["basis_bp"] == pytest.approx(10_000 * PREMIUM / middle)


def test_no_return_crosses_a_gap(given: Mapping[str, Any]) -> None:
    names = cooked(given, "Returns that do not cross a gap")
    trades, explained = names["trades"], names["explained"]
    first_of_piece = trades.groupby("piece").head(1).index
    assert len(first_of_piece) == 2
    assert list(trades.index[trades["return"].isna()]) == list(first_of_piece)
    (behind,) = explained[explained["gap_id"].notna()].to_dict("records")
    assert (behind["kind_of_gap"], behind["missing"]) == ("sequence", 1)
    assert explained.index[explained["gap_id"].notna()][0] == first_of_piece[1]


def test_no_price_is_carried_into_a_gap(given: Mapping[str, Any]) -> None:
    names = cooked(given, "Prices at regular moments")
    regular, quotes = names["regular"], names["quotes"]
    assert regular["middle"].notna().all()
    assert sorted(regular["piece"].unique()) == [0, 1]
    for piece, rows in regular.groupby("piece"):
        ends = quotes[quotes["piece"] == piece]["received_at"].agg(["min", "max"]).dt.floor("100ms")
        assert list(rows["received_at"]) == list(pd.date_range(*ends, freq="100ms", unit="us"))
        assert rows["middle"].iloc[-1] == quotes[quotes["piece"] == piece]["middle"].iloc[-1]


def test_a_bucket_gives_the_same(
    given: Mapping[str, Any], folder: Path, seaweed: Seaweed, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = seaweed.store(bucket, "archive")
    archive = folder / "data/archive"
    for path in archive.rglob("*.*"):
        if path.is_file():
            store.put(str(path.relative_to(archive)), path, hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setenv("COLLECTOR_ARCHIVE__ENDPOINT_URL", seaweed.endpoint_url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", seaweed.endpoint_url)
    monkeypatch.setitem(RECIPES, "From a bucket", RECIPES["From a bucket"].replace("my-bucket", bucket))
    names = cooked(given, "From a bucket")
    local = given["archive"].trades("BTCUSDT", given["start"], given["end"], exchange="binance", gaps="mark").arrow()
    assert names["from_bucket"] == local
    rows = given["archive"].trades("BTCUSDT", exchange="binance", kinds=None, gaps="ignore").arrow()
    ((date, count, volume),) = names["by_date"]
    assert (str(date), count) == ("2024-08-08", rows.num_rows)
    assert volume == pytest.approx(sum(rows["size"].to_pylist()))


def test_the_file_has_exactly_what_was_chosen(given: Mapping[str, Any], folder: Path) -> None:
    chosen = cooked(given, "A file of what you chose")["chosen"].arrow()
    assert chosen.num_rows
    assert pq.read_table(folder / "trades.parquet").equals(chosen)
