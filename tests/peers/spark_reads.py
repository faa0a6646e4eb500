"""Prints rows, sum and newest receive time of tables, by lines of the address of their metadata and the expression to be summed.

For pyspark 3.5.9 with the jar that snowpark-connect-deps-iceberg brings, and Java 17.
"""

import json
import sys
from pathlib import Path

import snowpark_connect_deps_iceberg
from pyspark.sql import SparkSession

(jar,) = Path(snowpark_connect_deps_iceberg.__file__).parent.rglob("iceberg-spark-runtime-3.5_2.12-*.jar")
spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.jars", str(jar))
    .config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.shuffle.partitions", "1")
    .getOrCreate()
)
found = []
for example, metadata, total in json.loads(Path(sys.argv[1]).read_text("utf-8")):
    names = {"spark": spark, "metadata": metadata}
    exec(example, names)
    rows = names["with_spark"].selectExpr("count(*)", f"sum({total})", "unix_micros(max(received_at))").collect()
    found.append(list(rows[0]))
spark.stop()
print(json.dumps(found))
