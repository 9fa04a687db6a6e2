"""Speech recognition: the text of a recording, with word times."""

from seqapps.app import App, Asks, Feature, Output
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
        endings=(".wav", ".flac", ".ogg", ".mp3", ".opus", ".aiff", ".au", ".caf", ".m4a", ".mp4")
        + (".webm", ".aac", ".amr", ".wma"),
        shown_as="sound",
    ),
    evaluated=("serving_default", "greedy"),
    reported=("wer", "substitutions", "deletions", "insertions"),
    resample="group",
    outputs={
        "score": Output("natural logarithm per step, of the text's best alignment"),
        "start_s": Output("seconds from the recording's first sample, per word"),
        "end_s": Output("seconds from the recording's first sample, per word"),
        "confidence": Output("0 to 1, per word"),
        "log_probability": Output("natural logarithm, of each letter and, last, the blank"),
        "steps": Output("of log_probability that are the recording's own"),
        "weights": Output("of attention, per letter and step"),
    },
    bucket_by="seconds",
)
