"""Frames as no exchange sends them."""

import json
from collections.abc import Sequence

from hypothesis import strategies as st

from collector.domain.errors import UndecodableError
from collector.exchanges.adapter import Decode
from collector.exchanges.together import decode_together

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("BTCUSDT") | st.just("1.5"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def outcome(read: Decode, frame: bytes) -> object:
    """What a decoder makes of a frame: its messages, or the reason why there are none."""
    try:
        return read(frame)
    except UndecodableError as error:
        return str(error)


def assert_alike_together(decode: Decode, frames: list[bytes]) -> None:
    """Frames decoded together give what each gives by itself."""
    columns, others = decode_together(decode, frames)
    together = {index: found if isinstance(found, list) else str(found) for index, found in others}
    for column in columns:
        together |= {index: [message] for index, message in zip(column.frames, column.envelopes(), strict=True)}
    assert [_covering(together[index]) for index in range(len(frames))] == [
        _covering(outcome(decode, frame)) for frame in frames
    ]
    assert len({column.key for column in columns}) == len(columns)


def _covering(found: object) -> object:
    """Messages, each with a first id: its own where it names none."""
    return (
        [one if one.first_id else one._replace(first_id=one.id) for one in found] if isinstance(found, list) else found
    )


def is_short(reason: str) -> bool:
    """Whether it fits a log line as it is."""
    return reason.isascii() and reason.isprintable() and 0 < len(reason) < 150


@st.composite
def damaged(draw: st.DrawFn, frames: Sequence[bytes]) -> bytes:
    """A frame after a few cuts, insertions and repetitions."""
    frame = draw(st.sampled_from(frames))
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted((draw(st.integers(0, len(frame))), draw(st.integers(0, len(frame)))))
        new = draw(
            st.one_of(
                st.binary(max_size=6),
                st.sampled_from([b'"', b":", b",", b"{", b"}", b"[", b"]", b"\\", b'\\u0000"', b"-", b"1e9", b"null"]),
                st.just(frame[start:end]).map(lambda part: part * 2),
            )
        )
        end = draw(st.sampled_from([start, min(start + 1, len(frame)), end]))
        frame = frame[:start] + new + frame[end:]
    return frame


@st.composite
def reshaped(draw: st.DrawFn, frames: Sequence[bytes], names: Sequence[str]) -> bytes:
    """A frame whose JSON has lost, gained or changed fields."""
    fields = json.loads(draw(st.sampled_from(frames)))
    data = fields["data"]
    for name in draw(st.lists(st.sampled_from(sorted(data)), max_size=3)):
        data.pop(name, None)
    data.update(draw(st.dictionaries(st.sampled_from(names), json_values)))
    fields.update(draw(st.dictionaries(st.sampled_from(["stream", "data", "id"]), json_values, max_size=1)))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    return json.dumps(fields, separators=separators, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")
