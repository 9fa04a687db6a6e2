"""No mutated request is answered as the server's own fault, over any protocol."""

import json
import subprocess


def test_mutated_requests_are_answered_or_refused_and_the_server_lives(repository, export):
    example = {"instances": [{"value": 1.5}, {"value": -2.0}]}
    (export / "example_request.json").write_text(json.dumps(example))
    command = [
        str(repository / ".venv-serve/bin/python"),
        str(repository / "tests/serving/fuzz.py"),
        f"times={export}",
        "--requests=400",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert done.stdout.strip().endswith("then the example: 200")
    counts = done.stdout.partition(":")[2]
    for status in ("'200'", "'400'", "'OK'", "'INVALID_ARGUMENT'"):
        assert status in counts, done.stdout
