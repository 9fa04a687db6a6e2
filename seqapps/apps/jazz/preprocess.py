"""Preprocess: folds that leave tunes out, the line and the chart of each tune.

Nothing is fitted but the list of values that the lectures' network writes one-hot.
"""

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from seqapps.app import Item, Record, Skip
from seqapps.apps.jazz import frontend, ingest, tunes
from seqapps.apps.jazz.params import Params
from seqapps.apps.jazz.tunes import Tune
from seqapps.config import UserError

REQUEST = ("pitch", "duration", "chords", "bass", "tonic", "meter", "pickup")
"""What is asked about a tune: the features of a record that the endpoint `score` takes."""

FEWEST_GROUPS = 3


def index(params: Params, raw: Path) -> Iterator[Item | Skip]:
    """Each (fold, tune). A fold tests some groups, chooses by the next one, learns from the rest.

    Only one setting of a tested tune is judged; a train tune comes up several times an epoch.
    """
    tunes_by_name = _tunes(str(raw))
    groups = tunes.groups(tunes_by_name.values())
    order = sorted(set(groups.values()))
    if len(order) < FEWEST_GROUPS:
        raise UserError(
            f"{len(order)} different tunes are too few: one to test, one to choose by, one to "
            "learn from are the least; give more in ingest.files"
        )
    step = params.preprocess.test_groups
    if len(order) < step + 2:
        raise UserError(
            f"preprocess.test_groups = {step} of {len(order)} leaves no tune to learn from; at "
            f"most {len(order) - 2}"
        )
    for first in range(0, len(order), step):
        tested = order[first : first + step]
        chosen_by = order[(first + len(tested)) % len(order)]
        fold = tested[0]
        for name in tunes_by_name:
            group = groups[name]
            if group in tested:
                if name == group:
                    yield Item(name, "test", group, (str(raw), name), fold)
                else:
                    yield Skip("another setting of the test tune", f"{fold}: {name}")
            elif group == chosen_by:
                yield Item(name, "validation", group, (str(raw), name), fold)
            else:
                for time in range(params.preprocess.windows_per_piece):
                    yield Item(f"{name}#{time}", "train", group, (str(raw), name), fold)


def assets(params: Params, items: Iterable[Item], out: Path) -> None:
    """Writes `values.json`: the (pitch, duration) values of the train tunes, as numbers below V."""
    del params
    known: set[int] = set()
    for where in {item.where for item in items}:
        known.update(values(_tunes(where[0])[where[1]].columns()).tolist())
    (out / "values.json").write_text(json.dumps(sorted(known)) + "\n")


def example(params: Params, assets: Path, item: Item) -> Record:
    """The columns of a tune."""
    del params, assets
    raw, name = item.where
    return _tunes(raw)[name].columns() | {"title": name}


def values(columns: dict[str, Any]) -> np.ndarray:
    """Each token of a record as one number below V, int64 (T,)."""
    batch = {name: tf.constant(np.asarray(columns[name])[None]) for name in REQUEST}
    return frontend.line(batch, frontend.chart(batch)).value.numpy()[0].astype(int)


@lru_cache(maxsize=4)
def _tunes(raw: str) -> dict[str, Tune]:
    arranged = (tunes.arrange(score) for score in ingest.load(Path(raw)))
    return {tune.name: tune for tune in arranged if isinstance(tune, Tune)}
