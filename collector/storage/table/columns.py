"""The columns of a table: what the archive's path says of a file, then the file's own columns, of all versions."""

from typing import Final

import pyarrow as pa
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema, assign_fresh_schema_ids
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DoubleType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from collector.storage.archive.schema import SCHEMA_VERSION, schema_of

PARTITIONS: Final[dict[str, IcebergType]] = {"exchange": StringType(), "symbol": StringType(), "date": DateType()}
"""Columns that no file has: their values stand in the table's metadata, one of each for a file."""

_TYPES: Final[dict[pa.DataType, IcebergType]] = {
    pa.string(): StringType(),
    pa.binary(): BinaryType(),
    pa.bool_(): BooleanType(),
    pa.float64(): DoubleType(),
    pa.int64(): LongType(),
    pa.int32(): IntegerType(),
    pa.int8(): IntegerType(),
    pa.timestamp("us", tz="UTC"): TimestamptzType(),
}
_FIRST_PARTITION_ID: Final = 1000


def is_known(data_type: str) -> bool:
    """Whether this program knows the columns of a data type."""
    return schema_of(data_type, SCHEMA_VERSION) is not None


def table_schema(data_type: str) -> Schema:
    """A new table's columns, none of them required. Raises KeyError for a data type that this program does not know."""
    found = schema_of(data_type, SCHEMA_VERSION)
    if found is None:
        raise KeyError(data_type)
    columns = [*PARTITIONS.items(), *((field.name, iceberg_type(field.type)) for field in found)]
    fields = [NestedField(number, name, kind, required=False) for number, (name, kind) in enumerate(columns, start=1)]
    return assign_fresh_schema_ids(Schema(*fields))


def partition_spec(schema: Schema) -> PartitionSpec:
    """Partitions of a table with these columns."""
    fields = [
        PartitionField(schema.find_field(name).field_id, _FIRST_PARTITION_ID + index, IdentityTransform(), name)
        for index, name in enumerate(PARTITIONS)
    ]
    return PartitionSpec(*fields)


def iceberg_type(kind: pa.DataType) -> IcebergType:
    """The type of a column of that type in a file. Raises KeyError for one that no file has."""
    if pa.types.is_list(kind):
        # The id is given when the schema gets its own.
        return ListType(element_id=-1, element=iceberg_type(kind.value_type), element_required=False)
    return _TYPES[kind]
