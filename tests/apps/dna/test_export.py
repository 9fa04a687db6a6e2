import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from seqapps.apps.dna import export, model
from seqapps.artifacts.json_codec import BadRequest
from seqapps.artifacts.saved_model import SavedModel
from seqapps.pipeline import export as exporting
from tests.apps.dna.test_model import Tables

WINDOW, FACTORS = 20, 2


@pytest.fixture(scope="module")
def assets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assets")
    facts = {"factors": ["a", "b"], "window_bp": WINDOW, "kmer_bp": 2, "kmer_stride_bp": 1}
    (folder / "assets.json").write_text(json.dumps(facts))
    np.save(folder / "embedding.npy", np.ones((17, 3), np.float32))
    return folder


@pytest.fixture(scope="module")
def exported(assets, tmp_path_factory):
    """The endpoints of a small untrained network, written and loaded again."""
    net = model.build(Tables(), assets)
    folder = tmp_path_factory.mktemp("model") / "1"
    exporting.write(net, export.endpoints(None, net, assets), folder)
    exporting.check_core_ops(folder)
    owner = tf.saved_model.load(str(folder))
    saved = SavedModel(folder)
    return SimpleNamespace(owner=owner, saved=saved, folder=folder, net=net, **owner.signatures)


def text(length, seed=0, letters="ACGT"):
    return "".join(np.random.default_rng(seed).choice(list(letters), length))


def answer(exported, *texts):
    return {n: v.numpy() for n, v in exported.serving_default(sequence=tf.constant(texts)).items()}


def ask(exported, *texts):
    return answer(exported, *texts)["probability"]


def effect(exported, *texts):
    return exported.mutagenesis(sequence=tf.constant(texts))["effect"].numpy()


def logits(exported, *texts):
    chances = ask(exported, *texts).astype(float)
    return np.log(chances / (1 - chances))


def turned(sequence):
    return sequence.translate(str.maketrans("ACGTN", "TGCAN"))[::-1]


def refused(exported, *texts, match):
    """Both endpoints refuse these sequences with these words."""
    for name in ("serving_default", "mutagenesis"):
        with pytest.raises(BadRequest, match=match):
            exported.saved.endpoint(name)({"sequence": list(texts)})


def test_a_sequence_as_long_as_the_window_is_one_window(exported):
    one = text(WINDOW)
    logit = exported.net({"bases": model.encode(tf.constant([one]))})
    np.testing.assert_allclose(ask(exported, one), tf.sigmoid(logit), atol=1e-6)


