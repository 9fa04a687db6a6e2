"""Records: TFRecord shards by feature spec, written in parallel, read as padded batches.

A split is a list of gzip-compressed TFRecord shards `<split>-00000.tfrecord.gz`. Items are streamed
in chunks of a fixed size; a chunk becomes one shard, whichever process writes it, so the bytes do
not depend on the number of workers and memory does not grow with the data.

Axis letters: B batch, N rows.
"""

import multiprocessing
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import tensorflow as tf

from seqapps import app as contract
from seqapps.app import App, Columns, Feature, Item, Record, Skip, Tensors
from seqapps.artifacts import columns, layout
from seqapps.config import P, Params
from seqapps.kit import children

ITEMS_PER_SHARD = 4096
SHUFFLE_BUFFER = 16384
PARSED_AT_ONCE = 512
IN_MEMORY_BYTES = 1 << 24
"""Of the compressed files of a split: a smaller one stays parsed in memory."""
Feed = Callable[[Tensors, tf.Tensor], Tensors]
"""(records (B, ...), seed int32 (2,)) -> a batch of the training input; see `App.feed`."""

IDENTITY = {"key": Feature("string"), "group": Feature("string")}
"""Entries of every record in addition to the application's features."""


def write(
    app: App[P],
    params: P,
    items: Iterable[Item],
    folders: dict[str, Path],
    *,
    workers: int,
    on_skip: Callable[[Skip], None],
) -> Counter[tuple[str, str]]:
    """Writes the records of `items`; returns (fold, split) -> the number written.

    Args:
        app: gives `example` and the features.
        params: tables up to preprocess.
        items: consumed once, in order; only a few chunks are held at a time.
        folders: fold -> the folder of its shards, which holds `assets/`.
        workers: processes; 1 works in this process.
        on_skip: called in order with each example that was left out.
    """
    counts: Counter[tuple[str, str]] = Counter()
    jobs = (
        (
            app.package,
            params,
            chunk,
            folders[fold],
            layout.shard(split, number),
            fold,
            split,
        )
        for fold, split, number, chunk in _chunks(items)
    )
    for fold, split, written, left_out in _spread(jobs, workers):
        counts[fold, split] += written
        for skip in left_out:
            on_skip(skip)
    return counts


