from types import SimpleNamespace

import mido
import numpy as np
import pretty_midi
import pytest

from seqapps.__main__ import main
from seqapps.app import Skip, UserFile
from seqapps.apps.jazz import charts, performance, predict
from seqapps.apps.jazz.params import Predict
from seqapps.config import UserError
from tests.apps.jazz.conftest import ABC, midi, notes


def ask(path=None, **options):
    params = SimpleNamespace(predict=Predict(**options))
    file = UserFile(path, path.name) if path else None
    return list(predict.requests(params, None, file))


def test_neither_input_nor_chords_is_said(capsys):
    assert main(["predict", "APP=jazz"]) == 2
    assert "predict needs INPUT= or CHORDS=" in capsys.readouterr().err


def test_each_tune_of_a_file_is_a_request_with_its_own_seed(tmp_path):
    long = ABC.replace("EGB e2B|EGB e2B|", "EGB e2B|" * 6)
    path = tmp_path / "set.abc"
    path.write_text(long.replace("GABc d2 d2|B4 B4|", "GABc d2 d2|B4 B4|" * 3))
    found = ask(path, seed=7, primer_notes=3)
    assert [meta["tune"].name for meta, _ in found] == ["set-1", "set-2"]
    assert [meta["name"] for meta, _ in found] == ["set.abc-1-solo", "set.abc-2-solo"]
    assert [request["seed"] for _, request in found] == [8, 9]
    assert found[0][1]["pitch"].tolist() == [67, 69, 71]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("**kern\n*M2/4\n4g\n*-\n", "tune: fewer than 16 notes of melody"),
        ("x", "tune: no file of music; wanted MIDI, MusicXML, ABC or kern"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, content, reason):
    (tmp_path / "tune").write_text(content)
    with pytest.raises(UserError, match=reason):
        ask(tmp_path / "tune")


def test_a_tune_among_others_that_cannot_be_used_is_left_out_alone(tmp_path):
    path = tmp_path / "set.abc"
    path.write_text(ABC.replace("B4 B4|GABc d2 d2|B4 B4|", "B4 B4|"))
    left_out, (meta, _) = ask(path)
    assert left_out == Skip("fewer than 16 notes of melody", "set.abc-1")
    assert meta["name"] == "set.abc-2-solo"


def test_a_tune_without_accompaniment_is_answered_and_it_is_said(tmp_path, capsys):
    [(meta, request)] = ask(midi(tmp_path / "alone.mid", [notes([60, 62, 64, 65] * 5)]))
    assert not request["chords"].any() and (request["bass"] == -1).all()
    assert meta["voices"] == (("accompaniment", 0, False, []),)
    said = "predict: alone.mid: has no accompaniment: a solo over no chords"
    assert said in capsys.readouterr().out


@pytest.fixture
def band(tmp_path):
    """A tune at 200 a minute: bass first, then a saxophone, piano, and drums."""
    head = [mido.MetaMessage("set_tempo", tempo=300_000, time=0)]
    track = mido.MetaMessage
    tracks = [
        head,
        [track("track_name", name="Bass"), mido.Message("program_change", program=33)]
        + notes([36, 38] * 10, ticks=96, velocity=50),
        [track("track_name", name="Tenor Sax"), mido.Message("program_change", program=66)]
        + notes([72, 74, 76, 77] * 10),
        notes([35, 42] * 10, channel=9, velocity=110),
        [
            mido.Message("program_change", program=4, channel=2),
            *notes([60] * 10, channel=2, velocity=30),
            *notes([60] * 10, channel=2, velocity=90),
        ],
    ]
    return midi(tmp_path / "band.mid", tracks)


ANSWER = {"pitch": np.array([72, 74]), "onset": np.array([0, 4]), "duration": np.array([4, 4])}


def written(meta, folder, **options):
    """The solo's MIDI file that `render` writes of an answer."""
    params = SimpleNamespace(predict=Predict(**options))
    [path, *_] = predict.render(params, None, iter([(meta, ANSWER)]), folder)
    return pretty_midi.PrettyMIDI(str(path))


