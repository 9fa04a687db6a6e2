"""What the running server does under load: latency by clients, memory over many requests.

    python benchmarks/serving.py dna=data/dna/full/export [--requests 50000]

Starts the server itself, as it is and with no requests joined, asks the example beside each
export, and prints one table. All clients wait on one connection each, as connection pools do;
figures are of this machine, all in one run. Memory is that of the server and its models' processes,
shared pages counted once.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import psutil

CLIENTS = (1, 8, 32, 128)
PER_LEVEL_SECONDS = 5


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+", metavar="NAME=EXPORT_FOLDER")
    parser.add_argument("--requests", type=int, default=0, help="then so many more, for memory")
    given = parser.parse_args()
    folders = dict(model.split("=") for model in given.models)
    bodies = {n: (Path(f) / "example_request.json").read_bytes() for n, f in folders.items()}
    rates: dict[tuple[str, str, int], list[float]] = {}
    for joined in ("joined", "apart"):
        options = [f"--batch={n}=1" for n in bodies] if joined == "apart" else []
        port, server = start([*given.models, *options])
        try:
            for name, body in bodies.items():
                for clients in CLIENTS:
                    times, seconds = load(port, [(name, body)], clients, seconds=PER_LEVEL_SECONDS)
                    parts = 1000 * np.quantile(times, [0.5, 0.95, 0.99])
                    rates[name, joined, clients] = [len(times) / seconds, *parts]
            if joined == "joined":
                over_time(port, server, mixed(bodies, rates), given.requests)
        finally:
            server.terminate()
            server.wait()
    print("| model | rows | clients | requests | requests/s | p50 ms | p95 ms | p99 ms |")
    print("|---|---|---|---|---|---|---|---|")
    for (name, joined, clients), (rate, *parts) in sorted(rates.items()):
        rows = len(json.loads(bodies[name])["instances"])
        cells = " | ".join(f"{part:.1f}" for part in parts)
        print(f"| {name} | {rows} | {clients} | {joined} | {rate:.0f} | {cells} |")


def mixed(
    bodies: dict[str, bytes], rates: dict[tuple[str, str, int], list[float]]
) -> list[tuple[str, bytes]]:
    """A round of requests in which each model gets about the same share of the time."""
    a_second = {name: rates[name, "joined", 8][0] for name in bodies}
    slowest = min(a_second.values())
    times = {name: max(1, round(rate / slowest)) for name, rate in a_second.items()}
    whole = [(name, bodies[name]) for name, count in times.items() for _ in range(count)]
    print("a round of mixed requests:", times, flush=True)
    return [whole[n] for n in np.random.default_rng(0).permutation(len(whole))]


def over_time(
    port: int, server: subprocess.Popen, asked: list[tuple[str, bytes]], count: int
) -> None:
    before = memory_mb(server.pid)
    for part in range(1, 6 if count else 1):
        load(port, asked, 8, count=count // 5)
        now = memory_mb(server.pid)
        print(f"after {part * (count // 5):,} mixed requests: {now:.0f} MB (was {before:.0f})")


def start(models: list[str]) -> tuple[int, subprocess.Popen]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "seqapps.serving.server", *models, "--port", str(port), "--no-grpc"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return port, server
        except OSError:
            assert server.poll() is None, "the server has ended"
            time.sleep(0.2)


def load(
    port: int, asked: list[tuple[str, bytes]], clients: int, *, seconds: float = 0, count: int = 0
) -> tuple[list[float], float]:
    """Seconds of each answer, and of all; every answer must be a 200."""
    times: list[float] = []
    began = time.monotonic()

    def client(number: int) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=120)
        own = 0
        while own < count / clients if count else time.monotonic() - began < seconds:
            name, body = asked[(number + own) % len(asked)]
            start = time.monotonic()
            headers = {"content-type": "application/json"}
            connection.request("POST", f"/v1/models/{name}:predict", body, headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            times.append(time.monotonic() - start)
            own += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, time.monotonic() - began


def memory_mb(pid: int) -> float:
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(process.memory_full_info().pss for process in processes) / 1e6


if __name__ == "__main__":
    main()
