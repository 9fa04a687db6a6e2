import numpy as np
import pytest
import tensorflow as tf

from seqapps.jazz import front, memory, model, tunes
from seqapps.jazz.front import LONGEST, VALUES
from seqapps.jazz.preprocess import REQUEST
from tests.jazz.conftest import KNOWN, made_up, params, stirred


def batch(*scores):
    columns = [tunes.arrange(score).columns() for score in scores]
    return {name: tf.constant(np.stack([c[name] for c in columns])) for name in REQUEST}


def test_a_line_is_read_in_c_whatever_its_key():
    asked = batch(made_up(), made_up(up=5))
    line = front.line(asked, front.chart(asked))
    one, other = line.place.numpy()
    # From F the way to C is five semitones down: the notes are those of the tune in C.
    np.testing.assert_array_equal(one, other)
    assert one[0] == 72 - 36 + 1
    assert line.onset[0, :3].numpy().tolist() == [0, 6, 12]
    assert line.value[0, 0] == 37 * LONGEST + 5


def test_pitches_outside_the_alphabet_are_moved_by_octaves():
    asked = batch(made_up())
    asked["pitch"] = tf.where(tf.range(64) == 0, tf.constant(20, tf.int64), asked["pitch"])
    asked["pitch"] = tf.where(tf.range(64) == 1, tf.constant(110, tf.int64), asked["pitch"])
    place = front.line(asked, front.chart(asked)).place.numpy()[0]
    assert (place[:2] - 1 + 36).tolist() == [44, 98]


def test_a_slot_knows_its_chord_the_next_ones_and_its_place_in_the_bar():
    asked = batch(made_up())
    chart = front.chart(asked)
    slots = front.slots(chart, tf.constant([[42, 48]]))
    assert slots.position.numpy().tolist() == [[42, 0]]
    assert slots.bars.numpy().tolist() == [[0, 1]]
    assert np.flatnonzero(slots.now[0, 0]).tolist() == [0, 4, 7]
    assert np.flatnonzero(slots.following[0, 0]).tolist() == [0, 5, 9]
    assert np.flatnonzero(slots.now[0, 1]).tolist() == [0, 5, 9]


def test_rolled_moves_pitch_classes_up():
    classes = tf.one_hot([[0, 11]], 12)
    moved = front.rolled(classes, tf.constant([[2, 2]]))
    assert tf.argmax(moved, -1).numpy().tolist() == [[2, 1]]


def test_matches_count_the_equal_notes_before_two_slots():
    #                    before slot:  -  1  2  3  1  2
    value = tf.constant([[1, 2, 3, 1, 2, 9]])
    found = memory.matches(value).numpy()[0]
    assert found[5].tolist() == [0, 0, 2, 0, 0, 5]  # after 1 2, as slot 2; slot 5 is itself
    assert found[4].tolist() == [0, 1, 0, 0, 4, 0]
    assert found[:, 0].tolist() == [0] * 6


@pytest.mark.parametrize("kind", ["soloist", "deepjazz"])
@pytest.mark.parametrize("cell", ["lstm", "dense"])
def test_the_values_at_each_slot_share_one_and_the_loss_reads_the_notes_share(kind, cell, assets):
    net = stirred(model.build(params(kind=kind, cell=cell), assets))
    asked = batch(made_up())
    chart = front.chart(asked)
    line = front.line(asked, chart)
    joint = net.joint(chart, line)
    assert joint.shape == (1, 64, VALUES)
    np.testing.assert_allclose(tf.reduce_logsumexp(joint, -1), 0, atol=1e-5)
    own = tf.gather(joint, line.value, batch_dims=2)
    np.testing.assert_allclose(net(asked), own, atol=1e-4)


@pytest.mark.parametrize("kind", ["soloist", "deepjazz"])
def test_no_note_knows_itself_or_what_comes_after(kind, assets):
    net = stirred(model.build(params(kind=kind), assets))
    asked = batch(made_up())
    chart = front.chart(asked)
    before = net.joint(chart, front.line(asked, chart))
    pitch = asked["pitch"].numpy()
    pitch[0, 20] += 1
    after = net.joint(chart, front.line(asked | {"pitch": tf.constant(pitch)}, chart))
    changed = np.abs(after - before).max(axis=-1)[0] > 1e-6
    assert not changed[:21].any() and changed[21]


