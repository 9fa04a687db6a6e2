"""The five tables of the profiles."""

from pydantic import Field

from seqapps import config


class Ingest(config.Table):
    """The generated data."""

    sequences: int = Field(ge=1, description="how many runs of numbers are drawn")


class Preprocess(config.Table):
    """The folds and the form of a record."""

    folds: tuple[str, ...]
    scale: float = Field(description="factor on every number")


class Train(config.Train):
    """The network and its fitting."""

    units: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)


class Params(config.Params):
    """One table per stage, and the options of predict."""

    ingest: Ingest
    preprocess: Preprocess
    train: Train
