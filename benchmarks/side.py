"""What both sides of `pytorch.py` do: they read cases as lines of JSON and answer with times."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple


class Case(NamedTuple):
    """A step of training, how many different batches it takes in turn, and what is known of it."""

    step: Callable[[], Any]
    batches: int = 1
    facts: dict[str, Any] = {}


def answer(make: Callable[[dict[str, Any]], Case]) -> None:
    """Answers one line of JSON with another, until the input ends.

    A request's first time makes the case, and takes each batch once at least; steps are timed over
    whole turns of the batches.
    """
    cases: dict[str, Case] = {}
    for line in sys.stdin:
        request = json.loads(line)
        key = str(request["case"])
        if key not in cases:
            cases[key] = make(request)
            for _ in range(2 + cases[key].batches):
                cases[key].step()
        case, count, started = cases[key], 0, time.perf_counter()
        while time.perf_counter() - started < request["seconds"]:
            for _ in range(case.batches):
                case.step()
            count += case.batches
        spent = time.perf_counter() - started
        print(json.dumps({"ms": 1000 * spent / max(count, 1), **case.facts}), flush=True)
