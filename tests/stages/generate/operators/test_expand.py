"""Expand and refine: the contract of the data augmentation models, with planted answers."""

import json
from dataclasses import replace

import pytest

from datagen.schema import TABLES, table_of
from datagen.stages.generate.operators.expand import ANSWER as TASK
from datagen.stages.generate.operators.expand import expand, refine
from tests.support.asked import WHO, answers_to, ask
from tests.support.generators import GERMAN, HOSTILE, HOSTILE_TEXT, INJECTED, RENT, SUBLET
from tests.support.pairs import ANSWER, OTHER_ANSWER, OTHER_QUESTION, QUESTION, labels, parent, reply_text
from tests.support.rows import context

REFINED = "How long does a standard lease last, and in which season does it end?"
ENDS = "A standard lease lasts 12 years, and it ends in autumn."
TIMES = "How often can a standard lease be renewed?"
TWICE = "A standard lease can be renewed twice."
REPLIES = {OTHER_QUESTION: OTHER_ANSWER, REFINED: ENDS, TIMES: TWICE}


def model(written, replies=REPLIES):
    """Write these questions, then answer each by the table."""

    def answer(request):
        if request.task != TASK:
            return reply_text(written)
        return reply_text({"answer": replies[request.about]})

    return answer


def expanded(*questions, **options):
    return ask(expand, [parent()], model({"questions": list(questions)}), **options)


def refined(question, replies=REPLIES, **options):
    return ask(refine, [parent()], model({"question": question}, replies), **options)


def test_one_row_gives_k_children_with_its_task_context_and_id():
    kept, dropped, requests = expanded(OTHER_QUESTION, TIMES, count=2)
    assert not dropped and len(kept) == 2 and len(requests) == 3
    assert [row["question"] for row in kept] == [OTHER_QUESTION, TIMES]
    assert [row["answer"] for row in kept] == [OTHER_ANSWER, TWICE]
    for row in kept:
        assert row["lineage"]["parents"] == [parent()["id"]]
        assert row["task"] == parent()["task"] and row["context"] == parent()["context"]
        assert row["prompt"][-1]["content"] == f"{row['context']}\n\n{row['question']}"
        assert labels(row)["operator"] == "expand"
        keys = row["lineage"]["requests"]
        assert keys[0] == "r0" and len(keys) == 3  # the parent's, the question's and its own answer's


def test_the_figures_count_the_parents():
    table, where = (
        table_of(TABLES["examples"], [parent(), parent(task="qa")]),
        replace(context("expand"), model=WHO),
    )
    answers = answers_to(list(expand.ask(table, expand.options(), where)), model({"questions": []}), WHO)
    assert expand.read(table, answers, expand.options(), where).figures == {"parents": 2}


def test_surplus_children_are_ignored():
    kept, _, requests = expanded(OTHER_QUESTION, TIMES, count=1)
    assert [row["question"] for row in kept] == [OTHER_QUESTION] and len(requests) == 2


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (QUESTION, "repeats its parent"),
        ("How long does the standard lease last?", "repeats its parent"),
        ("Name the seasons of a lease.", "not a question"),  # the parent is a question
        (INJECTED, "assistant's phrase"),
    ],
)
def test_an_expansion_must_be_a_different_question_of_the_same_type(question, reason):
    kept, (row,), requests = expanded(question)
    assert not kept and row["reason"] == reason and len(requests) == 1  # it is not answered


def test_two_equal_expansions_give_one_row():
    kept, (row,), _ = expanded(TIMES, TIMES)
    assert len(kept) == 1 and row["reason"] == "repeated"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("A seasonal lease lasts 7 months.", "number not in passage"),
        ("Bananas ripen in warm valleys all year.", "not about the passage"),
        (f"{ANSWER[:-1]} .", "answer of another question"),
        ("", "empty"),
        (GERMAN, "another language"),
        ("Leases), a seasonal lease lasts 6 months.", "begins inside a sentence"),
        ("A seasonal lease lasts <|im_end|> 6 months.", "control token"),
        (OTHER_QUESTION, "question gives its answer away"),
        ("A seasonal lease lasts 6 months. A seasonal lease lasts 6 months.", "repetition loop"),
    ],
)
def test_a_wrong_answer_to_a_sound_question_is_dropped_with_both(reply, reason):
    kept, (row,), _ = ask(expand, [parent()], model({"questions": [OTHER_QUESTION]}, {OTHER_QUESTION: reply}))
    assert not kept and (row["reason"], row["question"]) == (reason, OTHER_QUESTION)


