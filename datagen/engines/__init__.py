"""
Engines: what answers requests.

Each backend is a file of this package with two parts: the *translation*, pure functions from a
`Request` to the backend's arguments and from its output to a `Completion`, and an `Engine`, which does
nothing else but input and output. What a backend imports to run, it imports when it is started.

No engine passes a seed per request: it kills vLLM's CPU engine. Answers are kept in the completions
table, and that is what makes a run repeatable.
"""

from datagen.engines.engine import Engine
from datagen.recipe.sections import OpenAIModel, ScriptedModel, VllmModel


def open_engine(spec: VllmModel | OpenAIModel | ScriptedModel) -> Engine:
    """Make the engine that a recipe names. It is started by `Engine.start`."""
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