def test_a_batch_of_ragged_lengths_is_answered_as_one_by_one(exported):
    texts = [text(length, length) for length in (20, 47, 21, 20, 33)]
    together = ask(exported, *texts)
    alone = np.concatenate([ask(exported, one) for one in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_a_longer_sequence_gets_the_maximum_over_its_windows(exported):
    long = text(33)
    starts = [0, 5, 8, 13]  # at most a quarter of a window apart, from both ends
    each = ask(exported, *(long[start : start + WINDOW] for start in starts))
    np.testing.assert_allclose(ask(exported, long)[0], each.max(axis=0), atol=1e-6)


def test_the_windows_of_a_row_cover_it_to_its_end():
    long, short = text(33), text(20)
    row, start, bases = export.windows(tf.constant([long, short]), WINDOW)
    assert row.numpy().tolist() == [0, 0, 0, 0, 1]
    assert start.numpy().tolist() == [0, 5, 8, 13, 0]
    texts = ["".join("ACGT"[base] for base in window) for window in bases.numpy()]
    assert texts == [*(long[start : start + WINDOW] for start in (0, 5, 8, 13)), short]


@pytest.mark.parametrize("step", [1, 2, 5, 25])
def test_window_starts_mirror_and_leave_no_gap(step):
    spare = np.arange(2200)
    row, start = (part.numpy() for part in export.starts(tf.constant(spare, tf.int32), step))
    for number in spare:
        own = start[row == number]
        assert (own + own[::-1] == number).all()
        gaps = np.diff(own)
        assert not len(gaps) or (1 <= gaps.min() and gaps.max() <= step)
        assert (own[0], own[-1]) == (0, number)


def test_window_starts_of_the_longest_sequences_do_not_overflow():
    row, start = export.starts(tf.constant([50_000_001]), 25)
    assert start.numpy()[[0, -1]].tolist() == [0, 50_000_001]
    assert np.diff(start).min() >= 1


def test_both_strands_get_the_same_answer_at_every_length(exported):
    for number in range(60):
        lengths = range(WINDOW + number, 400, 60)
        texts = [text(length, seed=1000 * number + length) for length in lengths]
        texts[0] = texts[0][:7] + "NNN" + texts[0][10:]
        one, other = answer(exported, *texts), answer(exported, *map(turned, texts))
        for name in ("probability", "per_window"):
            np.testing.assert_allclose(one[name], other[name], atol=1e-6)
        starts = one["best_start"] + other["best_start"]
        assert (starts == np.array([[length - WINDOW] for length in lengths])).mean() > 0.9
        assert (one["best_strand"] == -other["best_strand"]).mean() > 0.9


def test_the_best_window_alone_gets_the_answer_of_the_whole(exported):
    long = text(91, seed=4)
    whole = answer(exported, long)
    for factor, start in enumerate(whole["best_start"][0]):
        alone = answer(exported, long[start : start + WINDOW])
        gap = abs(alone["probability"][0, factor] - whole["probability"][0, factor])
        assert gap < export.SAME_LOGIT
        assert alone["best_strand"][0, factor] == whole["best_strand"][0, factor]


def test_the_best_of_equal_windows_is_the_first(exported):
    assert (answer(exported, "ACGTT" * 30)["best_start"] == 0).all()


def test_the_best_strand_is_the_one_with_the_higher_logit(exported):
    one = text(WINDOW, seed=8)
    strands = exported.net.by_strand(model.encode(tf.constant([one]))).numpy()[0]
    higher = np.where(strands[0] >= strands[1], 1, -1)
    assert answer(exported, one)["best_strand"][0].tolist() == higher.tolist()


def test_the_answer_per_window_is_their_mean_and_does_not_rise_with_the_length(exported):
    long = text(33)
    each = ask(exported, *(long[start : start + WINDOW] for start in (0, 5, 8, 13)))
    np.testing.assert_allclose(answer(exported, long)["per_window"][0], each.mean(0), atol=1e-6)
    short, longer = (answer(exported, *(text(n, s) for s in range(40))) for n in (WINDOW, 400))
    assert (longer["probability"].mean(0) > short["probability"].mean(0)).all()
    gap = longer["per_window"].mean(0) - short["per_window"].mean(0)
    assert (np.abs(gap) < 0.2 * (longer["probability"] - short["probability"]).mean(0)).all()


def test_each_answer_names_the_factors(exported):
    names = answer(exported, text(20), text(30))["factors"]
    assert names.tolist() == [[b"a", b"b"]] * 2
    effects = exported.mutagenesis(sequence=tf.constant([text(20)]))
    assert effects["factors"].numpy().tolist() == [[b"a", b"b"]]


def test_lower_case_and_upper_case_are_alike(exported):
    one = text(30)
    np.testing.assert_array_equal(ask(exported, one.lower()), ask(exported, one))


def test_u_is_t(exported):
    one = text(30)
    np.testing.assert_array_equal(ask(exported, one.replace("T", "U")), ask(exported, one))
    np.testing.assert_array_equal(ask(exported, one.lower().replace("t", "u")), ask(exported, one))


def test_an_iupac_code_is_n(exported):
    one = text(24)
    answers = [ask(exported, one[:9] + code + one[10:]) for code in "NRYSWKMBDHVry"]
    np.testing.assert_allclose(answers, [answers[0]] * len(answers), atol=1e-7)


def test_an_n_gets_the_mean_logit_of_the_four_bases(exported):
    one = text(WINDOW, seed=2)
    bases = [one[:9] + base + one[10:] for base in "ACGT"]
    hidden = logits(exported, one[:9] + "N" + one[10:])[0]
    np.testing.assert_allclose(hidden, logits(exported, *bases).mean(axis=0), atol=1e-4)


@pytest.mark.parametrize("count", [2, 5, 10])
def test_a_run_of_n_is_as_good_as_the_bases_it_hides(exported, count):
    one, rng = text(WINDOW, seed=3), np.random.default_rng(count)
    fillings = ["".join(rng.choice(list("ACGT"), count)) for _ in range(300)]
    hidden = logits(exported, one[:6] + count * "N" + one[6 + count :])[0]
    possible = logits(exported, *(one[:6] + bases + one[6 + count :] for bases in fillings))
    low, high = np.quantile(possible, [0.05, 0.95], axis=0)
    assert (low < hidden).all() and (hidden < high).all()


def test_fillings_hold_each_base_alike_and_are_their_own_reverse_complements():
    for width in (20, 101):
        filling = export.fillings(width)
        assert (np.sort(filling[:4], axis=0) == np.arange(4)[:, None]).all()
        assert {tuple(row) for row in filling} == {tuple(row) for row in 3 - filling[:, ::-1]}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("ACGJ" + text(30), r"row 1: 'J' at place 4; wanted A, C, G, T, U or N$"),
        ("MKLVEDPQ" * 9, r"row 1: 'L' at place 3; wanted"),
        (text(25).encode() + b"\xff", r"row 1: byte 255 at place 26; wanted"),
        (text(25) + "\n", r"row 1: a line break at place 26; wanted"),
        ("A]C" + text(25), r"row 1: ']' at place 2; wanted A, C, G, T, U or N$"),
        ("AC GT" + text(25), r"row 1: a space at place 3; wanted"),
        (f">name\n{text(30)}", r"row 1: the text is FASTA; send the bases alone"),
        (f"\n >x\n{text(30)}", r"row 1: the text is FASTA"),
        ("N" * 30, r"row 1: more than half of it is N"),
        (text(15) + 16 * "R", r"row 1: more than half of it is N"),
        (text(19), r"row 1: shorter than the model's window of 20 bp; send at least 20"),
        ("", r"row 1: shorter than"),
    ],
)
def test_a_sequence_that_predict_refuses_is_refused_with_its_row(exported, bad, reason):
    refused(exported, text(30), bad, text(19), match=reason)


