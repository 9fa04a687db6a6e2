from types import SimpleNamespace

import mido
import numpy as np
import pytest

from seqapps.__main__ import main
from seqapps.app import Skip
from seqapps.apps.jazz import predict
from seqapps.apps.jazz.params import Predict
from seqapps.config import UserError
from tests.apps.jazz.test_scores import ABC


def ask(paths=(), **options):
    params = SimpleNamespace(predict=Predict(**options))
    return list(predict.requests(params, None, list(paths)))


def test_chords_become_a_chart_of_a_chord_a_bar():
    tune = predict.charted("C7 F7", "4/4", choruses=2)
    assert len(tune.bass) == 16
    assert np.flatnonzero(tune.chords[0]).tolist() == [0, 4, 7, 10]
    assert tune.bass[[0, 4, 8, 12]].tolist() == [0, 5, 0, 5]


def test_chords_between_commas_share_the_beats():
    tune = predict.charted("Dm7 G7, C, %, NC", "4/4", choruses=1)
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


@pytest.mark.slow
def test_everything_is_written_under_the_tunes_name(played, tmp_path):
    tune = predict.charted("C F", "4/4", choruses=1)
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
