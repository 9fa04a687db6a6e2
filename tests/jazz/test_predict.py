import io
import wave
from types import SimpleNamespace

import mido
import numpy as np
import pytest

from seqapps.__main__ import main
from seqapps.app import Skip, UserError
from seqapps.jazz import performance, predict, scores
from seqapps.jazz.params import Predict
from seqapps.jazz.performance import Performance
from tests.jazz.conftest import made_up
from tests.jazz.test_scores import ABC


def ask(paths=(), **options):
    params = SimpleNamespace(predict=Predict(**options))
    return list(predict.requests(params, None, list(paths)))


@pytest.fixture
def played():
    score = made_up(repeats=1)
    solo = [(0.0, 0.5, 72), (0.5, 1.0, 74), (1.0, 4 / 3, 76), (4 / 3, 4.0, 77), (5.0, 16.0, 79)]
    return Performance("Test", solo, score.parts[1], (4, 4), 0.0, 0)


def test_chords_become_a_chart_of_a_chord_a_bar():
    tune = predict.charted("C7 F7", "4/4", 2)
    assert len(tune.bass) == 16
    assert np.flatnonzero(tune.chords[0]).tolist() == [0, 4, 7, 10]
    assert tune.bass[[0, 4, 8, 12]].tolist() == [0, 5, 0, 5]


def test_chords_between_commas_share_the_beats():
    tune = predict.charted("Dm7 G7, C, %, NC", "4/4", 1)
    assert tune.bass.tolist() == [2, 2, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1]


@pytest.mark.parametrize(
    ("name", "classes", "bass"),
    [
        ("Bb7", [2, 5, 8, 10], 10),
        ("Ebmaj7", [2, 3, 7, 10], 3),
        ("F#m7b5", [0, 4, 6, 9], 6),
        ("G7/B", [2, 5, 7, 11], 11),
        ("Cmaj9", [0, 2, 4, 7, 11], 0),
        ("C#dim", [1, 4, 7], 1),
    ],
)
def test_chord_symbols_are_read(name, classes, bass):
    found, lowest = predict.chord(name)
    assert (np.flatnonzero(found).tolist(), lowest) == (classes, bass)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"chords": "C7 H7"}, "'H7' is not a chord"),
        ({"chords": " , "}, "holds no chord"),
        ({"chords": "C C C C C, G"}, "5 chords in 4 beats"),
        ({"chords": "C", "meter": "5/16"}, "METER=5/16"),
    ],
)
def test_chords_that_cannot_be_read_are_said(options, said):
    with pytest.raises(UserError, match=said):
        ask(**options)


def test_neither_input_nor_chords_is_said(capsys):
    assert main(["predict", "APP=jazz"]) == 2
    assert "predict needs INPUT= or CHORDS=" in capsys.readouterr().err


def test_each_tune_of_a_file_is_a_request_with_its_own_seed(tmp_path):
    long = ABC.replace("EGB e2B|EGB e2B|", "EGB e2B|" * 6)
    (tmp_path / "set.abc").write_text(long.replace("GABc d2 d2|B4 B4|", "GABc d2 d2|B4 B4|" * 3))
    (tmp_path / "notes.txt").write_text("not music")
    found = ask([tmp_path], seed=7, primer_notes=3)
    assert [meta["tune"].name for meta, _ in found] == ["set-1", "set-2"]
    assert [request["seed"] for _, request in found] == [8, 9]
    assert found[0][1]["pitch"].tolist() == [67, 69, 71]


def test_a_tune_that_is_none_is_left_out_and_a_strange_file_is_said(tmp_path):
    (tmp_path / "short.krn").write_text("**kern\n*M2/4\n4g\n*-\n")
    [skip] = ask([tmp_path / "short.krn"])
    assert skip == Skip("fewer than 16 notes of melody", "short")
    with pytest.raises(UserError, match="no file of music"):
        (tmp_path / "a.txt").write_text("x")
        ask([tmp_path / "a.txt"])


def test_beam_is_asked_for_with_temperature_zero():
    [(_, request)] = ask(chords="C F", beam=True, temperature=1.3)
    assert request["temperature"] == 0


def test_rests_and_what_follows_the_end_are_not_played():
    answer = {"pitch": [60, 0, 62, 64], "onset": [0, 1, 2, 3], "duration": [1, 1, 1, 0]}
    assert performance.solo_of(answer) == [(0.0, 1.0, 60), (2.0, 3.0, 62)]


def test_comping_puts_bass_and_chord_in_turn():
    chords = np.zeros((3, 12), np.float32)
    chords[:, [0, 4]] = 1
    notes = performance.comping(chords, np.array([0, 0, 0]), (3, 4))
    assert notes == [(0, 1, 36), (1, 2, 60), (1, 2, 64), (2, 3, 36)]


def test_the_midi_opens_in_three_libraries_with_the_same_notes(played, tmp_path):
    import music21
    import pretty_midi

    path = tmp_path / "solo.mid"
    performance.midi(played).write(str(path))
    [by_mido] = scores.read(path)
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


def test_swing_moves_the_off_beat_to_the_last_third(played, tmp_path):
    import dataclasses

    performance.midi(dataclasses.replace(played, swing=True)).write(str(tmp_path / "s.mid"))
    [score] = scores.read(tmp_path / "s.mid")
    assert score.parts[0][1][0] == pytest.approx(2 / 3, abs=0.01)


@pytest.mark.parametrize(("meter", "pickup"), [((4, 4), 0.0), ((3, 4), 1.0), ((6, 8), 0.5)])
def test_the_bars_of_the_score_add_up(played, tmp_path, meter, pickup):
    import dataclasses

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


@pytest.mark.slow
def test_everything_is_written_under_the_tunes_name(played, tmp_path):
    tune = predict.charted("C F", "4/4", 1)
    answer = {"pitch": np.array([72, 74]), "onset": np.array([0, 4]), "duration": np.array([4, 4])}
    rows = [({"tune": tune, "accompaniment": played.accompaniment}, answer)]
    params = SimpleNamespace(predict=Predict())
    written = predict.render(params, None, iter(rows), tmp_path)
    assert [path.name for path in written] == [
        "solo.mid", "solo.musicxml", "solo.wav", "solo-roll.png", "solo-score.png"
    ]  # fmt: skip
    assert all(path.stat().st_size > 100 for path in written)
    assert written[4].read_bytes()[:4] == b"\x89PNG"
    assert mido.MidiFile(str(written[0])).length > 3
