"""Questions to marked answers, written by a script: a pair is kept only when the round trip bears it out."""

import pytest

from datagen.prompt import load
from datagen.request import Reject
from datagen.schema import content_id
from datagen.stages.exercises.marked.candidates import Candidate
from datagen.stages.exercises.round_trip import Neighbours, agree
from datagen.stages.exercises.tasks.marked_question import suits
from datagen.stages.generate.instruct import stage
from datagen.stages.reading.comprehend import stage as comprehend
from datagen.stages.shared.language.rules import language_of
from datagen.stages.shared.passage import Passage
from tests.support.asked import ask

KNOWN = language_of("en")
SILENT = load("instructions/answer").fields["unanswerable"]
FIRST = "The mint of Ruritania strikes copper coins in March 1912 under the eye of Baron Holz, its warden."
SECOND = "The archive of Borduria has a reading room, and visitors must sign the ledger before noon."
THIRD = "The bridge of Syldavia was built from oak in a single summer by shipwrights."
QUESTION = "Under the eye of whom does the mint of Ruritania strike copper coins in March 1912?"
ANSWER = "Baron Holz"


def passage(text, document="d", index=0):
    row = {"document_id": document, "source": "s", "title": "", "section": [], "text": text, "start": 0}
    return row | {"id": content_id(text), "end": len(text), "index": index}


ROWS = [passage(FIRST), passage(SECOND, index=1), passage(THIRD, "e")]


def script(written=QUESTION, own=ANSWER, other=SILENT, marked=ANSWER):
    """A model that writes one question, for one marked answer, and answers it as it is told."""

    def model(request):
        said = request.messages[1]["content"]
        if request.task == "round_trip":
            return own if FIRST in said else other
        right = FIRST in said and Candidate.load(request.about).answer == marked
        return written if right else "Nothing."

    return model


def outcome_of(rows=ROWS, on=stage, **said):
    kept, dropped, requests = ask(on, rows, script(**said), tasks=["marked_question"])
    return kept, [row for row in dropped if row["reason"] != "not a question"], requests


def test_a_pair_that_comes_back_is_kept_with_all_three_requests():
    kept, dropped, _ = outcome_of()
    assert dropped == []
    (pair,) = kept
    assert (pair["task"], pair["question"], pair["answer"]) == ("marked_question", QUESTION, ANSWER)
    assert pair["context"] == pair["evidence"] == FIRST
    assert len(set(pair["lineage"]["requests"])) == 3
    assert pair["lineage"]["prompt"] == "instructions/marked_question"


def test_what_a_thing_does_answers_only_what_asks_for_that():
    does = Candidate("keeps a list of its members", "Each guild keeps a list of its members.", "action")
    suits("What does each guild do?", does, KNOWN)
    with pytest.raises(Reject, match="another kind"):
        suits("What does each guild keep a list of?", does, KNOWN)


def test_the_sequence_confidence_is_of_the_question_and_of_its_own_passages_answer():
    written, own = ({"text": text, "logprobs": (-0.1, -0.3)} for text in (QUESTION, ANSWER))
    elsewhere = {"text": SILENT, "logprobs": (-9.0,) * 20}  # how sure the model is of another passage
    ((pair,), _, _) = outcome_of(written=written, own=own, other=elsewhere)
    assert pair["logprob"] == pytest.approx(-0.2)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"own": "Ruritania"}, "round trip gives another answer"),
        ({"own": "copper coins in March 1912 under the eye of Baron Holz, its warden"}, "round trip gives another answer"),
        ({"own": SILENT}, "round trip finds no answer"),
        ({"own": {"text": ANSWER, "finish": "length"}}, "truncated"),
        ({"own": {"text": "", "finish": "error", "error": "died"}}, "engine error"),
        ({"other": ANSWER}, "answered without its passage"),
        ({"other": {"text": "Baron", "finish": "length"}}, "truncated"),
    ],
)  # fmt: skip
def test_a_pair_that_does_not_is_dropped_with_what_was_seen(said, reason):
    kept, dropped, _ = outcome_of(**said)
    assert kept == []
    assert [row["reason"] for row in dropped] == [reason]
    assert len(dropped[0]["lineage"]["requests"]) == 3
    assert dropped[0]["answer"] == QUESTION


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("Who stands in the passage on the mint of Ruritania in March 1912?", "refers to the passage"),
        ("Who was the first to sail around the cape?", "not about the passage"),
        ({"text": "Under the eye of", "finish": "length"}, "truncated"),
        ("Question: Under the eye of whom does the mint strike coins?", "template leftover"),
    ],
)
def test_a_question_that_fails_its_checks_is_not_put_again(written, reason):
    kept, dropped, requests = outcome_of(written=written)
    assert (kept, [row["reason"] for row in dropped]) == ([], [reason])
    assert {request.task for request in requests} == {"marked_question"}


def test_a_question_for_another_answer_of_the_sentence_is_kept_with_that():
    kept, dropped, _ = outcome_of(
        written="When does the mint of Ruritania strike copper coins under the eye of Baron Holz?",
        own="In March 1912.",
    )
    assert dropped == []
    assert [(row["answer"], row["evidence"]) for row in kept] == [("March 1912", FIRST)]


