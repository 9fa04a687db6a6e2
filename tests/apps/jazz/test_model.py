import numpy as np
import pytest
import tensorflow as tf

from seqapps.apps.jazz import frontend, model, tunes
from seqapps.apps.jazz.frontend import VALUES
from seqapps.apps.jazz.preprocess import REQUEST
from tests.apps.jazz.conftest import made_up, params, stirred


def batch(*scores):
    columns = [tunes.arrange(score).columns() for score in scores]
    return {name: tf.constant(np.stack([c[name] for c in columns])) for name in REQUEST}


@pytest.mark.parametrize("kind", ["soloist", "deepjazz"])
@pytest.mark.parametrize("cell", ["lstm", "dense"])
def test_the_values_at_each_slot_share_one_and_the_loss_reads_the_notes_share(kind, cell, assets):
    net = stirred(model.build(params(kind=kind, cell=cell), assets))
    asked = batch(made_up())
    chart = frontend.chart(asked)
    line = frontend.line(asked, chart)
    joint = net.joint(chart, line)
    assert joint.shape == (1, 64, VALUES)
    np.testing.assert_allclose(tf.reduce_logsumexp(joint, -1), 0, atol=1e-5)
    own = tf.gather(joint, line.value, batch_dims=2)
    np.testing.assert_allclose(net(asked), own, atol=1e-4)


@pytest.mark.parametrize("kind", ["soloist", "deepjazz"])
def test_no_note_knows_itself_or_what_comes_after(kind, assets):
    net = stirred(model.build(params(kind=kind), assets))
    asked = batch(made_up())
    chart = frontend.chart(asked)
    before = net.joint(chart, frontend.line(asked, chart))
    pitch = asked["pitch"].numpy()
    pitch[0, 20] += 1
    after = net.joint(chart, frontend.line(asked | {"pitch": tf.constant(pitch)}, chart))
    changed = np.abs(after - before).max(axis=-1)[0] > 1e-6
    assert not changed[:21].any() and changed[21]


def test_dense_does_not_see_the_last_note_and_jordan_does(assets):
    asked = batch(made_up())
    chart = frontend.chart(asked)
    line = frontend.line(asked, chart)
    slots = frontend.slots(chart, line.onset)
    seen = {}
    for cell in ("dense", "jordan"):
        net = model.build(params(cell=cell), assets)
        one, other = (
            net.embed(slots, line.pitch_index + up, line.ticks, line.pitch_index) for up in (0, 1)
        )
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


def test_the_memory_makes_a_repeated_tune_likelier(assets):
    asked = batch(made_up(repeats=4))
    loss = {}
    for on in (True, False):
        net = model.build(params(memory=on), assets)
        loss[on] = float(net.compute_loss(x=asked, y_pred=net(asked)))
    assert loss[True] < loss[False] - 1


def test_a_train_window_is_a_stretch_of_the_tune_moved_with_its_chart(assets):
    tune = tunes.arrange(made_up(repeats=3))
    record = {name: tf.constant(value) for name, value in tune.columns().items()}
    whole = frontend.line(*_line({n: v[None] for n, v in record.items()})).pitch_index.numpy()[0]
    batch = {name: value[None] for name, value in record.items()}
    batch = model.feed(params(), assets, True)(batch, tf.constant([3, 4]))
    fed = {name: value[0] for name, value in batch.items()}
    assert fed["pitch"].shape == (16,) and fed["chords"].shape == (16, 12)
    window = frontend.line(*_line({name: value[None] for name, value in fed.items()}))
    moved = int(fed["moved"])
    place = window.pitch_index.numpy()[0]
    starts = [n for n in range(len(whole) - 15) if (whole[n : n + 16] + moved == place).all()]
    assert starts
    chart = frontend.chart({name: value[None] for name, value in fed.items()})
    slots = frontend.slots(chart, window.onset)
    # A made-up note is always a tone of its chord, so it still is after moving both.
    classes = (place + 36 - 1) % 12
    assert slots.now.numpy()[0][np.arange(16), classes].all()


def test_windows_begin_in_many_places_and_some_are_moved(assets):
    columns = tunes.arrange(made_up()).columns().items()
    records = {name: tf.stack([value] * 60) for name, value in columns}
    fed = model.feed(params(), assets, True)(records, tf.constant([0, 1]))
    moved = fed["moved"].numpy()
    assert len(set(fed["start"].numpy() + fed["pitch"].numpy()[:, 0])) > 5
    assert set(moved) == set(range(-3, 4))
    assert 0.4 < np.mean(np.array(moved) == 0) < 0.8
    still = model.feed(params(), assets, False)(records, tf.constant([0, 1]))
    assert (still["moved"].numpy() == 0).all()
    assert still["duration"].shape == (60, model.VALIDATION_NOTES)
    assert int(tf.math.count_nonzero(still["duration"][7])) == 64


def _line(asked):
    return asked, frontend.chart(asked)
