import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqapps.apps.dna import model
from seqapps.apps.dna.params import Train

WINDOW, FACTORS = 24, ["a", "b"]


SMALL = {
    "seed": 0,
    "epochs": 1,
    "batch_size": 16,
    "learning_rate": 0.02,
    "clip_norm": 1.0,
    "patience_epochs": 1,
    "filters": 8,
    "kernel_bp": 5,
    "pool_bp": 2,
    "units": 6,
    "dropout": 0.1,
}


class Tables:
    def __init__(self, **words):
        self.train = Train(**SMALL | words)


@pytest.fixture(scope="module")
def assets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assets")
    facts = {"factors": FACTORS, "window_bp": WINDOW, "kmer_bp": 3, "kmer_stride_bp": 2}
    (folder / "assets.json").write_text(json.dumps(facts))
    rows = np.random.default_rng(0).normal(size=(65, 5)).astype(np.float32)
    np.save(folder / "embedding.npy", rows)
    return folder


def batch(size=16, seed=0):
    """Rows of both factors; a factor's sites hold a word of their own."""
    rng = np.random.default_rng(seed)
    bases = rng.integers(0, 4, (size, WINDOW)).astype(np.int32)
    factor = np.arange(size) % 2
    site = np.arange(size) // 2 % 2 == 0
    bases[site & (factor == 0), 8:14] = [0, 0, 3, 3, 0, 0]
    bases[site & (factor == 1), 8:14] = [1, 2, 1, 2, 2, 2]
    labels = np.eye(2, dtype=np.float32)[factor] * site[:, None]
    return {"bases": bases, "labels": labels, "factor": factor}


def logit(p):
    return float(np.log(p / (1 - p)))


def test_bases_are_encoded_in_any_case_with_u_as_t_and_all_else_is_n():
    found = model.encode(tf.constant(["acgun", "ACGTN", "GaX-é", "T"]))
    # The accented letter is two bytes, each of them N.
    assert found.numpy().tolist() == [
        [0, 1, 2, 3, 4, 4],
        [0, 1, 2, 3, 4, 4],
        [2, 0, 4, 4, 4, 4],
        [3, 4, 4, 4, 4, 4],
    ]


def test_a_record_and_a_request_are_encoded_alike():
    text = "acgtNACG"
    alone, together = model.encode(tf.constant(text)), model.encode(tf.constant([text]))
    np.testing.assert_array_equal(alone, together[0])


def test_reverse_complement_of_aacgn_is_ncgtt():
    found = model.reverse_complement(tf.constant([[0, 0, 1, 2, 4]]))
    assert found.numpy().tolist() == [[4, 1, 2, 3, 3]]


def test_kmer_rows_count_in_base_four_and_n_is_row_zero():
    bases = model.encode(tf.constant(["CATGN"]))
    assert model.kmer_rows(bases, 2, stride=1).numpy().tolist() == [[1 + 4, 1 + 3, 1 + 14, 0]]
    assert model.kmer_rows(bases, 2, stride=2).numpy().tolist() == [[1 + 4, 1 + 14]]


def test_kmer_rows_are_those_of_the_fitted_embedding():
    from seqapps.apps.dna.preprocess import kmer_number

    for kmer in ("AAA", "ACG", "TTT"):
        assert model.kmer_rows(model.encode(tf.constant([kmer])), 3, stride=1) == kmer_number(kmer)


def record(text):
    """The record of a text, or of each of several."""
    labels = np.array([1, 0], np.float32)
    texts = [text] if isinstance(text, str) else text
    rows = len(texts)
    return {
        "sequence": tf.constant(texts),
        "labels": tf.constant([labels] * rows),
        "factor": tf.zeros([rows], tf.int64),
    }


def test_outside_training_the_feed_takes_the_middle_window(assets):
    feed = model.feed(Tables(), assets, training=False)
    text = "A" * 3 + "C" * WINDOW + "A" * 3
    assert set(feed(record(text), tf.constant([1, 2]))["bases"].numpy()[0]) == {1}


def test_in_training_every_offset_and_both_strands_come_up(assets):
    feed = model.feed(Tables(), assets, training=True)
    text = "ACGT" + "C" * (WINDOW - 2)
    batch = feed(record([text] * 60), tf.constant([0, 1]))
    seen = {tuple(row) for row in batch["bases"].numpy()}
    forward = [model.encode(tf.constant(text[start : start + WINDOW])) for start in range(3)]
    wanted = forward + [model.reverse_complement(one) for one in forward]
    assert seen == {tuple(one.numpy()) for one in wanted}


def test_without_reverse_complement_only_the_given_strand_is_fed(assets):
    feed = model.feed(Tables(reverse_complement=False), assets, training=True)
    seen = {
        tuple(row) for row in feed(record(["C" * WINDOW] * 9), tf.constant([0, 1]))["bases"].numpy()
    }
    assert seen == {(1,) * WINDOW}