def test_half_n_is_taken(exported):
    assert np.isfinite(ask(exported, text(15) + 15 * "N")).all()


def test_no_sequences_get_no_answers(exported):
    none = tf.constant([], tf.string)
    for value in exported.serving_default(sequence=none).values():
        assert value.shape == (0, FACTORS)
    assert exported.mutagenesis(sequence=none)["effect"].shape[0] == 0


def test_more_windows_than_fit_at_once_give_the_same_answers():
    bases = tf.reshape(tf.range(7 * 3), [7, 3])
    seen = []

    def total(part):
        seen.append(part.shape)
        return tf.cast(tf.reduce_sum(part, axis=1, keepdims=True), tf.float32)

    found = export.in_chunks(total, bases, 2).numpy()[:, 0]
    assert found.tolist() == bases.numpy().sum(axis=1).tolist()
    assert {shape[0] for shape in seen} == {2}


@pytest.mark.parametrize("length", [WINDOW, 33])
def test_an_effect_is_the_difference_of_two_answers(exported, length):
    one = text(length, seed=length)
    found = effect(exported, one)[0]
    for place in (0, 7, length - 1):
        changed = [one[:place] + base + one[place + 1 :] for base in "ACGT"]
        wanted = logits(exported, *changed) - logits(exported, one)
        np.testing.assert_allclose(found[place], wanted, atol=2e-5)


def test_the_base_that_stands_there_has_exactly_no_effect(exported):
    one = text(33)
    found = effect(exported, one)[0]
    assert (found[np.arange(33), ["ACGT".index(base) for base in one]] == 0).all()
    assert np.abs(found).max() > 1e-4


def test_effects_of_ragged_rows_are_those_of_each_row_and_zero_beyond_its_end(exported):
    texts = [text(33), text(20, 1)]
    together = effect(exported, *texts)
    assert together.shape == (2, 33, 4, FACTORS)
    np.testing.assert_allclose(together[1, :20], effect(exported, texts[1])[0], atol=1e-6)
    assert not together[1, 20:].any()


def test_an_n_has_an_effect_for_every_base(exported):
    one = text(WINDOW)
    found = effect(exported, one[:10] + "N" + one[11:])[0, 10]
    assert (found != 0).any(axis=1).all()


def test_substitutions_are_ordered_by_place_then_base():
    found = export.substitutions(tf.constant([0, 4])).numpy().tolist()
    assert found == [[0, 4], [1, 4], [2, 4], [3, 4], [0, 0], [0, 1], [0, 2], [0, 3]]


LONELY = """
import sys
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
answer = model.signatures["serving_default"](sequence=tf.constant([sys.argv[2]]))
assert "seqapps" not in sys.modules
print(answer["probability"].numpy().tolist())
"""


def test_the_model_answers_where_there_is_only_tensorflow(exported, tmp_path):
    one = text(25)
    command = [sys.executable, "-c", LONELY, str(exported.folder), one]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    np.testing.assert_allclose(found, ask(exported, one), atol=1e-6)
