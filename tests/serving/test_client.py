"""A client of the server: what it says, and that it answers as the SavedModel does."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from seqapps import config
from seqapps.config import UserError
from seqapps.serving import client, predict
from tests.serving.test_server import Server, free_port
from tests.toy import APP


@pytest.mark.slow
def test_the_server_answers_a_users_file_as_the_saved_model_does(ran, repository):
    exported = ran / "data/toy/smoke/export"
    served = Server(repository, {"toy": exported})
    params = config.load(APP, "smoke", ["predict.batch_size=2"], root=ran)
    (ran / "mine.txt").write_text("1 2 3\n4 5 6 7\n0 0 0\n")
    answer = client.Client(served.port).model("toy")
    files = []
    try:
        assert client.Client(served.port).names() == ["toy"]
        for out, who in (("here", None), ("there", answer)):
            files += predict.run(
                APP, params, [ran / "mine.txt"], exported=exported, out=ran / out, answer=who
            )
        with pytest.raises(UserError, match="absent"):
            client.Client(served.port).model("absent")({"steps": np.zeros((1, 2))})
    finally:
        served.stop()
    here, there = (np.loadtxt(path, delimiter=",", skiprows=1, usecols=(1, 2)) for path in files)
    np.testing.assert_allclose(here, there, atol=1e-6)


@pytest.fixture
def pretender():
    """The port of a server of something else."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Other)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_server_that_is_gone_or_is_another_is_said(pretender):
    for port in (free_port(), pretender):
        assert not client.Client(port).answers()
        with pytest.raises(UserError, match=f"the server on port {port} does not answer"):
            client.Client(port).names()


def test_answers_have_the_dtypes_of_the_signature():
    rows = client._received("text", {"dtype": "string", "shape": [None]}, ["a", "b"])
    assert rows.tolist() == ["a", "b"]
    words = client._received("words", {"dtype": "string", "shape": [None, None]}, [["a", ""]])
    assert words[0].tolist() == [b"a", b""]
    numbers = client._received("n", {"dtype": "int64", "shape": [None]}, [1, 2])
    assert numbers.dtype == np.int64
