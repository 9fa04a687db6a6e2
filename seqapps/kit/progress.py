"""Progress of long loops: a bar on a terminal, else a line every `LINE_SECONDS`."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
LINE_SECONDS = 20.0


def over(items: Iterable[T], *, what: str, unit: str, total: int | None = None) -> Iterator[T]:
    """Yields the items and shows the progress.

    Args:
        items: consumed lazily.
        what: a label, such as "dna preprocess".
        unit: the plural name of an item, such as "rows".
        total: the number of items, if known.
    """
    if sys.stderr.isatty():
        yield from tqdm(items, desc=what, unit=f" {unit}", total=total, leave=False)
        return
    started = reported = time.monotonic()
    for count, item in enumerate(items):
        now = time.monotonic()
        if now - reported >= LINE_SECONDS:
            reported = now
            share = f" of {total:,}" if total else ""
            rate = count / (now - started)
            print(f"{what}: {count:,}{share} {unit}, {rate:,.0f} a second", flush=True)
        yield item
