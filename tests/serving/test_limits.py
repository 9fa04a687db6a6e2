"""A hostile client, a slow one and a dead process disturb nobody else."""

import contextlib
import http.client
import json
import socket
import threading
import time

import psutil
import pytest

from tests.serving.conftest import Server, write_version

pytestmark = pytest.mark.slow
ASK = {"instances": [1]}
HEAD = b"POST /v1/models/times:predict HTTP/1.1\r\nHost: localhost\r\n"
HEAD += b"Content-Type: application/json\r\n"


def dial(server, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", server.port), 60, source_address=(source, 0))


def heard(line):
    """All that comes until the server closes."""
    content = b""
    with contextlib.suppress(ConnectionError):
        while part := line.recv(65536):
            content += part
    return content


def answer_on(line):
    """The JSON of an answer on a connection that stays open."""
    content = b""
    while not content.endswith(b"}"):
        part = line.recv(65536)
        assert part, content
        content += part
    return json.loads(content.partition(b"\r\n\r\n")[2])


def asked(server):
    """A request whose answer, or the end of the connection, is of no interest."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        server.predict("slow", ASK)


def in_time(server, name="times", seconds=3):
    began = time.monotonic()
    status, _ = server.predict(name, ASK)
    return status == 200 and time.monotonic() - began < seconds


@pytest.fixture(scope="module")
def two(repository, export, tmp_path_factory):
    """A model that answers at once and one that never does in time."""
    folder = tmp_path_factory.mktemp("slow")
    (folder / "model").mkdir()
    write_version(folder / "model/1", 2.0, slow=2000)
    running = Server(
        repository, {"times": export, "slow": folder}, "--seconds", "2", "--queue", "3"
    )
    yield running
    running.stop()


def test_a_header_without_an_end_is_refused(server):
    with dial(server) as line:
        line.sendall(HEAD)
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                line.sendall(b"x-more: " + b"a" * 10_000 + b"\r\n")
        content = heard(line)
    assert not content or b" 431 " in content  # a reset may take the answer with it
    assert in_time(server)


def test_half_headers_and_silence_shut_nobody_out(repository, export):
    running = Server(repository, {"times": export}, files=256)
    try:
        with contextlib.ExitStack() as stack:
            for number in range(300):
                line = stack.enter_context(dial(running))
                if number % 2:
                    line.sendall(HEAD)
            assert in_time(running)
            assert running.ask("GET", "/v2/health/ready")[0] == 200
    finally:
        assert running.stop() == 0


def test_one_address_shuts_no_other_out_and_slow_bodies_give_way(repository, export):
    running = Server(repository, {"times": export}, "--connections", "32")
    body = json.dumps(ASK).encode()
    whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    try:
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(dial(running))
            for _ in range(40):  # more than the half that one address may have
                line = stack.enter_context(dial(running, "127.0.0.2"))
                line.sendall(HEAD + b"Content-Length: 99\r\n\r\n{")
            assert in_time(running)
            first.sendall(whole)
            assert answer_on(first) == {"predictions": [3.0]}
    finally:
        running.stop()


def test_a_request_that_its_client_has_left_is_ended_too(two):
    with dial(two) as line:
        body = json.dumps(ASK).encode()
        head = HEAD.replace(b"times", b"slow") + b"Content-Length: %d\r\n\r\n" % len(body)
        line.sendall(head + body)
        time.sleep(0.5)
    two.wait(lambda: two.ask("GET", "/v2/health/ready")[0] == 503, seconds=10)
    two.wait(lambda: two.ask("GET", "/v2/health/ready")[0] == 200)


def test_a_body_after_a_pipelined_request_is_no_header(server):
    body = b'{"instances": [1]' + b" " * 60_000 + b"}"
    one = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    content = b""
    with dial(server) as line:
        line.sendall(one + one)
        while content.count(b"predictions") < 2:
            part = line.recv(65536)
            assert part, content
            content += part
    assert content.count(b" 200 ") == 2


def test_a_slow_body_is_given_up_and_one_of_single_bytes_is_read(two):
    body = json.dumps(ASK).encode()
    with dial(two) as line:
        line.sendall(HEAD + b"Content-Length: 99\r\n\r\n{")
        assert b" 408 " in heard(line)
    with dial(two) as line:
        line.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        line.sendall(b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")
        assert answer_on(line) == {"predictions": [3.0]}


def test_a_body_that_is_announced_too_large_is_not_asked_for(server):
    with dial(server) as line:
        line.sendall(HEAD + b"Content-Length: 2000000000\r\nExpect: 100-continue\r\n\r\n")
        answer = heard(line)
    assert b" 413 " in answer and b"100 Continue" not in answer


@pytest.mark.parametrize(
    "body", [b"[" * 90_000, b'{"instances":' + b"[" * 80_000, b'{"a":' * 20_000]
)
def test_nested_json_is_refused(server, body):
    assert server.ask("POST", "/v1/models/times:predict", body)[0] == 400


def test_many_small_elements_are_counted_before_they_are_made(repository, export):
    running = Server(repository, {"times": export})
    try:
        for path, part in (("v1/models/times:predict", b"[],"), ("v2/models/times/infer", b"{},")):
            body = b'{"inputs":[' + part * 2_000_000 + b"1]}"
            began = time.monotonic()
            status, answer = running.ask("POST", f"/{path}", body)
            assert status == 400 and "JSON elements; the limit is 2,000,000" in answer["error"]
            assert time.monotonic() - began < 3
    finally:
        running.stop()


def test_a_request_over_its_time_is_ended_and_stops_no_other_model(two):
    late = []
    client = threading.Thread(target=lambda: late.append(two.predict("slow", ASK)))
    client.start()
    while client.is_alive():
        assert in_time(two)
    status, answer = late[0]
    assert status == 504 and "no answer within 2 seconds" in answer["error"]
    # The model's process is replaced; until then the server does not say that it is ready.
    two.wait(lambda: two.ask("GET", "/v2/health/ready")[0] == 503, seconds=10)
    two.wait(lambda: two.ask("GET", "/v2/health/ready")[0] == 200)


def test_a_full_queue_is_said_and_when_to_come_again(two):
    answers = []
    clients = [
        threading.Thread(target=lambda: answers.append(two.predict("slow", ASK))) for _ in range(9)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    statuses = [status for status, _ in answers]
    assert statuses.count(503) >= 6 and set(statuses) == {503, 504}
    assert any("requests waiting; ask again later" in answer["error"] for _, answer in answers)
    assert in_time(two)
    two.wait(lambda: two.ask("GET", "/v2/health/ready")[0] == 200)


def test_a_model_whose_process_is_killed_answers_again(repository, export):
    running = Server(repository, {"times": export})
    try:
        models = [child for child in running.children() if child.num_threads() > 3]
        for child in models:
            child.kill()
        assert models and running.predict("times", ASK) == (200, {"predictions": [3]})
    finally:
        running.stop()


def test_the_end_is_not_put_off_by_a_request_without_end(repository, tmp_path):
    (tmp_path / "model").mkdir()
    write_version(tmp_path / "model/1", 2.0, slow=20_000)
    running = Server(repository, {"slow": tmp_path})
    children = running.children()
    client = threading.Thread(target=lambda: asked(running), daemon=True)
    client.start()
    time.sleep(1)
    assert running.stop() == 0  # within a minute, or it raises
    assert not psutil.wait_procs(children, timeout=10)[1]


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({"content-type": "text/plain"}, 415, "send the header 'content-type: application/json'"),
        ({"host": "attacker.example"}, 421, "is not this server's"),
    ],
)
def test_a_page_of_another_site_cannot_ask(server, headers, status, said):
    code, answer = server.predict("times", ASK, **headers)
    assert code == status and said in answer["error"]


def test_a_client_may_use_any_address_of_the_server(server):
    for host in ("127.0.0.1:8080", "[::1]:80", "localhost"):
        assert server.predict("times", ASK, host=host)[0] == 200


def test_an_open_host_without_a_token_is_warned_of(repository, export):
    running = Server(repository, {"times": export}, "--host", "0.0.0.0")
    running.stop()
    assert "0.0.0.0 is open to the network and no token is asked for" in "".join(running.said)


V2_MISTAKES = [
    (
        {"datatype": "FP32", "shape": [-1], "data": [1]},
        "has shape [-1]; wanted sizes of 0 and more",
    ),
    ({"datatype": "FP32", "shape": [1], "data": ["1"]}, "holds a str at place 0; wanted FP32"),
    ({"datatype": "FP32", "shape": [2], "data": [1]}, "the data are not FP32 of shape [2]"),
    (
        {"datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": 4}},
        "has 4 bytes; [2] of FP32 are 8",
    ),
    ({"datatype": "FP32", "shape": [1]}, "has neither 'data' nor a 'binary_data_size'"),
    ({"datatype": "float", "shape": [1], "data": [1]}, "has datatype float; wanted one of"),
]


@pytest.mark.parametrize(("tensor", "said"), V2_MISTAKES)
def test_a_tensor_that_contradicts_itself_is_refused(server, tensor, said):
    body = {"inputs": [{"name": "value"} | tensor]}
    status, answer = server.ask("POST", "/v2/models/times/infer", body)
    assert status == 400 and said in answer["error"]


def test_parameters_of_an_output_that_are_no_object_are_refused(server):
    value = {"name": "value", "datatype": "FP32", "shape": [1], "data": [1]}
    body = {"inputs": [value], "outputs": [{"name": "scaled", "parameters": 5}]}
    status, answer = server.ask("POST", "/v2/models/times/infer", body)
    assert status == 400 and answer["error"] == "'parameters' of 'scaled' is not an object"


def test_a_request_keeps_its_id_and_is_logged_without_its_content(repository, export):
    running = Server(repository, {"times": export}, "--log", "json", token="secret")
    try:
        headers = {"authorization": "bearer secret", "x-request-id": "abc-1"}
        assert running.predict("times", {"instances": [1234567]}, **headers)[0] == 200
        running.wait(lambda: any("abc-1" in line for line in running.said))
    finally:
        running.stop()
    [line] = [json.loads(line) for line in running.said if "abc-1" in line]
    told = {name: line[name] for name in ("protocol", "model", "version", "status")}
    assert told == {"protocol": "v1", "model": "times", "version": "2", "status": 200}
    assert "1234567" not in "".join(running.said) and "secret" not in "".join(running.said)
