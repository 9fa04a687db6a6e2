"""Training steps beside PyTorch's: recurrent layers over sizes, and networks as the applications'.

`make bench` makes PyTorch's environment and runs this. Two processes, one of each library, take
turns: a round of one, a round of the other, on the same batches of random numbers. A step is
forward and backward, with the gradients of the inputs and of all weights. The ratio is PyTorch's
milliseconds over ours: above 1 ours is the faster.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROUNDS, SECONDS = 11, 0.4
LAYERS = [
    # cell, units, directions, steps, rows, masked
    ("gru", 64, 1, 30, 64, False),
    ("gru", 128, 2, 100, 16, False),
    ("gru", 192, 2, 100, 8, True),
    ("gru", 256, 1, 100, 64, False),
    ("lstm", 64, 1, 100, 64, False),
    ("lstm", 96, 1, 128, 8, False),
    ("lstm", 128, 2, 100, 16, False),
    ("lstm", 192, 2, 100, 8, True),
    ("lstm", 256, 1, 100, 64, False),
    ("lstm", 64, 1, 500, 32, False),
]


class Side:
    """One library in a process of its own, asked for milliseconds of a step."""

    def __init__(self, python: Path, threads: int):
        script = "pytorch_side.py" if python != Path(sys.executable) else "tensorflow_side.py"
        command = [str(python), str(HERE / script), str(threads)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parent
        )

    def ask(self, **request) -> float:
        """Milliseconds of a step; with `seconds` 0 only a first step, which compiles."""
        assert self.process.stdin and self.process.stdout
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{self.process.args} has ended")
        return json.loads(answer)

    def close(self) -> None:
        """Ends the process."""
        self.process.communicate()


def row(case: tuple, sides: dict[str, Side]) -> tuple[float, float, float, float, float]:
    """Medians in ms of ours and PyTorch's, and the ratio's median and quartiles."""
    for side in sides.values():
        side.ask(case=case, seconds=0)
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(ROUNDS):
        for name in sorted(sides, reverse=number % 2 == 1):
            times[name].append(sides[name].ask(case=case, seconds=SECONDS))
    ratios = [t / o for t, o in zip(times["torch"], times["ours"], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return statistics.median(times["ours"]), statistics.median(times["torch"]), middle, low, high


def name(case: tuple) -> str:
    """A case in words."""
    if len(case) == 1:
        return case[0]
    cell, units, directions, steps, rows, masked = case
    both = " bidirectional" if directions == 2 else ""
    return f"{cell.upper()} {units}{both}, T {steps}, B {rows}{', masked' if masked else ''}"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torch", type=Path, default=Path(".venv-bench/bin/python"))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", default="", help="cases whose name holds this word")
    options = parser.parse_args()
    print("| step | threads | ours ms | PyTorch ms | ratio (quartiles) |\n|---|---|---|---|---|")
    for threads in options.threads:
        sides = {"ours": Side(Path(sys.executable), threads), "torch": Side(options.torch, threads)}
        for case in [*LAYERS, *((network,) for network in NETWORKS)]:
            if options.only in name(case):
                ours, torch, middle, low, high = row(case, sides)
                print(
                    f"| {name(case)} | {threads} | {ours:.1f} | {torch:.1f} "
                    f"| {middle:.2f} ({low:.2f}..{high:.2f}) |",
                    flush=True,
                )
        for side in sides.values():
            side.close()


NETWORKS: list[str] = []

if __name__ == "__main__":
    main()