@pytest.mark.slow
def test_tempo_programs_dynamics_and_drums_of_a_tune_are_kept(band, tmp_path):
    [(meta, _)] = ask(band, melody="tenor sax")
    file = written(meta, tmp_path)
    assert file.get_tempo_changes()[1].round(3).tolist() == [200.0]
    voices = {
        voice.name: (voice.program, voice.is_drum, [note.velocity for note in voice.notes])
        for voice in file.instruments
    }
    assert voices == {
        "solo": (0, False, [92] * 2),
        "Bass": (33, False, [50] * 20),
        "track 4": (0, True, [110] * 20),
        "track 5": (4, False, [30] * 10 + [90] * 10),
    }
    [bass] = [voice for voice in file.instruments if voice.name == "Bass"]
    assert [note.start for note in bass.notes[:3]] == pytest.approx([0.0, 0.3, 0.6])


@pytest.mark.slow
def test_a_tempo_and_a_swing_that_are_given_win(band, tmp_path):
    [(meta, _)] = ask(band, melody="2", tempo=90, swing=True)
    file = written(meta, tmp_path, tempo=90, swing=True)
    assert file.get_tempo_changes()[1].round(3).tolist() == [90.0]
    [drums] = [voice for voice in file.instruments if voice.is_drum]
    eighth = 60 / 90 / 2
    assert drums.notes[1].start == pytest.approx(eighth * 4 / 3, abs=0.01)


def test_a_tempo_that_changes_or_is_none_is_said(tmp_path, capsys):
    tempo = mido.MetaMessage("set_tempo", tempo=300_000)
    change = mido.MetaMessage("set_tempo", tempo=600_000, time=96)
    melody = notes([72, 74, 76, 77] * 5)
    path = midi(tmp_path / "a.mid", [[tempo, change], melody])
    assert ask(path)[0][0]["tempo"] == 200.0
    said = "predict: a.mid: its tempo changes; the first, 200, is kept"
    assert said in capsys.readouterr().out
    ask(path, tempo=90)
    assert "tempo" not in capsys.readouterr().out
    slow = mido.MetaMessage("set_tempo", tempo=16_000_000)
    assert ask(midi(tmp_path / "b.mid", [[slow], melody]))[0][0]["tempo"] == 120.0
    assert "3.75 quarter notes a minute; 120 are taken" in capsys.readouterr().out


@pytest.mark.slow
def test_drums_without_other_parts_are_kept(tmp_path):
    tracks = [notes([72, 74, 76, 77] * 5), notes([35, 42] * 10, channel=9)]
    [(meta, _)] = ask(midi(tmp_path / "a.mid", tracks))
    voices = [(voice.name, voice.is_drum) for voice in written(meta, tmp_path).instruments]
    assert voices == [("solo", False), ("track 2", True)]


def test_the_melody_is_a_part_by_name_or_number(band, capsys):
    pitches = {
        melody: ask(band, melody=melody)[0][0]["tune"].line[0][0]
        for melody in ("1", "2", "tenor SAX", "3")
    }
    assert pitches == {"1": 36, "2": 72, "tenor SAX": 72, "3": 60}
    assert "MELODY" not in capsys.readouterr().out


def test_without_a_choice_the_first_part_is_replaced_and_the_others_are_listed(band, capsys):
    assert ask(band)[0][0]["tune"].line[0][0] == 36
    said = "the solo replaces 'Bass'; MELODY= chooses another: 2 'Tenor Sax', 3 'track 5'"
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("melody", ["flute", "0", "4", "9" * 5000])
def test_a_melody_that_is_not_there_lists_the_parts(band, melody):
    said = f"band.mid: no part is MELODY={melody}; there is: 1 'Bass', 2 'Tenor Sax', 3 'track 5'"
    with pytest.raises(UserError, match=said):
        ask(band, melody=melody)


