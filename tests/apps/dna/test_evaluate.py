import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from seqapps.app import Evaluation
from seqapps.apps.dna import baselines, evaluate

NAMES = ("a", "b")


PARAMS = SimpleNamespace(ingest=SimpleNamespace(names=NAMES))


def objects(*values):
    column = np.empty(len(values), object)
    column[:] = values
    return column


# Two sites of a, two of its shuffles, then one of each for b.
TRUTH = {
    "labels": np.array([[1, 0], [1, 0], [0, 0], [0, 0], [0, 1], [0, 0]], np.float32),
    "kind": objects("site", "site", "shuffle", "shuffle", "site", "shuffle"),
    "factor": np.array([0, 0, 0, 0, 1, 1]),
}


RESPONSE = {
    "probability": np.array(
        [[0.9, 0.1], [0.4, 0.2], [0.6, 0.1], [0.1, 0.1], [0.5, 0.8], [0.2, 0.8]], np.float32
    )
}


def test_the_two_tasks_are_scored_on_their_own_rows():
    found = evaluate.score(PARAMS, TRUTH, RESPONSE)
    # a against its shuffles: .9 beats both, .4 beats one; b's pair is a tie.
    assert found["auroc_shuffles.a"] == 0.75
    assert found["auroc_shuffles.b"] == 0.5
    assert found["auroc_shuffles"] == 0.625
    # a against b's site (.5): .9 wins, .4 loses; b against a's sites wins both.
    assert found["auroc_peaks.a"] == 0.5
    assert found["auroc_peaks.b"] == 1.0
    assert found["auprc_shuffles.a"] == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_cross_entropy_and_accuracy_leave_unknown_labels_out():
    labels = np.array([[1, -1], [0, 1]], np.float32)
    found = evaluate.over_all(labels, np.array([[0.8, 0.9], [0.4, 0.3]]))
    assert found["bce"] == pytest.approx(-np.mean(np.log([0.8, 0.6, 0.3])))
    assert found["accuracy"] == pytest.approx(2 / 3)


def test_a_draw_without_a_class_leaves_that_factor_out():
    rows = np.array([0, 1, 2, 3, 4])
    drawn = {name: values[rows] for name, values in TRUTH.items()}
    found = evaluate.score(PARAMS, drawn, {"probability": RESPONSE["probability"][rows]})
    assert found["auroc_shuffles"] == found["auroc_shuffles.a"] == 0.75
    assert "auroc_shuffles.b" not in found


def test_a_lone_factor_has_no_peak_task():
    rows = TRUTH["factor"] == 0
    truth = {name: values[rows] for name, values in TRUTH.items()} | {
        "labels": TRUTH["labels"][rows, :1]
    }
    found = evaluate.score(PARAMS, truth, {"probability": RESPONSE["probability"][rows, :1]})
    assert found["auroc_shuffles"] == 0.75
    assert not [name for name in found if "peaks" in name]


def test_given_negatives_count_as_a_factors_own_rows():
    truth = TRUTH | {"kind": objects("site", "site", "given", "given", "site", "given")}
    truth["labels"] = np.array([[1, 0], [1, 0], [0, -1], [0, -1], [0, 1], [-1, 0]], np.float32)
    assert evaluate.score(PARAMS, truth, RESPONSE)["auroc_shuffles"] == 0.625


def test_cross_factor_control_answers_with_the_next_factors_column():
    evaluation = SimpleNamespace(response={"probability": np.array([[1.0, 2, 3]])})
    found = evaluate.controls(evaluation)["cross_factor"]["probability"]
    assert found.tolist() == [[2, 3, 1]]
    lone = SimpleNamespace(response={"probability": np.array([[1.0]])})
    assert evaluate.controls(lone) == {}


