"""Checks before the routes: token, body, version in the path."""

import socket

import pytest

from tests.serving.conftest import Server

pytestmark = pytest.mark.slow


def test_a_connection_forgets_the_version_that_was_asked_for(server):
    body = b'{"instances": [1]}'
    head = "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    paths = ("/v1/models/times/versions/1:predict", "/v1/models/times:predict")
    heard = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line:
        line.sendall(b"".join(head.format(path).encode() + body for path in paths))
        while heard.count(b"]}") < 2:
            heard += line.recv(65536)
    assert heard.index(b'{"predictions":[2') < heard.index(b'{"predictions":[3')


def test_half_a_request_disturbs_nobody(server):
    with socket.create_connection(("127.0.0.1", server.port)) as half:
        half.sendall(b"POST /v1/models/times:predict HTTP/1.1\r\nContent-Length: 99\r\n\r\n{")
        assert server.predict("times", {"instances": [1]})[0] == 200
    assert server.predict("times", {"instances": [1]})[0] == 200


def test_a_token_is_asked_for_if_there_is_one_but_not_for_health(repository, export):
    running = Server(repository, {"times": export}, token="secret")
    body = {"instances": [1]}
    assert running.predict("times", body)[0] == 401
    assert running.predict("times", body, authorization="Bearer wrong")[0] == 401
    assert running.predict("times", body, authorization="Bearer secret")[0] == 200
    value = [{"name": "value", "datatype": "FP32", "data": [1]}]
    assert "bearer token" in running.remote(model="times", inputs=value)["error"]
    answer = running.remote(model="times", inputs=value, token="secret")
    assert answer == {"outputs": {"scaled": [3.0]}}
    running.stop()
