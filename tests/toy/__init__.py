"""The smallest complete application: the mean of a run of numbers, on generated data.

It has what real applications lack one by one: folds, rows of different lengths, buckets. `make new`
copies it, so replace the data first, then the model, then the words.
"""

from seqapps.app import App, Asks, Feature, Output
from tests.toy.params import Params

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
    bucket_by="length",
    resample="group",
    outputs={"mean": Output("of the numbers")},
)
