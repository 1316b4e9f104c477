"""Scripted questions to marked answers: a pair is kept only if the round trip confirms it."""

from collections import Counter

import pytest

from datagen.prompt import load
from datagen.request import Reject
from datagen.schema import content_id
from datagen.stages.exercises.marked import returned
from datagen.stages.exercises.marked.candidates import Candidate
from datagen.stages.exercises.round_trip import Neighbours, agree
from datagen.stages.exercises.tasks.marked_question import confirm, phrased, suits
from datagen.stages.generate.instruct import stage
from datagen.stages.reading.comprehend import stage as comprehend
from datagen.stages.shared.language.rules import language_of
from datagen.stages.shared.passage import Passage
from tests.support.asked import ask

ENGLISH, GERMAN = language_of("en"), language_of("de")
UNANSWERABLE = load("instructions/answer").fields["unanswerable"]
FIRST = "The mint of Ruritania strikes copper coins in March 1912 under the eye of Baron Holz, its warden."
SECOND = "The archive of Borduria has a reading room, and visitors must sign the ledger before noon."
THIRD = "The bridge of Syldavia was built from oak in a single summer by shipwrights."
QUESTION = "Under the eye of whom does the mint of Ruritania strike copper coins in March 1912?"
ANSWER = "Baron Holz"


def passage(text, document="d", index=0):
    row = {"document_id": document, "source": "s", "title": "", "section": [], "text": text, "start": 0}
    return row | {"id": content_id(text), "end": len(text), "index": index}


ROWS = [passage(FIRST), passage(SECOND, index=1), passage(THIRD, "e")]


def script(written=QUESTION, own=ANSWER, other=UNANSWERABLE, marked=ANSWER):
    """Return a model that writes one question, for one marked answer, and answers it as given."""

    def model(request):
        prompt = request.messages[1]["content"]
        if request.task == "round_trip":
            return own if FIRST in prompt else other
        is_marked = FIRST in prompt and Candidate.load(request.about).answer == marked
        return written if is_marked else "Nothing."

    return model


def outcome_of(rows=ROWS, on=stage, **replies):
    kept, dropped, requests = ask(on, rows, script(**replies), tasks=["marked_question"])
    return kept, [row for row in dropped if row["reason"] != "not a question"], requests


def test_a_confirmed_pair_is_kept_with_all_three_requests():
    kept, dropped, _ = outcome_of()
    assert dropped == []
    (pair,) = kept
    assert (pair["task"], pair["question"], pair["answer"]) == ("marked_question", QUESTION, ANSWER)
    assert pair["context"] == pair["evidence"] == FIRST
    assert len(set(pair["lineage"]["requests"])) == 3
    assert pair["lineage"]["prompt"] == "instructions/marked_question"


def test_an_action_only_answers_a_question_that_asks_for_one():
    does = Candidate("keeps a list of its members", "Each guild keeps a list of its members.", "action")
    suits("What does each guild do?", does, ENGLISH)
    with pytest.raises(Reject, match="another kind"):
        suits("What does each guild keep a list of?", does, ENGLISH)


def test_the_sequence_confidence_covers_the_question_and_the_answer_from_its_own_passage():
    written, own = ({"text": text, "logprobs": (-0.1, -0.3)} for text in (QUESTION, ANSWER))
    elsewhere = {"text": UNANSWERABLE, "logprobs": (-9.0,) * 20}  # its confidence must not count
    ((pair,), _, _) = outcome_of(written=written, own=own, other=elsewhere)
    assert pair["logprob"] == pytest.approx(-0.2)


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        ({"own": "Ruritania"}, "round trip gives another answer"),
        ({"own": "copper coins in March 1912 under the eye of Baron Holz, its warden"}, "round trip gives another answer"),
        ({"own": UNANSWERABLE}, "round trip finds no answer"),
        ({"own": {"text": ANSWER, "finish": "length"}}, "truncated"),
        ({"own": {"text": "", "finish": "error", "error": "died"}}, "engine error"),
        ({"other": ANSWER}, "answered without its passage"),
        ({"other": {"text": "Baron", "finish": "length"}}, "truncated"),
    ],
)  # fmt: skip
def test_an_unconfirmed_pair_is_dropped_with_its_reason_and_requests(replies, reason):
    kept, dropped, _ = outcome_of(**replies)
    assert kept == []
    assert [row["reason"] for row in dropped] == [reason]
    assert len(dropped[0]["lineage"]["requests"]) == 3
    # The proof compares such pairs with those kept.
    assert (dropped[0]["question"], dropped[0]["answer"]) == (QUESTION, ANSWER)
    assert dropped[0]["prompt"][-1]["content"].endswith(QUESTION) and FIRST in dropped[0]["context"]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("Who stands in the passage on the mint of Ruritania in March 1912?", "refers to the passage"),
        ("Who was the first to sail around the cape?", "not about the passage"),
        ({"text": "Under the eye of", "finish": "length"}, "truncated"),
        ("Question: Under the eye of whom does the mint strike coins?", "template leftover"),
    ],
)
def test_a_question_that_fails_its_checks_gets_no_round_trip(written, reason):
    kept, dropped, requests = outcome_of(written=written)
    assert (kept, [row["reason"] for row in dropped]) == ([], [reason])
    assert {request.task for request in requests} == {"marked_question"}


