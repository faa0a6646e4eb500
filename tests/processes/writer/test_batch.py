"""The requests to repair in a batch."""

from collector.domain.records import StreamKey
from collector.domain.repair_protocol import TradesRequest
from collector.processes.writer.batch import CommitBatch

REQUEST = TradesRequest(StreamKey("binance", "BTCUSDT", "trade"), 0, "gap", 5, 9, 1)


def test_a_request_withdrawn_and_made_again_in_a_batch_is_made() -> None:
    batch = CommitBatch()
    batch.withdraw_request("feed", REQUEST.name)
    batch.add_request("feed", REQUEST)
    assert (batch.requests, batch.withdrawn) == ({"feed": [REQUEST]}, {"feed": set()})


def test_a_request_made_and_withdrawn_in_a_batch_is_withdrawn() -> None:
    batch = CommitBatch()
    batch.add_request("feed", REQUEST)
    batch.withdraw_request("feed", REQUEST.name)
    assert batch.withdrawn == {"feed": {REQUEST.name}}
