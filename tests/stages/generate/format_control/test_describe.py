"""FormatCoT: the demand written from the formatted answer, confirmed by a round trip."""

import pytest

from datagen.stages.generate.format_control.describe import DESCRIBE, stage
from datagen.stages.generate.format_control.rewrite import stage as formats
from datagen.stages.shared.language.words import words_of
from tests.stages.generate.format_control.test_rewrite import good, row
from tests.support.asked import ask
from tests.support.pairs import RENEWAL, labels, reply_text

WRITTEN = "Give a JSON object with two keys, named as in this order, each with a text."
COT = {"layout": "One object with two keys.", "instruction": WRITTEN}


@pytest.fixture
def candidate():
    (made,), _, _ = ask(formats, [row()], good, formats=["json"], one_shot=0.0)
    return made


def model(candidate, cot=COT, reproduced=None):
    def answer(request):
        if request.task == DESCRIBE:
            return reply_text(cot)
        return candidate["answer"] if reproduced is None else reproduced

    return answer


def test_the_instruction_is_made_from_the_answer_and_replaces_the_demand(candidate):
    (after,), dropped, requests = ask(stage, [candidate], model(candidate))
    assert not dropped and len(requests) == 2
    asked = requests[0].messages[-1]["content"]
    assert candidate["answer"] in asked and labels(candidate)["demand"] not in asked
    assert after["question"] == f"{RENEWAL}\n\n{WRITTEN}" and after["id"] == candidate["id"]
    assert after["prompt"][-1]["content"].endswith(after["question"])
    assert after["answer"] == candidate["answer"]
    assert labels(after)["shown"] == "instruction" and labels(after)["demand"] == WRITTEN
    assert len(after["lineage"]["requests"]) == len(candidate["lineage"]["requests"]) + 2


def test_the_round_trip_asks_the_plain_question_with_the_instruction(candidate):
    _, _, requests = ask(stage, [candidate], model(candidate))
    tried = requests[1].messages[-1]["content"]
    assert WRITTEN in tried and RENEWAL in tried and labels(candidate)["demand"] not in tried
    assert candidate["answer"] not in tried


@pytest.mark.parametrize("reproduced", ["Plain text.", '{"other": "a", "keys": "b"}', "[]", ""])
def test_an_instruction_that_does_not_reproduce_the_format_changes_nothing(candidate, reproduced):
    (after,), _, _ = ask(stage, [candidate], model(candidate, reproduced=reproduced))
    assert after == candidate


@pytest.mark.parametrize(
    "cot",
    [
        COT | {"instruction": "Say that the tenant files a notice with the registrar, as JSON."},
        COT | {"instruction": ""},
        {"instruction": WRITTEN},
        "prose",
    ],
)
def test_an_invalid_instruction_or_one_that_gives_the_answer_away_is_not_tested(candidate, cot):
    (after,), _, requests = ask(stage, [candidate], model(candidate, cot))
    assert after == candidate and len(requests) == 1


@pytest.mark.parametrize(("end", "tested"), [("object within 30 days", 1), ("reply within 30 days", 2)])
def test_four_words_of_the_end_of_the_answer_give_it_away_and_three_do_not(candidate, end, tested):
    assert words_of(candidate["answer"])[-4:] == ["object", "within", "30", "days"]
    cot = COT | {"instruction": f"Write a JSON object with the keys of the example, and {end}."}
    assert len(ask(stage, [candidate], model(candidate, cot))[2]) == tested


def test_rows_without_a_demand_pass_unchanged(candidate):
    others = [
        candidate | {"id": "1", "metadata": None},
        candidate | {"id": "2", "metadata": '{"operator": "expand"}'},
    ]
    kept, dropped, requests = ask(stage, others, model(candidate))
    assert not dropped and not requests and kept == others


def test_the_share_is_an_option(candidate):
    assert not ask(stage, [candidate], model(candidate), share=0.0)[2]
