"""The utility of examples, from a target with planted probabilities and from the bundled model."""

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.request import Identity
from datagen.schema import EXAMPLES, chat, table_of
from datagen.stages.confidence import difficulty
from datagen.stages.select.delift.neighbours import NEAREST
from datagen.stages.select.delift.pairwise_utility import stage
from tests.support.asked import ask
from tests.support.rows import example

ROW = {"question": "Who built it?", "answer": "Gustave Eiffel"}


def shown(name, question="Who opened it?", answer="Sadi Carnot", of="rows", system=None):
    return {"of": of, "id": name, "prompt": chat(question, system=system), "answer": answer}


def tried(*examples, **fields):
    """A row with some examples to try."""
    row = example(**ROW | fields) | {"nearest": list(examples)}
    return table_of(pa.schema([*EXAMPLES, ("nearest", NEAREST)]), [row])


def target(alone, **with_each):
    """Return likelihoods as planted, by the answer of the preceding example."""

    def read(request):
        assert request.given and not request.choices  # read, not generated
        before = [message["content"] for message in request.messages if message["role"] == "assistant"]
        likely = with_each[before[0]] if before else alone
        return {"logprobs": [math.log(probability) for probability in likely], "text": request.given}

    return read


def measure(rows, model, **options):
    (row,), dropped, requests = ask(stage, rows, model, **options)
    assert not dropped and "nearest" not in row
    return row["utility"], requests


def test_the_formula_is_that_of_the_paper():
    rows = tried(shown("a", answer="helps"), shown("b", answer="misleads", of="earlier"))
    utilities, requests = measure(rows, target([0.5, 0.1], helps=[0.9, 0.5], misleads=[0.1, 0.1]))
    alone = math.sqrt((0.5**2 + 0.9**2) / 2)  # the norm of 1 - p, by the root of the number of tokens
    assert [(row["of"], row["id"]) for row in utilities] == [("rows", "a"), ("earlier", "b")]
    assert utilities[0]["utility"] == pytest.approx(alone - math.sqrt((0.1**2 + 0.5**2) / 2))
    assert utilities[1]["utility"] == pytest.approx(alone - 0.9) and utilities[1]["utility"] < 0
    assert [request.given for request in requests] == ["Gustave Eiffel"] * 3


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=5), st.floats(1e-6, 1), st.integers(2, 4))
def test_the_length_of_an_answer_does_not_matter(alone, helped, times):
    rows = tried(shown("a", answer="x"))
    once, _ = measure(rows, target(alone, x=[helped] * len(alone)))
    often, _ = measure(rows, target(alone * times, x=[helped] * len(alone) * times))
    assert once[0]["utility"] == pytest.approx(often[0]["utility"], abs=1e-9)
    assert -1 <= once[0]["utility"] <= 1


def test_an_example_is_an_earlier_turn_of_the_chat():
    own = chat("Who built it?", "The tower stands.", "You are a guide.")
    rows = tried(shown("a", system="Be brief."), prompt=own)
    _, requests = measure(rows, target([0.5], **{"Sadi Carnot": [0.5]}))
    alone, with_it = (request.messages for request in requests)
    assert alone == own
    turn = [*chat("Who opened it?"), {"role": "assistant", "content": "Sadi Carnot"}]
    assert with_it == [own[0], *turn, own[1]]


def test_unread_examples_have_no_utility():
    rows = tried(shown("lost", answer="lost"), shown("empty", answer=""), shown("a", answer="x"))
    planted = target([0.5], x=[0.7])

    def failing(request, task):
        text = str(request.messages)
        return (
            {"finish": "error", "error": "gone"}
            if "'lost'" in text or task == request.task
            else planted(request)
        )

    utilities, _ = measure(rows, lambda request: failing(request, ""))
    assert [row["id"] for row in utilities] == ["a"]
    utilities, _ = measure(rows, lambda request: failing(request, "alone"))
    assert utilities == []
    for rows in (tried(shown("a"), answer=""), tried()):
        assert measure(rows, planted) == ([], [])


def test_another_target_repeats_requests_and_difficulty_shares_the_plain_reading():
    rows = tried(shown("a", answer="x"))
    _, requests = measure(rows, target([0.5], x=[0.5]))
    one, other = (Identity("target", revision) for revision in "12")
    assert {request.key(one) for request in requests}.isdisjoint(request.key(other) for request in requests)
    _, _, known = ask(difficulty.stage, rows, lambda request: {"logprobs": [-1.0]})
    assert requests[0].key(one) in {request.key(one) for request in known}


def test_it_requires_pairs_and_measures_once():
    with pytest.raises(UserError, match="put the stage delift_neighbours before it"):
        ask(stage, [example(**ROW)], target([0.5]))
    rows = tried(shown("a", answer="x")).append_column("utility", pa.array([1.0]))
    with pytest.raises(UserError, match="already have utilities"):
        ask(stage, rows, target([0.5], x=[0.5]))


def test_the_bundled_model_is_helped_by_the_answer_itself(real_model):
    """And more than by an unrelated example."""
    rows = tried(
        {"of": "rows", "id": "itself", "prompt": chat(ROW["question"]), "answer": ROW["answer"]},
        shown("stranger", "What is the boiling point of water?", "100 degrees"),
    )
    utilities, _ = measure(rows, lambda request: real_model(request)[0])
    worth = {row["id"]: row["utility"] for row in utilities}
    assert worth["itself"] > max(worth["stranger"], 0.1)
