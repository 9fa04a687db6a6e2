"""Training steps beside PyTorch's: recurrent layers over sizes, and networks as the applications'.

`make bench` makes PyTorch's environment and runs this. Two processes, one of each library, take
turns: a round of one, a round of the other, on the same batches. A step of a layer is forward and
backward on random numbers, with the gradients of the inputs and of all weights. A step of a network
is all that training does with a batch of the preprocessed `full` profile, the optimizer's part
included. The ratio is PyTorch's milliseconds over ours: above 1 ours is the faster.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
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


NETWORKS = ["asr", "captioning", "dna", "finance", "jazz"]


class Side:
    """One library in a process of its own, asked for milliseconds of a step."""

    def __init__(self, python: Path, threads: int):
        script = "pytorch_side.py" if python != Path(sys.executable) else "tensorflow_side.py"
        command = [str(python), str(HERE / script), str(threads)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(HERE.parent)},
        )

    def ask(self, **request) -> dict[str, float]:
        """Milliseconds of a step; of a network also its weights and the loss of its first step.

        With `seconds` 0 the case is only made and compiled.
        """
        assert self.process.stdin and self.process.stdout
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{self.process.args} has ended")
        return json.loads(answer)

    def close(self) -> None:
        """Ends the process."""
        self.process.communicate()


def row(
    case: tuple, sides: dict[str, Side], **folders: str
) -> tuple[float, float, float, float, float]:
    """Medians in ms of ours and PyTorch's, and the ratio's median and quartiles.

    Ours is asked first, because it writes the batches of a network.
    """
    made = {name: sides[name].ask(case=case, seconds=0, **folders) for name in ("ours", "torch")}
    if case[0] in NETWORKS:
        compare(name(case), made["ours"], made["torch"])
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(ROUNDS):
        for side in sorted(sides, reverse=number % 2 == 1):
            times[side].append(sides[side].ask(case=case, seconds=SECONDS)["ms"])
    ratios = [t / o for t, o in zip(times["torch"], times["ours"], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return statistics.median(times["ours"]), statistics.median(times["torch"]), middle, low, high


def compare(network: str, ours: dict[str, float], torch: dict[str, float]) -> None:
    """Says on stderr where two networks are not the same: in weights, or in the first loss."""
    if ours["weights"] != torch["weights"]:
        print(
            f"{network}: {ours['weights']:,} trainable weights, PyTorch's has {torch['weights']:,}",
            file=sys.stderr,
        )
    if not 0.5 < torch["loss"] / ours["loss"] < 2:
        print(
            f"{network}: the first loss is {ours['loss']:.3g}, PyTorch's {torch['loss']:.3g}",
            file=sys.stderr,
        )


def name(case: tuple) -> str:
    """A case in words."""
    if len(case) == 1:
        return case[0]
    cell, units, directions, steps, rows, masked = case
    both = " bidirectional" if directions == 2 else ""
    return f"{cell.upper()} {units}{both}, T {steps}, B {rows}{', masked' if masked else ''}"


def cases(only: str, data: Path) -> list[tuple]:
    """The layers and networks whose name holds a word, but those whose data are not there."""
    found = [case for case in [*LAYERS, *((n,) for n in NETWORKS)] if only in name(case)]
    for case in [case for case in found if case[0] in NETWORKS]:
        folder = data / case[0] / "full" / "preprocess"
        if not folder.exists():
            print(f"{case[0]} is left out: there is no {folder}", file=sys.stderr)
            found.remove(case)
    return found


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torch", type=Path, default=Path(".venv-bench/bin/python"))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", default="", help="cases whose name holds this word")
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="folder of <app>/full/preprocess"
    )
    options = parser.parse_args()
    data = options.data.absolute()
    chosen = cases(options.only, data)
    print("| step | threads | ours ms | PyTorch ms | ratio (quartiles) |\n|---|---|---|---|---|")
    for threads in options.threads:
        sides = {"ours": Side(Path(sys.executable), threads), "torch": Side(options.torch, threads)}
        with tempfile.TemporaryDirectory() as folder:
            for case in chosen:
                ours, torch, middle, low, high = row(case, sides, data=str(data), folder=folder)
                print(
                    f"| {name(case)} | {threads} | {ours:.1f} | {torch:.1f} "
                    f"| {middle:.2f} ({low:.2f}..{high:.2f}) |",
                    flush=True,
                )
        for side in sides.values():
            side.close()


if __name__ == "__main__":
    main()
