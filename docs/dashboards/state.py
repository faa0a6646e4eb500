"""The rows that say how things stand: gaps and connections, repair, archive, processes, disk and clock."""

from typing import Final

from docs.dashboards.terms import NONE_IS_WELL, WIDE, Panel, Query, Row, host, per_second, risen, stream

NOT_THERE: Final = host('state!="there"')

GAPS = Row(
    "Gaps and connections",
    (
        Panel(
            "Gap rows by kind and status",
            "Rows written to the gap ledger; a gap that is closed or repaired gets another row.",
            (Query(risen("collector_gaps_total", "kind, status", host()), "{{kind}} {{status}}"),),
            kind="bars", width=WIDE,
        ),
        Panel(
            "Gap rows by stream type",
            "The same of the chosen streams, by exchange and data type.",
            (Query(
                risen("collector_gaps_total", "exchange, data_type", stream()),
                "{{exchange}} {{data_type}}",
            ),),
            kind="bars", width=WIDE,
        ),
        Panel(
            "Connections",
            "By feed and state.",
            (Query(f"sum by (feed, state) (collector_connections{host()}) > 0", "{{feed}} {{state}}"),),
            width=6,
        ),
        Panel(
            "Ended connections",
            "By cause; renewed ones were replaced before the exchange would have closed them.",
            (Query(risen("collector_disconnects_total", "feed, cause", host()), "{{feed}} {{cause}}"),),
            kind="bars", width=6,
        ),
        Panel(
            "Attempts",
            "Connections opened again, handshakes that failed, subscriptions the exchange refused, streams it took and "
            "never sent.",
            (
                Query(risen("collector_reconnects_total", "feed", host()), "{{feed}} reconnected"),
                Query(risen("collector_connect_failures_total", "feed", host()), "{{feed}} failed"),
                Query(risen("collector_subscriptions_refused_total", "feed", host()), "{{feed}} refused"),
                Query(risen("collector_streams_never_spoke_total", "feed", host()), "{{feed}} never spoke"),
            ),
            kind="bars", width=6,
        ),
        Panel(
            "Since the last market data",
            "How long ago a socket of the feed last brought market data.",
            (Query(f"time() - collector_feed_last_data_timestamp_seconds{host()}", "{{instance}} {{feed}}"),),
            unit="s", width=6,
        ),
    ),
)  # fmt: skip

REPAIR = Row(
    "Repair",
    (
        Panel(
            "Requests waiting",
            "What is to be asked over REST: trades of a gap, a book where a chain begins, a book that is due.",
            (Query(f"sum by (kind) (collector_repair_requests_waiting{host()})", "{{kind}}"),),
        ),
        Panel(
            "Requests done",
            "Answered by the exchange, and the answer is durable.",
            (Query(risen("collector_repair_answers_total", "kind", host()), "{{kind}}"),),
            kind="bars",
        ),
        Panel(
            "Requests failed",
            "What brought nothing: refused and unreadable ones are given up after some tries, all others tried again.",
            (Query(risen("collector_repair_failures_total", "kind, reason", host()), "{{kind}} {{reason}}"),),
            kind="bars",
        ),
        Panel(
            "Request weight used",
            "Within the exchange's window, by budget; repair.weight_share of what it allows is the most that is spent.",
            (Query(f"collector_repair_weight_used{host()}", "{{instance}} {{budget}}"),),
            width=WIDE,
        ),
        Panel(
            "Clock offset over REST",
            "This machine's time minus the exchange's, as asked over REST.",
            (Query(f"collector_rest_clock_offset_seconds{host()}", "{{instance}} {{feed}}"),),
            unit="s", width=WIDE, steps=((None, "red"), (-0.5, "green"), (0.5, "red")), least=None,
        ),
    ),
)  # fmt: skip

