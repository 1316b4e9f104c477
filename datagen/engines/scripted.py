"""An engine that calls a Python function: for tests, and for trying a recipe without a model."""

import asyncio
import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from pydantic import TypeAdapter, ValidationError

from datagen.engines.identity import identify
from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.reasoning import reasoning_only, split
from datagen.recipe.roles import ScriptedModel
from datagen.request import Completion, Identity, Request

Scripted: TypeAlias = str | Mapping[str, object] | Completion  # what a function may return
COMPLETION = TypeAdapter(Completion)


def completion_of(answer: Scripted, request: Request, key: str, model: Identity) -> Completion:
    """
    Convert the function's return value to a completion.

    A string is a complete answer; a mapping holds any fields of `Completion`. By default tokens are counted
    as words, and the choice that equals the answer has probability 1.
    """
    if isinstance(answer, Completion):
        return replace(answer, key=key)
    fields: JsonObject = {"text": answer} if isinstance(answer, str) else dict(answer)
    thought = split(fields.get("text", request.given))
    text = fields["text"] = thought.answer
    defaults = {
        "reasoning": thought.reasoning,
        "finish": "stop",
        "prompt_tokens": sum(len(message["content"].split()) for message in request.messages),
        "completion_tokens": len(text.split()),
        "choices": tuple(0.0 if label == text else -math.inf for label in request.choices),
    }
    if thought.cut or (thought.reasoning and not text):
        reason = reasoning_only(fields.pop("finish", "length"), len(text.split()))
        defaults |= {"finish": "error", "error": reason}
    try:
        return COMPLETION.validate_python(
            {"key": key, "model": model.name, "revision": model.revision} | defaults | fields
        )
    except ValidationError as error:
        raise UserError(f"the scripted model {model.name!r} returned no valid completion: {error}") from error


class ScriptedEngine:
    """
    Calls a function for every request.

    Parameters
    ----------
    spec
        Its `model` names the function as ``module:function``; it is called with the `Request`.
    """

    def __init__(self, spec: ScriptedModel) -> None:
        self._spec, self._identity = spec, identify(spec)
        self._function: Callable[[Request], Scripted] | None = None
        self.notices: list[str] = []

    async def start(self) -> None:
        """Import the function."""
        module, _, name = self._spec.model.partition(":")
        try:
            self._function = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise UserError(
                f"the scripted model {self._spec.model!r} cannot be loaded: {error}. "
                "Name an importable function as module:function"
            ) from error

    async def answer(self, request: Request, key: str) -> Completion:
        """Call the function; its exceptions propagate."""
        assert self._function is not None, "start the engine first"
        await asyncio.sleep(self._spec.latency)  # even if 0, to yield to other tasks
        return completion_of(self._function(request), request, key, self._identity)

    async def close(self) -> None:
        """Do nothing: the engine holds no resources."""
