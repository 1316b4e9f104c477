"""The quality gate for candidates."""

from dataclasses import replace

import pytest

from datagen.schema import TABLES, table_of
from datagen.stages.generate.operators.assess import stage
from tests.support.asked import WHO, answers_to, ask
from tests.support.pairs import (
    ANSWER,
    LONG_ANSWER,
    OTHER_ANSWER,
    OTHER_QUESTION,
    QUESTION,
    RENEWAL,
    labels,
    parent,
    says_no,
    says_yes,
)
from tests.support.rows import context

CANDIDATE = parent(metadata='{"operator": "expand"}')
SOUND = {QUESTION: ANSWER, OTHER_QUESTION: "It ends after 6 months.", RENEWAL: LONG_ANSWER}
CANDIDATES = [parent(*pair, metadata='{"operator": "expand"}') for pair in SOUND.items()]


def test_a_sound_candidate_becomes_an_example_with_its_score_and_its_parents():
    (row,), dropped, requests = ask(stage, [CANDIDATE], says_yes)
    assert not dropped and len(requests) == 2  # both orders of the options
    assert labels(row)["operator"] == "expand" and labels(row)["quality"] > 0.9
    assert row["lineage"]["parents"] == [CANDIDATE["id"], "p"]
    assert len(row["lineage"]["requests"]) == 3 and row["id"] != CANDIDATE["id"]
    assert (row["question"], row["answer"]) == (CANDIDATE["question"], CANDIDATE["answer"])


def test_a_candidate_that_two_stages_made_is_kept_once():
    """Tables of several operators are read together, and two generators may write the same pair."""
    kept, (repeated,), _ = ask(stage, [*CANDIDATES, CANDIDATE], says_yes, control=0)
    assert [row["question"] for row in kept] == [*SOUND]
    assert repeated["reason"] == "repeated" and repeated["id"] == kept[0]["id"]


def test_the_figures_count_assessed_and_sound_candidates_of_each_operator():
    table, where = table_of(TABLES["candidates"], CANDIDATES), replace(context("assess"), model=WHO)
    options = stage.options(control=0)
    answers = answers_to(list(stage.ask(table, options, where)), says_yes, WHO)
    assert stage.read(table, answers, options, where).figures == {"assessed_expand": 3, "sound_expand": 3}
    answers = answers_to(list(stage.ask(table, options, where)), says_no, WHO)
    assert stage.read(table, answers, options, where).figures == {"assessed_expand": 3, "sound_expand": 0}


def test_the_judge_is_not_among_the_models_that_wrote_the_row():
    (row,), _, _ = ask(stage, [CANDIDATE], says_yes)
    assert row["lineage"]["model"] == "writer"
    assert row["lineage"]["models"] == [{"model": "writer", "revision": "1", "licence": "MIT"}]


def test_an_unsound_candidate_is_dropped_with_its_score():
    kept, (row,), _ = ask(stage, [CANDIDATE], says_no)
    assert not kept and row["reason"] == "assessed as unsound"
    assert labels(row)["quality"] < 0.1


def test_the_threshold_is_an_option():
    def torn(request):
        return {"text": "A", "choices": [-0.7 for _ in request.choices]}

    assert ask(stage, [CANDIDATE], torn, least=0.5)[0]
    assert not ask(stage, [CANDIDATE], torn, least=0.51)[0]


@pytest.mark.parametrize("fault", [{"finish": "error", "error": "x"}, {"choices": []}])
def test_a_candidate_that_was_not_assessed_is_dropped(fault):
    kept, (row,), _ = ask(stage, [CANDIDATE], lambda request: {"text": ""} | fault)
    assert not kept and row["reason"] == "not assessed"


def knows(request):
    """Find exactly the sound pairs sound."""
    text = request.messages[-1]["content"].partition("Question:")[2]
    return (says_yes if any(q in text and a in text for q, a in SOUND.items()) else says_no)(request)


def torn(request):
    """Give every pair nearly the same probability, as a small model does."""
    return {"text": "A", "choices": [-0.6 if choice == "A" else -0.7 for choice in request.choices]}


@pytest.mark.parametrize("judge", [says_yes, torn])
def test_a_judge_that_finds_any_answer_sound_passes_nothing(judge):
    kept, dropped, requests = ask(stage, CANDIDATES, judge, least=0.4)
    assert not kept and len(requests) == 12  # two orders, with its own and with another answer
    assert {row["reason"] for row in dropped} == {"not told from a wrong answer"}
    assert all("control" in labels(row) for row in dropped)


def test_a_judge_that_knows_passes_the_sound_candidates_only():
    wrong = parent("Who records the notice?", "A seasonal lease lasts 6 months.")
    kept, (dropped,), _ = ask(stage, [*CANDIDATES, wrong], knows)
    assert {row["question"]: row["answer"] for row in kept} == SOUND
    assert dropped["question"] == wrong["question"] and dropped["reason"] == "assessed as unsound"
    assert all(labels(row)["quality"] - labels(row)["control"] > 0.8 for row in kept)


def test_a_similar_answer_is_no_control():
    rows = [parent(), parent(OTHER_QUESTION, f"{ANSWER[:-1]} of each year.")]
    assert len(ask(stage, rows, says_yes)[0]) == 2
    assert len(ask(stage, [*rows, parent(RENEWAL, OTHER_ANSWER)], says_yes)[0]) < 3


def test_the_control_can_be_switched_off():
    kept, _, requests = ask(stage, CANDIDATES, says_yes, control=0)
    assert len(kept) == 3 and len(requests) == 6


def test_a_candidate_whose_control_was_not_assessed_is_dropped():
    def model(request):
        return (
            {"finish": "error", "error": "x", "text": ""} if request.task == "control" else says_yes(request)
        )

    kept, dropped, _ = ask(stage, CANDIDATES, model)
    assert not kept and {row["reason"] for row in dropped} == {"not assessed"}
