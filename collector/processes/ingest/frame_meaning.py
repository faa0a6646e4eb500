"""What the frames of one connection mean for it: which streams speak, and what the exchange tells the client."""

from collections.abc import Iterable

from collector.domain.errors import UndecodableError
from collector.domain.records import StreamKey
from collector.exchanges.adapter import Adapter, Control, ControlKind, Subscription
from collector.feed.connection import ReadBatch


class FrameMeaning:
    """For one connection: what its frames mean may depend on those before."""

    def __init__(self, adapter: Adapter, keys: Iterable[StreamKey]) -> None:
        """`keys` are the streams that it carries."""
        self._adapter = adapter
        self._speakers = adapter.speakers(subscription_of(keys))

    def of(self, batch: ReadBatch) -> tuple[set[StreamKey | None], list[Control]]:
        """The streams that speak, None among them if any frame is of none; and the control frames.

        A binary frame that cannot be inflated is noise.
        """
        noise: list[Control] = []
        frames = self._inflated(batch, noise) if batch.binary else batch.frames
        keys = self._speakers(frames)
        if None not in keys:
            return keys, noise
        control_of = self._adapter.control
        return keys, noise + [control for frame in frames if (control := control_of(frame)) is not None]

    def _inflated(self, batch: ReadBatch, noise: list[Control]) -> list[bytes]:
        binary, frames = set(batch.binary), []
        for index, frame in enumerate(batch.frames):
            try:
                frames.append(self._adapter.inflate(frame) if index in binary else frame)
            except UndecodableError as error:
                noise.append(Control(ControlKind.NOISE, str(error)))
        return frames


def subscription_of(keys: Iterable[StreamKey]) -> Subscription:
    """What subscribes these streams; maybe some more."""
    names = [(key.symbol, key.data_type) for key in keys]
    return Subscription(
        tuple(dict.fromkeys(symbol for symbol, _ in names)), tuple(dict.fromkeys(data_type for _, data_type in names))
    )
