"""
The process that runs vLLM for `datagen.engines.vllm`, on a GPU or a CPU.

On a CPU with few cores it also holds scheduler and model, so that vLLM, whose import takes seconds, is
imported once. Otherwise vLLM starts processes of its own for them. The prefix cache is on.

A message is a pickled value after its length. The first one received holds the model, the first one sent is
empty or the reason why the model cannot be served. Then requests are received and completions sent, each with
the request's number. Closing the connection ends the process.
"""

import gc
import os
import pickle
import queue
import signal
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from datagen.engines.identity import identify
from datagen.engines.parent_watch import hold, tie
from datagen.engines.vllm_settings import SEVERAL_PROCESSES, engine_arguments, free_memory
from datagen.engines.vllm_translation import completion_of, continuation, label_tokens, sampling_arguments
from datagen.reasoning import opens
from datagen.recipe.roles import VllmModel
from datagen.request import Completion, Request

if TYPE_CHECKING:  # its import takes seconds
    from vllm.outputs import RequestOutput

SHUTDOWN_SECONDS = (
    10  # then vLLM kills its processes; the engine waits a little longer before it kills this one
)
LENGTH = struct.Struct(">I")  # bytes of the message that follows
PROMPT_END = 32  # characters, enough context to tokenize what follows


class CannotServe(Exception):
    """vLLM cannot be loaded, or cannot serve the model; the message tells the user why and what to do."""


class Numbered(NamedTuple):
    """A request and its number, which its completion carries as well."""

    number: int
    request: Request
    key: str


class _Prompt(NamedTuple):
    """The token ids of a prompt, of the labels' first tokens, and of the text to score."""

    tokens: list[int]
    label_ids: list[tuple[int, ...]]
    given: list[int]
    opened: bool  # the prompt ends within the reasoning


