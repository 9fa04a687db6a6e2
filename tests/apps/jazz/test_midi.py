import mido
import pytest

from seqapps.apps.jazz.midi import score
from seqapps.config import UserError
from tests.apps.jazz.conftest import midi, notes


@pytest.fixture
def read(tmp_path):
    """The score of tracks, each a list of messages; `division` replaces the header's bytes."""

    def of_tracks(tracks, *, division=None, kind=None):
        content = bytearray(midi(tmp_path / "a.mid", tracks).read_bytes())
        if division is not None:
            content[12:14] = division
        if kind is not None:
            content[8:10] = kind.to_bytes(2, "big")
        return score(bytes(content), "a")

    return of_tracks


def test_midi_is_read_tick_by_tick_without_drums_and_empty_tracks(read):
    head = [
        mido.MetaMessage("time_signature", numerator=3, denominator=4),
        mido.MetaMessage("key_signature", key="Am", time=96),
    ]
    drums = notes([36, 38], channel=9)
    tune = read([head, notes([60, 62]), [], drums, notes([48], ticks=96)])
    assert tune.parts == [[(0.0, 0.5, 60), (0.5, 1.0, 62)], [(0.0, 1.0, 48)]]
    assert tune.meters == [(0.0, 3, 4)]
    assert tune.keys == [(0.0, 0), (1.0, 0)]  # a minor's signature is C's


def test_smpte_division_counts_frames(read):
    # 25 frames of 40 ticks: a thousand a second
    tune = read([notes([60], ticks=500)], division=bytes([256 - 25, 40]))
    assert tune.parts == [[(0.0, 1.0, 60)]]


@pytest.mark.parametrize(
    ("header", "reason"),
    [({"division": b"\0\0"}, "has no ticks"), ({"kind": 2}, "MIDI of type 2, whose tracks")],
)
def test_a_header_that_cannot_be_played_is_named(read, header, reason):
    with pytest.raises(UserError, match=reason):
        read([notes([60])], **header)


def test_a_note_without_length_is_none_and_one_without_end_ends_with_its_track(read):
    messages = notes([60], ticks=0) + [
        mido.Message("note_on", note=64, velocity=50, time=0),
        mido.MetaMessage("text", text="the end", time=96),
    ]
    tune = read([messages])
    assert tune.parts == [[(0.0, 1.0, 64)]]
    assert tune.recording.voices[0].notes == [(0.0, 1.0, 64, 50)]


def test_channels_of_one_track_are_parts_of_their_own(read):
    tune = read([notes([60]) + notes([40], channel=1)])
    assert [len(part) for part in tune.parts] == [1, 1]
    assert tune.names == ["track 1, channel 1", "track 1, channel 2"]


def test_a_program_may_be_set_in_another_track_and_the_tracks_own_wins(read):
    head = [mido.Message("program_change", program=p, channel=c) for p, c in ((33, 0), (66, 1))]
    piano = [mido.Message("program_change", program=4, channel=1), *notes([60], channel=1)]
    tune = read([head, notes([40]), notes([60], channel=1), piano])
    assert [voice.program for voice in tune.recording.voices] == [33, 66, 4]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_tracks_name_is_decoded(read, encoding):
    name = "Flûte".encode(encoding).decode("latin-1")
    assert read([[mido.MetaMessage("track_name", name=name), *notes([60])]]).names == ["Flûte"]


def test_the_first_tempo_is_kept_and_a_change_is_known(read):
    tempos = [
        mido.MetaMessage("set_tempo", tempo=300_000),
        mido.MetaMessage("set_tempo", tempo=500_000, time=96),
    ]
    recording = read([tempos, notes([60])]).recording
    assert (recording.tempo, recording.tempo_changes) == (200.0, True)
    recording = read([tempos[:1], notes([60])]).recording
    assert (recording.tempo, recording.tempo_changes) == (200.0, False)
