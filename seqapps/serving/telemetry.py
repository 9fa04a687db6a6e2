"""Telemetry of requests: counters for Prometheus, an access log, traces of OpenTelemetry.

Bodies, answers and tokens are in none of them.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from prometheus_client import Counter, Gauge, Histogram

LOGS = ("off", "text", "json")
TRACES = "OTEL_EXPORTER_OTLP_ENDPOINT"
log = logging.getLogger("seqapps.serving.access")

REQUESTS = Counter(
    "seqapps_requests", "Requests by outcome", ("model", "version", "protocol", "outcome")
)
SECONDS = Histogram(
    "seqapps_request_seconds",
    "Seconds from the request's last byte to its answer",
    ("model", "protocol"),
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60),
)
QUEUE = Gauge("seqapps_queue_length", "Requests that wait or are answered", ("model",))
OUTCOMES = {200: "answered", 503: "busy", 504: "late"}


@dataclass
class Entry:
    """A request as it is fields of; `request_id` is the client's or a new one."""

    request_id: str
    protocol: str
    path: str
    client: str = ""
    model: str = ""
    version: str = ""
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    started: float = field(default_factory=time.perf_counter)

    def outcome(self) -> str:
        """answered, refused, busy, late or failed."""
        return OUTCOMES.get(self.status, "failed" if self.status >= 500 else "refused")


class Telemetry:
    """The log and the traces of a server.

    Args:
        style: of the access log, one of `LOGS`.
    """

    def __init__(self, style: str):
        self.style = style
        self._span = _tracer() if os.environ.get(TRACES) else None

    @contextlib.contextmanager
    def of(self, entry: Entry) -> Iterator[Entry]:
        """Counts, logs and traces the request that is answered in the block."""
        with self._span(entry) if self._span else contextlib.nullcontext():
            try:
                yield entry
            finally:
                seconds = time.perf_counter() - entry.started
                if entry.model:
                    labels = (entry.model, entry.version, entry.protocol, entry.outcome())
                    REQUESTS.labels(*labels).inc()
                    SECONDS.labels(entry.model, entry.protocol).observe(seconds)
                self._log(entry, seconds)

    def _log(self, entry: Entry, seconds: float) -> None:
        if self.style == "off":
            return
        fields = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "request_id": entry.request_id,
            "client": entry.client,
            "protocol": entry.protocol,
            "path": entry.path,
            "model": entry.model,
            "version": entry.version,
            "status": entry.status,
            "ms": round(1000 * seconds, 1),
            "bytes_in": entry.bytes_in,
            "bytes_out": entry.bytes_out,
        }
        as_json = self.style == "json"
        log.info(orjson.dumps(fields).decode() if as_json else " ".join(map(str, fields.values())))


def _tracer() -> Callable[[Entry], Any]:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "seqapps"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = provider.get_tracer("seqapps.serving")

    @contextlib.contextmanager
    def span(entry: Entry) -> Iterator[None]:
        with tracer.start_as_current_span(f"{entry.protocol} {entry.path}") as current:
            yield
            for name in ("request_id", "model", "version", "status", "bytes_in", "bytes_out"):
                current.set_attribute(f"seqapps.{name}", getattr(entry, name))

    return span