def test_a_tune_of_one_part_is_accompanied_by_what_lies_under_its_top(tmp_path):
    head = [mido.MetaMessage("set_tempo", tempo=400_000, time=0)]
    chords = []
    for _ in range(20):
        chords += [mido.Message("note_on", note=n, velocity=70, time=0) for n in (48, 52, 72)]
        chords += [
            mido.Message("note_off", note=n, velocity=0, time=48 * (n == 48)) for n in (48, 52, 72)
        ]
    [(meta, _)] = ask(midi(tmp_path / "piano.mid", [head, chords]))
    [voice] = meta["voices"]
    assert {note[2] for note in voice.notes} == {48, 52} and len(voice.notes) == 40
    assert meta["tempo"] == pytest.approx(150.0)


@pytest.mark.slow
@pytest.mark.parametrize("pitch", [72, 0])
def test_a_solo_over_no_chords_is_written(tmp_path, pitch):
    [(meta, _)] = ask(chords="NC NC")
    params = SimpleNamespace(predict=Predict())
    answer = ANSWER | {"pitch": np.array([pitch, pitch])}
    assert len(predict.render(params, None, iter([(meta, answer)]), tmp_path)) == 5


def test_beam_is_asked_for_with_temperature_zero():
    [(_, request)] = ask(chords="C F", beam=True, temperature=1.3)
    assert request["temperature"] == 0


@pytest.mark.slow
def test_everything_is_written_under_the_tunes_name(tmp_path):
    [(meta, _)] = ask(chords="C F")
    params = SimpleNamespace(predict=Predict())
    paths = predict.render(params, None, iter([(meta, ANSWER)]), tmp_path)
    assert [path.name for path in paths] == [
        "solo.mid", "solo.musicxml", "solo.wav", "solo-roll.png", "solo-score.png"
    ]  # fmt: skip
    assert all(path.stat().st_size > 100 for path in paths)
    assert paths[4].read_bytes()[:4] == b"\x89PNG"
    assert mido.MidiFile(str(paths[0])).length > 3


def test_solos_of_like_names_do_not_overwrite_each_other(tmp_path, monkeypatch):
    written_names = []
    monkeypatch.setattr(performance, "write", lambda _, out, name: written_names.append(name) or [])
    tune = charts.read("C F", "4/4", choruses=1)
    long = "folder/" * 60 + "a.mid-solo"
    names = ["x/a.mid-solo", "y/a.mid-solo", "x~a.mid-solo", "X/a.mid-solo", long, "b" + long]
    rows = [({"tune": tune, "accompaniment": [], "name": name}, ANSWER) for name in names]
    predict.render(SimpleNamespace(predict=Predict()), None, iter(rows), tmp_path)
    assert written_names[:4] == ["x~a.mid-solo", "y~a.mid-solo", "x~a.mid-solo-2", "X~a.mid-solo-3"]
    assert len(set(written_names)) == 6 and max(map(len, written_names)) <= 202


def test_a_solo_that_ends_before_its_chart_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(performance, "write", lambda *_: [])
    meta = {"tune": charts.read("C F G", "4/4", choruses=1), "accompaniment": [], "name": "a"}
    predict.render(SimpleNamespace(predict=Predict()), None, iter([(meta, ANSWER)]), tmp_path)
    assert "predict: a: the solo ends after 8 of 12 beats" in capsys.readouterr().out


@pytest.mark.slow
def test_names_in_any_script_are_written(tmp_path):
    name = mido.MetaMessage("track_name", name="日本".encode().decode("latin-1"))
    path = midi(
        tmp_path / "Été\x01日本.mid", [notes([72, 74, 76, 77] * 5), [name, *notes([48] * 9)]]
    )
    [(meta, _)] = ask(path)
    names = [voice.name for voice in written(meta, tmp_path).instruments]
    assert names[1].encode("latin-1").decode() == "日本"
