"""Runs what a file has, a list of SQL statements, and prints the rows of the last one for each list. For DuckDB 1.5.5."""

import json
import sys
from pathlib import Path

import duckdb
from duckdb_extensions import import_extension

with duckdb.connect() as con:
    for name in ("avro", "httpfs", "iceberg"):
        import_extension(name, con=con)
        con.execute(f"LOAD {name}")
    con.execute("SET autoinstall_known_extensions=false")
    found = []
    for statements in json.loads(Path(sys.argv[1]).read_text("utf-8")):
        for statement in statements:
            con.execute(statement)
        found.append(con.fetchone())
print(json.dumps(found))
