"""A melody over its chords: how likely a note is, and new melodies for a tune's accompaniment."""

from seqapps.app import App, Asks, Feature, Output
from seqapps.apps.jazz.params import Params

APP = App(
    title="Jazz: the next note of a solo",
    package=__name__,
    params=Params,
    features={
        "pitch": Feature("int64", (None,)),  # MIDI number as it sounds, 0 = rest
        "duration": Feature("float32", (None,)),  # quarter notes; 0 = padding
        "chords": Feature("float32", (None, 12)),  # by beat: 1 where a pitch class sounds
        "bass": Feature("int64", (None,)),  # by beat: pitch class of the lowest note, -1 = none
        "tonic": Feature("int64", (None,)),  # by beat: pitch class of the (relative) major tonic
        "meter": Feature("int64", (2,)),  # 2, 4 is 2/4
        "pickup": Feature("float32"),  # quarter notes before the first whole bar
        "title": Feature("string"),
    },
    headline=("perplexity", "min"),
    asks=Asks(
        "Write chords, a bar each, or give a tune (MIDI, MusicXML, ABC): a solo over them.",
        endings=(".mid", ".midi", ".kar", ".musicxml", ".xml", ".mxl", ".abc"),
    ),
    evaluated=("score",),
    reported=(
        "nll_per_note",
        "nll_per_quarter",
        "top1",
        "top5",
        "pitch_perplexity",
        "pitch_top1",
        "pitch_top5",
        "new_perplexity",
        "repeated_perplexity",
    ),
    resample="group",
    compared_on="nll_per_note",
    instead_of_input=("chords",),
    outputs={
        "pitch": Output("MIDI number, 0 a rest"),
        "onset": Output("quarter notes"),
        "duration": Output("quarter notes"),
        "log_probability": Output("natural logarithm, per note"),
        "pitch_log_probability": Output("natural logarithm, of a rest, then MIDI 36 to 100 in C"),
        "duration_log_probability": Output("natural logarithm, of 1 to 48 twelfths of a quarter"),
        "top_pitch": Output("MIDI number, 0 a rest"),
        "top_duration": Output("quarter notes"),
    },
)
