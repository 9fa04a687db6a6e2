import json
from types import SimpleNamespace

from tests.toy.ingest import ingest


def test_the_same_runs_of_3_to_12_numbers_are_drawn_each_time(tmp_path):
    params = SimpleNamespace(ingest=SimpleNamespace(sequences=20))
    drawn = []
    for _ in range(2):
        assert ingest(params, tmp_path) == {"runs": 20}
        drawn.append(json.loads((tmp_path / "runs.json").read_text()))
    assert drawn[0] == drawn[1]
    assert all(3 <= len(run) <= 12 for run in drawn[0])
