"""Every metric with its kind, labels and meaning. docs/OPERATIONS.md has the same table."""

from typing import Final, Literal, NamedTuple

STREAM: Final = ("exchange", "symbol", "data_type")
FEED: Final = ("feed",)
PROCESS: Final = ("process",)
HOP: Final = ("sender", "receiver")
EDGE: Final = ("feed", "edge")
HOST: Final = ("host", "role")


class Metric(NamedTuple):
    """A metric; counters end in `_total` and only rise while the supervisor lives."""

    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    text: str


METRICS: Final = {
    # Messages
    "collector_messages_received_total": Metric("counter", STREAM, "Messages the writer read from the journal, including copies, messages fetched over REST, and frames kept as undecoded."),
    "collector_messages_received_bytes_total": Metric("counter", STREAM, "Bytes of text of the received messages."),
    "collector_messages_duplicate_total": Metric("counter", STREAM, "Received messages that were copies, and were merged."),
    "collector_messages_saved_by_lines_total": Metric("counter", STREAM, "Messages that one line skipped and another one brought, of streams with several lines whose ids show it."),
    "collector_messages_first_total": Metric("counter", ("feed", "line"), "Messages that a line brought before the others, of feeds with several lines."),
    "collector_messages_stored_total": Metric("counter", STREAM, "Messages stored as a durable row."),
    "collector_messages_stored_bytes_total": Metric("counter", STREAM, "Bytes of text of the stored messages."),
    "collector_messages_late_total": Metric("counter", (), "Messages that came out of order and filled a hole in the ids."),
    "collector_messages_undecodable_total": Metric("counter", (), "Frames that could not be decoded and are stored as they came, with data_type undecoded."),
    "collector_frames_unasked_total": Metric("counter", (), "Frames of channels that nobody subscribed, of which nothing is stored."),
    "collector_frame_holes_total": Metric("counter", (), "Times that frames of a connection were lost, as the exchange's numbers of frames show."),
    "collector_book_checks_total": Metric("counter", ("result",), "Book messages by what the exchange's checksum said: matched, different, or unverified without one."),
    "collector_stream_last_received_timestamp_seconds": Metric("gauge", STREAM, "When the stream's newest message was received."),
    "collector_stream_last_stored_timestamp_seconds": Metric("gauge", STREAM, "When a row of the stream last became durable."),
    "collector_stream_silence_limit_seconds": Metric("gauge", STREAM, "How long a configured stream may have no durable row before it is silent."),
    "collector_gaps_total": Metric("counter", (*STREAM, "kind", "status"), "Rows written to the gap ledger."),
    # Feeds
    "collector_frames_received_total": Metric("counter", FEED, "Frames appended to the journal."),
    "collector_frames_received_bytes_total": Metric("counter", FEED, "Bytes of the received frames."),
    "collector_frames_refused_total": Metric("counter", FEED, "Frames refused because the disk budget was spent."),
    "collector_frames_refused_bytes_total": Metric("counter", FEED, "Bytes of the refused frames."),
    "collector_frames_control_total": Metric("counter", FEED, "Frames without market data, such as acknowledgements and heartbeats."),
    "collector_connections": Metric("gauge", ("feed", "state"), "Connections by state: waiting, connecting, open or closing; none for a feed whose ingest is down."),
    "collector_reconnects_total": Metric("counter", FEED, "Connections opened to replace a lost one."),
    "collector_disconnects_total": Metric("counter", ("feed", "cause"), "Connections that ended, by cause: stopped, renewed, trial, silent, closed, lost, protocol, too_big."),
    "collector_connect_failures_total": Metric("counter", FEED, "Connection attempts that failed."),
    "collector_subscriptions_refused_total": Metric("counter", FEED, "Subscriptions the exchange refused with an error."),
    "collector_streams_never_spoke_total": Metric(
        "counter", FEED, "Streams that were subscribed and delivered nothing within ingest.first_data_timeout_secs."
    ),
    "collector_feed_last_data_timestamp_seconds": Metric("gauge", FEED, "When a socket last delivered market data."),
    "collector_clock_offset_seconds": Metric("gauge", FEED, "Smallest receive time minus exchange time of the last minutes; below zero this machine's clock is slow."),
    "collector_rest_clock_offset_seconds": Metric("gauge", FEED, "This machine's time minus the exchange's time as told over REST; below zero this machine's clock is slow."),
    "collector_instrument_list_age_seconds": Metric("gauge", FEED, "Age of the exchange's list of instruments, for each feed that needs it and has one."),
    # Repair
    "collector_repair_requests_waiting": Metric("gauge", ("kind",), "Requests waiting to be sent over REST: book, trades, checkpoint, poll; unclaimed ones, of feeds that are not repaired, are not sent."),
    "collector_repair_answers_total": Metric("counter", ("kind",), "REST requests whose answer is durable."),
    "collector_repair_failures_total": Metric("counter", ("kind", "reason"), "Requests without a usable answer: rate_limited, forbidden (403), server, unreachable, slow, too_large, stale, disk (tried again); refused, unreadable (given up after some tries)."),
    "collector_repair_weight_used": Metric("gauge", ("budget",), "Request weight used in the exchange's current window (a minute)."),
    # Latency
    "collector_exchange_to_receive_seconds": Metric("histogram", FEED, "From the exchange's time of a message to its receive time."),
    "collector_receive_to_durable_seconds": Metric("histogram", FEED, "From the receive time of a message to its durable row."),
    "collector_commit_seconds": Metric("histogram", (), "Duration of the writer's commits."),
    "collector_commit_failures_total": Metric("counter", (), "Commits that SQLite refused and that the writer tried again."),
    # Backlogs
    "collector_queue_depth": Metric("gauge", HOP, "Notices waiting in the queues from one process to another."),
    "collector_queue_capacity": Metric("gauge", HOP, "Notices the queue from one process to another can hold."),
    "collector_journal_lag_bytes": Metric("gauge", FEED, "Bytes of the journal that the writer has not read yet; on an edge, that storage does not have yet."),
    "collector_journal_lag_seconds": Metric("gauge", FEED, "How long the first record that the writer has not read has waited; on an edge, the first that storage does not have."),
    "collector_journal_bytes": Metric("gauge", FEED, "Bytes of the journal files on disk."),
    "collector_journal_files": Metric("gauge", FEED, "Number of the journal's files on disk."),
    "collector_batch_messages": Metric("gauge", (), "Messages waiting for the writer's next commit."),
    "collector_batch_limit_messages": Metric("gauge", (), "Messages at which the writer commits; the limit adapts to the duration of commits."),
    # Segments and archive
    "collector_segments": Metric("gauge", ("state",), "Segments on disk, by state: open, sealed (waiting for the archiver) or quarantined."),
    "collector_segments_archived_total": Metric("counter", (), "Segments archived: the store has confirmed all their objects."),
    "collector_segments_quarantined_total": Metric("counter", (), "Segments moved to quarantine/ because they could not be archived."),
    "collector_archived_rows_total": Metric("counter", (), "Rows in objects the store has confirmed."),
    "collector_archived_bytes_total": Metric("counter", (), "Bytes of objects the store has confirmed."),
    "collector_uploads_total": Metric("counter", ("result",), "Uploads of objects, by result: ok (confirmed) or failed (tried again)."),
    "collector_archive_backlog_segments": Metric("gauge", (), "Sealed segments that are not archived yet, as segments or as the files made from them."),
    "collector_archive_backlog_objects": Metric("gauge", (), "Objects that are made but not confirmed by the store."),
    "collector_archive_backlog_bytes": Metric("gauge", (), "Bytes on disk waiting for upload: sealed segments without Parquet files, and Parquet files."),
    "collector_archive_backlog_age_seconds": Metric("gauge", (), "How long the oldest segment that is not yet archived has waited; 0 if none waits."),
    "collector_store_state": Metric("gauge", ("state",), "1 for the state of the store: there, away (it will pass) or refusing (a person must fix something)."),
    "collector_store_away_seconds": Metric("gauge", (), "How long the store has accepted no objects; 0 while it accepts them."),
    "collector_store_tries_failed_total": Metric("counter", ("kind",), "Failed requests to the store, by kind: away (expected to pass) or refusing (a person must fix something)."),
    # Several hosts
    "collector_nats_connected": Metric("gauge", PROCESS, "1 while the process has a connection to a NATS server, else 0."),
    "collector_publish_lag_bytes": Metric("gauge", FEED, "Bytes of this edge's journal that storage does not have yet."),
    "collector_publish_lag_seconds": Metric("gauge", FEED, "Age of the oldest record of this edge's journal that storage does not have yet."),
    "collector_publish_unpublished_bytes": Metric("gauge", FEED, "Bytes of this edge's journal that NATS has not confirmed yet."),
    "collector_publish_slices_total": Metric("counter", FEED, "Slices of the journal that NATS has confirmed."),
    "collector_publish_bytes_total": Metric("counter", FEED, "Bytes of the journal that NATS has confirmed; what is sent again counts again."),
    "collector_publish_sent_bytes_total": Metric("counter", FEED, "The same bytes as they were sent, compressed."),
    "collector_publish_rewinds_total": Metric("counter", FEED, "How often the edge began again from where storage stands."),
    "collector_publish_failures_total": Metric("counter", FEED, "Publications that NATS refused or did not confirm in time."),
    "collector_relay_slices_total": Metric("counter", FEED, "Slices that the relay appended to its journal."),
    "collector_relay_bytes_total": Metric("counter", FEED, "Bytes of edges' journals that the relay appended."),
    "collector_relay_copies_total": Metric("counter", FEED, "Slices that the relay had already."),
    "collector_relay_holes_total": Metric("counter", FEED, "How often a slice was missing, and was asked for again."),
    "collector_relay_late_total": Metric("counter", FEED, "Slices that came long after another edge brought the same time."),
    "collector_relay_lost_total": Metric("counter", FEED, "How often an edge no longer had what was missing; the gap ledger has a row of each."),
    "collector_edge_lag_seconds": Metric("gauge", EDGE, "Age of the newest record of the edge that came, while others wait in NATS or are missing; else 0."),
    "collector_edge_pending_slices": Metric("gauge", EDGE, "Slices of the edge that wait in NATS."),
    "collector_edge_pending_bytes": Metric("gauge", EDGE, "Bytes of the edge that wait in NATS."),
    "collector_edge_hole": Metric("gauge", EDGE, "1 while a slice of the edge is missing before others that came, else 0."),
    "collector_edge_last_received_timestamp_seconds": Metric("gauge", EDGE, "When the edge received the newest record that came."),
    "collector_cluster_quorum": Metric("gauge", (), "1 while most of the NATS servers answer, else 0."),
    "collector_cluster_members": Metric("gauge", (), "Edges that share the symbols now."),
    "collector_cluster_changes_total": Metric("counter", (), "How often an edge joined or left."),
    "collector_symbols_uncovered": Metric("gauge", (), "Symbols that fewer edges than share.copies receive now."),
    "collector_symbols_overcovered": Metric("gauge", (), "Symbols that more edges than share.copies receive now, as while one takes over from another."),
    "collector_host_up": Metric("gauge", HOST, "1 while the host shows itself to this one, else 0."),
    "collector_host_healthy": Metric("gauge", HOST, "1 while the host says that it is healthy, else 0."),
    "collector_table_commits_total": Metric("counter", (), "Commits to the Iceberg tables."),
    "collector_table_segments_total": Metric("counter", (), "Segments that the Iceberg tables got."),
    "collector_table_files_total": Metric("counter", (), "Files that the Iceberg tables got."),
    "collector_table_conflicts_total": Metric("counter", (), "Commits that another committer came before; they are tried again."),
    "collector_table_backlog_segments": Metric("gauge", (), "Archived segments that the Iceberg tables do not have yet."),
    "collector_table_commit_seconds": Metric("gauge", (), "How long the last commit to the tables took."),
    "collector_table_last_commit_timestamp_seconds": Metric("gauge", (), "When the tables last got a commit."),
    # Processes and machine
    "collector_process_up": Metric("gauge", PROCESS, "1 while the process runs, else 0."),
    "collector_process_restarts_total": Metric("counter", PROCESS, "How often the process was started again."),
    "collector_process_cpu_seconds_total": Metric("counter", PROCESS, "Processor time of the process, user and system."),
    "collector_process_resident_memory_bytes": Metric("gauge", PROCESS, "Resident memory of the process."),
    "collector_process_open_fds": Metric("gauge", PROCESS, "Open file descriptors of the process."),
    "collector_process_last_report_timestamp_seconds": Metric("gauge", PROCESS, "When the process last reported its numbers; about once a second."),
    "collector_log_lines_dropped_total": Metric("counter", PROCESS, "Log lines dropped because the log could not take them in time."),
    "collector_disk_free_bytes": Metric("gauge", (), "Free bytes on the disk of data_dir."),
    "collector_disk_full_in_seconds": Metric("gauge", (), "Seconds until only journal.min_free_bytes is left at the present rate; +Inf if the disk is not filling."),
    # Health
    "collector_healthy": Metric("gauge", (), "1 while /healthz answers 200, else 0."),
    "collector_unhealthy_reason": Metric("gauge", ("code",), "1 for every reason that holds, 0 for the others."),
    "collector_ready": Metric("gauge", (), "1 once a row is durable, or on an edge once anything was published; 0 before."),
    "collector_pings_total": Metric("counter", ("result",), "Calls of http.ping_url, by result: ok or failed."),
    "collector_start_timestamp_seconds": Metric("gauge", (), "When the supervisor started."),
    "collector_build_info": Metric("gauge", ("version",), "Always 1; the label has the recorder's version."),
}  # fmt: skip
