"""The five tables of `pipelines/finance/*.toml`."""

import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from seqapps import config
from seqapps.config import UserError

Symbol = Annotated[str, Field(pattern=r"^[A-Za-z0-9^][A-Za-z0-9^_.=-]*$")]
Packaged = Literal["sp500", "nasdaq", "wti", "aapl", "fb", "goog", "ibm", "msft"]
Kind = Literal["seqapps", "rnn", "gru", "lstm", "wlstm", "wsaes_lstm"]
Denoise = Literal["none", "causal", "full_leaky"]
Member = Annotated[
    str, Field(pattern=r"^(seqapps|rnn|gru|lstm|wlstm|wsaes_lstm)/(none|causal|full_leaky)$")
]
DateOrder = Literal["auto", "mdy", "dmy"]
Decimals = Literal["auto", "point", "comma"]


class Ingest(config.Table):
    """Source and selection of series."""

    source: Literal["packages", "user"] = "packages"
    symbols: tuple[Packaged, ...] = Field(
        ("sp500", "nasdaq"), min_length=1, description="source = packages; wti has closes only"
    )
    files: dict[Symbol, Path] = Field({}, description="source = user: symbol -> CSV")
    date_order: DateOrder = Field("auto", description="of 03/04/2018 in a user's CSV")
    decimals: Decimals = Field("auto", description="the sign before decimals in a user's CSV")


class Preprocess(config.Table):
    """Walk-forward: the train, validation and test blocks of a fold."""

    test_from: datetime.date | None = Field(
        None, description="first day of the first test block; None = one block, the last"
    )
    test_until: datetime.date | None = Field(
        None, description="last day of the last test block; None = the series' last"
    )
    test_months: int = Field(ge=1, description="length of a test block: one fold each")
    validation_months: int = Field(ge=1, description="before the test block")
    train_months: int = Field(ge=1, description="before the validation block")
    train_stride_days: int = Field(default=1, ge=1, description="days between train windows")
    steps: int = Field(ge=1, le=256, description="days the recurrent network reads")
    leaky_windows: bool = Field(
        False, description="write the full_leaky windows: a demonstration that uses the future"
    )
    sae_layers: int = Field(0, ge=0, description="stacked autoencoders of wsaes_lstm; 0 = none")
    sae_units: int = Field(10, ge=1)
    sae_steps: int = Field(300, ge=1, description="of Adam, for each autoencoder")
    seed: int = Field(ge=0)

    @field_validator("test_from")
    @classmethod
    def _first_of_month(cls, value: datetime.date | None) -> datetime.date | None:
        if value and value.day != 1:
            raise ValueError("must be the first of a month: leak groups are months")
        return value


class Train(config.Train):
    """The shipped network, and those that are trained beside it to be compared."""

    kind: Kind = "seqapps"
    denoise: Denoise = Field("none", description="full_leaky uses the future: cannot be exported")
    compare: tuple[Member, ...] = Field(
        (), description="kind/denoise of further networks, each with weights of its own"
    )
    cell: config.Cell = Field("gru", description="of kind seqapps")
    units: int = Field(16, ge=1)
    averaged: int = Field(
        1, ge=1, description="networks of the shipped kind that begin apart; their mean is shipped"
    )
    layers: int = Field(1, ge=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    loss_steps: Literal["all", "last"] = Field(
        "all", description="train on the forecast of each step, or of the last only"
    )

    @property
    def members(self) -> tuple[str, ...]:
        """The networks, `kind/denoise`, the shipped one first."""
        return tuple(dict.fromkeys((f"{self.kind}/{self.denoise}", *self.compare)))


class Evaluate(config.Evaluate):
    """Costs of trading."""

    cost_percent: float = Field(0.01, ge=0, description="of a trade, each side (Bao 2017)")


class Predict(config.Predict):
    """Options of `make predict`."""

    days: int = Field(default=1, ge=1, description="forecasts made after each of the last days")
    date_order: DateOrder = Field(default="auto", description="of 03/04/2018 in a CSV")
    decimals: Decimals = Field(default="auto", description="the sign before decimals in a CSV")
    conformal: bool = Field(
        default=True, description="calibrate the intervals on the series' own last 250 days"
    )
    backtest: int = Field(
        default=0, ge=0, description="judge the forecasts of so many last days: coverage, pinball"
    )


class Params(config.Params):
    """One table per stage, and the options of predict."""

    ingest: Ingest
    preprocess: Preprocess
    train: Train
    evaluate: Evaluate
    predict: Predict = Predict()

    @model_validator(mode="after")
    def _members_have_their_data(self) -> "Params":
        for member in self.train.members:
            if member.endswith("full_leaky") and not self.preprocess.leaky_windows:
                raise UserError(f"train: {member} needs preprocess.leaky_windows = true")
            if member.startswith("wsaes") and not self.preprocess.sae_layers:
                raise UserError(f"train: {member} needs preprocess.sae_layers of at least 1")
        return self
