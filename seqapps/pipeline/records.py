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

ITEMS_PER_SHARD = 4096
SHUFFLE_BUFFER = 16384
Feed = Callable[[Tensors, tf.Tensor], Tensors]
"""(record, seed int32 (2,)) -> one entry of the training input; see `App.feed`."""

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
    return cast(Iterator[Record], _parsed(app, layout.shards(folder, split)).as_numpy_iterator())


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
    bucket_edges: tuple[int, ...] = (),
) -> tf.data.Dataset:
    """Batches of the outputs of `feed`: dicts of tensors (B, ...), padded with zeros.

    With `seed` (run, epoch) the order is shuffled and incomplete batches are dropped; the same
    seed always gives the same batches. Without it the order is kept and the last batch may be
    short. With `bucket_edges`, an example's `app.bucket_by` entry is padded to the smallest edge
    that is not below its length, so that it has few shapes; longer ones are left out (see
    `lengths`). Other entries are padded to the longest of their batch.
    """
    training = seed is not None
    records = _parsed(app, files, seed=seed)
    fed = records.enumerate().map(
        lambda number, record: feed(record, _seed(seed, number)),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    if bucket_edges and app.bucket_by:
        by, edges = app.bucket_by, tf.constant(bucket_edges)

        def length(fed: Tensors) -> tf.Tensor:
            return tf.shape(fed[by])[0]

        def to_edge(fed: Tensors) -> Tensors:
            edge = edges[tf.searchsorted(edges, length(fed)[None])[0]]
            spare = [[0, edge - length(fed)], *[[0, 0]] * (len(fed[by].shape) - 1)]
            return fed | {by: tf.pad(fed[by], spare)}

        short = fed.filter(lambda fed: length(fed) <= bucket_edges[-1])
        batched = short.map(to_edge).bucket_by_sequence_length(
            length,
            bucket_boundaries=[edge + 1 for edge in bucket_edges],
            bucket_batch_sizes=[batch_size] * (len(bucket_edges) + 1),
            drop_remainder=training,
        )
    elif all(spec.shape.is_fully_defined() for spec in tf.nest.flatten(fed.element_spec)):
        batched = fed.batch(batch_size, drop_remainder=training)
    else:
        batched = fed.padded_batch(batch_size, drop_remainder=training)
    return batched.prefetch(tf.data.AUTOTUNE)


def lengths(app: App[P], files: list[str], feed: Feed) -> np.ndarray:
    """The length of each example's `app.bucket_by` entry after `feed`, int64 (examples,)."""
    fed = _parsed(app, files).enumerate().map(lambda n, record: feed(record, _seed((0, 0), n)))
    return np.array([len(example[app.bucket_by]) for example in fed.as_numpy_iterator()], int)


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
    spec: dict[str, Any] = {}
    for name, feature in features.items():
        spec[name] = (
            tf.io.FixedLenFeature([], feature.dtype)
            if not feature.shape
            else tf.io.FixedLenSequenceFeature([], feature.dtype, allow_missing=True)
        )
        if len(feature.shape) > 1:
            spec[f"{name}/shape"] = tf.io.FixedLenFeature([len(feature.shape)], "int64")
    parsed = tf.io.parse_single_example(serialized, spec)
    for name, feature in features.items():
        if len(feature.shape) > 1:
            parsed[name] = tf.reshape(parsed[name], parsed.pop(f"{name}/shape"))
        parsed[name] = tf.ensure_shape(parsed[name], feature.shape)
    return parsed


def _parsed(
    app: App[P], files: list[str], *, seed: tuple[int, int] | None = None
) -> tf.data.Dataset:
    if not files:
        return tf.data.Dataset.from_tensor_slices(tf.constant([], tf.string)).map(
            lambda serialized: parse(app, serialized)
        )
    if seed is None:
        raw = tf.data.TFRecordDataset(files, compression_type="GZIP")
    else:
        order = np.random.default_rng(seed).permutation(files).tolist()
        raw = tf.data.Dataset.from_tensor_slices(order).interleave(
            lambda path: tf.data.TFRecordDataset(path, compression_type="GZIP"),
            cycle_length=8,
            block_length=16,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        number = int(np.random.default_rng(seed).integers(2**31))
        raw = raw.shuffle(SHUFFLE_BUFFER, seed=number, reshuffle_each_iteration=False)
    return raw.map(
        lambda serialized: parse(app, serialized),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


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
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
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
