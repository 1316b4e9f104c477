"""
The vLLM engine: child processes on a GPU or a CPU, fed continuously through `AsyncLLM`.

Structured output uses vLLM's guided decoding, choices are scored by token id, and the prefix cache is on.
"""

import asyncio
import math
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from datagen.engines.engine import EngineDied
from datagen.engines.identity import identify, resolve
from datagen.engines.parent_watch import tie
from datagen.engines.vllm_settings import (
    bound_cores,
    engine_arguments,
    environment,
    free_memory,
    threads_bound,
)
from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.reasoning import Thought, begins, opens, reasoning_only, split
from datagen.recipe.roles import VllmModel
from datagen.request import Completion, Identity, Request

if TYPE_CHECKING:  # its import takes seconds
    from vllm.outputs import RequestOutput
    from vllm.v1.engine.async_llm import AsyncLLM

CLOSING_SECONDS = 15  # then vLLM kills its processes
PULSE_SECONDS = 1  # interval between checks that it is alive


def sampling_arguments(
    request: Request, label_ids: Sequence[Sequence[int]] = (), thinking: str | int | None = None
) -> JsonObject:
    """
    Translate a request to vLLM's ``SamplingParams``, except for the schema.

    `label_ids` holds the first token ids of each label of a request with choices. `thinking` is the model's
    setting; a thinking budget is added to the answer's token limit.
    """
    sampling = request.sampling
    arguments: JsonObject = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "repetition_penalty": sampling.repetition_penalty,
        "stop": list(sampling.stop),
        "skip_clone": True,
    }
    if request.choices:
        ids = [token for label in label_ids for token in label]
        return arguments | {"max_tokens": 1, "logprob_token_ids": ids}
    if request.given:  # vLLM recomputes the prompt, because its prefix cache holds no probabilities
        return arguments | {"max_tokens": 1, "prompt_logprobs": 0, "flat_logprobs": True}
    thinking_tokens = thinking if isinstance(thinking, int) else 0
    if thinking_tokens:
        arguments["thinking_token_budget"] = thinking_tokens
    max_tokens = sampling.max_tokens + thinking_tokens
    return arguments | {"max_tokens": max_tokens, "logprobs": 0, "flat_logprobs": True}


def label_tokens(
    encode: Callable[[str], Sequence[int]], prefix: str, labels: Sequence[str]
) -> list[tuple[int, ...]]:
    """
    Find the token ids that each label can start with, with and without a leading space.

    Which of the two a model writes depends on its tokenizer, so both count. Tokens that several labels can
    start with are excluded.

    `encode` is the tokenizer without special tokens, `prefix` the end of the prompt.

    Raises
    ------
    ValueError
        If a label has no distinct first token.
    """
    ids = [{continuation(encode, prefix, start + label)[0] for start in ("", " ")} for label in labels]
    distinct = [
        tuple(sorted(mine - set().union(*(other for other in ids if other is not mine)))) for mine in ids
    ]
    for label, tokens in zip(labels, distinct, strict=True):
        if not tokens:
            raise ValueError(f"the choice {label!r} begins with the same token as another of {list(labels)}")
    return distinct


def continuation(encode: Callable[[str], Sequence[int]], prefix: str, text: str) -> list[int]:
    """
    Tokenize a text as the model would generate it after a prompt.

    `prefix` is the end of the prompt. Its tokens are fixed when generation starts, so they never merge with
    the text's.
    """
    head, joined = list(encode(prefix)), list(encode(prefix + text))
    return joined[len(head) :] if joined[: len(head)] == head else list(encode(text))