class Server:
    """A loaded model and the requests in flight."""

    def __init__(self, spec: VllmModel, path: str) -> None:
        self._spec, self._identity = spec, identify(spec)
        self._asked: dict[str, tuple[Numbered, _Prompt]] = {}
        try:
            from vllm.engine.arg_utils import EngineArgs
            from vllm.platforms import current_platform
            from vllm.usage.usage_lib import UsageContext
            from vllm.v1.engine.llm_engine import LLMEngine
        except ImportError as error:
            raise CannotServe(
                f"vLLM cannot be loaded: {error}. Install it with pip install 'datagen[cpu]', or "
                "'datagen[gpu]' on a machine with a GPU; or name a server with engine: openai"
            ) from error
        cpu = current_platform.is_cpu()
        arguments = engine_arguments(spec, path, cpu, free_memory() if cpu else 0)
        try:
            # LLM_CLASS: batch sizes for throughput rather than latency.
            self._llm = LLMEngine.from_engine_args(EngineArgs(**arguments), UsageContext.LLM_CLASS)
        except Exception as error:
            raise CannotServe(
                f"vLLM cannot serve the model {spec.model!r}: {error}. Adjust the model's max_model_len or "
                "options in the recipe. Messages of vLLM above may state more"
            ) from error
        self._tokenizer = self._llm.get_tokenizer()
        if not getattr(self._tokenizer, "chat_template", None):
            raise CannotServe(
                f"the model {spec.model!r} has no chat template, so it cannot answer requests. "
                "Use its instruct version, or save a chat template with its tokenizer"
            )

    @property
    def busy(self) -> bool:
        """Whether requests are in flight."""
        return bool(self._asked)

    def add(self, asked: Numbered) -> Completion | None:
        """Put a request in flight; return a completion with the error if vLLM rejects it."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        name = str(asked.number)
        try:
            prompt = self._render(asked.request)
            arguments = sampling_arguments(asked.request, prompt.label_ids, self._spec.thinking)
            if asked.request.schema is not None:
                arguments["structured_outputs"] = StructuredOutputsParams(json=asked.request.schema)
            parameters = SamplingParams(**arguments, output_kind=RequestOutputKind.FINAL_ONLY)
            self._llm.add_request(name, {"prompt_token_ids": prompt.tokens + prompt.given}, parameters)
        except Exception as error:  # vLLM's error classes change between versions
            self._llm.abort_request([name])
            return self._failed(asked.key, error)
        self._asked[name] = asked, prompt
        return None

    def step(self) -> Iterator[tuple[int, Completion]]:
        """Compute the next tokens of the requests in flight; yield the completions of those that end."""
        for output in self._llm.step():
            asked, prompt = self._asked.pop(output.request_id)
            yield asked.number, self._completion(output, asked, prompt)

    def close(self) -> None:
        """Stop the processes that vLLM started; without any, end this one, whose clearing takes seconds."""
        if os.environ[SEVERAL_PROCESSES] == "0":
            os._exit(0)
        self._llm.engine_core.shutdown(SHUTDOWN_SECONDS)

    def _completion(self, output: "RequestOutput", asked: Numbered, prompt: _Prompt) -> Completion:
        try:
            return completion_of(
                output,
                asked.request,
                asked.key,
                self._identity,
                prompt.label_ids,
                len(prompt.given),
                prompt.opened,
                self._tokenizer.decode,
            )
        except Exception as error:  # of one answer
            return self._failed(asked.key, error)

    def _failed(self, key: str, error: Exception) -> Completion:
        why = error.__cause__ or error
        name, revision = self._identity.name, self._identity.revision
        return Completion(key, "", "error", name, revision, error=f"{type(why).__name__}: {why}")

    def _render(self, request: Request) -> _Prompt:
        scored = bool(request.choices or request.given)  # scored directly, without reasoning
        thinks: dict[str, bool] = {}
        if scored or self._spec.thinking is not None:
            on = not scored and self._spec.thinking != "off"
            thinks = {"enable_thinking": on, "thinking": on}  # templates read one of the two
        text = self._tokenizer.apply_chat_template(
            request.messages, add_generation_prompt=True, tokenize=False, **thinks
        )
        end = text[-PROMPT_END:]
        labels = label_tokens(self._encode, end, request.choices) if request.choices else []
        given = continuation(self._encode, end, request.given) if request.given else []
        return _Prompt(self._encode(text), labels, given, opens(end))

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))


def frame(message: object) -> bytes:
    """Pickle a message, after its length."""
    content = pickle.dumps(message)
    return LENGTH.pack(len(content)) + content


def main() -> None:
    """Serve the opener, connected by the socket whose descriptor is the argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the opener handles Ctrl-C
    hold()
    tie(os.environ)  # the processes that vLLM starts end with this one
    connection = socket.socket(fileno=int(sys.argv[1]))
    received = connection.makefile("rb")
    spec, path = pickle.loads(_receive(received))
    gc.disable()  # imports and model consist of objects that stay
    try:
        server = Server(spec, path)
    except CannotServe as error:
        connection.sendall(frame(str(error)))
        return
    gc.enable()
    connection.sendall(frame(""))
    with suppress(ConnectionError):  # it was closed while the model computed
        _serve(server, connection, received)
    server.close()


def _serve(server: Server, connection: socket.socket, received: BinaryIO) -> None:
    """Answer requests until the connection is closed."""
    inbox: queue.SimpleQueue[Numbered | None] = queue.SimpleQueue()
    threading.Thread(target=_fill, args=[inbox, received], daemon=True).start()
    while True:
        while not (server.busy and inbox.empty()):
            asked = inbox.get()
            if asked is None:
                return
            if rejected := server.add(asked):
                connection.sendall(frame((asked.number, rejected)))
        for number, completion in server.step():
            connection.sendall(frame((number, completion)))


def _fill(inbox: "queue.SimpleQueue[Numbered | None]", received: BinaryIO) -> None:
    """Receive requests while the model computes; None means that the connection is closed."""
    try:
        while True:
            inbox.put(pickle.loads(_receive(received)))
    except (EOFError, OSError):
        inbox.put(None)


def _receive(received: BinaryIO) -> bytes:
    """Receive a pickled message; EOFError if the connection is closed."""
    head = received.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    return received.read(LENGTH.unpack(head)[0])


if __name__ == "__main__":
    main()
