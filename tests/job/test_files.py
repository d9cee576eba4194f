"""The Parquet files themselves: row groups, dictionaries, statistics, as their metadata tells; how they are dealt."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fruits.parts import ROWS_PER_GROUP, Part, PartWriter, group_parts, read_batches, tabulate_parts
from fruits.store import Store

SCHEMA = pa.schema([("path", pa.string()), ("label", pa.string()), ("size", pa.float32())])


def rows(count: int) -> pa.Table:
    paths = [f"in/{number:06}.jpg" for number in range(count)]
    labels = [f"class {number % 3}" for number in range(count)]
    return pa.table([paths, labels, pa.array(range(count), pa.float32())], schema=SCHEMA)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Part]:
    writer = PartWriter(Store(str(tmp_path / "table")), SCHEMA, plain=("path", "size"))
    writer.write(rows(3000))
    writer.write(rows(0))
    writer.write(rows(10).to_batches()[0])
    part = writer.close()
    assert part is not None
    return tmp_path / "table", part


def test_a_write_is_a_row_group(written: tuple[Path, Part]) -> None:
    folder, part = written
    assert part.rows == 3010
    assert part.sha256 == hashlib.sha256((folder / part.name).read_bytes()).hexdigest()
    assert [file.name for file in folder.iterdir()] == [part.name]
    told = pq.ParquetFile(folder / part.name).metadata
    assert [told.row_group(number).num_rows for number in range(told.num_row_groups)] == [3000, 10]


def test_what_repeats_has_a_dictionary_and_statistics_and_nothing_else(written: tuple[Path, Part]) -> None:
    folder, part = written
    group = pq.ParquetFile(folder / part.name).metadata.row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    coded = {name for name, column in columns.items() if {"RLE_DICTIONARY", "PLAIN_DICTIONARY"} & set(column.encodings)}
    assert coded == {"label"}
    assert {name for name, column in columns.items() if column.is_stats_set} == {"label"}
    assert {column.compression for column in columns.values()} == {"SNAPPY"}


def test_a_writer_without_rows_leaves_no_file(tmp_path: Path) -> None:
    writer = PartWriter(Store(str(tmp_path / "table")), SCHEMA)
    writer.write(rows(0))
    assert writer.close() is None
    assert not (tmp_path / "table").exists()


def test_rows_are_read_a_group_at_a_time_and_only_the_columns_wanted(written: tuple[Path, Part]) -> None:
    folder, part = written
    batches = list(read_batches(Store(str(folder)), [part.name, part.name], ["size"]))
    assert [batch.num_rows for batch in batches] == 2 * [1024, 1024, 952 + 10]
    assert ROWS_PER_GROUP == 1024
    assert {tuple(batch.schema.names) for batch in batches} == {("size",)}
    whole = pa.Table.from_batches(list(read_batches(Store(str(folder)), [part.name])))
    assert whole == pa.concat_tables([rows(3000), rows(10)])


def test_what_a_task_returns() -> None:
    batch = tabulate_parts({"features": Part("a", 3, "f00d"), "rejects": None, "more": Part("b", 1)})
    assert batch.to_pylist() == [
        {"kind": "features", "name": "a", "rows": 3, "sha256": "f00d"},
        {"kind": "more", "name": "b", "rows": 1, "sha256": ""},
    ]


def test_parts_are_dealt_the_largest_first_whatever_their_order() -> None:
    given = [Part("a", 1), Part("b", 9), Part("c", 5), Part("d", 5)]
    for order in (given, given[::-1]):
        groups = group_parts(order, 2)
        assert [[part.name for part in group] for group in groups] == [["b", "a"], ["c", "d"]]
    assert group_parts(given, 9) == [[Part("b", 9)], [Part("c", 5)], [Part("d", 5)], [Part("a", 1)]]
    assert group_parts([], 3) == []