def completion_of(
    output: "RequestOutput",
    request: Request,
    key: str,
    model: Identity,
    label_ids: Sequence[Sequence[int]] = (),
    given_tokens: int = 0,
    opened: bool = False,
    decode: Callable[[Sequence[int]], str] | None = None,
) -> Completion:
    """
    Translate vLLM's finished ``RequestOutput``.

    `label_ids` are the first tokens of each of the request's choices, `given_tokens` the number of tokens at
    the prompt's end that are the text to score. `opened` means that the prompt ended within the reasoning;
    `decode` is the tokenizer's, used to locate the answer among the tokens.

    Log probabilities are from the model's distribution before temperature and penalties; with a schema,
    from that distribution restricted to the tokens that the schema allows.
    """
    answer = output.outputs[0]
    positions: Any = answer.logprobs  # flat, except for a choice
    text = answer.text
    sampled: tuple[float, ...]
    finish = answer.finish_reason if answer.finish_reason in ("stop", "length") else "error"
    scored: tuple[float, ...] = ()
    if request.choices or request.given:
        finish = "stop" if finish == "length" else finish  # max_tokens is 1
    thought, error = Thought("", text, False), ""
    if finish == "error":
        error = f"vLLM stopped: {answer.finish_reason}"
    if (request.choices or request.given) and (opened or begins(text)):
        error = reasoning_only("length", len(answer.token_ids))  # the scored token is part of the reasoning
        scored, sampled = (), ()
    elif request.choices:
        first = {token: entry.logprob for token, entry in positions[0].items()}
        scored = tuple(_log_sum([first.get(token, -math.inf) for token in ids]) for ids in label_ids)
        sampled = (first[answer.token_ids[0]],)
    elif request.given:
        prompt: Any = output.prompt_logprobs  # flat
        text, sampled = request.given, tuple(prompt.logprobs[-given_tokens:])
    else:
        thought = split(text, opened)
        text = thought.answer
        begin = _answer_begins(answer.token_ids, text, decode) if thought.reasoning else 0
        sampled = tuple(positions.logprobs[begin:])
        if not error and (thought.cut or (thought.reasoning and not text.strip())):
            error = reasoning_only(finish, len(answer.token_ids))
    return Completion(
        key=key,
        text=text,
        finish="error" if error else finish,
        model=model.name,
        revision=model.revision,
        prompt_tokens=len(output.prompt_token_ids or ()),
        cached_tokens=output.num_cached_tokens or 0,
        completion_tokens=len(answer.token_ids),
        logprobs=sampled,
        choices=scored,
        error=error,
        reasoning=thought.reasoning,
    )


def _answer_begins(tokens: Sequence[int], answer: str, decode: Callable[[Sequence[int]], str] | None) -> int:
    """Return the index of the first token of an answer at the end; the length if it cannot be located."""
    if decode is None or not answer:
        return len(tokens)
    last, first = len(tokens), 0
    while first < last:  # bisect for the shortest suffix that contains the answer
        middle = (first + last + 1) // 2
        if answer in decode(tokens[middle:]):
            first = middle
        else:
            last = middle - 1
    return first


def _log_sum(values: Sequence[float]) -> float:
    """Add probabilities in log space."""
    top = max(values)
    return top if math.isinf(top) else top + math.log(sum(math.exp(value - top) for value in values))


