"""BSDetector's confidence, from a generator whose samples and probabilities are planted."""

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from datagen.engines.scripted import completion_of
from datagen.errors import UserError
from datagen.request import Answer, Answers
from datagen.schema import EXAMPLES, table_of
from datagen.stages.confidence.consistency import REFLECTION, SAMPLE, Options, stage
from tests.support.asked import WHO, ask
from tests.support.rows import context, example

PASSAGE = "The tower was designed by Gustave Eiffel and opened in 1889."


def row(answer="Gustave Eiffel", **fields):
    fields = {"question": "Who designed the tower?", "context": PASSAGE, "evidence": PASSAGE} | fields
    return example(answer=answer, **fields)


def generator(samples, right=1.0, wrong=0.0, unsure=0.0):
    """Return the samples in order, and rate answers as planted, under any letters."""
    worth = {"Correct": right, "Incorrect": wrong, "I am not sure": unsure}

    def answer(request):
        if request.task == SAMPLE:
            return samples[request.sample % len(samples)]
        shown = dict(re.findall(r"^\((A|B|C)\) (.+)", request.messages[-1]["content"], re.MULTILINE))
        beliefs = (worth[shown[letter]] for letter in request.choices)
        return {"choices": tuple(math.log(belief) if belief else -math.inf for belief in beliefs)}

    return answer


def score(replies, given=None, **options):
    (scored,), dropped, _ = ask(
        stage, [given or row()], generator(replies, **options.pop("believes", {})), **options
    )
    assert not dropped
    return scored


def test_the_formulas_are_those_of_the_paper():
    samples = ["Gustave Eiffel", "Gustave Eiffel", "Louis Pasteur", "Louis Pasteur", "Louis Pasteur"]
    scored = score(samples, believes={"right": 0.5, "wrong": 0.3, "unsure": 0.2})
    assert scored["consistency"] == pytest.approx(2 / 5)  # s and r are 1 for two samples, 0 for the others
    assert scored["reflection"] == pytest.approx(0.5 * 1 + 0.3 * 0 + 0.2 * 0.5)
    assert scored["bsdetector"] == pytest.approx(0.7 * 2 / 5 + 0.3 * 0.6)


def test_a_paraphrase_lacks_only_the_share_of_equality():
    scored = score(["It was Gustave Eiffel who designed the tower."], samples=1)
    assert 0.4 <= scored["consistency"] <= 0.8  # alpha at most: it is not equal
    assert score(["It was Gustave Eiffel."], samples=1, alpha=0.0)["consistency"] == 0
    assert score(["gustave eiffel"], samples=1)["consistency"] == pytest.approx(1)


def test_another_number_and_a_negation_do_not_agree():
    year = row("1889", question="When did it open?")
    assert score(["1912"], year)["consistency"] == 0
    denied = row("The tower was designed by Eiffel.")
    assert score(["The tower was not designed by Eiffel."], denied)["consistency"] <= 0.4


def test_every_sample_and_reflection_is_requested_once_per_row():
    _, _, requests = ask(stage, [row(), row("Pasteur")], generator(["x"]))
    assert len({request.key(WHO) for request in requests}) == 5 + 2 * 2 * 3  # both rows draw the same samples
    samples = [request for request in requests if request.task == SAMPLE and request.row == row()["id"]]
    assert [request.sample for request in samples] == [0, 1, 2, 3, 4]
    assert {request.sampling.temperature for request in samples} == {1.0}
    assert all(PASSAGE in request.messages[-1]["content"] for request in requests)
    assert all(
        "Pasteur" not in request.messages[-1]["content"] for request in requests if request.task == SAMPLE
    )


def test_a_preference_for_a_letter_cancels_out():
    def fond_of_a(request):
        if request.task == SAMPLE:
            return "x"
        return {"choices": tuple(-0.1 if letter == "A" else -5.0 for letter in request.choices)}

    rows = [row(str(number)) for number in range(10)]
    assert {round(scored["reflection"], 9) for scored in ask(stage, rows, fond_of_a)[0]} == {0.5}


def test_a_row_without_a_passage_is_not_asked_about():
    (scored,), _, requests = ask(stage, [row(context=None, evidence=None)], generator(["x"]))
    assert not requests and scored["bsdetector"] is None


def test_failed_samples_are_excluded_from_the_score():
    lost = {"finish": "error", "error": "gone"}
    scored = score(["Gustave Eiffel", lost], samples=2)
    assert scored["consistency"] == pytest.approx(1)
    scored = score([lost])
    assert scored["consistency"] is None and scored["bsdetector"] is None and scored["reflection"] == 1
    broken = generator(["Gustave Eiffel"])
    (scored,), _, _ = ask(stage, [row()], lambda r: broken(r) if r.task == SAMPLE else lost)
    assert scored["consistency"] == 1 and scored["reflection"] is None and scored["bsdetector"] is None


def test_an_explanation_before_the_answer_is_ignored():
    samples = [
        "The text names Louis Pasteur's friend.\nAnswer: Gustave Eiffel",
        "I am still thinking about who designed",  # truncated: no answer
        "Answer: hm. Answer: Gustave Eiffel\n",
    ]
    scored = score(samples, samples=3, prompt="judges/explained_answer")
    assert scored["consistency"] == pytest.approx(1)


@given(
    st.lists(st.text(max_size=30), min_size=1, max_size=4),
    st.text(min_size=1, max_size=30),
    st.tuples(*[st.floats(0.01, 1)] * 3),
)
def test_scores_lie_between_0_and_1_for_any_completion(samples, answer, believes):
    believes = dict(zip(("right", "wrong", "unsure"), believes, strict=True))
    scored = score(samples, row(answer), believes=believes)
    assert all(-1e-9 <= scored[name] <= 1 + 1e-9 for name in ("consistency", "reflection", "bsdetector"))


def test_more_agreement_is_more_confidence():
    scores = [
        score(["Gustave Eiffel"] * right + ["Louis Pasteur"] * (5 - right))["bsdetector"]
        for right in range(6)
    ]
    assert scores == sorted(scores) and len(set(scores)) == 6


def test_a_custom_measure_is_used_and_checked(tmp_path):
    (tmp_path / "mine.py").write_text("def half(pairs):\n    return [0.5 for pair in pairs if pair.said]\n")
    table = table_of(EXAMPLES, [row()])
    where = replace(context("consistency", tmp_path), model=WHO)
    where = replace(where, folder=tmp_path)
    options = Options(agreement="./mine.py:half")

    def read(samples, options):
        requests = stage.ask(table, options, where)
        model = generator([samples])
        answers = Answers(Answer(r, completion_of(model(r), r, r.key(WHO), WHO)) for r in requests)
        return stage.read(table, answers, options, where).kept["consistency"][0].as_py()

    assert read("Louis Pasteur", options) == pytest.approx(0.8 * 0.5)
    with pytest.raises(UserError, match="for 5 pairs the measure returned 0 values"):
        read("", options)
    with pytest.raises(UserError, match="cannot be loaded"):
        read("x", Options(agreement="levenshtein"))


def test_only_measures_with_a_model_take_one():
    for wrong in ({"agreement": "nli"}, {"agreement_model": "some/model"}):
        with pytest.raises(ValidationError, match="agreement_model"):
            Options(**wrong)


def test_the_two_questions_are_asked_about_the_answer():
    _, _, requests = ask(stage, [row()], generator(["x"]))
    questions = {r.messages[-1]["content"].split("\n\n")[-1] for r in requests if r.task == REFLECTION}
    assert len(questions) == 6
