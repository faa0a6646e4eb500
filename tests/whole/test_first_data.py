"""A stream the exchange acknowledges and never sends is found where it is."""

from collections.abc import Callable

from tests.whole.running import Exchange, Recorder, wait_for


def test_a_stream_silent_on_its_path_is_recorded_from_the_other(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "100", "--seed", "3")
    source.fault(kind="drop", probability=1.0, stream="btcusdt@aggTrade", path="/market/stream")
    feed = {"exchange": "binance_usdm", "symbols": ["BTCUSDT"], "data_types": ["agg_trade", "trade"]}
    recorded = recorder(source.ws_url, feed=feed, ingest={"first_data_timeout_secs": 2}).start()
    wait_for(lambda: recorded.logged("stream_never_spoke"))
    recorded.wait_for_messages(recorded.messages() + 300)
    assert recorded.stop() == 0
    assert len(recorded.table("agg_trade")) > 20
    assert len(recorded.table("trade")) > 20
    assert [row for row in recorded.losses() if row["kind"] != "sequence"] == []