class VllmEngine:
    """
    One vLLM engine: a scheduler process, which holds the model on a single device, or else one worker each.

    `start` starts them, `close` stops them, and they end when this process ends.
    """

    def __init__(self, spec: VllmModel) -> None:
        self._spec, self._identity = spec, identify(spec)
        self._llm: AsyncLLM | None = None
        self._end: asyncio.Task[None]  # done once the engine has died or been closed
        self._tokenizer: Any = None
        self.notices: list[str] = []

    async def start(self) -> None:
        """Prepare the model, start the processes, and wait until they are ready."""
        await asyncio.to_thread(self._open)
        assert self._llm is not None  # opened
        self._end = asyncio.create_task(self._until_the_end(self._llm))
        self._tokenizer = self._llm.get_tokenizer()
        if not getattr(self._tokenizer, "chat_template", None):
            await self.close()
            raise UserError(
                f"the model {self._spec.model!r} has no chat template, so it cannot answer requests. "
                "Use its instruct version, or save a chat template with its tokenizer"
            )

    def _open(self) -> None:
        model = resolve(self._spec)
        cores = sorted(os.sched_getaffinity(0))
        bound = bound_cores(cores, self._spec.options.get("tensor_parallel_size", 1))
        for name, value in environment(bound).items():
            os.environ.setdefault(name, value)  # before the import of vLLM, which reads them
        tie(os.environ)
        try:
            from vllm.engine.arg_utils import AsyncEngineArgs
            from vllm.platforms import current_platform
            from vllm.usage.usage_lib import UsageContext
            from vllm.v1.engine.async_llm import AsyncLLM
        except ImportError as error:
            raise UserError(
                f"vLLM cannot be loaded: {error}. Install it with pip install 'datagen[cpu]', or "
                "'datagen[gpu]' on a machine with a GPU; or name a server with engine: openai"
            ) from error
        cpu = current_platform.is_cpu()
        arguments = engine_arguments(self._spec, model, cpu, free_memory() if cpu else 0)
        if cpu and arguments["enforce_eager"]:  # otherwise the first request compiles the sampler
            os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")
        try:
            with threads_bound(bound if cpu else ()):
                # LLM_CLASS: batch sizes for throughput rather than latency.
                self._llm = AsyncLLM.from_engine_args(
                    AsyncEngineArgs(**arguments), usage_context=UsageContext.LLM_CLASS
                )
        except Exception as error:
            raise UserError(
                f"vLLM cannot serve the model {self._spec.model!r}: {error}. See the cause above. "
                "Adjust the model's max_model_len or options in the recipe"
            ) from error

    async def answer(self, request: Request, key: str) -> Completion:
        """Answer one request."""
        llm = self._llm
        if llm is None:  # closed while this request waited for its turn
            raise EngineDied("the engine was closed")
        pending = asyncio.ensure_future(self._ask(llm, request, key))
        try:
            # vLLM does not report its death to every request: one sent at that moment would wait forever.
            await asyncio.wait({pending, self._end}, return_when=asyncio.FIRST_COMPLETED)
            if pending.done() and not pending.cancelled():
                return pending.result()
            raise EngineDied("vLLM's engine process died")
        finally:
            pending.cancel()

    async def _ask(self, llm: "AsyncLLM", request: Request, key: str) -> Completion:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        try:
            prompt, label_ids, given, opened = self._render(request)
            arguments = sampling_arguments(request, label_ids, self._spec.thinking)
            if request.schema is not None:
                arguments["structured_outputs"] = StructuredOutputsParams(json=request.schema)
            parameters = SamplingParams(**arguments, output_kind=RequestOutputKind.FINAL_ONLY)
            outputs = llm.generate({"prompt_token_ids": prompt + given}, parameters, key)
            (output,) = [output async for output in outputs]  # FINAL_ONLY yields one
        except Exception as error:  # vLLM's error classes change between versions
            if llm.errored:
                raise EngineDied(f"vLLM's engine process died: {error}") from error
            name, revision = self._identity.name, self._identity.revision
            why = error.__cause__ or error
            return Completion(key, "", "error", name, revision, error=f"{type(why).__name__}: {why}")
        return completion_of(
            output, request, key, self._identity, label_ids, len(given), opened, self._tokenizer.decode
        )

    async def _until_the_end(self, llm: "AsyncLLM") -> None:
        """Wait until the engine has died or been closed."""
        while not llm.errored and self._llm is llm:
            await asyncio.sleep(PULSE_SECONDS)

    def _render(self, request: Request) -> tuple[list[int], list[tuple[int, ...]], list[int], bool]:
        """
        Return the token ids of the prompt, of the labels' first tokens, and of the text to score.

        The last value states whether the prompt ends within the reasoning.
        """
        scored = bool(request.choices or request.given)  # scored directly, without reasoning
        thinks: dict[str, bool] = {}
        if scored or self._spec.thinking is not None:
            on = not scored and self._spec.thinking != "off"
            thinks = {"enable_thinking": on, "thinking": on}  # templates read one of the two
        text = self._tokenizer.apply_chat_template(
            request.messages, add_generation_prompt=True, tokenize=False, **thinks
        )
        end = text[-32:]  # enough context to tokenize what follows
        labels = label_tokens(self._encode, end, request.choices) if request.choices else []
        given = continuation(self._encode, end, request.given) if request.given else []
        return self._encode(text), labels, given, opens(end)

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    async def close(self) -> None:
        """Stop the engine's processes."""
        llm, self._llm = self._llm, None
        if llm is None:
            return
        if llm.output_handler is not None:
            llm.output_handler.cancel()  # it would report the end of the process as a failure
        await asyncio.to_thread(llm.shutdown, CLOSING_SECONDS)
