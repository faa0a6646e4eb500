import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame as Parsed
from websockets.frames import Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from collector.simulator.frames import BINARY, Frame, bare, combined, is_text, payload, wire


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 5_000_000])
@pytest.mark.parametrize("first", [0x81, 0x82])
def test_a_frame_is_what_a_websocket_client_reads(size: int, first: int) -> None:
    client = ClientProtocol(parse_uri("ws://localhost"), state=OPEN, max_size=None)
    client.receive_data(wire(b"x" * size, first))
    (frame,) = client.events_received()
    assert isinstance(frame, Parsed)
    assert frame.fin
    assert frame.opcode == (Opcode.TEXT if first == 0x81 else Opcode.BINARY)
    assert bytes(frame.data) == b"x" * size


@given(st.binary(max_size=70_000))
def test_the_payload_comes_back_out(data: bytes) -> None:
    assert payload(wire(data)) == data
    assert is_text(wire(data))
    assert not is_text(wire(data, BINARY))


@given(
    st.text(min_size=1, max_size=20).filter(lambda name: '"' not in name and "\\" not in name and name.isprintable())
)
def test_unwrapping_returns_the_inner_bytes(stream: str) -> None:
    data = '{"p":"1.00000000","x":[{}]}'
    frame = combined(stream, data)
    assert payload(frame.wire).decode() == f'{{"stream":"{stream}","data":{data}}}'
    assert payload(bare(frame).wire).decode() == data


def test_an_unwrapped_payload_stays_unchanged() -> None:
    frame = Frame("a@trade", wire(b'{"e":"trade"}'))
    assert bare(frame) == frame