def test_a_question_for_another_answer_of_the_sentence_is_kept_with_that_answer():
    kept, dropped, _ = outcome_of(
        written="When does the mint of Ruritania strike copper coins under the eye of Baron Holz?",
        own="In March 1912.",
    )
    assert dropped == []
    assert [(row["answer"], row["evidence"]) for row in kept] == [("March 1912", FIRST)]


@pytest.mark.parametrize(
    ("written", "own", "reason"),
    [
        # The question contains the answer.
        (
            "Whom does Baron Holz watch over in the mint of Ruritania?",
            ANSWER,
            "question gives its answer away",
        ),
        # The answer is not an event.
        (
            "What happens if the mint of Ruritania strikes copper coins in March 1912?",
            ANSWER,
            "answer of another kind",
        ),
        # No rule marks these words.
        (QUESTION, "coins in March 1912 under", "round trip gives another answer"),
        # A rule marks these words, but in another sentence.
        (QUESTION, "reading room", "round trip gives another answer"),
    ],
)
def test_another_answer_is_kept_only_if_a_rule_marks_it_in_the_sentence(written, own, reason):
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
def test_an_answer_cut_from_a_longer_one_or_referring_elsewhere_does_not_fit(question, marked, reason):
    if reason is None:
        suits(question, marked, ENGLISH)
    else:
        with pytest.raises(Reject, match=reason):
            suits(question, marked, ENGLISH)


TRIAL = Passage(
    passage(
        "The Registrar may inspect the scales of a smith without notice. Members of the court, on the motion of a party, "
        "shall hear the smith. The term “touchstone” means a dark stone for testing gold, or any plate of slate that the guild has "
        "approved. A smith can also ask the court for a copy of the roll. The oath of a smith is then read in a quiet room "
        "(see Rooms), before a witness of the guild."
    ),
    ENGLISH,
)


@pytest.mark.parametrize(
    ("written", "marked", "own", "question", "answer"),
    [
        # A person, asked for as a thing.
        ("What may inspect the scales of a smith without notice?", "The Registrar", "The Registrar",
         "Who may inspect the scales of a smith without notice?", "The Registrar"),
        ("What shall hear the smith?", "Members of the court", "Members of the court",
         "Who shall hear the smith?", "Members of the court"),
        ("What can the Registrar inspect without notice?", "the scales of a smith", "the scales of a smith",
         "What can the Registrar inspect without notice?", "the scales of a smith"),
        # A definition is given whole, whatever was marked or returned.
        ("What does the term “touchstone” mean?", "testing gold", "a stone", "What does the term “touchstone” mean?",
         "a dark stone for testing gold, or any plate of slate that the guild has approved"),
        # An "also" that belongs to what the sentence says before.
        ("What can also ask the court for a copy of the roll?", "A smith", "A smith",
         "What can ask the court for a copy of the roll?", "A smith"),
        # A "then", and a note that refers elsewhere.
        ("What is then read in a quiet room (see Rooms)?", "The oath of a smith", "The oath of a smith",
         "What is read in a quiet room?", "The oath of a smith"),
    ],
)  # fmt: skip
def test_a_confirmed_question_is_asked_and_answered_as_its_sentence_says(
    written, marked, own, question, answer
):
    line = next(line for _, line in TRIAL.sentences if marked in line)
    pair = {"question": written, "context": TRIAL.text, "answer": marked, "evidence": line}
    confirmed = confirm(pair, own, TRIAL, 0.75)
    assert (confirmed["question"], confirmed["answer"]) == (question, answer)


def test_a_question_about_another_sentence_than_the_marked_one_is_kept_with_that_sentence():
    pair = {
        "question": "What can the Registrar inspect?",
        "context": TRIAL.text,
        "answer": "testing gold",
        "evidence": TRIAL.sentences[2][1],
    }
    confirmed = confirm(pair, "the scales of a smith", TRIAL, 0.75)
    assert (confirmed["answer"], confirmed["evidence"]) == ("the scales of a smith", TRIAL.sentences[0][1])
    with pytest.raises(Reject, match="another answer"):
        confirm(pair, "the court", TRIAL, 0.75)


