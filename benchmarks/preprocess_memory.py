"""Peak memory of ingest and preprocess on a generated FASTA, beside a tenth of it.

    python benchmarks/preprocess_memory.py --gigabytes 2

The data is generated: random bases in records of 1,000 bp. Memory is that of all processes of a
stage together (proportional set size: a page shared by two processes counts half in each), sampled
five times a second.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

RECORD_BP = 1000
BASES = np.frombuffer(b"ACGT", np.uint8)
PROFILE = """
[ingest]
source = "user"
factors = ["oct4"]
files = {{ generated = "{fasta}" }}
[preprocess]
window_bp = 101
jitter_bp = 20
seed = 7
[train]
seed = 1
epochs = 1
batch_size = 64
learning_rate = 0.001
clip_norm = 1.0
patience_epochs = 1
[evaluate]
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--gigabytes", type=float, default=2.0)
    gigabytes = options.parse_args().gigabytes
    print("| FASTA | records | stage | seconds | peak of all processes |")
    print("|---|---|---|---|---|")
    for size in (gigabytes / 10, gigabytes):
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), size)


def measure(root: Path, gigabytes: float) -> None:
    records = int(gigabytes * 1e9 / RECORD_BP)
    fasta = root / "generated.fa"
    generate(fasta, records)
    (root / "pipelines/dna").mkdir(parents=True)
    (root / "pipelines/dna/bench.toml").write_text(PROFILE.format(fasta=fasta))
    for stage in ("ingest", "preprocess"):
        seconds, peak = watched(root, stage)
        size = f"{fasta.stat().st_size / 1e9:.1f} GB"
        row = f"| {size} | {records:,} | {stage} | {seconds:.0f} | {peak / 1e9:.2f} GB |"
        print(row, flush=True)
    receipt = json.loads((root / "data/dna/bench/preprocess/done.json").read_text())
    print(f"counts: {receipt['counts']}", flush=True)


def generate(path: Path, records: int) -> None:
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, records, 1000):
            bases = BASES[rng.integers(4, size=(min(1000, records - start), RECORD_BP))]
            for row, sequence in enumerate(bases):
                file.write(b">r%d\n%s\n" % (start + row, sequence.tobytes()))


def watched(root: Path, stage: str) -> tuple[float, int]:
    project = Path(__file__).parents[1]
    command = [sys.executable, "-m", "seqapps", "dna", stage, "--profile", "bench"]
    environment = {"PYTHONPATH": str(project), "PATH": "/usr/bin:/bin"}
    started, peak = time.monotonic(), 0
    process = subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, resident(process.pid))
        time.sleep(0.2)
    if process.returncode:
        sys.exit(f"{stage} ended with {process.returncode}")
    return time.monotonic() - started, peak


def resident(pid: int) -> int:
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
        return sum(process.memory_full_info().pss for process in family)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


if __name__ == "__main__":
    main()
