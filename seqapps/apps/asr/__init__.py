"""Speech recognition: the text of a recording, with word times."""

from seqapps.app import App, Asks, Feature
from seqapps.apps.asr.params import Params

APP = App(
    title="Speech recognition",
    package=__name__,
    params=Params,
    features={
        "wav": Feature("string"),  # a WAV file, mono int16 at sample_rate_hz: what a client sends
        "text": Feature("string"),  # normalised transcript
        "speaker": Feature("string"),
        "corpus": Feature("string"),
        "seconds": Feature("float32"),
    },
    headline=("cer", "min"),
    asks=Asks(
        "Say something, or give a recording: what was said, and when.",
        endings=(".wav", ".flac", ".ogg", ".mp3"),
        shown_as="sound",
    ),
    evaluated=("serving_default", "greedy"),
    reported=("wer", "substitutions", "deletions", "insertions"),
    resample="group",
    bucket_by="seconds",
)
