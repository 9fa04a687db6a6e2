"""Versions that come and go under a running server."""

import os
import shutil
import threading

import pytest

from seqapps.artifacts.durable import write_json
from tests.serving.conftest import Server, write_version

pytestmark = pytest.mark.slow


def test_a_swap_drops_no_request_and_a_broken_version_is_refused(repository, export, tmp_path):
    shutil.copytree(export, tmp_path / "export")
    model = tmp_path / "export/model"
    running = Server(repository, {"times": tmp_path / "export"})
    seen, stop = [], threading.Event()

    def client():
        while not stop.is_set():
            seen.append(running.predict("times", {"instances": [1]}))

    clients = [threading.Thread(target=client) for _ in range(4)]
    for one in clients:
        one.start()
    write_version(model / "3", 5.0)
    running.wait(lambda: seen[-1] == (200, {"predictions": [5]}))
    (model / ".4").mkdir()
    (model / ".4/saved_model.pb").write_bytes(b"no graph")
    os.rename(model / ".4", model / "4")
    running.wait(lambda: any("model/4 is refused" in line for line in running.said))
    count = len(seen)
    running.wait(lambda: len(seen) > count + 40)
    stop.set()
    for one in clients:
        one.join()
    assert {status for status, _ in seen} == {200}
    values = [answer["predictions"][0] for _, answer in seen]
    assert set(values) == {3, 5} and values[-1] == 5
    assert running.stop() == 0


def test_the_server_follows_the_champion_there_and_back(repository, export, tmp_path):
    shutil.copytree(export, tmp_path / "export")

    def crown(number):
        write_json(tmp_path / "export/champion.json", {"version": number, "history": []})

    crown(1)
    running = Server(repository, {"times": tmp_path / "export"})
    body = {"instances": [1]}
    assert running.predict("times", body) == (200, {"predictions": [2]})
    crown(2)
    running.wait(lambda: running.predict("times", body) == (200, {"predictions": [3]}))
    crown(1)
    running.wait(lambda: running.predict("times", body) == (200, {"predictions": [2]}))
    assert running.ask("POST", "/v1/models/times/versions/2:predict", body)[0] == 200
    running.stop()