@pytest.mark.parametrize(
    ("written", "own", "reason"),
    [
        # The answer stands in the question.
        (
            "Whom does Baron Holz watch over in the mint of Ruritania?",
            ANSWER,
            "question gives its answer away",
        ),
        # Nothing has happened yet.
        (
            "What happens if the mint of Ruritania strikes copper coins in March 1912?",
            ANSWER,
            "answer of another kind",
        ),
        # No rule finds these words.
        (QUESTION, "coins in March 1912 under", "round trip gives another answer"),
        # A rule finds them, in a sentence that was not marked.
        (QUESTION, "reading room", "round trip gives another answer"),
    ],
)
def test_what_came_back_is_kept_only_if_a_rule_finds_it_in_the_sentence(written, own, reason):
    kept, dropped, _ = outcome_of(written=written, own=own)
    assert (kept, [row["reason"] for row in dropped]) == ([], [reason])


SWARM = Candidate("any other hive", "An empty hive is always taken for a part of any other hive.", "object")
COUNT = Candidate("thirty bees", "A swarm of thirty bees is small.", "quantity")
PLACE = Candidate("the effect of this method", "What it shows is the effect of this method.", "object")


@pytest.mark.parametrize(
    ("question", "marked", "reason"),
    [
        ("What is an empty hive always taken for?", SWARM, "cut from a longer answer"),
        ("What is an empty hive always taken for a part of?", SWARM, None),
        ("How many bees are a small swarm?", COUNT, None),
        ("What does the page show?", PLACE, "refers to the passage"),
    ],
)
def test_an_answer_that_is_cut_from_a_longer_one_or_points_elsewhere_does_not_fit(question, marked, reason):
    if reason is None:
        suits(question, marked, KNOWN)
    else:
        with pytest.raises(Reject, match=reason):
            suits(question, marked, KNOWN)


def test_an_answer_in_other_small_words_is_the_same():
    assert len(outcome_of(own="under Baron Holz.")[0]) == 1


def test_a_question_is_kept_once():
    def model(request):
        if request.task == "round_trip":
            return ANSWER if FIRST in request.messages[1]["content"] else SILENT
        return QUESTION if Candidate.load(request.about).answer == ANSWER else "Nothing."

    options = {"tasks": ["marked_question"], "samples": 2, "temperature": 0.5}
    kept, dropped, _ = ask(stage, ROWS, model, **options)
    assert len(kept) == 1
    assert [row["reason"] for row in dropped].count("repeated") == 1


def test_the_neighbour_is_the_next_passage_that_does_not_hold_the_answer():
    first, second, third = (Passage(row, KNOWN) for row in ROWS)
    neighbours = Neighbours([first, second, third])
    assert neighbours.of(first, ANSWER).text == SECOND
    assert neighbours.of(second, ANSWER).text == THIRD  # FIRST holds it
    assert neighbours.of(first, "reading room").text == THIRD
    assert neighbours.of(third, "Ruritania").text == SECOND
    assert neighbours.of(first, "of") is None


def test_a_passage_alone_is_asked_without_a_neighbour():
    kept, _, requests = outcome_of(rows=ROWS[:1])
    assert len(kept) == 1
    assert [request.task for request in requests].count("round_trip") == 1


def test_requests_are_short_greedy_lines_and_both_stages_share_them():
    ours, theirs = outcome_of()[2], outcome_of(on=comprehend)[2]
    assert ours == theirs
    assert all(request.schema is None and request.sampling.stop == ("\n",) for request in ours)
    assert all(request.sampling.max_tokens <= 48 and not request.sampling.temperature for request in ours)
    assert (
        max(sum(one.row == row["id"] and one.task == "marked_question" for one in ours) for row in ROWS) > 1
    )


def test_reading_texts_hold_what_came_back_and_its_cost():
    kept, _, _ = outcome_of(on=comprehend)
    assert QUESTION in kept[0]["text"].partition(FIRST)[2]
    assert len(kept[0]["lineage"]["requests"]) == 3


def test_a_passage_without_candidates_has_nothing_to_quote():
    kept, dropped, requests = outcome_of(rows=[passage("for_stmt ::= target")])
    assert (kept, requests, [row["reason"] for row in dropped]) == ([], [], ["nothing to quote"])


@pytest.mark.parametrize(
    ("said", "answer", "same"),
    [
        ("1912", "in 1912", True),
        ("1913", "1912", False),
        ("the United States", "United States", True),
        ("Seven years.", "seven years", True),
        ("7 years", "seven years", True),
        ("seven years after the notice was given", "seven years", False),
        ("if the owner objects", "unless the owner objects", False),
        ("not mutable", "mutable", False),
        ("__init__()", '__init__()', True),
        ("", "mutable", False),
        (SILENT, "the guest ledger", False),
    ],
)  # fmt: skip
def test_agreement(said, answer, same):
    assert (agree(said, answer, "When was it?", KNOWN) >= 0.75) is same


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("When was Louis Vauquelin discovered?", "confuses who does what"),
        ("When was beryllium oxide discovered by?", "preposition too many"),
        ("When could beryllium oxide be discovered?", "question is not true"),
        ("When was beryllium oxide discovered, which was in Paris?", "asks about two things"),
        ("When was beryllium oxide discovered?", None),
    ],
)
def test_a_confirmed_question_is_dropped_if_its_sentence_does_not_entail_it(question, reason):
    text = "Beryllium oxide was discovered by Louis Vauquelin in Paris in 1798."

    def model(request):
        if request.task == "round_trip":
            return "1798" if text in request.messages[1]["content"] else SILENT
        return question if Candidate.load(request.about).answer == "1798" else "Nothing."

    kept, dropped, _ = ask(stage, [passage(text), ROWS[1]], model, tasks=["marked_question"])
    assert [row["answer"] for row in kept] == ([] if reason else ["1798"])
    assert not reason or reason in {row["reason"] for row in dropped}
