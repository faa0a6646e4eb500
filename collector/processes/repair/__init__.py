"""The repair process: fetches over REST what is missing. All that it may touch, below `data_dir`:

- `journal/<feed>~rest/<number>.journal`: appends what it fetched
- `repair/<feed>/<name>.request`: reads the requests that the writer puts, moves them to the feed that brings their stream
  now, and removes them once they are answered
- `repair/~aside/<name>.request`: sets aside requests that cannot be asked for
- `repair/<feed>/checkpoints.json`: keeps when each book was last stored whole
- `run/weight-<budget>.json`: counts the request weight it has used, with all recorders of the host

It writes no journal of another process and no segment: what it fetched becomes rows through the writer, like every frame.
"""
