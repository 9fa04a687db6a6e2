"""The five tables of `pipelines/captioning/*.toml`."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from seqapps import config

Attention = Literal["none", "dot", "bahdanau"]
ENCODERS = ("small", "EfficientNetB0", "EfficientNetV2B0", "MobileNetV2", "MobileNetV3Small")


class Ingest(config.Table):
    """Source and selection of pictures and sentences."""

    source: Literal["flags", "tuxpaint", "user"] = "flags"
    language: Literal["en", "es"] = Field("en", description="of tuxpaint")
    folder: Path | None = Field(
        None, description="source = user: a Flickr8k, Flickr30k or COCO folder"
    )
    limit: int | None = Field(
        None, ge=12, description="of tuxpaint and user: so many, evenly spread"
    )
    twin_rms: float = Field(
        0.02, ge=0, lt=1, description="images whose 8x8 thumbnails differ by less are twins"
    )
    extra_train_images: tuple[Literal["svg_country_flags"], ...] = Field(
        (), description="further drawings: they train, and are never what is chosen or judged by"
    )

    @model_validator(mode="after")
    def _widens_flags(self) -> "Ingest":
        if self.extra_train_images and self.source != "flags":
            raise ValueError(
                'extra_train_images holds drawings of flags; set source = "flags", or [] here'
            )
        return self


class Preprocess(config.Table):
    """The caption of a record, the split, the input of the encoder."""

    caption: Literal["first_clause", "whole"] = "whole"
    leave_out: str = Field("", description="captions that match this are no description")
    folds: int = Field(1, ge=1, description="the test slice moves through the groups")
    test_share: float = Field(0.2, gt=0, lt=0.5)
    validation_share: float = Field(0.1, gt=0, lt=0.5)
    seed: int = Field(ge=0)
    min_count: int = Field(1, ge=1, description="rarer words of the train captions are unknown")
    max_words: int = Field(40, ge=2, description="longer captions are cut in training")
    turn_bands: bool = Field(
        False, description="bands train a second time with rows and columns swapped, words too"
    )
    encoder: Literal[ENCODERS] = "small"  # pyright: ignore[reportInvalidTypeForm] a tuple made once
    weights: str = Field("none", description="of keras.applications: imagenet, a path, none")
    image_height: int = Field(64, ge=32)
    image_width: int = Field(96, ge=32)

    @field_validator("leave_out")
    @classmethod
    def _is_a_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"is no regular expression ({error})") from None
        return value

    @model_validator(mode="after")
    def _folds_fit(self) -> "Preprocess":
        if self.folds * self.test_share > 1 + 1e-9:
            raise ValueError(
                f"{self.folds} folds of test_share {self.test_share} are more than all; "
                "lower one of them"
            )
        return self


class Train(config.Train):
    """The shipped network, and those trained beside it to be compared."""

    attention: Attention = "bahdanau"
    compare: tuple[Literal["none", "dot", "bahdanau", "blind"], ...] = Field(
        (), description="further networks with weights of their own; blind never sees the image"
    )
    ensemble_size: int = Field(
        1, ge=1, description="networks of the shipped kind, their probabilities averaged"
    )
    cell: Literal["jordan", config.Recurrent] = "gru"
    units: int = Field(128, ge=1)
    embedding_dim: int = Field(64, ge=1)
    dropout: float = Field(0.3, ge=0, lt=1)
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    teacher_forcing: float = Field(
        1.0, ge=0, le=1, description="share of true words the decoder reads at the end of training"
    )
    shift: float = Field(0.05, ge=0, lt=0.5, description="augmentation: largest move, in widths")
    recolour: float = Field(
        0.0, ge=0, le=1, description="augmentation: share whose colours change places, with words"
    )
    zoom: float = Field(0.1, ge=0, lt=0.5, description="augmentation: largest change of size")

    @property
    def members(self) -> tuple[str, ...]:
        """The networks: the shipped kind `ensemble_size` times, then those it is compared with."""
        others = (kind for kind in dict.fromkeys(self.compare) if kind != self.attention)
        return (*(self.attention,) * self.ensemble_size, *others)


class Evaluate(config.Evaluate):
    """Decoding of captions, and the baselines."""

    decoding: Literal["greedy", "beam3"] = Field(
        "beam3", description="what serving_default does; both are reported on validation"
    )


class Params(config.Params):
    """One table per stage, and the options of predict."""

    ingest: Ingest
    preprocess: Preprocess
    train: Train
    evaluate: Evaluate

    @model_validator(mode="after")
    def _turns_flags(self) -> "Params":
        if self.preprocess.turn_bands and self.ingest.source != "flags":
            raise ValueError('preprocess.turn_bands knows the words of source = "flags" only')
        return self