def test_dense_does_not_see_the_last_note_and_jordan_does(assets):
    asked = batch(made_up())
    chart = front.chart(asked)
    line = front.line(asked, chart)
    slots = front.slots(chart, line.onset)
    seen = {}
    for cell in ("dense", "jordan"):
        net = model.build(params(cell=cell), assets)
        one, other = (net.seen(slots, line.place + up, line.ticks, line.place) for up in (0, 1))
        seen[cell] = float(tf.reduce_max(tf.abs(one - other)))
    assert seen["dense"] == 0 < seen["jordan"]


def test_the_state_is_carried_over_segments_and_the_gradient_is_not(assets):
    net = stirred(model.build(params(tbptt_steps=4), assets))
    steps = tf.Variable(np.random.default_rng(0).normal(size=(1, 12, 96)).astype(np.float32))
    np.testing.assert_allclose(net.walk(steps, True), net.walk(steps, False), atol=1e-6)
    with tf.GradientTape() as tape:
        last = tf.reduce_sum(net.walk(steps, True)[:, -1])
    norms = tf.norm(tape.gradient(last, steps), axis=-1)[0].numpy()
    assert (norms[:8] == 0).all() and (norms[8:] > 0).all()


def test_the_lectures_windows_are_learnt_each_on_its_own(assets):
    net = stirred(model.build(params(kind="deepjazz", tbptt_steps=4), assets))
    steps = np.random.default_rng(0).normal(size=(2, 10, 5)).astype(np.float32)
    changed = steps.copy()
    changed[:, 3] += 1
    moved = np.abs(net.walk(tf.constant(steps), True) - net.walk(tf.constant(changed), True))
    assert (moved.max(axis=(0, 2)) > 1e-6).tolist() == [False] * 3 + [True] + [False] * 6


def test_the_memory_makes_a_repeated_tune_likelier(assets):
    asked = batch(made_up(repeats=4))
    loss = {}
    for on in (True, False):
        net = model.build(params(memory=on), assets)
        loss[on] = float(net.compute_loss(x=asked, y_pred=net(asked)))
    assert loss[True] < loss[False] - 1


def test_values_never_learnt_share_what_the_lectures_net_leaves_for_them(assets):
    net = model.build(params(kind="deepjazz"), assets)
    joint = net.spread(tf.zeros([1, 1, 5]))[0, 0].numpy()
    assert joint[KNOWN[0]] == pytest.approx(np.log(1 / 5))
    assert joint[0] == pytest.approx(np.log(1 / 5 / (VALUES - 4)), rel=1e-5)


def test_a_train_window_is_a_stretch_of_the_tune_moved_with_its_chart(assets):
    tune = tunes.arrange(made_up(repeats=3))
    record = {name: tf.constant(value) for name, value in tune.columns().items()}
    whole = front.line(*_line({n: v[None] for n, v in record.items()})).place.numpy()[0]
    fed = model.feed(params(), assets, True)(record, tf.constant([3, 4]))
    assert fed["pitch"].shape == (16,) and fed["chords"].shape == (16, 12)
    window = front.line(*_line({name: value[None] for name, value in fed.items()}))
    moved = int(fed["moved"])
    place = window.place.numpy()[0]
    starts = [n for n in range(len(whole) - 15) if (whole[n : n + 16] + moved == place).all()]
    assert starts
    chart = front.chart({name: value[None] for name, value in fed.items()})
    slots = front.slots(chart, window.onset)
    # A made-up note is always a tone of its chord, so it still is after moving both.
    classes = (place + 36 - 1) % 12
    assert slots.now.numpy()[0][np.arange(16), classes].all()


def test_windows_begin_in_many_places_and_some_are_moved(assets):
    record = {n: tf.constant(v) for n, v in tunes.arrange(made_up()).columns().items()}
    one = model.feed(params(), assets, True)
    moved = [int(one(record, tf.constant([0, n]))["moved"]) for n in range(60)]
    assert set(moved) == set(range(-3, 4))
    assert 0.4 < np.mean(np.array(moved) == 0) < 0.8
    still = model.feed(params(), assets, False)(record, tf.constant([0, 1]))
    assert int(still["moved"]) == 0
    assert still["duration"].shape == (model.VALIDATION_NOTES,)
    assert int(tf.math.count_nonzero(still["duration"])) == 64


def _line(asked):
    return asked, front.chart(asked)