@pytest.mark.parametrize(
    ("name", "rest", "asked"),
    [
        ("Guard duty", "A guard duty is a job.", "When must guard duty stop?"),
        ("Guard duty", "It is a job.", "When must Guard duty stop?"),  # never written small
        ("Guard duty", "The Guard duty is no guard duty.", "When must Guard duty stop?"),  # a name
    ],
)
def test_the_capital_of_a_sentence_is_not_copied_into_its_question(name, rest, asked):
    text = f"{name} must stop once the bell of the mint has rung. {rest}"
    shown = Passage(passage(text), ENGLISH)
    line = shown.sentences[0][1]
    pair = {"question": f"When must {name} stop?", "context": text, "answer": "the mint", "evidence": line}
    assert confirm(pair, "once the bell of the mint has rung", shown, 0.75)["question"] == asked


@pytest.mark.parametrize(
    ("written", "marked", "own", "reason"),
    [
        ("What shall consist of a board?", "The guild", "The guild", "round trip gives another answer"),
        ("What does the term “slate” mean?", "testing gold", "a stone", "round trip gives another answer"),
        (
            "What does the term “touchstone” prove?",
            "testing gold",
            "a stone",
            "round trip gives another answer",
        ),
    ],
)
def test_only_a_definition_of_the_term_is_completed(written, marked, own, reason):
    line = next(line for _, line in TRIAL.sentences if "testing gold" in line)
    pair = {"question": written, "context": TRIAL.text, "answer": marked, "evidence": line}
    with pytest.raises(Reject, match=reason):
        confirm(pair, own, TRIAL, 0.75)


def test_a_question_for_a_whole_subject_is_confirmed_whatever_the_model_answers():
    marked_in = TRIAL.sentences[2][1]
    pair = {"context": TRIAL.text, "answer": "testing gold", "evidence": marked_in}
    confirmed = confirm(pair | {"question": "Who can also ask the court for a copy?"}, "", TRIAL, 0.75)
    assert (confirmed["answer"], confirmed["evidence"]) == ("A smith", TRIAL.sentences[3][1])
    with pytest.raises(Reject, match="finds no answer"):  # in other words than its sentence
        confirm(pair | {"question": "Who can demand a copy of the court?"}, "", TRIAL, 0.75)


def test_an_action_without_its_verb_is_no_answer():
    action = Candidate("the list appear empty", "The sorter makes the list appear empty.", "action")
    with pytest.raises(Reject, match="another kind"):
        suits("What does the sorter do?", action, ENGLISH)


def test_answers_that_differ_in_function_words_are_equal():
    assert len(outcome_of(own="under Baron Holz.")[0]) == 1


def test_a_question_is_kept_once():
    def model(request):
        if request.task == "round_trip":
            return ANSWER if FIRST in request.messages[1]["content"] else UNANSWERABLE
        return QUESTION if Candidate.load(request.about).answer == ANSWER else "Nothing."

    options = {"tasks": ["marked_question"], "samples": 2, "temperature": 0.5}
    kept, dropped, _ = ask(stage, ROWS, model, **options)
    assert len(kept) == 1
    assert [row["reason"] for row in dropped].count("repeated") == 1


def test_the_other_text_is_the_next_passage_of_the_document_that_does_not_contain_the_answer():
    rows = [passage(text, index=index) for index, text in enumerate((FIRST, SECOND, THIRD))]
    first, second, third = (Passage(row | {"title": "Guide"}, ENGLISH) for row in rows)
    neighbours = Neighbours([third, first, second])
    assert neighbours.of(first, ANSWER) == ("Guide", SECOND)
    assert neighbours.of(first, "reading room") == ("Guide", THIRD)
    assert neighbours.of(second, "reading room") == ("Guide", THIRD)
    assert neighbours.of(third, "oak") == ("Guide", FIRST)
    assert neighbours.of(third, "Ruritania") == ("Guide", SECOND)


@pytest.mark.parametrize(("code", "texts"), [("en", ENGLISH), ("de", GERMAN), ("sv", ENGLISH)])
def test_without_such_a_passage_it_is_an_unrelated_text_without_the_answer(code, texts):
    alone = Passage(passage(FIRST), language_of(code))
    neighbours = Neighbours([alone])
    heading, text = neighbours.of(alone, ANSWER)
    assert heading == "" and text in texts.unrelated
    assert neighbours.of(alone, text.split()[0])[1] in {*texts.unrelated} - {text}
    assert neighbours.of(alone, {"en": "the", "de": "die", "sv": "the"}[code]) is None


