"""The cluster process, one on each edge and on the storage host: knows the other hosts, and shares the symbols out over the edges.

It tells and learns through buckets of the NATS servers: `collector_members`, signs of life and what each edge brings;
`collector_hosts`, a short status of every host; `collector_symbols`, what edges chose from the exchange's list; and
`collector_books`, books that the storage host needs and only edges can subscribe. Nothing needs an order between hosts or a
lock: each edge works out its share by itself, and where two do not agree yet, a symbol comes twice and is stored once.

What it touches below `data_dir`, besides its lock in `cluster/` and the report, log and log level that every process has
below `run/`:

- `run/shares.json`: writes it on an edge; ingest follows it
- `run/stats/`, `run/health.json`: reads what the other processes report
- `run/instruments/<feed>.chosen.json`: reads on an edge what ingest chose, and keeps on the storage host what edges chose
- `repair/<feed>~books/*.request`: moves requests of the storage host to the edges
"""
