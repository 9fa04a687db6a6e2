import json

import numpy as np


def ingest(params, out):
    rng = np.random.default_rng(7)
    runs = [
        rng.normal(size=rng.integers(3, 13)).round(4).tolist()
        for _ in range(params.ingest.sequences)
    ]
    (out / "runs.json").write_text(json.dumps(runs))
    return {"runs": len(runs)}
