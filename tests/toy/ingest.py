"""Ingest: runs of 3 to 12 numbers, drawn from a seed."""

import json
from pathlib import Path

import numpy as np

from tests.toy.params import Params


def ingest(params: Params, out: Path) -> dict[str, int]:
    """Writes `runs.json`, a list of runs, and returns their number."""
    rng = np.random.default_rng(7)
    runs = [
        rng.normal(size=rng.integers(3, 13)).round(4).tolist()
        for _ in range(params.ingest.sequences)
    ]
    (out / "runs.json").write_text(json.dumps(runs))
    return {"runs": len(runs)}
