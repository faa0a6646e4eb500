"""The cluster process, one on each edge and on the storage host: knows the other hosts, and shares the symbols out over the edges.

It tells and learns through buckets of the NATS servers: `collector_members`, signs of life and what each edge brings;
`collector_hosts`, a short status of every host; `collector_symbols`, what edges chose from the exchange's list; and
`collector_books`, books that the storage host needs and only edges can subscribe. Nothing needs an order between hosts or a lock: each edge works out its share
by itself, and where two do not agree yet, a symbol comes twice and is stored once.

What it touches below `data_dir`: it writes `run/shares.json` on an edge, which ingest follows, and reads reports in
`run/stats/`, `run/health.json` and the symbols that ingest chose. It moves requests from `repair/<feed>~books/` of the storage
host to those of edges, and keeps on the storage host as `run/instruments/<feed>.chosen.json` what edges chose. Besides its lock in `cluster/` and the report, log and log
level that every process has below `run/`.
"""
