import json
from typing import Any

import pytest

from collector.simulator.subscriptions import RequestedStreams, answer, requested_streams


def ask(streams: list[str], **request: Any) -> tuple[Any, list[str]]:
    reply = answer(json.dumps(request), dict.fromkeys(streams))
    return json.loads(reply.text), list(reply.streams)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/stream?streams=a@trade/b@depth", RequestedStreams(wrapped=True, streams=("a@trade", "b@depth"))),
        (
            "/stream?streams=a%40trade%2Fb%40depth%40100ms",
            RequestedStreams(wrapped=True, streams=("a@trade", "b@depth@100ms")),
        ),
        ("/stream", RequestedStreams(wrapped=True, streams=())),
        ("/ws/a@trade", RequestedStreams(wrapped=False, streams=("a@trade",))),
        ("/ws/a%40trade/b@trade", RequestedStreams(wrapped=False, streams=("a@trade", "b@trade"))),
        ("/ws", RequestedStreams(wrapped=False, streams=())),
        ("/stream?streams=%E5%B8%81usdt@trade", RequestedStreams(wrapped=True, streams=("币usdt@trade",))),
        ("/stream?streams=a@trade&timeUnit=MICROSECOND", None),
        ("/public/stream?streams=a@trade", RequestedStreams(wrapped=True, streams=("a@trade",))),
        ("/market/ws/a@aggTrade", RequestedStreams(wrapped=False, streams=("a@aggTrade",))),
        ("/private/stream?streams=a@trade", None),
        ("/elsewhere", None),
        ("/wsx", None),
    ],
)
def test_streams_are_read_from_the_url(target: str, expected: RequestedStreams | None) -> None:
    assert requested_streams(target) == expected


def test_subscribing_adds_and_is_acknowledged_with_its_id() -> None:
    reply, streams = ask(["a"], method="SUBSCRIBE", params=["b", "a"], id=7)
    assert (reply, streams) == ({"result": None, "id": 7}, ["a", "b"])


def test_the_acknowledgement_has_the_exchanges_spacing() -> None:
    assert answer('{"method":"SUBSCRIBE","params":["b"],"id":1}', {}).text == '{"result":null,"id":1}'


def test_unsubscribing_an_unknown_stream_is_acknowledged() -> None:
    assert ask(["a", "b"], method="UNSUBSCRIBE", params=["a", "c"], id="x1") == ({"result": None, "id": "x1"}, ["b"])


def test_subscriptions_are_listed() -> None:
    assert ask(["b", "a"], method="LIST_SUBSCRIPTIONS", id=None) == ({"result": ["b", "a"], "id": None}, ["b", "a"])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not json", 3),
        ("[]", 2),
        ('{"id":1}', 2),
        ('{"method":"SUBSCRIBE","params":["a"]}', 2),
        ('{"method":"SUBSCRIBE","params":["a"],"id":true}', 2),
        ('{"method":"SUBSCRIBE","params":["a"],"id":"a-b"}', 2),
        ('{"method":"SUBSCRIBE","params":["a"],"id":9223372036854775808}', 2),
        ('{"method":"SUBSCRIBE","params":[1],"id":1}', 2),
        ('{"method":"SUBSCRIBE","params":"a","id":1}', 2),
        ('{"method":"subscribe","params":["a"],"id":1}', 2),
    ],
)
def test_a_bad_request_is_refused_and_changes_nothing(text: str, code: int) -> None:
    reply = answer(text, {"x": None})
    assert json.loads(reply.text)["error"]["code"] == code
    assert reply.streams == {"x": None}
