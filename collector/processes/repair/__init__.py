"""The repair process: fetches over REST what is missing, and what no stream has. What it touches, below `data_dir`:

- `journal/<feed>~rest/<number>.journal`: appends what it fetched
- `repair/<feed>/<name>.request`: reads the requests that the writer and ingest put, moves them to the feed that brings their stream
  now, and removes them once they are answered
- `repair/~aside/<name>.request`: sets aside requests that cannot be asked for
- `repair/<feed>/checkpoints.json`: keeps when each book was last stored whole
- `run/instruments/<exchange>.json`: keeps the exchange's last list of instruments
- `run/weight-<budget>.json`: counts the request weight this recorder has used; what others at this address use is read
  from the exchange's answers

besides the lock, report, log and log level that every process has below `run/`. It writes no journal of another process
and no segment: what it fetched becomes rows through the writer, like every frame.

On the network: requests that change nothing, to `feed.rest_url`, or else to the exchange's REST host, through the environment's proxy and
within `repair.weight_share` of the exchange's limit. A feed with a `ws_url` and no `rest_url` is not repaired, so no request
meant for another server goes to the real exchange.

On an edge it only fetches the lists, and touches neither journals nor requests.
"""