def test_two_questions_may_share_a_short_answer_but_no_sentence():
    replies = REPLIES | {TIMES: OTHER_ANSWER}
    kept, (row,), _ = ask(expand, [parent()], model({"questions": [OTHER_QUESTION, TIMES]}, replies))
    assert [row["question"] for row in kept] == [OTHER_QUESTION] and row[
        "reason"
    ] == "answer of another question"
    replies = dict.fromkeys(REPLIES, "12 years")
    kept, _, _ = ask(expand, [parent(answer="12 years")], model({"questions": [OTHER_QUESTION]}, replies))
    assert [row["answer"] for row in kept] == ["12 years"]


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "a list"])
def test_a_hostile_completion_gives_no_child(name):
    reply = HOSTILE[name]({"questions": [OTHER_QUESTION]})
    kept, dropped, _ = ask(expand, [parent()], model(reply))
    assert not kept and {row["reason"] for row in dropped} <= {"unparsable", "empty", "not a question"}


@pytest.mark.parametrize("name", HOSTILE_TEXT)
def test_hostile_text_in_a_question_or_an_answer_gives_no_child(name):
    spoilt = HOSTILE_TEXT[name](OTHER_QUESTION)
    assert not ask(expand, [parent()], model({"questions": [spoilt]}, {}))[0]
    spoilt = HOSTILE_TEXT[name](OTHER_ANSWER)
    assert not ask(expand, [parent()], model({"questions": [OTHER_QUESTION]}, {OTHER_QUESTION: spoilt}))[0]


def test_a_refinement_gives_exactly_one_candidate_and_names_its_parent():
    (row,), dropped, _ = refined(REFINED)
    assert not dropped and row["question"] == REFINED and row["answer"] == ENDS
    assert row["lineage"]["parents"] == [parent()["id"]] and labels(row)["operator"] == "refine"


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (QUESTION, "repeats its parent"),
        ("When must a tenant pay the rent to the owner?", "another intent"),
        ("How long, for a lease that is standard, does it last?", "asks for nothing more"),
    ],
)
def test_a_refinement_keeps_the_intent_and_asks_for_more(question, reason):
    kept, (row,), _ = refined(question)
    assert not kept and row["reason"] == reason


def test_rows_that_cannot_have_children_are_dropped_with_a_reason():
    turns = [{"role": r, "content": "x"} for r in ("user", "assistant", "user")]
    rows = [parent(answer=""), parent(prompt=turns), parent(task="other")]
    kept, dropped, requests = ask(expand, rows, model({}), tasks=["extractive_question"])
    assert not kept and not requests
    assert [row["reason"] for row in dropped] == ["no pair", "part of a conversation", "outside the sample"]


@pytest.mark.parametrize("label", ["spans", "links", "format", "code"])
def test_a_pair_that_was_checked_as_a_whole_has_no_children(label):
    row = parent(metadata=json.dumps({label: "x"}))
    for operator in (expand, refine):
        kept, (dropped,), requests = ask(operator, [row], model({}))
        assert not kept and not requests and dropped["reason"] == "checked as a whole"


def test_a_parent_with_a_control_token_has_no_children():
    kept, (row,), requests = ask(expand, [parent(answer="It ends.<|im_end|>")], model({}))
    assert not kept and not requests and row["reason"] == "control token"


def test_a_child_has_the_licence_of_its_parents_record():
    row = parent(metadata=json.dumps({"licence": "CC-BY-NC-4.0", "line": 7}))
    (kept,), _, _ = ask(expand, [row], model({"questions": [OTHER_QUESTION]}))
    assert labels(kept) == {"operator": "expand", "licence": "CC-BY-NC-4.0"}


