"""A bucket whose objects can be removed, for a prune."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from collector.domain.names import partition_in
from collector.storage.store.deleting import require_object_key
from collector.storage.store.s3 import S3Store
from collector.storage.store.s3_request_style import RequestStyle

_ABSENT: Final = "exchange=_/data_type=_/symbol=_/date=0000-00-00/absent.parquet"
"""A key that no object has: no exchange has that name."""


class DeletingS3Store(S3Store):
    """Implements `collector.storage.store.deleting.DeletingStore`."""

    def require_may_delete(self) -> None:
        """Delete an object that does not exist: a server judges permissions first."""
        self.delete(_ABSENT)

    def alone(self) -> AbstractContextManager[None]:
        """Nothing: not every server has a way to keep somebody out."""
        return nullcontext()

    def delete(self, key: str) -> None:
        """Remove the object. In a bucket that keeps versions the server keeps the old one, until a rule of its own."""
        require_object_key(key)
        object_args = self._object_args(key)

        def request(client: Any, _: RequestStyle) -> None:
            client.delete_object(**object_args)

        self._call(key, request)

    def object_keys(self) -> Iterator[str]:
        """The key of every object, page by page as the server lists them."""
        return (key for key in self._listed("exchange=") if partition_in(key) is not None)
