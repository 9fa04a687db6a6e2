"""Files of a solo: MIDI, score and sound."""

import dataclasses
import io
import wave

import numpy as np
import pytest

from seqapps.apps.jazz import performance, reader
from seqapps.apps.jazz.scores import Voice


def test_rests_and_what_follows_the_end_are_not_played():
    answer = {"pitch": [60, 0, 62, 64], "onset": [0, 1, 2, 3], "duration": [1, 1, 1, 0]}
    assert performance.solo_of(answer) == [(0.0, 1.0, 60), (2.0, 3.0, 62)]


def test_comping_puts_bass_and_chord_in_turn():
    chords = np.zeros((3, 12), np.float32)
    chords[:, [0, 4]] = 1
    notes = performance.comping(chords, np.array([0, 0, 0]), meter=(3, 4))
    assert notes == [(0, 1, 36), (1, 2, 60), (1, 2, 64), (2, 3, 36)]


def test_the_midi_opens_in_three_libraries_with_the_same_notes(played, tmp_path):
    import music21
    import pretty_midi

    path = tmp_path / "solo.mid"
    performance.midi(played).write(str(path))
    [by_mido] = reader.read(path)
    wanted = sorted((round(on, 3), pitch) for on, _, pitch in played.solo + played.accompaniment)
    assert wanted == sorted((round(on, 3), p) for part in by_mido.parts for on, _, p in part)
    opened = pretty_midi.PrettyMIDI(str(path))
    notes = [(round(n.start * 2, 3), n.pitch) for i in opened.instruments for n in i.notes]
    assert wanted == sorted(notes)
    parsed = music21.converter.parse(str(path), forceSource=True)
    found = [
        (round(float(n.offset), 3), p.midi)
        for part in parsed.parts
        for n in part.stripTies().flatten().notes
        for p in n.pitches
    ]
    assert wanted == sorted(found)
    assert by_mido.meters == [(0.0, 4, 4)] and by_mido.keys == [(0.0, 0)]


def test_a_big_bands_voices_keep_their_programs(played):
    """Seventeen voices of twelve programs and drums share MIDI's fifteen channels."""
    voices = [Voice(f"v{n}", n % 12 + 40, False, [(0.0, 1.0, 50 + n, 70)]) for n in range(17)]
    voices.append(Voice("kit", 0, True, [(0.0, 1.0, 36, 90)]))
    file = performance.midi(dataclasses.replace(played, voices=tuple(voices)))
    by_program = {i.program: [n.pitch for n in i.notes] for i in file.instruments[1:-1]}
    assert by_program == {n + 40: [50 + n] + [62 + n] * (n < 5) for n in range(12)}
    assert file.instruments[-1].is_drum and file.instruments[1].name == "v0, v12"


def test_at_half_the_tempo_it_takes_twice_as_long(played):
    slow, fast = (dataclasses.replace(played, tempo=tempo) for tempo in (60, 120))
    ends = [performance.midi(one).get_end_time() for one in (slow, fast)]
    assert ends == pytest.approx([16.0, 8.0])


def test_swing_moves_the_off_beat_to_the_last_third(played, tmp_path):

    performance.midi(dataclasses.replace(played, swing=True)).write(str(tmp_path / "s.mid"))
    [score] = reader.read(tmp_path / "s.mid")
    assert score.parts[0][1][0] == pytest.approx(2 / 3, abs=0.01)


@pytest.mark.parametrize(("meter", "pickup"), [((4, 4), 0.0), ((3, 4), 1.0), ((6, 8), 0.5)])
def test_the_bars_of_the_score_add_up(played, tmp_path, meter, pickup):

    import music21

    changed = dataclasses.replace(played, meter=meter, pickup=pickup, tonic=5)
    performance.notation(changed, tmp_path / "s.musicxml")
    score = music21.converter.parse(str(tmp_path / "s.musicxml"), forceSource=True)
    assert len(score.parts) == 2
    for part in score.parts:
        bars = part.getElementsByClass(music21.stream.Measure)
        whole = meter[0] * 4 / meter[1]
        assert {float(bar.duration.quarterLength) for bar in bars} == {whole}
        for bar in bars:
            assert sum(float(n.quarterLength) for n in bar.notesAndRests) == pytest.approx(whole)
        assert part.flatten().getElementsByClass(music21.key.KeySignature)[0].sharps == -1
    notes = score.parts[0].stripTies().flatten().notes
    before = (whole - pickup) % whole
    assert [(float(n.offset) - before, n.pitch.midi) for n in notes][:2] == [(0, 72), (0.5, 74)]


def test_the_wav_is_neither_silent_nor_clipped(played, tmp_path):
    path = tmp_path / "a.mid"
    performance.midi(played).write(str(path))
    with wave.open(io.BytesIO(performance.sound(path.read_bytes()))) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(float) / 2**15
        assert file.getnframes() / file.getframerate() > 8
    assert np.sqrt((frames**2).mean()) > 0.02
    assert np.abs(frames).max() == pytest.approx(performance.PEAK, abs=0.001)