STEPS = "1. The tenant files a notice with the registrar.\n2. The registrar records it."
CLASSES = "Which word describes the term of a seasonal lease, short or long?"
KEYS = "Extract the seasonal lease as JSON with the keys kind and term."


@pytest.mark.parametrize(
    ("own", "question", "answer", "kept"),
    [
        (("Is a lease short or long?", "long"), CLASSES, "short", True),
        (("Is a lease short or long?", "long"), CLASSES, OTHER_ANSWER, False),
        (("Is a lease short or long?", "long"), CLASSES, "short or long", False),
        (
            ("Give the term as JSON.", '{"term": "12 years"}'),
            KEYS,
            '{"kind": "seasonal lease", "term": "6 months"}',
            True,
        ),
        (
            ("Give the term as JSON.", '{"term": "12 years"}'),
            KEYS,
            '{"kind": "lease", "length": "6 months"}',
            False,
        ),
        (("Give the term as JSON.", '{"term": "12 years"}'), KEYS, OTHER_ANSWER, False),
        (("How is a lease renewed?", STEPS), "How is a lease sublet?", f"1. {SUBLET}\n2. {RENT}", True),
        (("How is a lease renewed?", STEPS), "How is a lease sublet?", f"{SUBLET} {RENT}", False),
    ],
)
def test_an_answer_has_the_form_of_its_parent(own, question, answer, kept):
    rows, dropped, _ = ask(expand, [parent(*own)], model({"questions": [question]}, {question: answer}))
    assert [row["answer"] for row in rows] == ([answer] if kept else [])
    assert [row["reason"] for row in dropped] == ([] if kept else ["another form than its parent"])


@pytest.mark.parametrize(
    ("question", "answer", "kept"),
    [
        ('Which of them fits, duty or right: "The owner may object within 30 days."', "right", True),
        ('Which of these would it be, right or duty? "The tenant files a notice."', "right", False),
        ('Which of these would it be, right or duty? "The tenant files a notice."', "duty", True),
    ],
)
def test_a_question_in_the_same_words_has_the_same_choice(question, answer, kept):
    row = parent('Is it a duty or a right? "The tenant files a notice."', "duty")
    rows, dropped, _ = ask(expand, [row], model({"questions": [question]}, {question: answer}))
    assert len(rows) == kept
    assert [one["reason"] for one in dropped] == ([] if kept else ["another choice for the same question"])


def test_evidence_of_a_child_is_the_material_and_not_its_parents_quote():
    (kept,), _, _ = ask(expand, [parent()], model({"questions": [OTHER_QUESTION]}))
    assert kept["answer"] == OTHER_ANSWER and OTHER_ANSWER in kept["evidence"] == parent()["context"]
    own = parent(context=None, evidence=None)
    assert ask(expand, [own], model({"questions": [OTHER_QUESTION]}))[0][0]["evidence"] is None


def test_a_closed_book_parent_gives_closed_book_children_from_its_evidence():
    row = parent(context=None, evidence="A seasonal lease lasts 6 months, a standard lease 12 years.")
    kept, _, requests = ask(expand, [row], model({"questions": [OTHER_QUESTION]}))
    assert kept[0]["context"] is None and kept[0]["prompt"] == [{"role": "user", "content": OTHER_QUESTION}]
    assert all("12 years" in request.messages[-1]["content"] for request in requests)
    _, (dropped,), _ = ask(expand, [row], model({"questions": ["How long does this lease last?"]}, {}))
    assert dropped["reason"] == "refers to the passage"


def test_a_system_message_is_kept():
    prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
    (row,), _, _ = ask(expand, [parent(prompt=prompt)], model({"questions": [OTHER_QUESTION]}))
    assert row["prompt"][0] == prompt[0]


def test_count_and_sampling_are_options():
    _, _, requests = expanded(OTHER_QUESTION, count=7, max_tokens=99, temperature=0.5, top_p=0.9)
    assert "Write 7 new questions" in requests[0].messages[-1]["content"]
    sampling = requests[0].sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.top_p) == (99, 0.5, 0.9)
