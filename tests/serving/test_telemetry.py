"""Traces reach a collector: what OTLP over HTTP brings is read as the bytes that were sent."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.serving.conftest import Server


@pytest.fixture
def collector():
    """A collector of traces: its address, and the (path, content) of what it was sent."""
    received = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            content = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                content = gzip.decompress(content)
            received.append((self.path, content))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words):
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    server.server_close()


def test_a_request_is_traced_by_its_id_without_its_content(
    repository, export, collector, monkeypatch
):
    address, received = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    server = Server(repository, {"times": export}, token="a-token-of-mine")
    try:
        headers = {"authorization": "Bearer a-token-of-mine", "x-request-id": "trace-me-7"}
        body = {"instances": [{"value": 1234.5}]}
        assert server.predict("times", body, **headers)[0] == 200
        server.wait(lambda: any(b"trace-me-7" in content for _, content in received), seconds=20)
    finally:
        server.stop()
    [(path, content)] = [entry for entry in received if b"trace-me-7" in entry[1]]
    assert path == "/v1/traces"
    for word in (b"seqapps.model", b"times", b"seqapps.status", b"/v1/models/times:predict"):
        assert word in content
    for secret in (b"1234.5", b"2469", b"a-token-of-mine"):
        assert secret not in content
