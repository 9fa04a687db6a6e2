"""A made-up application that has what the first one lacks: folds, ragged lengths, buckets.

The data is generated: each example is a run of numbers, the answer is their mean.
"""

from pydantic import Field

from seqapps import config
from seqapps.app import App, Asks, Feature


class Ingest(config.Table):
    sequences: int = Field(ge=1)


class Preprocess(config.Table):
    folds: tuple[str, ...]
    scale: float = 1.0


class Train(config.Train):
    units: int = Field(ge=1)
    dropout: float = 0.1


class Params(config.Table):
    ingest: Ingest
    preprocess: Preprocess
    train: Train
    evaluate: config.Evaluate
    export: config.Export = config.Export()
    predict: config.Predict = config.Predict()


APP = App(
    title="Mean of a run of numbers",
    package=__name__,
    params=Params,
    features={
        "steps": Feature("float32", (None,)),
        "length": Feature("int64"),
        "target": Feature("float32"),
    },
    headline=("mse", "min"),
    asks=Asks("Give runs of numbers, one a line.", endings=(".txt",), pasted="runs.txt"),
    bucket_by="steps",
    resample="group",
)