def test_the_same_seed_feeds_the_same_window(assets):
    feed = model.feed(Tables(), assets, training=True)
    one, other = (feed(record("ACGT" * 10), tf.constant([5, 6]))["bases"] for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_loss_is_the_mean_cross_entropy_over_known_labels():
    labels = tf.constant([[1.0, 0.0], [-1.0, 1.0]])
    logits = tf.constant([[logit(0.8), logit(0.4)], [3.0, logit(0.5)]])
    found = model.loss(labels, tf.constant([0, 1]), logits=logits, balanced=False)
    assert float(found) == pytest.approx(-(np.log(0.8) + np.log(0.6) + np.log(0.5)) / 3, abs=1e-6)


def test_balanced_loss_gives_a_factors_own_rows_one_share_however_few():
    # Column 0: own rows 0-2, mean(-ln .8, -ln .6, -ln .5) / 2, and row 3 as one of four rows.
    # Column 1: own row 3 alone counts as much as column 0's three.
    labels = tf.constant([[1.0, 0], [0, 0], [1, 0], [0, 1]])
    chances = [[0.8, 0.1], [0.4, 0.2], [0.5, 0.3], [0.9, 0.7]]
    logits = tf.constant([[logit(p) for p in row] for row in chances])
    found = model.loss(labels, tf.constant([0, 0, 0, 1]), logits=logits, balanced=True)
    first = -np.mean(np.log([0.8, 0.6, 0.5])) / 2 - np.log(0.1) / 4
    second = -np.log(0.7) / 2 - np.sum(np.log([0.9, 0.8, 0.7])) / 4
    assert float(found) == pytest.approx((first + second) / 2, abs=1e-6)


@pytest.mark.parametrize("balanced", [True, False])
def test_an_unknown_label_gives_no_gradient(balanced):
    logits = tf.Variable([[0.3, -0.2], [1.0, 2.0]])
    with tf.GradientTape() as tape:
        labels = tf.constant([[1.0, -1.0], [-1.0, 0.0]])
        value = model.loss(labels, tf.constant([0, 1]), logits=logits, balanced=balanced)
    gradient = tape.gradient(value, logits).numpy()
    assert (gradient != 0).tolist() == [[True, False], [False, True]]


def test_auroc_metric_is_the_mean_over_factors_of_pairs_won_on_own_rows():
    metric = model.AurocWithin(2)
    # Factor 0: sites 2 and 0 against 1 and -1 win three of four pairs; factor 1: one tie.
    logits = tf.constant([[2.0, 9], [0, 9], [1, 9], [-1, 9], [9, 0.5], [9, 0.5]])
    labels = tf.constant([[1.0, 0], [1, 0], [0, 0], [0, 0], [0, 1], [0, 0]])
    factor = tf.constant([0, 0, 0, 0, 1, 1], tf.int64)
    metric.update_state(labels[:3], factor[:3], logits[:3])
    metric.update_state(labels[3:], factor[3:], logits[3:])
    assert float(metric.result()) == pytest.approx((0.75 + 0.5) / 2)


def test_auroc_metric_skips_unknown_labels_and_factors_of_one_class():
    metric = model.AurocWithin(2)
    labels = tf.constant([[1.0, 0], [0, 0], [-1, 0], [0, 1]])
    logits = tf.constant([[1.0, 0], [0, 0], [5, 0], [0, 0]])
    metric.update_state(labels, tf.constant([0, 0, 0, 1], tf.int64), logits)
    assert float(metric.result()) == 1.0


def test_both_strands_get_the_same_logits(assets):
    net = model.build(Tables(), assets)
    bases = tf.constant(batch()["bases"])
    other = model.reverse_complement(bases)
    np.testing.assert_allclose(net({"bases": bases}), net({"bases": other}), atol=1e-6)


def test_unless_conjoined_training_sees_one_strand(assets):
    bases = tf.constant(batch()["bases"])
    other = model.reverse_complement(bases)
    for conjoined, alike in ((True, True), (False, False)):
        net = model.build(Tables(conjoined=conjoined, dropout=0.0), assets)
        one, two = (net({"bases": strand}, training=True).numpy() for strand in (bases, other))
        assert np.allclose(one, two, atol=1e-6) == alike


def test_kmer_embedding_starts_from_the_fitted_vectors_and_is_trained(assets):
    net = model.build(Tables(kind="kegru"), assets)
    [table] = [weight for weight in net.trainable_weights if "embeddings" in weight.path]
    np.testing.assert_array_equal(table, np.load(assets / "embedding.npy"))


VARIANTS = [
    {},
    {"embedding": "kmer", "cell": "dense", "word_filters": 6, "word_bp": 4},
    {"cell": "lstm", "layers": 2, "balance_factors": False},
    {"kind": "kegru", "cell": "rnn", "bidirectional": False},
    {"kind": "conv", "conjoined": False},
]


@pytest.mark.parametrize("words", VARIANTS, ids=str)
def test_every_kind_learns_under_xla(assets, words):
    keras.utils.set_random_seed(0)
    net = model.build(Tables(**words), assets)
    net.compile(optimizer=keras.optimizers.Adam(0.02), jit_compile=True)
    data = tf.data.Dataset.from_tensors(batch(64)).repeat(20)
    history = net.fit(data, epochs=2, verbose=0, shuffle=False).history
    assert history["loss"][1] < 0.8 * history["loss"][0]
    assert history["auroc"][1] > 0.7
