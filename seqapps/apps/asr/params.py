"""The five tables of `pipelines/asr/*.toml`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from seqapps import config
from seqapps.config import UserError

Language = Literal["en", "es"]
Corpus = Literal["drascula", "asterisk", "tuxpaint"]


WEIGHTS = ("lm_weight", "word_weight", "phones_weight", "character_bonus")
"""What of `[evaluate]` a request may bring itself, to the endpoint `tuned`."""


class Ingest(config.Table):
    """Source and selection of recordings."""

    source: Literal["packages", "user"] = "packages"
    language: Language = Field("en", description="of transcripts, normaliser and alphabet")
    corpora: tuple[Corpus, ...] = Field(
        ("drascula", "asterisk"), min_length=1, description="source = packages; tuxpaint has es"
    )
    extra_train_corpora: tuple[Literal["amazon_queen"], ...] = Field(
        (), description="further packages: they train, and are never what is chosen or judged by"
    )
    folder: Path | None = Field(
        None, description="source = user: a LibriSpeech, Common Voice or LJSpeech folder"
    )
    clips_per_corpus: int | None = Field(None, ge=1, description="evenly thinned; None = all")

    @model_validator(mode="after")
    def _has_data(self) -> "Ingest":
        if self.source == "user" and not self.folder:
            raise UserError('ingest.source = "user" needs ingest.folder = "path/to/recordings"')
        if self.source == "packages" and "tuxpaint" in self.corpora and self.language != "es":
            raise UserError('ingest.corpora: tuxpaint is spoken in Spanish; set language = "es"')
        if self.extra_train_corpora and self.language != "en":
            raise UserError(
                'ingest.extra_train_corpora: amazon_queen is English; set language = "en"'
            )
        return self


class Preprocess(config.Table):
    """Selection of clips, their sample rate and their split."""

    sample_rate_hz: int = Field(8000, ge=4000, le=48000)
    max_seconds: float = Field(16.0, gt=0, description="longer clips are left out, and counted")
    split_by: Literal["text", "speaker"] = "text"
    test_percent: int = Field(12, ge=1, le=40)
    validation_percent: int = Field(8, ge=1, le=40)
    own_repeats: int = Field(
        1,
        ge=1,
        description="times a clip of `corpora` trains in an epoch (extra_train_corpora: once)",
    )
    lm_order: int = Field(6, ge=1, le=10, description="characters an n-gram of the LM spans")
    word_list_weight: float = Field(
        0.0,
        ge=0,
        description="share of general frequencies in the LM of characters; 0 = neither LM has any",
    )


class Train(config.Train):
    """The network."""

    kind: Literal["ctc", "las"] = Field(
        "ctc", description="las: a decoder with attention spells the text, beside CTC"
    )
    attention: Literal["dot", "bahdanau"] = Field("bahdanau", description="kind = las")
    ctc_weight: float = Field(0.3, ge=0, le=1, description="kind = las: CTC's part of the loss")
    phones_weight: float = Field(
        0.0, ge=0, lt=1, description="the part of CTC's loss that is over phones, in mid-stack"
    )
    cell: config.Cell = "gru"
    products: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="of cell = sru: what training multiplies matrices in; bfloat16 is a sixth "
        "faster where the processor has it, and float32 all the same elsewhere",
    )
    units: int = Field(128, ge=1, description="in each direction")
    layers: int = Field(3, ge=1)
    dropout: float = Field(0.2, ge=0, lt=1)
    n_mels: int = Field(40, ge=8)
    conv_filters: int = Field(32, ge=1)
    subsampling: int = Field(3, ge=1, le=8, description="10 ms frames in one step of the network")
    speed_change: float = Field(0.1, ge=0, lt=0.5, description="tape speed 1 -+ this")
    noise_snr_db: float = Field(15.0, description="lowest signal to noise ratio mixed in")
    time_masks: int = Field(2, ge=0, description="SpecAugment (Park et al. 2019)")
    time_mask_ms: int = Field(300, ge=10)
    mel_masks: int = Field(2, ge=0)
    mel_mask_width: int = Field(6, ge=1)


class Evaluate(config.Evaluate):
    """Decoding of the network's outputs, and the baselines."""

    decoder: Literal["greedy", "beam"] = "beam"
    beam_width: int = Field(16, ge=1)
    lm_weight: float = Field(0.5, ge=0, description="of the character LM in the beam; 0 = none")
    word_weight: float = Field(0.0, ge=0, description="of the word LM in the beam; 0 = none")
    phones_weight: float = Field(
        0.0,
        ge=0,
        description="of the phone rescoring score, in the choice among the beam's texts; "
        "nothing where train.phones_weight is 0",
    )
    character_bonus: float = Field(0.5, ge=0, description="a letter's reward, against the LM")
    pocketsphinx: bool = Field(False, description="compare with its English model")


class Predict(config.Predict):
    """Options of `make predict`."""

    subtitles: Literal["srt", "vtt", "none"] = "srt"
    words: Literal["json", "ctm", "none"] = Field(
        default="json", description="file of words with their times"
    )
    hot_words: str = Field(default="", description="contextual biasing: words, separated by commas")
    hot_weight: float = Field(
        default=1.0, gt=0, description="contextual biasing: reward of each letter of a word"
    )
    longest_seconds: float = Field(default=15.0, gt=1, description="recordings are cut at silences")


class Params(config.Params):
    """One table per stage, and the options of predict."""

    ingest: Ingest
    preprocess: Preprocess
    train: Train
    evaluate: Evaluate
    predict: Predict = Predict()