def library(count=40, seed=0):
    rng = np.random.default_rng(seed)
    known = {
        f"X{number}": {
            "name": f"X{number}",
            "family": "none",
            "matrix": rng.dirichlet([0.5] * 4, size=8).T * 20,
        }
        for number in range(count)
    }
    inner = np.array([[0, 0, 9, 0, 9, 0, 0, 0], [9, 0, 0, 0, 0, 0, 0, 9], [0, 9, 0, 0, 0, 0, 9, 0]])
    counts = np.vstack([inner, 9 - inner.sum(axis=0)])
    return known | {"MA1.1": {"name": "POU5F1", "family": "POU domain factors", "matrix": counts}}


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    """Two factors whose words stand in their sites, and a network that knows the words."""
    folder = tmp_path_factory.mktemp("dna")
    facts = {"factors": list(NAMES), "window_bp": 40, "kmer_bp": 3, "kmer_stride_bp": 1}
    (folder / "assets.json").write_text(json.dumps(facts))
    known = {n: e | {"matrix": np.asarray(e["matrix"]).tolist()} for n, e in library().items()}
    (folder / "jaspar.json").write_text(json.dumps(known))
    words = ("CGAGACTG", "CTTTCCCA")
    rng = np.random.default_rng(1)

    def record(number):
        factor, site = number % 2, number // 2 % 2 == 0
        text = "".join(rng.choice(list("ACGT"), 40))
        text = text[:9] + words[factor] + text[17:] if site else text
        return {
            "sequence": text.encode(),
            "labels": np.eye(2, dtype=np.float32)[factor] * site,
            "kind": b"site" if site else b"shuffle",
            "factor": factor,
        }

    def chances(columns):
        return np.array([[0.9 if w in s else 0.1 for w in words] for s in columns["sequence"]])

    def call(fold, endpoint, columns):
        effect = np.zeros((len(columns["sequence"]), 40, 4, 2), np.float32)
        for row, text in enumerate(columns["sequence"]):
            for number, word in enumerate(words):
                if (start := text.find(word)) >= 0:
                    effect[row, start : start + 8, :, number] = -3
        bases = baselines.one_hot(baselines.codes(columns["sequence"], 40))
        return {"effect": effect * (1 - bases[..., None])}

    train, rows = [record(n) for n in range(200)], [record(n) for n in range(40)]
    truth = {
        "sequence": objects(*(row["sequence"].decode() for row in rows)),
        "labels": np.stack([row["labels"] for row in rows]),
        "kind": objects(*(row["kind"].decode() for row in rows)),
        "factor": np.array([row["factor"] for row in rows]),
        "fold": objects(*["all"] * 40),
    }
    table = SimpleNamespace(kmer_bp=4, gkm_svm_rows=50, motif_sites=5, seed=0)
    return Evaluation(
        params=SimpleNamespace(ingest=PARAMS.ingest, evaluate=table),
        raw=folder,
        folds=("all",),
        assets=lambda fold: folder,
        records=lambda split, fold: iter(train),
        truth=truth,
        response={"probability": chances(truth)},
        ask=None,
        call=call,
        history={},
    )


def test_rivals_learn_a_planted_word_and_gc_does_not(evaluation):
    found = evaluate.baselines(evaluation)
    assert list(found) == ["gc", "kmer", "kmer_peaks", "pwm", "gkm_svm", "gkm_svm_peaks"]
    answers = {name: one.answers for name, one in found.items()}
    areas = {
        name: evaluate.score(PARAMS, evaluation.truth, answer)["auroc_shuffles"]
        for name, answer in answers.items()
    }
    assert all(answer["probability"].shape == (40, 2) for answer in answers.values())
    assert areas["kmer"] > 0.9
    assert areas["kmer_peaks"] > 0.9
    assert areas["gkm_svm"] > 0.9
    assert areas["gc"] < 0.8


def test_a_rival_that_sees_sites_alone_tells_factors_apart(evaluation):
    answer = evaluate.baselines(evaluation)["gkm_svm_peaks"].answers
    scores = evaluate.score(PARAMS, evaluation.truth, answer)
    assert scores["auroc_peaks"] > 0.9


def test_a_rival_says_from_how_many_rows_it_learnt(evaluation):
    whole = evaluate.baselines(evaluation)
    seen = {name: one.learnt_from for name, one in whole.items()}
    assert seen == dict.fromkeys(whole, 200) | {"gkm_svm_peaks": None}
    table = SimpleNamespace(kmer_bp=2, gkm_svm_rows=30, seed=0)
    params = SimpleNamespace(ingest=PARAMS.ingest, evaluate=table)
    some = evaluate.baselines(replace(evaluation, params=params))
    # 30 sites and 30 other rows of each of two factors.
    assert some["gkm_svm"].learnt_from == 120
    assert some["kmer"].learnt_from == 200


def test_without_rows_the_gapped_kmer_svm_is_left_out(evaluation):
    table = SimpleNamespace(kmer_bp=2, gkm_svm_rows=0, seed=0)
    params = SimpleNamespace(ingest=PARAMS.ingest, evaluate=table)
    assert "gkm_svm" not in evaluate.baselines(replace(evaluation, params=params))


def test_motifs_of_the_best_sites_are_compared_and_drawn(evaluation):
    metrics, findings = evaluate.measure(evaluation)
    assert set(metrics) == {"tomtom_q.a", "tomtom_q.b"}
    assert [finding.sites for finding in findings] == [5, 5]
    drawn = dict(evaluate.figures(evaluation, findings))
    assert sorted(drawn) == [
        "calibration",
        "logo_a",
        "logo_b",
        "precision_recall_peaks",
        "precision_recall_shuffles",
        "roc_peaks",
        "roc_shuffles",
    ]
