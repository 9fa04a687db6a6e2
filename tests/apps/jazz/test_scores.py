import mido
import pytest

from seqapps.app import Skip
from seqapps.apps.jazz import scores, tunes

ABC = """X:1
T:One
M:4/4
L:1/8
K:G
"G"GABc "D7"d2 d2|"G"B4 B4|GABc d2 d2|B4 B4|
X:2
T:Two
M:6/8
L:1/8
K:Em
EGB e2B|EGB e2B|EGB e2B|EGB e2B|
"""
KERN = "**kern\n*M2/4\n*k[f#]\n=1\n4g\n8a\n8b\n=2\n2cc\n=3\n*-\n"


def midi(path, tracks, *, quarter=96):
    file = mido.MidiFile(type=1, ticks_per_beat=quarter)
    for messages in tracks:
        file.tracks.append(mido.MidiTrack(messages))
    file.save(path)
    return path


def notes(pitches, *, channel=0, ticks=48):
    found = []
    for pitch in pitches:
        found.append(mido.Message("note_on", note=pitch, velocity=80, channel=channel, time=0))
        found.append(mido.Message("note_on", note=pitch, velocity=0, channel=channel, time=ticks))
    return found


def test_midi_is_read_tick_by_tick_without_drums_and_empty_tracks(tmp_path):
    head = [
        mido.MetaMessage("time_signature", numerator=3, denominator=4),
        mido.MetaMessage("key_signature", key="Am", time=96),
    ]
    tracks = [head, notes([60, 62]), [], notes([36, 38], channel=9), notes([48], ticks=96)]
    [score] = scores.read(midi(tmp_path / "a.mid", tracks))
    assert score.parts == [[(0.0, 0.5, 60), (0.5, 1.0, 62)], [(0.0, 1.0, 48)]]
    assert score.meters == [(0.0, 3, 4)]
    assert score.keys == [(0.0, 0), (1.0, 0)]  # a minor's signature is C's


def test_several_tunes_in_one_abc_are_several_scores(tmp_path):
    (tmp_path / "set.abc").write_text(ABC)
    one, two = scores.read(tmp_path / "set.abc")
    assert (one.name, two.name) == ("set-1", "set-2")
    assert one.parts[0][:3] == [(0.0, 0.5, 67), (0.5, 1.0, 69), (1.0, 1.5, 71)]
    assert [symbol[:2] for symbol in one.symbols] == [
        (0.0, [2, 7, 11]), (2.0, [0, 2, 6, 9]), (4.0, [2, 7, 11])
    ]  # fmt: skip
    assert (one.keys, two.keys) == ([(0.0, 7)], [(0.0, 7)])
    assert two.meters == [(0.0, 6, 8)]


def test_kern_is_read(tmp_path):
    (tmp_path / "a.krn").write_text(KERN)
    [score] = scores.read(tmp_path / "a.krn")
    assert score.parts == [[(0.0, 1.0, 67), (1.0, 1.5, 69), (1.5, 2.0, 71), (2.0, 4.0, 72)]]
    assert (score.keys, score.meters) == ([(0.0, 7)], [(0.0, 2, 4)])


@pytest.mark.parametrize("name", ["a.mid", "a.musicxml", "a.mxl"])
def test_a_broken_file_is_left_out_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"no music at all")
    [found] = scores.read(tmp_path / name)
    assert isinstance(found, Skip) and found.key == name
    assert found.reason.startswith("cannot be read")


def test_what_music21_reads_of_maple_leaf_has_known_counts():
    """Pinned for music21 10.5.1: another version may split or tie otherwise."""
    import importlib.metadata
    from pathlib import Path

    from seqapps.apps.jazz import ingest

    path = importlib.metadata.distribution("music21").locate_file(ingest.TWIN[0])
    [score] = scores.read(Path(str(path)))
    assert [len(part) for part in score.parts] == [687, 802]
    assert score.pickup == 0.5
    tune = tunes.arrange(score)
    assert (len(tune.line), len(tune.bass), tune.meter) == (445, 168, (2, 4))
    assert set(tune.tonic.tolist()) == {8, 1}
