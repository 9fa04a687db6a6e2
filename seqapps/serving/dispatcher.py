"""The queue before a model's process, and the process's replacement when it does not answer."""

import asyncio
import itertools
import logging
import socket
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from seqapps.serving import messages
from seqapps.serving.messages import Answer, Batching, Described, Limits, Question

log = logging.getLogger("seqapps.serving.server")
TRIES = 2
"""Times that a request is begun; the process may end because of another request."""

START_SECONDS = 300
MOST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""A process that lived as long is replaced at once when it ends, others after a growing pause."""


class Bodies:
    """The bytes of all bodies that are read, wait or are answered."""

    def __init__(self, most: int):
        self.most, self.held = most, 0

    def take(self, size: int) -> bool:
        """True, and the bytes are counted, if there is room for them."""
        if self.held + size > self.most:
            return False
        self.held += size
        return True

    def give_back(self, size: int) -> None:
        """Makes room again."""
        self.held -= size


class Job:
    """A request that waits or is being answered.

    `question` is None if it was given up while its process began it. `overtime` ends its work; it
    is None until the work begins, and from then on the job is kept until the work has ended.
    """

    def __init__(self, question: Question | None):
        self.question, self.tries = question, 0
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.overtime: asyncio.TimerHandle | None = None


class Dispatcher:
    """Requests to one model: at most `limits.queue`, each answered within `limits.seconds`.

    Args:
        name: of the model.
        exported: its export folder.
        limits: of requests.
        joined: how requests are joined; None as measured.
        context: starts processes.
    """

    def __init__(
        self,
        name: str,
        exported: Path,
        limits: Limits,
        joined: Batching | None,
        context: ForkServerContext,
    ):
        self.name, self.exported, self.limits = name, exported, limits
        self.joined, self.context = joined, context
        self.described: Described | None = None
        self.process: Any = None
        self.jobs: dict[int, Job] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._numbers = itertools.count()
        self._closing = False
        self._following: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """True if the process runs and a version is loaded."""
        return self._writer is not None and self.described is not None

    async def start(self) -> None:
        """Starts the process and waits until a version is loaded.

        Raises:
            FileNotFoundError: the folder holds no version that can be served.
        """
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._following = asyncio.create_task(self._follow(started))
        try:
            await asyncio.wait_for(started, START_SECONDS)
        except TimeoutError:
            late = f"{self.name}: {self.exported} is not loaded within {START_SECONDS} seconds"
            raise TimeoutError(late) from None

    async def ask(self, question: Question) -> Answer:
        """The answer to a request: 503 if too many wait, 504 if it takes too long.

        A request that is given up, here or by its client, is not begun any more; if it has been,
        its work may go on for `limits.seconds` since then, and no longer.
        """
        if len(self.jobs) >= self.limits.queue:
            busy = f"{self.name} has {len(self.jobs)} requests waiting; ask again later"
            return Answer(503, busy.encode(), {"retry-after": "1"})
        number, job = next(self._numbers), Job(question)
        self.jobs[number] = job
        self._send(number, job)
        try:
            return await asyncio.wait_for(job.answer, self.limits.seconds)
        except TimeoutError:
            late = f"no answer within {self.limits.seconds:g} seconds"
            return Answer(504, f"{late}; send fewer or shorter rows".encode())
        finally:
            if job.overtime is None:
                del self.jobs[number]
                if job.answer.cancelled():  # by the timeout or with this task
                    self._write("drop", number)

    async def close(self) -> None:
        """Ends the process; requests that still wait are answered with 503."""
        self._closing = True
        self._kill()
        for number in list(self.jobs):
            self._settle(number, Answer(503, b"the server is ending"))
        if self._following:
            await asyncio.wait([self._following], timeout=5)

    async def _follow(self, started: asyncio.Future[None]) -> None:
        """Runs a process, and another when it has ended, until the server closes."""
        pause = 1.0
        while not self._closing:
            begun = time.monotonic()
            try:
                await self._run(started)
            except OSError as error:
                log.error("%s: its process cannot be started: %s", self.name, error)
            if self._closing or (started.done() and started.exception()):
                return
            self._retry()
            if time.monotonic() - begun < STEADY_SECONDS:
                await asyncio.sleep(pause)
                pause = min(2 * pause, MOST_PAUSE_SECONDS)
            else:
                pause = 1.0

    async def _run(self, started: asyncio.Future[None]) -> None:
        ours, theirs = socket.socketpair()
        arguments = (theirs, self.name, self.exported, self.limits, self.joined)
        process = self.context.Process(target=_answer_requests, args=arguments, daemon=True)
        await asyncio.to_thread(process.start)
        theirs.close()
        self.process = process
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            while message := await messages.read(reader):
                self._hear(message, writer, started)
        finally:
            self._writer = None
            writer.close()
            process.kill()
            await asyncio.to_thread(process.join)
            process.close()
            self.process = None
            if not started.done():
                ended = f"{self.name}: its process ended while it loaded {self.exported}"
                started.set_exception(FileNotFoundError(ended))

    def _hear(
        self, message: tuple[Any, ...], writer: asyncio.StreamWriter, started: asyncio.Future[None]
    ) -> None:
        kind, *rest = message
        if kind == "failed" and not started.done():
            started.set_exception(FileNotFoundError(rest[0]))
        elif kind == "described":
            first, self.described = self._writer is None, rest[0]
            self._writer = writer
            if first:
                for number, job in self.jobs.items():
                    self._send(number, job)
            if not started.done():
                started.set_result(None)
        elif kind == "begun":
            job, loop = self.jobs.setdefault(rest[0], Job(None)), asyncio.get_running_loop()
            job.overtime = loop.call_later(self.limits.seconds, self._overtime, rest[0])
            job.tries += 1
        elif kind == "answer" and rest[0] in self.jobs:
            self._settle(rest[0], rest[1])

    def _overtime(self, number: int) -> None:
        log.warning("%s: a request takes too long; its process is replaced", self.name)
        del self.jobs[number]
        self._kill()

    def _retry(self) -> None:
        """Readies the requests of a process that has ended for the next one."""
        for number, job in list(self.jobs.items()):
            if job.answer.done() or job.question is None:  # nobody waits for it
                self._settle(number, Answer(503, b""))
            elif job.tries >= TRIES:
                self._settle(number, Answer(503, f"{self.name} ended while it answered".encode()))
            elif job.overtime:
                job.overtime.cancel()
                job.overtime = None

    def _settle(self, number: int, answer: Answer) -> None:
        """Ends a request; its answer counts unless it has been given up."""
        job = self.jobs[number]
        if job.overtime:
            job.overtime.cancel()
            del self.jobs[number]  # else `ask` does it
        if not job.answer.done():
            job.answer.set_result(answer)

    def _send(self, number: int, job: Job) -> None:
        self._write("ask", number, job.question)

    def _write(self, *message: Any) -> None:
        if self._writer is not None:  # else it is sent when the process is ready
            self._writer.write(messages.frame(message))

    def _kill(self) -> None:
        self._writer = None
        if self.process is not None:
            self.process.kill()


def _answer_requests(*arguments: Any) -> None:
    """Runs `model_process.run`, which imports TensorFlow; the server does not."""
    from seqapps.serving import model_process

    model_process.run(*arguments)
