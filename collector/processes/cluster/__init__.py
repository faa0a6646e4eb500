"""The cluster process, one on each edge and on the storage host: knows the other hosts, and shares the symbols out over the edges.

It tells and learns through two buckets of the NATS servers: `collector_members`, signs of life and what each edge brings, and
`collector_hosts`, a short status of every host. Nothing needs an order between hosts or a lock: each edge works out its share
by itself, and where two do not agree yet, a symbol comes twice and is stored once.

What it touches below `data_dir`: it writes `run/shares.json` on an edge, which ingest follows, and reads reports in
`run/stats/`, `run/health.json` and the symbols that ingest chose; besides its lock in `cluster/` and the report, log and log
level that every process has below `run/`.
"""