def test_all_unrelated_texts_are_used():
    shown = set()
    for number in range(20):
        alone = Passage(passage(f"{FIRST} {number}"), ENGLISH)
        shown.add(Neighbours([alone]).of(alone, ANSWER)[1])
    assert shown == {*ENGLISH.unrelated}


def test_requests_do_not_depend_on_the_other_documents_of_the_partition():
    rows = [*ROWS, passage(f"Visitors know the guild. {FIRST}", "f")]
    together = outcome_of(rows)[2]
    apart = [
        request
        for name in "def"
        for request in outcome_of([row for row in rows if row["document_id"] == name])[2]
    ]
    assert [request.task for request in together].count("round_trip") == 4
    assert len(together) == len(apart) and all(request in apart for request in together)


def test_requests_are_short_greedy_single_lines_and_shared_by_both_stages():
    ours, theirs = outcome_of()[2], outcome_of(on=comprehend)[2]
    assert ours == theirs
    assert all(request.schema is None and request.sampling.stop == ("\n",) for request in ours)
    assert all(request.sampling.max_tokens <= 48 and not request.sampling.temperature for request in ours)
    per_passage = Counter(request.row for request in ours if request.task == "marked_question")
    assert max(per_passage.values()) > 1


def test_reading_texts_contain_the_confirmed_pair_and_list_its_requests():
    kept, _, _ = outcome_of(on=comprehend)
    assert QUESTION in kept[0]["text"].partition(FIRST)[2]
    assert len(kept[0]["lineage"]["requests"]) == 3


def test_a_passage_without_candidates_has_nothing_to_quote():
    kept, dropped, requests = outcome_of(rows=[passage("for_stmt ::= target")])
    assert (kept, requests, [row["reason"] for row in dropped]) == ([], [], ["nothing to quote"])


@pytest.mark.parametrize(
    ("reply", "answer", "same"),
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
        (UNANSWERABLE, "the guest ledger", False),
    ],
)  # fmt: skip
def test_agreement(reply, answer, same):
    assert (agree(reply, answer, "When was it?", ENGLISH) >= 0.75) is same


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("When was Louis Vauquelin discovered?", "confuses who does what"),
        ("When was beryllium oxide discovered by?", "superfluous preposition"),
        ("When could beryllium oxide be discovered?", "question is not true"),
        ("When was beryllium oxide discovered, which was in Paris?", "asks about two things"),
        ("When was beryllium oxide discovered?", None),
    ],
)
def test_a_confirmed_question_is_dropped_if_its_sentence_does_not_entail_it(question, reason):
    text = "Beryllium oxide was discovered by Louis Vauquelin in Paris in 1798."

    def model(request):
        if request.task == "round_trip":
            return "1798" if text in request.messages[1]["content"] else UNANSWERABLE
        return question if Candidate.load(request.about).answer == "1798" else "Nothing."

    kept, dropped, _ = ask(stage, [passage(text), ROWS[1]], model, tasks=["marked_question"])
    assert [row["answer"] for row in kept] == ([] if reason else ["1798"])
    assert not reason or reason in {row["reason"] for row in dropped}


TIDE = "When the tide turns, the lock keeper opens both gates of the canal."
ALIAS = "Nested aliasing is recursively applied to the first word of the command line."


def confirmed(text, question, own, other=UNANSWERABLE):
    """Ask one question for every answer marked in a text, and answer it as given."""

    def model(request):
        if request.task == "round_trip":
            return own if text in request.messages[1]["content"] else other
        return question

    kept, dropped, _ = ask(stage, [passage(text), ROWS[1]], model, tasks=["marked_question"])
    return [row["answer"] for row in kept if row["context"] == text], {row["reason"] for row in dropped}


@pytest.mark.parametrize(
    ("text", "question", "own", "answers"),
    [
        # The returned answer fills the gap, although no rule marked it.
        (ALIAS, "What is nested aliasing recursively applied to?", "the first word of the command line", ["the first word of the command line"]),
        (ALIAS, "What is nested aliasing recursively applied to?", "the command line", []),
        # The pair has the whole content of its sentence, so it is kept for any answer of the model.
        (TIDE, "When does the lock keeper open both gates of the canal?", "noon", ["When the tide turns."]),
        (TIDE, "When does the lock keeper open both gates of the canal?", UNANSWERABLE, ["When the tide turns."]),
        (TIDE, "When does the lock keeper open the gates of the river?", UNANSWERABLE, []),
    ],
)  # fmt: skip
def test_an_answer_that_fills_the_gap_of_its_question_is_kept(text, question, own, answers):
    assert confirmed(text, question, own)[0] == answers


