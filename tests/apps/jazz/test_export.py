import keras
import numpy as np
import pytest

from seqapps.apps.jazz import export, frontend, model, tunes
from seqapps.apps.jazz.preprocess import REQUEST
from seqapps.apps.jazz.tunes import GRID, TICKS
from seqapps.artifacts import json_codec, saved_model
from tests.apps.jazz.conftest import made_up, params, stirred

WISHES = {"beats": 16, "temperature": 1.0, "top_p": 0.9, "seed": 3}


@pytest.fixture(scope="module")
def nets(tmp_path_factory):
    """The endpoints of both kinds, by kind."""
    assets = tmp_path_factory.mktemp("assets")
    (assets / "values.json").write_text("[1781, 1973, 2021]")
    found = {}
    keras.utils.set_random_seed(1)
    for kind in ("soloist", "deepjazz"):
        net = stirred(model.build(params(kind=kind), assets))
        found[kind] = {
            name: saved_model.of_function(name, function, signature)
            for name, (function, signature) in export.endpoints(None, net, assets).items()
        }
    return found


def ask(nets, kind, endpoint, **columns):
    return nets[kind][endpoint].in_batches(columns, 8)


def chart(rows=2, primer=0, **wishes):
    tune = tunes.arrange(made_up()).columns()
    columns = {name: np.stack([tune[name]] * rows) for name in REQUEST}
    for name in ("pitch", "duration"):
        columns[name] = columns[name][:, :primer]
    for name in ("chords", "bass", "tonic"):
        columns[name] = columns[name][:, : WISHES["beats"]]
    dtypes = {"temperature": np.float32, "top_p": np.float32}
    return columns | {
        name: np.broadcast_to(np.array(value, dtypes.get(name, np.int64)), [rows]).copy()
        for name, value in (WISHES | wishes).items()
    }


@pytest.mark.parametrize("kind", ["soloist", "deepjazz"])
@pytest.mark.parametrize("temperature", [1.0, 0.0])
def test_a_line_is_as_likely_note_by_note_as_score_says_of_it(nets, kind, temperature):
    request = chart(rows=3, primer=5, seed=[1, 2, 3], temperature=temperature)
    line = ask(nets, kind, "serving_default", **request)
    again = ask(nets, kind, "score", **request | {n: line[n] for n in ("pitch", "duration")})
    np.testing.assert_allclose(again["log_probability"], line["log_probability"], atol=1e-4)


@pytest.mark.parametrize("kind", ["soloist", "deepjazz"])
def test_a_line_fills_its_chart_on_the_grid_and_onsets_add_up(nets, kind):
    line = ask(nets, kind, "serving_default", **chart(beats=[16, 10]))
    np.testing.assert_allclose(line["duration"].sum(axis=1), [16, 10], atol=1e-5)
    played = line["duration"][:, :-1]
    np.testing.assert_allclose(line["onset"][:, 1:], np.cumsum(played, axis=1), atol=1e-5)
    ticks = np.rint(line["onset"] * TICKS).astype(int)
    assert np.isin(ticks % TICKS, GRID).all()


def test_the_same_seed_plays_the_same_and_another_does_not(nets):
    request = chart(rows=3, seed=[5, 5, 6])
    one = ask(nets, "soloist", "serving_default", **request)
    two = ask(nets, "soloist", "serving_default", **request)
    for name, values in one.items():
        np.testing.assert_array_equal(values, two[name])
    np.testing.assert_array_equal(one["pitch"][0], one["pitch"][1])
    assert not np.array_equal(one["pitch"][0], one["pitch"][2])


def test_a_line_does_not_depend_on_what_else_is_asked(nets):
    both = ask(nets, "soloist", "serving_default", **chart(seed=[5, 6], beats=[16, 8]))
    alone = ask(nets, "soloist", "serving_default", **chart(rows=1, seed=6, beats=8))
    length = len(alone["pitch"][0])
    np.testing.assert_array_equal(both["pitch"][1][:length], alone["pitch"][0])
    assert not both["duration"][1][length:].any()


def test_a_primer_is_played_first_as_it_sounds(nets):
    request = chart(primer=5)
    line = ask(nets, "soloist", "serving_default", **request)
    np.testing.assert_array_equal(line["pitch"][:, :5], request["pitch"])
    np.testing.assert_allclose(line["duration"][:, :5], request["duration"])


