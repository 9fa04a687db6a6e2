"""The five tables of `pipelines/jazz/*.toml`."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from seqapps import config


class Ingest(config.Table):
    """Source and selection of tunes."""

    source: Literal["packages", "user"] = "packages"
    files: tuple[Path, ...] = Field(
        default=(), description="source = user: files or folders of MIDI, MusicXML, ABC, kern"
    )


class Preprocess(config.Table):
    """Leave-one-out folds, and the train windows per tune."""

    test_groups: int = Field(ge=1, description="tunes (with their twins) held out per fold")
    windows_per_piece: int = Field(
        ge=1, description="times a train tune comes up in an epoch, each time cut and moved anew"
    )


class Train(config.Train):
    """The network and its fitting."""

    kind: Literal["soloist", "deepjazz"] = "soloist"
    cell: Literal["jordan", config.Cell] = "lstm"
    units: int = Field(ge=1)
    layers: int = Field(default=1, ge=1)
    dropout: float = Field(ge=0, lt=1)
    memory: bool = Field(default=True, description="may copy from what the tune has played so far")
    window_notes: int = Field(ge=8, description="a train tune is cut to so many notes")
    tbptt_steps: int = Field(ge=1, description="notes after which the gradient is cut")
    transpose_semitones: int = Field(ge=0, le=6, description="train tunes are moved up to this far")
    transpose_share: float = Field(ge=0, le=1, description="share of the train windows moved")


class Evaluate(config.Evaluate):
    """Baselines and samples."""

    deepjazz_epochs: int = Field(ge=0, description="the lectures' network; 0 leaves it out")
    gradient_epochs: int = Field(
        ge=0, description="of the nets whose gradients are compared; 0 leaves them out"
    )
    samples: int = Field(ge=2, description="improvised tunes that are judged")
    sample_beats: int = Field(ge=8, description="length of each")
    temperature: float = Field(gt=0)
    top_p: float = Field(gt=0, le=1)
    shown_pieces: int = Field(ge=1, description="test tunes that get a MIDI, a WAV and pictures")


class Predict(config.Predict):
    """Options of `make predict`."""

    chords: str = Field(
        default="", description='in place of INPUT: "C7 F7 C7 G7" or "| Dm7 G7 | C^7 | % |"'
    )
    meter: str = Field(
        default="4/4", pattern=r"^[0-9]{1,3}/[0-9]$", description="with CHORDS: a chord a bar"
    )
    choruses: int = Field(default=1, ge=1, le=16, description="with CHORDS: times through")
    temperature: float = Field(default=1.0, gt=0, le=1000)
    top_p: float = Field(default=0.95, gt=0, le=1)
    seed: int = Field(default=0, ge=0, le=10**9)
    beam: bool = Field(
        default=False, description="search for a likely line instead of sampling one"
    )
    primer_notes: int = Field(
        default=0, ge=0, description="notes of the tune's melody to go on from"
    )
    swing: bool = Field(
        default=False, description="the second half of a beat falls on its last third"
    )
    tempo: float | None = Field(
        default=None, ge=20, le=400, description="quarter notes a minute; None = the tune's, or 120"
    )
    melody: str = Field(
        default="", description="the part that the solo replaces, by name or number; else the first"
    )


class Params(config.Params):
    """One table per stage, and the options of predict."""

    ingest: Ingest
    preprocess: Preprocess
    train: Train
    evaluate: Evaluate
    predict: Predict = Predict()
