"""The five tables of `pipelines/dna/*.toml`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from seqapps import config

FactorName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]


class Ingest(config.Table):
    """Source and selection of sites."""

    source: Literal["packages", "user"] = "packages"
    factors: tuple[Literal["oct4", "mafk", "ctcf", "tap73"], ...] = Field(
        default=("oct4", "mafk", "ctcf", "tap73"),
        min_length=1,
        description="source = packages: transcription factors, one label each",
    )
    files: dict[FactorName, Path | tuple[Path, ...]] = Field(
        default={},
        description="source = user: factor -> FASTA, BED, narrowPeak or DeepBind .seq.gz",
    )
    genome: Path | None = Field(
        default=None, description="source = user: FASTA that BED files refer to"
    )
    bed_bp: int = Field(
        default=200, ge=20, description="source = user: cut around a BED line's middle or summit"
    )
    sites_per_factor: int | None = Field(
        default=None, ge=10, description="at most this many, evenly taken"
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The factors in label order: those asked for, or the keys of the user's files."""
        return tuple(self.files) if self.source == "user" else self.factors

    @field_validator("factors")
    @classmethod
    def _in_listed_order(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        # Factors of the package that may be missing come last, so that a run which got fewer
        # factors has the first ones.
        listed = ("oct4", "mafk", "ctcf", "tap73")
        return tuple(sorted(value, key=listed.index))


class Preprocess(config.Table):
    """From sites to labelled windows."""

    window_bp: int = Field(ge=20, le=5000)
    jitter_bp: int = Field(ge=0, description="train windows start up to this far off centre")
    test_chromosomes: tuple[str, ...] = ("chr1", "chr8", "chr9")
    validation_chromosomes: tuple[str, ...] = ("chr7", "chr10")
    other_peaks: Literal["negative", "unknown"] = Field(
        default="negative", description="label of a site for the factors it was not measured for"
    )
    shuffles_per_site: int = Field(default=1, ge=1)
    kmer_bp: int = Field(default=5, ge=1, le=8, description="k-mer length of the k-mer embeddings")
    kmer_stride_bp: int = Field(default=2, ge=1)
    embedding_dim: int = Field(
        default=32, ge=2, description="word2vec vectors fitted on train k-mers"
    )
    seed: int = Field(ge=0)


class Train(config.Train):
    """The network and its fitting."""

    kind: Literal["hybrid", "kegru", "conv"] = "hybrid"
    embedding: Literal["onehot", "kmer"] = Field(
        default="onehot", description="first layer of hybrid"
    )
    filters: int = Field(default=64, ge=4)
    kernel_bp: int = Field(default=15, ge=3)
    pool_bp: int = Field(default=4, ge=1)
    word_filters: int = Field(
        default=0, ge=0, description="hybrid: short filters averaged over the window; 0 = none"
    )
    word_bp: int = Field(default=9, ge=2)
    cell: config.Cell = "gru"
    units: int = Field(default=32, ge=1)
    layers: int = Field(default=1, ge=1)
    bidirectional: bool = True
    dropout: float = Field(default=0.2, ge=0, lt=1)
    reverse_complement: bool = Field(
        default=True, description="half of the train windows, other strand"
    )
    conjoined: bool = Field(default=True, description="average both strands in training too")
    balance_factors: bool = Field(
        default=True, description="a factor's own rows weigh 1/F, however few"
    )


class Evaluate(config.Evaluate):
    """Baselines and motif search."""

    kmer_bp: int = Field(default=6, ge=1, le=8, description="k-mer length of the logistic baseline")
    gkm_svm_rows: int = Field(
        default=12_000, ge=0, description="most train rows per factor and class; 0 = no SVM"
    )
    motif_sites: int = Field(
        default=60, ge=2, description="best-scored test sites per factor mutated"
    )


class Predict(config.Predict):
    """Options of `make predict`."""

    genome: Path | None = Field(default=None, description="FASTA that BED and VCF files refer to")
    stride_bp: int = Field(
        default=50, ge=1, description="step between the windows of a long record"
    )
    track: bool = Field(
        default=False, description="also write the windows of long records as tracks (bedGraph)"
    )


class Params(config.Params):
    """One table per stage, and the options of predict."""

    ingest: Ingest
    preprocess: Preprocess
    train: Train
    evaluate: Evaluate
    predict: Predict = Predict()