def test_beam_search_finds_a_likelier_line_than_sampling(nets):
    means = {}
    for name, temperature in (("beam", 0.0), ("sampled", 1.0)):
        request = chart(rows=6, seed=list(range(6)), temperature=temperature)
        line = ask(nets, "soloist", "serving_default", **request)
        means[name] = line["log_probability"].sum(1) / (line["duration"] > 0).sum(1)
    assert np.ptp(means["beam"]) == 0
    assert means["beam"][0] > means["sampled"].mean()


def test_score_gives_shares_and_the_likeliest_notes_as_they_sound(nets):
    tune = tunes.arrange(made_up(up=5)).columns()
    said = ask(nets, "soloist", "score", **{n: tune[n][None] for n in REQUEST})
    for name in ("pitch_log_probability", "duration_log_probability"):
        np.testing.assert_allclose(np.exp(said[name]).sum(-1), 1, atol=1e-4)
    place = np.where(tune["pitch"] > 0, tune["pitch"] - 5 - 36 + 1, 0)
    ticks = np.rint(tune["duration"] * TICKS).astype(int)
    at = np.arange(len(place))
    both = (
        said["pitch_log_probability"][0][at, place]
        + said["duration_log_probability"][0][at, ticks - 1]
    )
    np.testing.assert_allclose(both, said["log_probability"][0], atol=1e-4)
    top = said["pitch_log_probability"][0].argmax(-1)
    assert said["top_pitch"].shape == (1, 64, 5)
    assert (said["top_pitch"][0] >= 0).all() and top.max() < frontend.PITCHES


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("chords", 0.5, "'chords' holds numbers other than 0 and 1"),
        ("bass", 12, "'bass' holds a number outside -1 to 11"),
        ("tonic", -1, "'tonic' holds a number outside 0 to 11"),
        ("meter", 0, "'meter' is not a number over 2, 4 or 8"),
        ("pickup", -1, "'pickup' holds a number outside 0"),
        ("pitch", 128, "'pitch' holds a number outside 0 to 127"),
        ("duration", -1, "'duration' is not 0 to 48 twelfths of a quarter note"),
        ("duration", 0.1, "'duration' is not 0 to 48 twelfths of a quarter note"),
        ("duration", 5, "'duration' is not 0 to 48 twelfths of a quarter note"),
        ("duration", [1, 0, 1, 1, 1], "'duration' is 0, which ends a line, before other notes"),
        ("meter", [4, 3], "'meter' is not a number over 2, 4 or 8"),
        ("meter", [256, 4], "'meter' is not a number over 2, 4 or 8"),
        ("temperature", -0.5, "'temperature' holds a number outside 0 to 1000"),
        ("top_p", 0, "'top_p' is not above 0 and at most 1"),
        ("beats", 0, "'beats' is not a number from 1 to the beats of 'chords'"),
        ("beats", 99, "'beats' is not a number from 1 to the beats of 'chords'"),
        ("top_p", 1.5, "'top_p' is not above 0 and at most 1"),
    ],
)
def test_a_row_that_is_no_tune_is_refused_by_its_number(nets, name, value, said):
    request = chart(rows=2, primer=5)
    request[name] = request[name].copy()
    request[name][1] = value
    with pytest.raises(json_codec.BadRequest, match=f"row 1: {said}"):
        nets["soloist"]["serving_default"](request)


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("bass", 3, "'chords', 'bass', 'tonic' differ in beats or have none"),
        ("chords", 0, "'chords', 'bass', 'tonic' differ in beats or have none"),
        ("pitch", 2, "'pitch', 'duration' differ in notes"),
    ],
)
@pytest.mark.parametrize("endpoint", ["serving_default", "score"])
def test_columns_of_other_lengths_are_refused(nets, endpoint, name, size, said):
    request = chart(rows=2, primer=5)
    request[name] = request[name][:, :size]
    if endpoint == "score":
        request = {column: request[column] for column in REQUEST}
    with pytest.raises(json_codec.BadRequest, match=f"row 0: {said}"):
        nets["soloist"][endpoint](request)
