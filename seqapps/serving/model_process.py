"""The process of one model: it loads the versions, decodes requests and answers them.

Each model has one, so that a request that takes too long, or all memory, ends with its process and
stops no other model. It ends when the server does.
"""

import logging
import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqapps.app import Columns
from seqapps.artifacts.json_codec import BadRequest
from seqapps.artifacts.saved_model import in_parts
from seqapps.serving import batching, messages, requests
from seqapps.serving.messages import Answer, Batching, Call, Described, Limits, Parts, Question
from seqapps.serving.version_watcher import WATCH_SECONDS, NoSuchVersion, Versions

log = logging.getLogger("seqapps.serving.server")
THREADS = os.cpu_count() or 1


def run(
    line: socket.socket, name: str, exported: Path, limits: Limits, joined: Batching | None
) -> None:
    """Answers what comes over `line` until the server closes it; see `messages`.

    Messages in: ("ask", number, Question), ("drop", number). Messages out: ("failed", sentence),
    ("described", Described), ("begun", number), ("answer", number, Answer).
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # the server ends its models when it has drained
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    versions = Versions(name, exported)
    try:
        versions.refresh()
    except (OSError, ValueError) as error:
        log.error("%s cannot be read: %s", exported, error)
    process = ModelProcess(line, versions, limits, joined)
    if not versions.loaded:
        missing = f"{exported}: no exported model that can be served"
        process.say("failed", f"{missing}; run make {name}")
        return
    process.describe()
    threading.Thread(target=process.watch, daemon=True).start()
    for _ in range(1 if any(process.joins.values()) else THREADS):
        threading.Thread(target=process.work, daemon=True).start()
    process.listen()
    os._exit(0)  # what is being computed is of no use any more


class ModelProcess:
    """The model behind one end of a pair of sockets."""

    def __init__(
        self, line: socket.socket, versions: Versions, limits: Limits, joined: Batching | None
    ):
        self.line, self.versions, self.limits = line, versions, limits
        self.batching = joined or Batching()
        self.joins: dict[str, bool] = {}  # endpoint of the answering version -> joined or not
        if versions.loaded:
            self.joins = batching.pays(versions.version(None), self.batching)
        self._writing = threading.Lock()
        self._waiting: queue.Queue[tuple[int, Question]] = queue.Queue()
        self._dropped: set[int] = set()

    def say(self, *message: Any) -> None:
        """Sends a message to the server; if the server has gone, the process ends."""
        content = messages.frame(message)
        with self._writing:
            try:
                self.line.sendall(content)
            except OSError:
                os._exit(0)

    def describe(self) -> None:
        """Tells the server which versions answer."""
        loaded = self.versions.loaded
        described = Described(
            answering=self.versions.version(None).number,
            signatures={n: version.signatures() for n, version in loaded.items()},
            tensors={
                n: {
                    side: requests.tensors(getattr(version.endpoint(None), side))
                    for side in ("inputs", "outputs")
                }
                for n, version in loaded.items()
            },
            batched=any(self.joins.values()),
        )
        self.say("described", described)

    def watch(self) -> None:
        """Follows the versions in the export folder, for ever."""
        while True:
            time.sleep(WATCH_SECONDS)
            try:
                if self.versions.refresh():
                    self.describe()
            except (OSError, ValueError) as error:
                log.error("%s cannot be read: %s", self.versions.exported, error)

    def listen(self) -> None:
        """Takes messages in until the server has gone."""
        while message := messages.receive(self.line):
            if message[0] == "drop":
                self._dropped.add(message[1])
            else:
                self._waiting.put(message[1:])

    def work(self) -> None:
        """Answers requests, for ever; those that wait and fit together in one call of the model."""
        while True:
            calls: dict[int, Call] = {}
            for number, question in self._next():
                if number in self._dropped:
                    self._dropped.discard(number)
                    continue
                self.say("begun", number)
                call = self._decoded(question)
                if isinstance(call, Answer):
                    self.say("answer", number, call)
                else:
                    calls[number] = call
            for number, answer in self._answers(calls):
                self.say("answer", number, answer)

    def _next(self) -> list[tuple[int, Question]]:
        """The next requests: one, or where requests are joined all that wait, within limits."""
        first = self._waiting.get()
        if not any(self.joins.values()):
            return [first]
        taken, size = [first], len(first[1].body)
        end = time.monotonic() + self.batching.seconds
        while len(taken) < self.batching.rows and size < batching.MOST_BYTES:
            try:
                left = end - time.monotonic()
                taken.append(self._waiting.get(left > 0, max(left, 0)))
            except queue.Empty:
                break
            size += len(taken[-1][1].body)
        return taken

    def _decoded(self, question: Question) -> Call | Answer:
        try:
            return requests.decode(question, self.versions.version, self.limits)
        except Exception as error:
            return _refusal(error)

    def _answers(self, calls: dict[int, Call]) -> Iterator[tuple[int, Answer]]:
        """The number and the answer of each call; no error of one may end the thread."""
        for numbers in batching.groups(calls, self.joins, self.batching.rows):
            group = [calls[number] for number in numbers]
            try:
                outcomes = batching.answered(group) if len(group) > 1 else None
            except Exception:  # of one of them: alone, each gets its answer and row numbers
                outcomes = None
            for index, (number, call) in enumerate(zip(numbers, group, strict=True)):
                yield number, _answer(call, outcomes[index] if outcomes else None)


def _answer(call: Call, outcome: Columns | Parts | None) -> Answer:
    """The answer to a call, or the refusal of it; `outcome` is worked out if it is None."""
    try:
        if outcome is None:
            outcome = _parts(call) if call.partly else call.endpoint(call.columns)
        return call.encode(outcome)._replace(version=str(call.version.number))
    except Exception as error:
        return _refusal(error)


def _parts(call: Call) -> Parts:
    """The answers to the rows that can be answered.

    Raises:
        BadRequest: the columns have no rows, or all rows are refused.
    """
    counts = {requests.count(rows) for rows in call.columns.values()}
    if set(call.columns) != set(call.endpoint.inputs) or len(counts) != 1 or not max(counts):
        call.endpoint(call.columns)  # says what is wrong with the columns
        raise BadRequest(f"the inputs hold {sorted(counts)} rows; wanted the same, at least 1")
    answers, reasons = in_parts(call.endpoint, call.columns, max(counts))
    if len(reasons) == len(answers):
        raise BadRequest(f"every row is refused; row 0: {reasons[0]}")
    return Parts(answers, reasons)


def _refusal(error: Exception) -> Answer:
    if isinstance(error, BadRequest):
        return Answer(400, str(error).encode())
    if isinstance(error, NoSuchVersion):
        return Answer(404, str(error).encode())
    log.exception("a request failed")
    return Answer(500, f"the model failed: {type(error).__name__}".encode())
