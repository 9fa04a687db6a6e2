"""What the running server does under load: latency by clients, memory over many requests.

    python benchmarks/serving.py dna=data/dna/full/export [--requests 50000]

Starts the server itself, asks the example beside each export, and prints one table. All clients
wait on one connection each, as connection pools do; figures are of this machine, all in one run.
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

CLIENTS = (1, 8, 32)
PER_LEVEL_SECONDS = 10


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+", metavar="NAME=EXPORT_FOLDER")
    parser.add_argument("--requests", type=int, default=0, help="then so many more, for memory")
    given = parser.parse_args()
    folders = dict(model.split("=") for model in given.models)
    bodies = {n: (Path(f) / "example_request.json").read_bytes() for n, f in folders.items()}
    port, server = start(given.models)
    try:
        print("| model | rows | clients | requests/s | p50 ms | p95 ms |")
        print("|---|---|---|---|---|---|")
        for name, body in bodies.items():
            rows = len(json.loads(body)["instances"])
            for clients in CLIENTS:
                times, seconds = load(port, {name: body}, clients, seconds=PER_LEVEL_SECONDS)
                middle, slow = 1000 * np.quantile(times, [0.5, 0.95])
                rate = len(times) / seconds
                print(f"| {name} | {rows} | {clients} | {rate:.0f} | {middle:.1f} | {slow:.1f} |")
        before = memory_mb(server.pid)
        for part in range(1, 6 if given.requests else 1):
            load(port, bodies, 8, count=given.requests // 5)
            total = part * (given.requests // 5)
            now = memory_mb(server.pid)
            print(f"after {total:,} mixed requests: {now:.0f} MB (was {before:.0f})")
    finally:
        server.terminate()
        server.wait()


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
    port: int, bodies: dict[str, bytes], clients: int, *, seconds: float = 0, count: int = 0
) -> tuple[list[float], float]:
    """Seconds of each answer, and of all; every answer must be a 200."""
    times: list[float] = []
    began = time.monotonic()

    def client(number: int) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=120)
        asked = list(bodies.items())
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
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1000


if __name__ == "__main__":
    main()
