"""The rows that follow the data: is it recording, how much comes, how fast, is it keeping up."""

from typing import Final

from docs.dashboards.terms import (
    NONE_IS_WELL,
    SILENT,
    WIDE,
    Panel,
    Query,
    Row,
    host,
    per_second,
    percentiles,
    risen,
    stream,
)

MISSING: Final = host('status!="repaired"')

RECORDING = Row(
    "Is it recording?",
    (
        Panel(
            "Verdict",
            "What /healthz says: every stream that should speak has a fresh durable row, no process is failing, "
            "the disk is not filling.",
            (Query(f"collector_healthy{host()}", "{{instance}}"),),
            kind="verdict", width=4,
        ),
        Panel(
            "What is wrong",
            "Reason codes that hold. docs/OPERATIONS.md says what each means and what to do.",
            (Query(f"max by (code) (collector_unhealthy_reason{host()}) == 1", "{{code}}"),),
            kind="names", steps=NONE_IS_WELL,
        ),
        Panel(
            "Silent streams",
            "Streams whose newest durable row is older than their limit.",
            (Query(f"count({SILENT}) or vector(0)"),),
            kind="number", width=3, steps=NONE_IS_WELL,
        ),
        Panel(
            "Newest durable row",
            "How long ago any row became durable. A batch takes writer.batch_interval_secs.",
            (Query(f"time() - max(collector_stream_last_stored_timestamp_seconds{host()})"),),
            unit="s", kind="number", width=3, steps=((None, "green"), (30, "yellow"), (60, "red")),
        ),
        Panel(
            "Processes down",
            "Processes that do not run.",
            (Query(f"count(collector_process_up{host()} == 0) or vector(0)"),),
            kind="number", width=3, steps=NONE_IS_WELL,
        ),
        Panel(
            "Gap rows, 24 hours",
            "Rows of the gap ledger in the last 24 hours, repaired ones left out.",
            (Query(f"sum(increase(collector_gaps_total{MISSING}[24h])) or vector(0)"),),
            kind="number", width=3, steps=((None, "green"), (1, "yellow")),
        ),
        Panel(
            "Reasons over time",
            "Red while a reason holds.",
            (Query(f"max by (code) (collector_unhealthy_reason{host()})", "{{code}}"),),
            kind="states", steps=NONE_IS_WELL,
        ),
        Panel(
            "Age of the newest durable row",
            "By exchange and data type.",
            (Query(
                f"time() - max by (exchange, data_type) (collector_stream_last_stored_timestamp_seconds{stream()})",
                "{{exchange}} {{data_type}}",
            ),),
            unit="s",
        ),
        Panel(
            "Nearest to being silent",
            "Age of a stream's newest durable row as a share of what its own rhythm allows: silent at 100 %.",
            (Query(
                f"topk(10, (time() - collector_stream_last_stored_timestamp_seconds{stream()})"
                f" / collector_stream_silence_limit_seconds{stream()})",
                "{{exchange}} {{symbol}} {{data_type}}",
            ),),
            unit="percentunit", kind="ranking", steps=((None, "green"), (0.5, "yellow"), (1, "red")),
        ),
    ),
)  # fmt: skip

THROUGHPUT = Row(
    "Throughput",
    (
        *(
            Panel(
                title, text,
                (Query(per_second(metric, "exchange, data_type", stream()), "{{exchange}} {{data_type}}"),),
                unit,
            )
            for title, text, metric, unit in (
                ("Received", "Messages read from the journal, copies included.", "collector_messages_received_total", "mps"),
                ("Stored", "Messages whose row is durable.", "collector_messages_stored_total", "mps"),
                ("Received bytes", "Text of the messages.", "collector_messages_received_bytes_total", "Bps"),
                ("Stored bytes", "Text of the stored messages.", "collector_messages_stored_bytes_total", "Bps"),
                ("Duplicates", "Copies, which were merged: from redundant lines, or repeated by the exchange.",
                 "collector_messages_duplicate_total", "mps"),
            )
        ),
        Panel(
            "Undecodable and late",
            "Frames kept as undecoded rows; messages that came out of order and filled a hole.",
            (
                Query(per_second("collector_messages_undecodable_total", "instance", host()), "{{instance}} undecodable"),
                Query(per_second("collector_messages_late_total", "instance", host()), "{{instance}} late"),
            ),
            unit="mps",
        ),
        Panel(
            "Frames at the socket",
            "Frames appended to the journal, and those without market data.",
            (
                Query(per_second("collector_frames_received_total", "feed", host()), "{{feed}}"),
                Query(per_second("collector_frames_control_total", "feed", host()), "{{feed}} control"),
            ),
            unit="cps", width=WIDE,
        ),
        Panel(
            "Refused frames",
            "Lost for good, because the disk budget was spent; the ledger has the stretch.",
            (Query(per_second("collector_frames_refused_total", "feed", host()), "{{feed}}"),),
            unit="cps", width=WIDE,
        ),
    ),
)  # fmt: skip

LATENCY = Row(
    "Latency",
    tuple(
        panel
        for title, text, metric in (
            ("From exchange to receive", "The way over the network, and what the two clocks differ by.",
             "collector_exchange_to_receive_seconds"),
            ("From receive to durable", "Until the row is committed: the batch interval, and what the writer is behind.",
             "collector_receive_to_durable_seconds"),
        )
        for panel in (
            Panel(title, text, (Query(per_second(f"{metric}_bucket", "le", host()), "{{le}}"),), "s", "heat", WIDE),
            Panel(f"{title}, by feed", text, percentiles(metric, "feed"), "s", width=WIDE),
        )
    ),
)  # fmt: skip

KEEPING_UP = Row(
    "Is it keeping up?",
    (
        Panel(
            "Journal lag in time",
            "How far the writer is behind what was received. writer_behind from a minute on.",
            (Query(f"collector_journal_lag_seconds{host()}", "{{instance}} {{feed}}"),),
            unit="s", steps=((None, "green"), (60, "red")),
        ),
        Panel(
            "Journal lag in bytes",
            "Journal bytes the writer has not read.",
            (Query(f"collector_journal_lag_bytes{host()}", "{{instance}} {{feed}}"),),
            unit="bytes",
        ),
        Panel(
            "Queues",
            "How full the queues between processes are. A full one loses nothing: it carries only notices.",
            (Query(
                f"collector_queue_depth{host()} / collector_queue_capacity{host()}",
                "{{sender}} to {{receiver}}",
            ),),
            unit="percentunit",
        ),
        Panel(
            "Batch",
            "Messages that wait for the next commit, and at how many it happens.",
            (
                Query(f"collector_batch_messages{host()}", "{{instance}} waiting"),
                Query(f"collector_batch_limit_messages{host()}", "{{instance}} limit"),
            ),
        ),
        Panel(
            "Commit time",
            "How long SQLite took for a batch, and how often it did not take one.",
            (
                *percentiles("collector_commit_seconds"),
                Query(risen("collector_commit_failures_total", "instance", host()), "{{instance}} failures"),
            ),
            unit="s",
        ),
        Panel(
            "Segments on disk",
            "One is open; sealed ones wait for the archiver.",
            (Query(f"sum by (state) (collector_segments{host()})", "{{state}}"),),
        ),
    ),
)  # fmt: skip
