"""Requests survive the round trip through rows, with the same key."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.request import Completion, Identity, Request, Sampling, separated
from datagen.schema import REQUESTS

WHO = Identity("model", "1")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
MESSAGES = st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "system"]), "content": TEXTS}))
REQUESTS_OF_ALL_SORTS = st.builds(
    Request,
    row=TEXTS,
    messages=MESSAGES,
    prompt=TEXTS,
    prompt_hash=TEXTS,
    task=TEXTS,
    sampling=st.builds(
        Sampling,
        max_tokens=st.integers(1, 4096),
        temperature=st.floats(0, 2),
        top_p=st.floats(0.1, 1),
        repetition_penalty=st.floats(0.5, 2),
        stop=st.lists(TEXTS, max_size=3).map(tuple),
    ),
    schema=st.none() | st.dictionaries(TEXTS, st.dictionaries(TEXTS, TEXTS)),
    choices=st.lists(TEXTS, max_size=3).map(tuple),
    given=TEXTS,
    sample=st.integers(0, 99),
    about=TEXTS,
)


@given(REQUESTS_OF_ALL_SORTS)
def test_a_request_is_restored_from_its_row(request):
    (row,) = pa.Table.from_pylist([request.to_row(WHO)], schema=REQUESTS).to_pylist()
    read = Request.from_row(row)
    assert read == request
    assert read.key(WHO) == request.key(WHO) == row["key"]
    assert list(read.schema or ()) == list(request.schema or ())  # the order in which fields are decoded


def stored(text, **fields):
    return Completion("k", text, "stop", "m", "1", logprobs=(-1.0,), choices=(-0.5,), **fields)


def test_reasoning_in_an_answer_of_an_earlier_version_is_separated():
    done = separated(stored("<think>hm</think>\nfine"))
    assert (done.text, done.reasoning, done.finish, done.logprobs) == ("fine", "hm", "stop", ())


@pytest.mark.parametrize("text", ["<think>hm", "<think>hm</think>", "<think>hm</think>\n \n"])
def test_an_answer_of_an_earlier_version_that_is_only_reasoning_is_unanswered(text):
    done = separated(stored(text))
    assert (done.finish, done.choices, done.text.strip()) == ("error", (), "")
    assert "unanswered" in done.error and done.reasoning == "hm"


@pytest.mark.parametrize(
    "answer",
    [
        stored("fine"),
        stored("an </a> tag"),
        stored("<think>x</think>y", reasoning="z"),
        stored("<think>x", error="e"),
    ],
)
def test_other_stored_answers_are_unchanged(answer):
    assert separated(answer) is answer
