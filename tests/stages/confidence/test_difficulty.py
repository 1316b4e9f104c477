"""Difficulty from a target whose probabilities are planted, and from the bundled model."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.request import Identity
from datagen.schema import chat
from datagen.stages.confidence.difficulty import stage
from tests.support.asked import ask
from tests.support.rows import example

PASSAGE = "The tower was designed by Gustave Eiffel and opened in 1889."
QUESTION = "Who designed the tower?"


def row(answer="Gustave Eiffel", **fields):
    return example(answer=answer, **{"question": QUESTION, "context": PASSAGE, "evidence": PASSAGE} | fields)


def target(with_context=(-0.1, -0.3), without_context=(-1.0, -2.0), alone=(-2.0, -4.0)):
    """Return likelihoods as planted: with a passage, with a question, and with neither."""

    def read(request):
        (prompt,) = (message["content"] for message in request.messages if message["role"] == "user")
        assert request.given and not request.choices
        likely = with_context if PASSAGE in prompt else without_context if prompt else alone
        return {"logprobs": likely, "text": request.given}

    return read


def score(given=None, model=None, **options):
    (scored,), dropped, requests = ask(stage, [given or row()], model or target(), **options)
    assert not dropped
    return scored, requests


def test_the_formulas_are_those_of_the_paper():
    scored, requests = score()
    assert scored["loss_with_context"] == pytest.approx(0.2)
    assert scored["loss_without_context"] == pytest.approx(1.5)
    assert scored["loss_alone"] == pytest.approx(3.0)
    assert scored["ifd"] == pytest.approx(0.2 / 3)  # Cherry LLM: a ratio of losses
    assert scored["ifd_ppl"] == pytest.approx(
        math.exp(0.2) / math.exp(3.0)
    )  # Superfiltering: of perplexities
    assert scored["v_info"] == pytest.approx((-0.4 + 6.0) / math.log(2))  # of the whole answer, in bits
    assert len(requests) == 3 and {request.given for request in requests} == {"Gustave Eiffel"}


def test_a_closed_book_row_has_the_difficulty_without_its_passage():
    scored, requests = score(row(context=None))
    assert scored["loss_with_context"] == pytest.approx(0.2)  # its evidence was shown
    assert scored["ifd"] == pytest.approx(1.5 / 3)
    assert {request.task: request.messages for request in requests}["without_context"] == chat(QUESTION)
    bare, requests = score(row(context=None, evidence=None))
    assert bare["loss_with_context"] is None and bare["ifd"] == pytest.approx(0.5) and len(requests) == 2


def test_the_training_prompt_precedes_the_answer():
    own = chat(QUESTION, PASSAGE, "You are a guide.")
    _, requests = score(row(prompt=own))
    shown = {request.task: request.messages for request in requests}
    assert shown["with_context"] == own
    assert shown["without_context"] == chat(QUESTION, system="You are a guide.")
    assert shown["alone"] == chat("", system="You are a guide.")


def test_a_misleading_question_scores_above_one_and_below_zero():
    scored, _ = score(model=target(with_context=(-4.0, -4.0), alone=(-1.0, -1.0)))
    assert scored["ifd"] == pytest.approx(4) and scored["ifd_ppl"] > 1 and scored["v_info"] < 0


@given(st.lists(st.floats(-20, -1e-3), min_size=1, max_size=9), st.floats(0.01, 3))
def test_both_forms_and_the_information_agree_on_the_side_of_one(alone, factor):
    scored, _ = score(model=target(with_context=tuple(factor * loss for loss in alone), alone=tuple(alone)))
    assert scored["ifd"] == pytest.approx(factor)
    if abs(factor - 1) > 1e-6:
        assert (scored["ifd"] < 1) == (scored["ifd_ppl"] < 1) == (scored["v_info"] > 0) == (factor < 1)


def test_a_sample_is_measured_in_columns_with_a_suffix():
    rows = [row(question=f"{QUESTION} {number}") for number in range(40)]
    read = {
        share: {
            scored["id"]
            for scored in ask(stage, rows, target(), share=share, suffix="_strong")[0]
            if scored["ifd_strong"]
        }
        for share in (0.3, 0.6, 1)
    }
    assert 4 < len(read[0.3]) < 20 and read[0.3] < read[0.6] < read[1] and len(read[1]) == 40
    (again, *_), _, _ = ask(stage, rows, target(), suffix="_strong")
    assert "ifd" not in again and again["ifd_ppl_strong"] == pytest.approx(math.exp(0.2 - 3.0))


@pytest.mark.parametrize("lost", ["alone", "with_context"])
def test_a_failed_reading_yields_null(lost):
    planted = target()

    def failing(request):
        return {"finish": "error", "error": "gone"} if request.task == lost else planted(request)

    scored, _ = score(model=failing)
    assert scored[f"loss_{lost}"] is None and scored["loss_without_context"] == pytest.approx(1.5)
    assert scored["ifd"] is None and scored["ifd_ppl"] is None and scored["v_info"] is None


def test_a_certain_answer_has_no_ratio_of_losses():
    scored, _ = score(model=target(with_context=(0.0, 0.0), alone=(0.0, 0.0)))
    assert scored["ifd"] is None and scored["ifd_ppl"] == 1 and scored["v_info"] == 0


def test_an_empty_answer_is_not_read():
    scored, requests = score(row(""))
    assert not requests and scored["ifd"] is None


def test_two_targets_get_separate_requests():
    _, requests = score()
    one, other = (Identity("target", revision) for revision in "12")
    assert {request.key(one) for request in requests}.isdisjoint(request.key(other) for request in requests)


def test_the_bundled_model_finds_an_answer_likelier_with_more_context(real_model):
    """The answers also occur in the question or passage, and one starts with a space."""
    rows = [
        row(),
        row("the tower", question="What did Gustave Eiffel design, the tower or the bridge?"),
        row(" 1889", question="When did the tower open?"),
    ]
    read = {}

    def target(request):
        (read[request.row, request.task],) = real_model(request)
        return read[request.row, request.task]

    kept, _, _ = ask(stage, rows, target)
    for case in rows:  # the same span after any prompt
        assert len({len(done.logprobs) for (owner, _), done in read.items() if owner == case["id"]}) == 1
    for scored in kept:
        assert scored["loss_with_context"] < scored["loss_without_context"] < scored["loss_alone"]
        assert 0 < scored["ifd"] < 1 and 0 < scored["ifd_ppl"] < 1 and scored["v_info"] > 0
