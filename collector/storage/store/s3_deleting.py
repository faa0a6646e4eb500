"""A bucket whose objects can be removed, for a prune."""

from typing import Any, Final

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

    def delete(self, key: str) -> None:
        """Remove the object. In a bucket that keeps versions the server keeps the old one, until a rule of its own."""
        require_object_key(key)
        object_args = self._object_args(key)

        def request(client: Any, _: RequestStyle) -> None:
            client.delete_object(**object_args)

        self._call(key, request)
