"""
The vLLM engine: a process that runs vLLM (`datagen.engines.vllm_process`), fed continuously over a socket.

The process that uses the engine does not import vLLM, and survives its crashes.
"""

import asyncio
import itertools
import os
import pickle
import socket
import subprocess
import sys

from datagen.cluster.hardware import core_ids, gpus
from datagen.engines.engine import EngineDied
from datagen.engines.identity import resolve
from datagen.engines.parent_watch import tie
from datagen.engines.vllm_process import LENGTH, Numbered, frame
from datagen.engines.vllm_settings import EAGER, bound_cores, environment
from datagen.errors import UserError
from datagen.recipe.roles import VllmModel
from datagen.request import Completion, Request

PROCESS = "datagen.engines.vllm_process"
CLOSING_SECONDS = 15  # then the process is killed


class VllmEngine:
    """
    One process that runs vLLM, which may start others.

    `start` starts it, `close` stops it, and it ends when this process ends.
    """

    def __init__(self, spec: VllmModel) -> None:
        self._spec = spec
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None  # done once the process has ended
        self._waiting: dict[int, asyncio.Future[Completion]] = {}
        self._numbers = itertools.count()
        self.notices: list[str] = []

    async def start(self) -> None:
        """Prepare the model, start the process, and wait until it is ready."""
        path = await asyncio.to_thread(resolve, self._spec)
        ours, theirs = socket.socketpair()
        with theirs:
            # -P: a file in the current folder must not hide a module.
            command = [sys.executable, "-P", "-m", PROCESS, str(theirs.fileno())]
            self._process = subprocess.Popen(
                command, env=self._environment(), pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )
        try:
            reader, writer = await asyncio.open_connection(sock=ours)
            self._writer = writer
            writer.write(frame((self._spec, path)))
            if fault := await self._ready(reader):
                raise UserError(fault)
            self._listening = asyncio.create_task(self._listen(reader))
        finally:
            if self._listening is None:
                await self.close()

    def _environment(self) -> dict[str, str]:
        options = self._spec.options
        if gpus():
            variables = environment(os.environ)
        else:
            bound = bound_cores(core_ids(), options.get("tensor_parallel_size", 1))
            variables = environment(os.environ, bound, compiled=not options.get("enforce_eager", EAGER))
        tie(variables)
        return variables

    async def _ready(self, reader: asyncio.StreamReader) -> str:
        """Wait until the model is loaded; return the reason if it cannot be served."""
        try:
            return str(pickle.loads(await _receive(reader)))
        except (asyncio.IncompleteReadError, OSError):
            return (
                f"vLLM's process ended while loading the model {self._spec.model!r}. If its messages above "
                "do not state why, the memory may not suffice: free memory, or use a smaller model"
            )

    async def answer(self, request: Request, key: str) -> Completion:
        """Answer one request."""
        if self._writer is None or self._listening is None or self._listening.done():
            # It was closed while this request waited for its turn.
            raise EngineDied("the engine was closed")
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self._writer.write(frame(Numbered(number, request, key)))
        try:
            return await self._waiting[number]
        finally:
            del self._waiting[number]

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Pass completions to those who wait for them, until the process ends."""
        try:
            while True:
                number, completion = pickle.loads(await _receive(reader))
                waiting = self._waiting.get(number)
                if waiting and not waiting.done():
                    waiting.set_result(completion)
        except (asyncio.IncompleteReadError, OSError):
            pass  # it has ended
        finally:
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(EngineDied("vLLM's process died"))

    async def close(self) -> None:
        """Stop the process, and with it those that it started."""
        process, self._process = self._process, None
        if process is None:
            return
        if self._listening is None:  # still loading
            process.kill()
        if self._writer is not None:
            self._writer.close()
        try:
            await asyncio.to_thread(process.wait, CLOSING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)


async def _receive(reader: asyncio.StreamReader) -> bytes:
    """Receive a pickled message."""
    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
    return await reader.readexactly(length)
