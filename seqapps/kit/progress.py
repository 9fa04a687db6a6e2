"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
LINE_SECONDS = 20.0


def over(items: Iterable[T], *, what: str, unit: str, total: int | None = None) -> Iterator[T]:
    """The same items, while progress is shown.

    Args:
        items: consumed lazily.
        what: "dna preprocess", say.
        unit: what an item is called.
        total: how many there will be, if known.
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
