import json

import numpy as np

from seqapps.app import Item, Skip

SPLITS = ("train", "train", "train", "validation", "test")


def index(params, raw):
    runs = json.loads((raw / "runs.json").read_text())
    for shift, fold in enumerate(params.preprocess.folds):
        for number, run in enumerate(runs):
            if len(run) == 3:
                yield Skip("too short", f"run-{number}")
                continue
            split = SPLITS[(number + shift) % len(SPLITS)]
            yield Item(f"run-{number}", split, f"run-{number}", (run,), fold)


def assets(params, items, out):
    values = [value for item in items for value in item.where[0]]
    (out / "mean.json").write_text(json.dumps(float(np.mean(values))))


def example(params, assets, item):
    (run,) = item.where
    if max(run) > 3:
        return Skip("outlier", item.key)
    steps = np.array(run, np.float32) * params.preprocess.scale
    return {"steps": steps, "length": len(run), "target": float(steps.mean())}