def read(app: App[P], folder: Path, split: str) -> Iterator[Record]:
    """Each record of a split as NumPy values (strings as bytes), in the order it was written."""
    parsed = _serialized(layout.shards(folder, split)).map(
        lambda serialized: parse(app, serialized),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return cast(Iterator[Record], parsed.as_numpy_iterator())


def table(app: App[P], folders: dict[str, Path], split: str) -> Columns:
    """A split of several folds as columns (N, ...), object arrays (N,) where shapes vary.

    Strings are `str`; those that are not UTF-8, such as encoded images, stay bytes. A column `fold`
    is added.
    """
    rows = [
        record | {"fold": fold}
        for fold, folder in folders.items()
        for record in read(app, folder, split)
    ]
    return columns.from_rows(rows)


def batches(
    app: App[P],
    files: list[str],
    feed: Feed,
    *,
    batch_size: int,
    seed: tuple[int, int] | None = None,
    bucket_edges: tuple[float, ...] = (),
    parsed: Tensors | None = None,
) -> tf.data.Dataset:
    """Batches of the training input, dicts of tensors (B, ...): whole batches are parsed and fed.

    With `seed` (run, epoch) the order is shuffled and incomplete batches are dropped; the same
    seed always gives the same batches. Without it the order is kept and the last batch may be
    short. With `bucket_edges` the examples of a batch lie between the same two edges of the feature
    `app.bucket_by`; those above the last edge are left out. `parsed` are the records of the files
    where `in_memory` gives them; then they are not read again.
    """
    training = seed is not None
    if parsed is not None:
        rows = _rows(len(next(iter(parsed.values()))), batch_size, seed=seed)
        return _fed(rows, lambda some, drawn: feed(_gathered(parsed, some), drawn), seed)
    serialized = _serialized(files, seed=seed)
    if bucket_edges and app.bucket_by:
        lengths = serialized.batch(PARSED_AT_ONCE).map(lambda rows: _lengths(app, rows)).unbatch()
        both = tf.data.Dataset.zip((serialized, lengths))
        both = both.filter(lambda *pair: pair[1] <= bucket_edges[-1])
        edges = tf.constant(bucket_edges, tf.float32)
        grouped = both.bucket_by_sequence_length(
            lambda *pair: tf.searchsorted(edges, pair[1][None])[0],
            bucket_boundaries=list(range(1, len(bucket_edges) + 1)),
            bucket_batch_sizes=[batch_size] * (len(bucket_edges) + 1),
            drop_remainder=training,
        ).map(lambda rows, _: rows)
    else:
        grouped = serialized.batch(batch_size, drop_remainder=training)
    return _fed(grouped, lambda rows, drawn: feed(parse_batch(app, rows), drawn), seed)


def in_memory(app: App[P], files: list[str]) -> Tensors | None:
    """All records of the files, parsed, (N, ...); None if the files are too large to be kept."""
    if not files or sum(Path(path).stat().st_size for path in files) > IN_MEMORY_BYTES:
        return None
    rows = tf.constant(list(_serialized(files).as_numpy_iterator()), tf.string)
    return parse_batch(app, rows)


def lengths(app: App[P], files: list[str]) -> np.ndarray:
    """The feature `app.bucket_by` of each example, float32 (examples,)."""
    rows = _serialized(files).batch(PARSED_AT_ONCE).map(lambda rows: _lengths(app, rows))
    return np.concatenate([[], *rows.as_numpy_iterator()])


def _rows(count: int, batch_size: int, *, seed: tuple[int, int] | None) -> tf.data.Dataset:
    """Batches of the numbers below `count`: in their order, or shuffled by `seed`, whole ones."""
    if seed is None:
        return tf.data.Dataset.range(count).batch(batch_size)
    order = np.random.default_rng(seed).permutation(count)
    whole = order[: count // batch_size * batch_size].reshape(-1, batch_size)
    return tf.data.Dataset.from_tensor_slices(whole)


def _gathered(parsed: Tensors, rows: tf.Tensor) -> Tensors:
    return {name: tf.gather(part, rows) for name, part in parsed.items()}


def _fed(batches: tf.data.Dataset, feed: Callable, seed: tuple[int, int] | None) -> tf.data.Dataset:
    """Batches through `feed`, each with a seed of its own."""
    return (
        batches.enumerate()
        .map(
            lambda number, rows: feed(rows, _seed(seed, number)),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .prefetch(tf.data.AUTOTUNE)
    )


def serialize(app: App[P], record: Record, item: Item) -> bytes:
    """One record as a serialized tf.train.Example; names must be exactly the app's features."""
    if record.keys() != app.features.keys():
        raise ValueError(
            f"{item.key}: example() gave {sorted(record)}, features are {sorted(app.features)}"
        )
    entries: dict[str, tf.train.Feature] = {}
    for name, value in (record | {"key": item.key, "group": item.group}).items():
        feature = (app.features | IDENTITY)[name]
        entries[name] = _entry(feature.dtype, value)
        if len(feature.shape) > 1:
            entries[f"{name}/shape"] = _entry("int64", np.shape(value))
    return tf.train.Example(features=tf.train.Features(feature=entries)).SerializeToString(
        deterministic=True
    )


def parse(app: App[P], serialized: tf.Tensor) -> Tensors:
    """The tensors of a serialized record (a string scalar), in the shapes of the feature spec."""
    features = app.features | IDENTITY
    parsed = tf.io.parse_single_example(serialized, _spec(features))
    for name, feature in features.items():
        if len(feature.shape) > 1:
            parsed[name] = tf.reshape(parsed[name], parsed.pop(f"{name}/shape"))
        parsed[name] = tf.ensure_shape(parsed[name], feature.shape)
    return parsed


def parse_batch(app: App[P], serialized: tf.Tensor) -> Tensors:
    """The tensors (B, ...) of serialized records, string (B,): the application's features.

    Axes that vary are padded with zeros to the longest of the batch; of two that vary, all records
    that are not empty must agree in the second.
    """
    parsed: Any = tf.io.parse_example(serialized, _spec(app.features))
    for name, feature in app.features.items():
        if len(feature.shape) > 1:
            shapes = parsed.pop(f"{name}/shape")
            tail = tf.reduce_max(shapes[:, 1:], axis=0)
            size = tf.concat([[tf.shape(shapes)[0], -1], tf.cast(tail, tf.int32)], 0)
            empty = tf.concat([[tf.shape(shapes)[0], 0], tf.cast(tail, tf.int32)], 0)
            size = tf.where(tf.size(parsed[name]) > 0, size, empty)
            parsed[name] = tf.reshape(parsed[name], size)
        parsed[name] = tf.ensure_shape(parsed[name], (None, *feature.shape))
    return parsed


def _spec(features: dict[str, Feature]) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    for name, feature in features.items():
        spec[name] = (
            tf.io.FixedLenFeature([], feature.dtype)
            if not feature.shape
            else tf.io.FixedLenSequenceFeature([], feature.dtype, allow_missing=True)
        )
        if len(feature.shape) > 1:
            spec[f"{name}/shape"] = tf.io.FixedLenFeature([len(feature.shape)], "int64")
    return spec


def _lengths(app: App[P], serialized: tf.Tensor) -> tf.Tensor:
    """The feature `app.bucket_by` of serialized records, string (B,), as float32 (B,)."""
    assert app.bucket_by
    parsed: Any = tf.io.parse_example(
        serialized, _spec({app.bucket_by: app.features[app.bucket_by]})
    )
    return tf.cast(parsed[app.bucket_by], tf.float32)


def _serialized(files: list[str], *, seed: tuple[int, int] | None = None) -> tf.data.Dataset:
    """Serialized records, in the order of the files or as `seed` shuffles them."""
    if not files:
        return tf.data.Dataset.from_tensor_slices(tf.constant([], tf.string))
    if seed is None:
        return tf.data.TFRecordDataset(files, compression_type="GZIP")
    order = np.random.default_rng(seed).permutation(files).tolist()
    raw = tf.data.Dataset.from_tensor_slices(order).interleave(
        lambda path: tf.data.TFRecordDataset(path, compression_type="GZIP"),
        cycle_length=8,
        block_length=16,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    number = int(np.random.default_rng(seed).integers(2**31))
    return raw.shuffle(SHUFFLE_BUFFER, seed=number, reshuffle_each_iteration=False)


def _seed(seed: tuple[int, int] | None, number: Any) -> tf.Tensor:
    run, epoch = seed or (0, 0)
    return tf.stack(
        [tf.constant((run * 100_003 + epoch) % 2**31, tf.int32), tf.cast(number, tf.int32)]
    )


def _entry(dtype: str, value: Any) -> tf.train.Feature:
    flat = np.ravel(value).tolist() if not isinstance(value, str | bytes) else [value]
    if dtype == "string":
        raw = [v if isinstance(v, bytes) else v.encode() for v in flat]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=raw))
    if dtype == "int64":
        return tf.train.Feature(int64_list=tf.train.Int64List(value=flat))
    return tf.train.Feature(float_list=tf.train.FloatList(value=flat))


def _chunks(items: Iterable[Item]) -> Iterator[tuple[str, str, int, list[Item]]]:
    open_chunks: dict[tuple[str, str], list[Item]] = {}
    numbers: Counter[tuple[str, str]] = Counter()
    for item in items:
        part = (item.fold, item.split)
        chunk = open_chunks.setdefault(part, [])
        chunk.append(item)
        if len(chunk) == ITEMS_PER_SHARD:
            yield *part, numbers[part], open_chunks.pop(part)
            numbers[part] += 1
    for part, chunk in open_chunks.items():
        yield *part, numbers[part], chunk


Job = tuple[str, Params, list[Item], Path, str, str, str]
Written = tuple[str, str, int, list[Skip]]


def _spread(jobs: Iterator[Job], workers: int) -> Iterator[Written]:
    if workers == 1:
        yield from map(_write_shard, jobs)
        return
    # forkserver: TensorFlow is imported once, and never forked after it has started threads.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["seqapps.pipeline.records"])
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=children.end_with_parent
    ) as pool:
        running: deque[Future[Written]] = deque()
        for job in jobs:
            running.append(pool.submit(_write_shard, job))
            if len(running) > 2 * workers:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def _write_shard(job: Job) -> Written:
    package, params, items, folder, filename, fold, split = job
    app = contract.at(package)
    written, skips = 0, []
    temporary = folder / f".{filename}.{os.getpid()}"
    with tf.io.TFRecordWriter(str(temporary), "GZIP") as writer:
        for item in items:
            record = app.example(params, folder / layout.ASSETS, item)
            if isinstance(record, Skip):
                skips.append(record)
                continue
            writer.write(serialize(app, record, item))
            written += 1
    os.replace(temporary, folder / filename)
    return fold, split, written, skips
