"""The promises of every application, tried on its smoke profile through Make, on real data.

The skeleton that `make new` lays, on generated data, keeps them too.
"""

import base64
import csv
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from seqapps import app as contract
from seqapps.artifacts import receipts
from seqapps.config import STAGES
from seqapps.serving import predict
from seqapps.serving.demo import Desk
from tests import style
from tests.conftest import SKELETON

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("name", [*contract.names(), SKELETON])]


def load(name):
    return contract.at(f"{contract.APPS}.{name}")


def folder(made, name, stage):
    return made.path / "data" / name / "smoke" / stage


def metrics(made, name):
    return json.loads((folder(made, name, "evaluate") / "metrics.json").read_text())


def test_every_stage_leaves_a_receipt_and_its_parameters(made, name):
    for stage in STAGES:
        receipt = receipts.read(folder(made, name, stage))
        assert (receipt["app"], receipt["profile"], receipt["stage"]) == (name, "smoke", stage)
        assert list(json.loads((folder(made, name, stage) / "params.json").read_text())) == list(
            STAGES[: STAGES.index(stage) + 1]
        )


def test_a_second_make_does_no_work(made, name):
    again = made.make(name)
    assert [line for line in again.stdout.splitlines() if line.startswith(name)] == [
        f"{name} {stage}: fresh" for stage in STAGES
    ]


def test_metrics_name_headline_baselines_controls_and_interval(made, name):
    report = metrics(made, name)
    metric, direction = load(name).headline
    assert (report["headline"]["metric"], report["headline"]["direction"]) == (metric, direction)
    low, high = report["headline"]["interval95"]
    assert low <= report["headline"]["value"] <= high
    assert len(report["baselines"]) >= 2
    for scores in [*report["baselines"].values(), *report["controls"].values()]:
        assert np.isfinite(scores[metric])
    assert [*report["differences"]] == [*report["baselines"], *report["controls"]]
    for difference in report["differences"].values():
        low, high = difference["interval95"]
        assert low <= difference["value"] <= high
        assert difference["verdict"] in ("ahead", "level", "behind")
    assert report["counts"]["test_examples"] > 0


def test_shuffled_inputs_make_the_model_fail(made, name):
    assert metrics(made, name)["controls"]["shuffled_input"]["fails_as_it_must"] is True


def test_no_group_lies_in_two_splits(made, name):
    from seqapps.pipeline import records

    app = load(name)
    folds = list(folder(made, name, "preprocess").glob("*/counts.json"))
    assert folds
    for counts in folds:
        groups = {
            split: {row["group"] for row in records.read(app, counts.parent, split)}
            for split in ("train", "validation", "test")
        }
        assert groups["train"] and groups["validation"] and groups["test"]
        assert not groups["train"] & groups["test"]
        assert not groups["train"] & groups["validation"]
        assert not groups["validation"] & groups["test"]


def test_the_exported_model_answered_every_test_row_as_evaluate(made, name):
    counts = receipts.read(folder(made, name, "export"))["counts"]
    assert counts["parity_rows"] > 0
    assert counts["parity_max_difference"] <= 1e-4


REQUEST = """
import base64, json, sys
import tensorflow as tf
folder, path = sys.argv[1:]
request = json.load(open(path))
function = tf.saved_model.load(folder).signatures[request["signature_name"]]
specs = function.structured_input_signature[1]
def decode(value):
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value
answers = []
for row in request["instances"]:
    given = {n: tf.constant([decode(row[n])], spec.dtype) for n, spec in specs.items()}
    answers.append({n: v.numpy()[0] for n, v in function(**given).items()})
assert not any(m.startswith("seqapps") for m in sys.modules)
def plain(v):
    v = v.tolist() if hasattr(v, "tolist") else v
    if isinstance(v, list):
        return [plain(part) for part in v]
    return v.decode() if isinstance(v, bytes) else v
rows = [{n: plain(v) for n, v in row.items()} for row in answers]
print(json.dumps([next(iter(r.values())) if len(r) == 1 else r for r in rows]))
"""


def test_the_example_request_gets_the_example_response_from_tensorflow_alone(made, name):
    exported = folder(made, name, "export")
    version = max(int(path.name) for path in (exported / "model").iterdir())
    command = [sys.executable, "-I", "-c", REQUEST, exported / f"model/{version}"]
    done = subprocess.run(
        [*command, exported / "example_request.json"], capture_output=True, text=True, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    expected = json.loads((exported / "example_response.json").read_text())["predictions"]
    from seqapps.pipeline import export

    for got, wanted in zip(json.loads(done.stdout), expected, strict=True):
        pair = [value if isinstance(value, dict) else {"": value} for value in (got, wanted)]
        assert export.difference(*pair) < 1e-4


def test_the_signatures_say_what_each_number_is(made, name):
    signatures = json.loads((folder(made, name, "export") / "signatures.json").read_text())
    example = json.loads((folder(made, name, "export") / "example_response.json").read_text())
    answer = example["predictions"][0]
    for sides in signatures.values():
        for output, tensor in sides["outputs"].items():
            assert tensor["dtype"] == "string" or tensor["unit"], output
            named = load(name).outputs.get(output)
            if named and named.names:
                assert tensor["names"] == answer[named.names]
                assert len(tensor["names"]) == tensor["shape"][-1] or tensor["shape"][-1] is None


def test_predictions_are_a_table_of_all_test_rows(made, name):
    with (folder(made, name, "evaluate") / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == metrics(made, name)["counts"]["test_examples"]
    assert {"key", "group", "fold"} <= rows[0].keys()


def test_figures_are_drawn(made, name):
    figures = list((folder(made, name, "evaluate") / "figures").glob("*.png"))
    assert len(figures) >= 2
    assert all(path.stat().st_size > 5000 for path in figures)


def test_the_card_says_data_licence_split_and_limits(made, name):
    card = (made.path / "seqapps/apps" / name / "README.md").read_text().lower()
    headings = " ".join(re.findall("^#+ (.*)", card, re.MULTILINE))
    for word in ("data", "licence", "split", "metric", "baseline", "limits", "citation"):
        assert word in headings, word


def test_the_run_is_in_mlflow(made, name):
    probe = (
        "import mlflow, sys\n"
        "experiment = mlflow.get_experiment_by_name(sys.argv[1])\n"
        "runs = mlflow.search_runs([experiment.experiment_id], output_format='list')\n"
        "parent = [r for r in runs if r.data.tags['seqapps.level'] == 'pipeline'][0]\n"
        "print(parent.data.metrics[sys.argv[2]])"
    )
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{made.path}/mlruns/mlflow.db"}
    metric = load(name).headline[0]
    done = subprocess.run(
        [sys.executable, "-c", probe, name, metric],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == metrics(made, name)["headline"]["value"]


def test_records_hold_what_a_request_needs(made, name):
    request = json.loads((folder(made, name, "export") / "example_request.json").read_text())
    app = load(name)
    for row in request["instances"]:
        assert row.keys() <= app.features.keys()
        for value in row.values():
            if isinstance(value, dict):
                base64.b64decode(value["b64"], validate=True)


def test_the_example_of_the_page_is_answered_in_files(made, name, tmp_path):
    local = predict.Local(folder(made, name, "export"))
    desk = Desk(load(name), "smoke", made.path, local, tmp_path)
    found, note = desk.ask(*desk.example())
    assert found and not note, note


def test_names_and_docstrings_keep_the_house_rules(made, name):
    for path in style.files(made.path / "seqapps/apps" / name):
        assert style.riddles(path) == style.vague_names(path) == style.mixable(path) == []
