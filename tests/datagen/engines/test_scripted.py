"""The scripted engine."""

import asyncio
import math

import pytest

from datagen.engines import open_engine
from datagen.engines.scripted import completion_of
from datagen.errors import UserError
from datagen.recipe.roles import ScriptedModel
from datagen.request import Completion, Identity, Request

MODEL = Identity("test:model", "2")
ASKED = Request("r", [{"role": "user", "content": "one two three"}], "p", "0", "t", choices=("yes", "no"))


def test_a_string_is_a_complete_answer():
    done = completion_of("no", ASKED, "k", MODEL)
    assert (done.key, done.text, done.finish, done.model, done.revision) == (
        "k",
        "no",
        "stop",
        "test:model",
        "2",
    )
    assert (done.prompt_tokens, done.completion_tokens) == (3, 1) and done.choices == (-math.inf, 0.0)


def test_a_mapping_sets_any_field():
    done = completion_of({"text": "ye", "finish": "length", "choices": (-1.0, -2.0)}, ASKED, "k", MODEL)
    assert done.finish == "length" and done.choices == (-1.0, -2.0) and done.completion_tokens == 1


def test_a_completion_gets_the_requests_key():
    assert completion_of(Completion("", "x", "stop", "m", "r"), ASKED, "k", MODEL).key == "k"


def test_the_function_is_imported_by_name_or_the_error_reported():
    async def ask(model):
        engine = open_engine(ScriptedModel(engine="scripted", model=model))
        await engine.start()
        return await engine.answer(ASKED, "k")

    assert asyncio.run(ask("builtins:repr")).text.startswith("Request(")
    for missing in ("no_such_module:f", "json:no_such_function", "json"):
        with pytest.raises(UserError, match="module:function"):
            asyncio.run(ask(missing))


def test_a_given_text_is_scored_by_the_function():
    asked = Request("r", [{"role": "user", "content": "?"}], "p", "0", "t", given="an answer")
    done = completion_of({"logprobs": (-1.0, -2.0)}, asked, "k", MODEL)
    assert done.text == "an answer" and done.logprobs == (-1.0, -2.0)
    assert asked.key(MODEL) != Request("r", [{"role": "user", "content": "?"}], "p", "0", "t").key(MODEL)
