"""Scores from a judge whose probabilities are planted."""

import math
import re

import pytest

from datagen.errors import UserError
from datagen.stages.confidence.score import stage
from tests.support.asked import ask
from tests.support.rows import example

PASSAGE = "The tower was designed by Gustave Eiffel and opened in 1889."


def row(answer="Gustave Eiffel", **fields):
    fields = {"question": "Who designed the tower?", "context": PASSAGE, "evidence": PASSAGE} | fields
    return example(answer=answer, **fields)


def judge(request):
    """Rate answers from the passage as 0.9 and others as 0.2, under any letters."""
    text, question = request.messages[-1]["content"].split("\n~~~\n\n")
    answer = re.search(r"Proposed answer: (.*)", question)[1]
    right = 0.9 if answer in text else 0.2
    letters = dict(re.findall(r"^\((A|B)\) (\w+)", question, re.MULTILINE))
    return {
        "choices": tuple(
            math.log(right if letters[label] == "True" else 1 - right) for label in request.choices
        )
    }


def test_the_score_is_the_judges_probability_in_either_order():
    kept, dropped, requests = ask(stage, [row(), row("Louis Pasteur")], judge)
    assert [round(scored["p_true"], 6) for scored in kept] == [0.9, 0.2]
    assert not dropped and len(requests) == 4
    kept, _, requests = ask(stage, [row(), row("Louis Pasteur")], judge, orders=1)
    assert [round(scored["p_true"], 6) for scored in kept] == [0.9, 0.2]
    assert len(requests) == 2


def test_a_preference_for_a_letter_cancels_out():
    def fond_of_a(request):
        return {"choices": tuple(-0.1 if label == "A" else -3.0 for label in request.choices)}

    rows = [row(str(number)) for number in range(20)]
    assert {round(scored["p_true"], 9) for scored in ask(stage, rows, fond_of_a)[0]} == {0.5}
    once = [scored["p_true"] for scored in ask(stage, rows, fond_of_a, orders=1)[0]]
    assert min(once) < 0.1 and max(once) > 0.9  # a single order shows the bias


def test_every_row_is_kept_and_only_judgeable_answers_are_scored():
    rows = [
        row(),
        row(context=None),  # judged by its evidence
        row("Eiffel", context=None, evidence=None),
    ]
    kept, dropped, requests = ask(stage, rows, judge)
    assert [scored["id"] for scored in kept] == [original["id"] for original in rows]
    assert [scored["p_true"] is None for scored in kept] == [False, False, True]
    assert not dropped
    assert {request.row for request in requests} == {rows[0]["id"], rows[1]["id"]}


def test_existing_columns_are_unchanged():
    original = row(logprob=-0.25)
    (scored,), _, _ = ask(stage, [original], judge)
    assert scored["logprob"] == -0.25
    assert all(scored[name] == value for name, value in original.items() if name != "lineage")


@pytest.mark.parametrize(
    "reply", [{"finish": "error", "error": "gone"}, {"choices": ()}, {"choices": (-math.inf, -math.inf)}]
)
def test_a_missing_probability_yields_null(reply):
    (scored,), dropped, _ = ask(stage, [row()], lambda request: reply)
    assert scored["p_true"] is None and not dropped


def test_certainty_does_not_overflow():
    (scored,), _, _ = ask(stage, [row()], lambda request: {"choices": (-math.inf, 0.0)})
    assert scored["p_true"] == pytest.approx(0)


def test_requests_about_one_passage_share_their_prefix():
    requests = ask(stage, [row(), row("Pasteur", question="Who else?")], judge)[2]
    contents = [request.messages[-1]["content"] for request in requests]
    assert all(content.startswith(f"~~~\n{PASSAGE}\n~~~") for content in contents)
    assert len({request.messages[0]["content"] for request in requests}) == 1


RUBRIC = {
    "user": "~~~\n{{ passage }}\n~~~\n\nQuestion: {{ question }}\nProposed answer: {{ answer }}\n"
    "{% for letter, option in options %}({{ letter }}) {{ option }}\n{% endfor %}Would a clerk agree?",
    "options": ["True", "False"],
}


def test_a_rubric_may_be_written_in_the_recipe():
    kept, _, requests = ask(stage, [row(), row("Louis Pasteur")], judge, prompt=RUBRIC)
    assert [round(scored["p_true"], 6) for scored in kept] == [0.9, 0.2]
    assert requests[0].messages[-1]["content"].endswith("Would a clerk agree?")
    other = ask(stage, [row()], judge, prompt=RUBRIC | {"system": "Be strict."})[2]
    assert requests[0].prompt_hash != other[0].prompt_hash


@pytest.mark.parametrize("rubric", [{}, {"system": "Be strict."}, {"user": ["a"]}, {"user": ""}])
def test_a_rubric_without_a_template_is_rejected(rubric):
    with pytest.raises(UserError, match="a prompt in the recipe"):
        ask(stage, [row()], judge, prompt=rubric)
