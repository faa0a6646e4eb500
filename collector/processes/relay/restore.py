"""Finds in a relay's journal how far it had each edge's journal: what its newest file says, and what was appended to that."""

from pathlib import Path

from collector.domain.errors import DamagedError
from collector.processes.relay.knowledge import with_slice
from collector.storage.journal.files import journal_files
from collector.storage.journal.format import JournalHeader, Record, RecordKind, head_bytes
from collector.storage.journal.head import header_at
from collector.storage.journal.journal_file import JournalFile
from collector.storage.journal.relayed import IN_SLICE, Source, decode_relayed


def restored(folder: Path) -> dict[str, Source]:
    """What is here, by edge. Nobody may append meanwhile. Raises OSError and NewerDataError."""
    for _, path in reversed(journal_files(folder)):
        header = header_at(path)
        if header is not None and header.sources is not None:
            return _scanned(path, header)
    return {}


def _scanned(path: Path, header: JournalHeader) -> dict[str, Source]:
    sources = {source.edge: source for source in header.sources or ()}
    file = JournalFile(path, header.identity.feed, header.identity.exchange, 0, header)
    try:
        while (chunk := file.read(None, final=True, goes_on=False)) is not None:
            for record in chunk.records:
                if record.kind is RecordKind.RELAYED:
                    _add(sources, record)
            if chunk.position.ended:
                break
    finally:
        file.close()
    return sources


def _add(sources: dict[str, Source], record: Record) -> None:
    try:
        head, body_at = decode_relayed(record.payload)
    except DamagedError:
        return  # the writer says so; what it brought is asked for again
    for other in [source for source in sources.values() if source.slot == head.slot and source.edge != head.edge]:
        del sources[other.edge]
    source = sources.get(head.edge) or Source(head.edge, head.slot, "", (), 0, 0, 0)
    body = record.payload[body_at:]
    file_head = body[: head_bytes(body)] if head.head_at == IN_SLICE and body else b""
    sources[head.edge] = with_slice(source, head, file_head, record.received_ns)
