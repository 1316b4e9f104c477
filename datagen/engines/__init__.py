"""
Engines: backends that answer requests.

Each backend is one module with two parts: the *translation*, pure functions from a `Request` to the backend's
arguments and from its output to a `Completion`, and an `Engine`, which does only I/O. A backend imports its
dependencies when it is started.

No engine passes a seed per request, which crashes vLLM's CPU engine. Runs are reproducible because
completions are stored.
"""

from datagen.engines.engine import Engine
from datagen.recipe.roles import OpenAIModel, ScriptedModel, VllmModel


def open_engine(spec: VllmModel | OpenAIModel | ScriptedModel) -> Engine:
    """Create the engine for a model of a recipe; `Engine.start` starts it."""
    match spec:
        case VllmModel():
            from datagen.engines.vllm import VllmEngine

            return VllmEngine(spec)
        case OpenAIModel():
            from datagen.engines.openai import OpenAIEngine

            return OpenAIEngine(spec)
        case ScriptedModel():
            from datagen.engines.scripted import ScriptedEngine

            return ScriptedEngine(spec)