@pytest.mark.parametrize(
    ("turns", "answers"), [("turns", ["The lock keeper opens both gates of the canal."]), ("falls", [])]
)
def test_a_question_that_leaves_out_more_than_its_marked_answer_gets_the_whole_of_it(turns, answers):
    def model(request):
        if request.task == "round_trip":
            return "noon"
        question = f"What happens when the tide {turns}?"
        return question if Candidate.load(request.about).kind != "consequence" else "Nothing."

    kept, _, _ = ask(stage, [passage(TIDE)], model, tasks=["marked_question"])
    assert [row["answer"] for row in kept] == answers


def test_a_pair_with_the_whole_content_of_its_sentence_must_need_its_passage():
    question = "When does the lock keeper open both gates of the canal?"
    kept, reasons = confirmed(TIDE, question, "noon", other="When the tide turns")
    assert kept == [] and "answered without its passage" in reasons


@pytest.mark.parametrize(
    ("question", "own", "line", "answer"),
    [
        ("What is nested aliasing recursively applied to?", "the first word of the command line", ALIAS, "the first word of the command line"),
        ("What is nested aliasing recursively applied to?", "the first word", ALIAS, None),  # cut before "of"
        ("What happens when the tide turns?", "the lock keeper opens both gates", TIDE, "the lock keeper opens both gates of the canal"),
        ("What does the keeper do?", "counts", "The keeper counts the boats of the guild; the clerk sleeps.", "counts the boats of the guild"),
        ("What does the keeper do when the tide turns?", "opens a gate", "The keeper opens a gate when the tide turns.", "opens a gate"),
        ("What does the keeper do?", "belongs to the guild", "The keeper belongs to the guild.", None),  # no action
        ("What can the key be read as?", "type", 'The key can be read as "type(cls)".', "type(cls)"),
        ("What can the mark be received by?", "the clerk and can carry a seal", "The mark can be received by the clerk and can carry a seal.", None),
        ("What are stored in the mint?", "pairs", "Matched pairs are stored in the mint.", None),  # cut from a subject
        ("What are stored in the mint?", "Matched pairs", "Matched pairs are stored in the mint.", "Matched pairs"),
        ("What does the mint strike?", "coins", "The mint strikes coins and medals.", None),  # cut from a list
        ("What happens if a name is bound?", "it is local", "If a name is bound, it is local.", "it is local"),
        ("What is the mint?", "it", "It is the mint.", None),
    ],
)  # fmt: skip
def test_a_returned_answer_is_complete_in_its_sentence(question, own, line, answer):
    found = returned.candidate(question, own, line, Passage(passage(line), ENGLISH))
    assert (found and found.answer) == answer


def test_a_returned_answer_is_complete_in_german():
    line = "Die Kasse wird am Abend von der Wirtin des Gasthofs geschlossen."
    found = returned.candidate(
        "Was wird am Abend geschlossen?", "Kasse", line, Passage(passage(line), GERMAN)
    )
    assert found is None or found.answer == "Die Kasse"


def test_of_two_questions_for_the_same_part_of_a_sentence_the_fuller_one_is_kept():
    shorter = "Under the eye of whom does the mint of Ruritania strike copper coins?"

    def model(request):
        if request.task == "round_trip":
            return ANSWER if FIRST in request.messages[1]["content"] else UNANSWERABLE
        marked = Candidate.load(request.about)
        if marked.sentence != FIRST:
            return "Nothing."
        return QUESTION if marked.answer == ANSWER else shorter

    kept, dropped, _ = ask(stage, ROWS, model, tasks=["marked_question"])
    assert [row["question"] for row in kept] == [QUESTION]
    assert "repeated" in {row["reason"] for row in dropped}


@pytest.mark.parametrize(
    ("answer", "kind", "given"),
    [
        ("all aliases are listed", "consequence", "All aliases are listed."),
        ("if the tide turns", "clause", "If the tide turns."),
        ("Once the tide has turned.", "clause", "Once the tide has turned."),
        ("pdb stops at the first line", "consequence", "pdb stops at the first line"),
        ("the command line", "object", "the command line"),
        ("opens both gates", "action", "opens both gates"),
    ],
)
def test_a_clause_is_given_as_a_sentence(answer, kind, given):
    assert phrased(Candidate(answer, "", kind), ENGLISH) == given


def test_a_german_clause_is_given_as_a_sentence():
    clause = Candidate("wenn die Glocke läutet", "", "clause")
    assert phrased(clause, GERMAN) == "Wenn die Glocke läutet."