ARCHIVE = Row(
    "Archive",
    (
        Panel(
            "Store",
            "Red while it takes no objects: away will pass, refusing takes a person. Segments wait on disk meanwhile.",
            (Query(f"collector_store_state{NOT_THERE}", "{{instance}} {{state}}"),),
            kind="states", steps=NONE_IS_WELL,
        ),
        Panel(
            "Time without the store",
            "For how long it has taken no objects.",
            (Query(f"collector_store_away_seconds{host()}", "{{instance}}"),),
            unit="s",
        ),
        Panel(
            "Failed requests to the store",
            "By what it was then: away or refusing.",
            (Query(risen("collector_store_tries_failed_total", "kind", host()), "{{kind}}"),),
            kind="bars",
        ),
        Panel(
            "Uploads",
            "Objects put into the store: ok means confirmed; failed ones are tried again.",
            (Query(risen("collector_uploads_total", "result", host()), "{{result}}"),),
            kind="bars",
        ),
        Panel(
            "Segments",
            "Confirmed by the store, and set aside because they could not be archived.",
            (
                Query(risen("collector_segments_archived_total", "instance", host()), "{{instance}} archived"),
                Query(risen("collector_segments_quarantined_total", "instance", host()), "{{instance}} quarantined"),
            ),
            kind="bars",
        ),
        Panel(
            "Backlog in time",
            "Since when the oldest sealed segment waits.",
            (Query(f"collector_archive_backlog_age_seconds{host()}", "{{instance}}"),),
            unit="s",
        ),
        Panel(
            "Backlog in bytes",
            "What waits on disk to go up: segments without files, and files.",
            (Query(f"collector_archive_backlog_bytes{host()}", "{{instance}}"),),
            unit="bytes",
        ),
        Panel(
            "Backlog",
            "Sealed segments that are not archived, and objects that are made and not confirmed.",
            (
                Query(f"collector_archive_backlog_segments{host()}", "{{instance}} segments"),
                Query(f"collector_archive_backlog_objects{host()}", "{{instance}} objects"),
            ),
        ),
        Panel(
            "Archived",
            "Bytes and rows of confirmed objects.",
            (
                Query(per_second("collector_archived_bytes_total", "instance", host()), "{{instance}} bytes/s"),
                Query(per_second("collector_archived_rows_total", "instance", host()), "{{instance}} rows/s"),
            ),
        ),
    ),
)  # fmt: skip

PROCESSES = Row(
    "Processes",
    (
        Panel(
            "Restarts",
            "How often each process was started again.",
            (Query(risen("collector_process_restarts_total", "instance, process", host()), "{{instance}} {{process}}"),),
            kind="bars",
        ),
        Panel(
            "Processor",
            "1 is one core.",
            (Query(per_second("collector_process_cpu_seconds_total", "instance, process", host()), "{{instance}} {{process}}"),),
            unit="percentunit",
        ),
        Panel(
            "Memory",
            "Resident memory.",
            (Query(f"collector_process_resident_memory_bytes{host()}", "{{instance}} {{process}}"),),
            unit="bytes",
        ),
        Panel(
            "Open files",
            "File descriptors.",
            (Query(f"collector_process_open_fds{host()}", "{{instance}} {{process}}"),),
        ),
        Panel(
            "Since the last report",
            "A process reports its numbers about once a second.",
            (Query(f"time() - collector_process_last_report_timestamp_seconds{host()}", "{{instance}} {{process}}"),),
            unit="s",
        ),
        Panel(
            "Lost log lines",
            "Lines nobody read in time.",
            (Query(risen("collector_log_lines_dropped_total", "instance, process", host()), "{{instance}} {{process}}"),),
            kind="bars",
        ),
    ),
)  # fmt: skip

MACHINE = Row(
    "Disk and clock",
    (
        Panel(
            "Free disk",
            "Room on the disk of data_dir.",
            (Query(f"collector_disk_free_bytes{host()}", "{{instance}}"),),
            unit="bytes", width=6,
        ),
        Panel(
            "Time until the disk is full",
            "At the present rate, until only journal.min_free_bytes is left; empty while it is not filling.",
            (Query(f"collector_disk_full_in_seconds{host()} < +Inf", "{{instance}}"),),
            unit="s", width=6, steps=((None, "red"), (86_400, "green")),
        ),
        Panel(
            "Journal on disk",
            "What the journal files take; journal.max_bytes is the budget of each feed.",
            (Query(f"collector_journal_bytes{host()}", "{{instance}} {{feed}}"),),
            unit="bytes", width=6,
        ),
        Panel(
            "Clock offset",
            "The smallest receive time minus exchange time of the last minutes. Below zero this machine's clock is slow; "
            "clock_off beyond half a second.",
            (Query(f"collector_clock_offset_seconds{host()}", "{{instance}} {{feed}}"),),
            unit="s", width=6, steps=((None, "red"), (-0.5, "green"), (0.5, "red")), least=None,
        ),
    ),
)  # fmt: skip
