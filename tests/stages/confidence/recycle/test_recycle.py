"""Reflection-Tuning: critiques, proposals, and the student scores that decide on them."""

import json
import math

import pyarrow as pa
import pytest

from datagen.errors import UserError
from datagen.schema import EXAMPLES
from datagen.stages.confidence.recycle import accept, reflect
from tests.support.asked import ask
from tests.support.generators import GERMAN, HOSTILE_TEXT
from tests.support.pairs import ANSWER, QUESTION, parent, reply_text

BETTER = "How long does a standard lease last, and in which season does it end?"
FULL = "A standard lease lasts 12 years, and it ends in autumn."
FULLER = "A standard lease of land lasts for 12 years, and then it ends in autumn."
REFLECTED = {"critique": "It asks for one fact.", "question": BETTER, "answer": FULL}
IMPROVED = {"critique": "It could be complete.", "answer": FULLER}


def table(rows):
    extra = {name: value for row in rows for name, value in row.items() if name not in EXAMPLES.names}
    types = {name: reflect.PROPOSAL for name in extra if name.endswith("_proposal")}
    types |= {name: accept.COLUMNS.field(name).type for name in extra if name in accept.COLUMNS.names}
    types |= {"p_true": pa.float64()} if "p_true" in extra else {}
    return pa.Table.from_pylist(rows, pa.schema([*EXAMPLES, *types.items()]))


def through(stage, model, row, **options):
    (after,), dropped, requests = ask(stage, table([row]), model, **options)
    assert not dropped and after["id"] == row["id"]
    return after, requests


def student(asked, alone=3.0, guessed=None, unprompted=3.0):
    """Read a text with planted mean losses: by answer for `asked`, by question or answer for `guessed`."""
    guessed = guessed or {}

    def read(request):
        message = request.messages[-1]["content"]
        if request.task == "asked":
            loss = asked[request.given]
        elif request.task == "guessed":
            loss = next(loss for answer, loss in guessed.items() if answer in message)
        else:
            loss = alone if request.task == "alone" else unprompted
            assert message == ""
        return {"text": request.given, "logprobs": [-loss, -loss]}

    return read


def reflected(row=None, said=REFLECTED):
    return through(reflect.questions, lambda _: reply_text(said), row or parent())


def questioned(asked, row=None, **options):
    return through(accept.questions, student(asked), row or reflected()[0], **options)


def answered(model, row, said=IMPROVED, **options):
    proposed, _ = through(reflect.answers_, lambda _: reply_text(said), row)
    return through(accept.answers_, model, proposed, **options)


def test_the_teacher_criticises_and_proposes_and_changes_nothing():
    row = parent()
    after, (request,) = reflected(row)
    before = table([row]).to_pylist()[0]
    assert {name: after[name] for name in EXAMPLES.names} == before
    proposal = after["question_proposal"]
    assert (proposal["critique"], proposal["question"], proposal["answer"]) == tuple(REFLECTED.values())
    assert proposal["reason"] is None
    for criterion in ("complexity", "detail", "knowledge", "ambiguity", "reasoning"):
        assert criterion in request.messages[-1]["content"]
    _, (request,) = through(reflect.answers_, lambda _: reply_text(IMPROVED), row)
    for criterion in ("helpful", "relevant", "accurate", "detailed"):
        assert criterion in request.messages[-1]["content"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"question": QUESTION}, "repeats its parent"),
        ({"question": "Who files a notice with the registrar?"}, "another intent"),
        ({"question": "Does a standard lease last long?"}, "asks for nothing more"),
        ({"question": "Say more about leases."}, "not a question"),
        ({"answer": "A standard lease lasts 13 years."}, "number not in passage"),
        ({"answer": "Cows graze on hills near every village."}, "not about the passage"),
        ({"answer": ""}, "empty"),
        ({"answer": GERMAN}, "another language"),
        ({"critique": ""}, "empty"),
    ],
)
def test_an_unsound_proposal_is_stored_with_its_reason_and_never_accepted(change, reason):
    proposed, _ = reflected(said=REFLECTED | change)
    assert proposed["question_proposal"]["reason"].startswith(reason)
    for mode in ("student", "all"):
        after, requests = questioned({}, proposed, mode=mode)
        assert not requests and after["question"] == QUESTION and after["question_decision"] == "unsound"


@pytest.mark.parametrize("label", ["spans", "links", "format", "code"])
def test_a_pair_that_was_checked_as_a_whole_is_not_rewritten(label):
    row = parent(metadata=json.dumps({label: "x"}))
    after, requests = reflected(row)
    assert not requests and after["question_proposal"] is None
    after, requests = through(reflect.answers_, lambda _: reply_text(IMPROVED), row)
    assert not requests and after["answer_proposal"] is None


LIMITED = "A standard lease lasts 12 years and ends in autumn, unless the owner objects within 30 days."


@pytest.mark.parametrize(
    ("better", "reason"),
    [
        ("A standard lease of land lasts 12 years and ends in autumn, unless the owner objects within 30 days.", None),
        (LIMITED.replace("30 days", "days"), "loses a number"),
        (f"{LIMITED[:-1]} of", "unfinished sentence"),
        (f"{LIMITED[:-1]} or of.", "unfinished sentence"),
        (LIMITED.lower(), "repeats the answer"),
        ("A lease of 12 years ends, unless somebody objects within 30 days.", "unrelated to the answer"),
        ("A standard lease lasts 12 years and ends in autumn if the owner objects within 30 days.", "loses a condition"),
        ("A standard lease never lasts 12 years and ends in autumn, unless the owner objects within 30 days.",
         "adds a negation"),
    ],
)  # fmt: skip
def test_a_better_answer_keeps_what_limits_the_old_one(better, reason):
    after, _ = answered(student({}), parent(answer=LIMITED), IMPROVED | {"answer": better}, mode="all")
    assert after["answer_decision"] == ("unsound" if reason else "rewritten")
    assert (after["answer_proposal"]["reason"] or "").startswith(reason or "")


@pytest.mark.parametrize(
    ("better", "reason"),
    [
        (
            "How long does a standard lease last, and in which season does it end, if the owner does not object?",
            None,
        ),
        ("How long does a standard lease of land last if the owner objects?", "loses a negation"),
        ("How long does a standard lease of land last when the owner does not object?", "loses a condition"),
    ],
)
def test_a_better_question_keeps_its_conditions(better, reason):
    row = parent("How long does a standard lease last if the owner does not object?")
    proposed, _ = reflected(row, REFLECTED | {"question": better})
    assert (proposed["question_proposal"]["reason"] or "").startswith(reason or "")
    assert bool(proposed["question_proposal"]["reason"]) == bool(reason)


def test_a_better_answer_may_repeat_the_negation_of_its_question():
    row = parent("What may a tenant who has not paid the rent not do?", "sublet the land")
    better = "A tenant who has not paid the rent may not sublet the land."
    assert answered(student({}), row, IMPROVED | {"answer": better}, mode="all")[0]["answer"] == better


def test_a_better_answer_keeps_the_form_of_the_answer():
    row = parent(question="Extract the lease as JSON with the key term.", answer='{"term": "12 years"}')
    after, _ = answered(student({}), row, mode="all")
    assert after["answer"] == row["answer"] and after["answer_decision"] == "unsound"
    assert after["answer_proposal"]["reason"].startswith("another form than its parent")
    better = '{"term": "12 years, ends in autumn"}'
    assert answered(student({}), row, IMPROVED | {"answer": better}, mode="all")[0]["answer"] == better


@pytest.mark.parametrize("mode", ["student", "all"])
@pytest.mark.parametrize("own", [{}, {"context": None, "evidence": None}], ids=["passage", "no material"])
@pytest.mark.parametrize("said", [REFLECTED, IMPROVED], ids=["question", "answer"])
def test_a_better_answer_keeps_half_of_the_words_of_the_old_one(said, own, mode):
    other = "The owner may object to a lease of land by a notice."
    part = "question" if said is REFLECTED else "answer"
    reflecting, deciding = {
        "question": (reflect.questions, accept.questions),
        "answer": (reflect.answers_, accept.answers_),
    }[part]
    for answer, reason in ((other, "unrelated to the answer"), (said["answer"], None)):
        proposed, _ = through(
            reflecting, lambda _, said=said | {"answer": answer}: reply_text(said), parent(**own)
        )
        assert (proposed[f"{part}_proposal"]["reason"] or "").partition(":")[0] == (reason or "")
        if reason:
            after, _ = through(deciding, student({}), proposed, mode=mode)
            assert (after["answer"], after[f"{part}_decision"]) == (ANSWER, "unsound")


@pytest.mark.parametrize(
    ("answer", "better", "sound"),
    [("if", "The suite is a block.", False), ("if", "It is the keyword if.", True), ("-c", "-c", True)],
)
def test_an_answer_of_function_words_or_signs_is_compared_whole(answer, better, sound):
    row = parent(answer=answer, context=None, evidence=None)
    proposed, _ = reflected(row, REFLECTED | {"answer": better})
    assert (proposed["question_proposal"]["reason"] is None) == sound


def test_a_rewritten_pair_loses_the_assessment_of_the_old_one():
    row = parent(metadata=json.dumps({"operator": "expand", "quality": 0.9}))
    after, _ = questioned({}, reflected(row)[0], mode="all")
    assert after["question"] == BETTER and json.loads(after["metadata"]) == {"operator": "expand"}
    kept, _ = questioned({}, reflected(row, said=REFLECTED | {"answer": ""})[0], mode="all")
    assert json.loads(kept["metadata"])["quality"] == 0.9


@pytest.mark.parametrize("name", [name for name in HOSTILE_TEXT if "thought" not in name])
def test_a_hostile_proposal_is_never_accepted(name):
    proposed, _ = reflected(said=REFLECTED | {"question": HOSTILE_TEXT[name](BETTER)})
    assert questioned({}, proposed, mode="all")[0]["question"] == QUESTION
    after, _ = answered(student({}), parent(), IMPROVED | {"answer": HOSTILE_TEXT[name](FULLER)}, mode="all")
    assert after["answer"] == ANSWER


@pytest.mark.parametrize(("new", "taken"), [(2.0, True), (1.0, False), (0.5, False)])
def test_a_question_is_accepted_only_if_the_pair_is_harder_for_the_student(new, taken):
    after, requests = questioned({ANSWER: 1.0, FULL: new})
    assert len(requests) == 4
    assert after["ifd_before"] == pytest.approx(math.exp(1.0 - 3.0))
    assert after["ifd_after"] == pytest.approx(math.exp(new - 3.0))
    assert (after["question"], after["answer"]) == ((BETTER, FULL) if taken else (QUESTION, ANSWER))
    assert after["question_decision"] == ("rewritten" if taken else "kept")


def test_the_student_reads_each_answer_after_its_own_question_and_passage():
    _, requests = questioned({ANSWER: 1.0, FULL: 2.0})
    asked = {
        request.given: request.messages[-1]["content"] for request in requests if request.task == "asked"
    }
    assert asked[ANSWER].endswith(QUESTION) and asked[FULL].endswith(BETTER)
    assert all(parent()["context"] in text for text in asked.values())


def test_a_rewritten_row_keeps_the_original_pair_without_its_scores():
    row = parent()
    after, _ = questioned({ANSWER: 1.0, FULL: 2.0}, reflected(row)[0] | {"p_true": 0.9})
    assert (after["question_before"], after["answer_before"]) == (QUESTION, ANSWER)
    assert after["prompt_before"] == row["prompt"] and after["evidence_before"] == row["evidence"]
    assert after["prompt"][-1]["content"] == f"{row['context']}\n\n{BETTER}"
    assert after["p_true"] is None
    kept, _ = questioned({ANSWER: 2.0, FULL: 1.0}, reflected(row)[0] | {"p_true": 0.9})
    assert kept["p_true"] == 0.9 and kept["question_before"] is None


def test_the_lineage_names_the_teacher_its_request_and_the_same_parents():
    row, _ = reflected()
    after, _ = questioned({ANSWER: 1.0, FULL: 2.0}, row)
    lineage = after["lineage"]
    assert lineage["model"] == "planted" and lineage["prompt"] == "recycle/question"
    assert [model["model"] for model in lineage["models"]] == ["writer", "planted"]
    assert len(lineage["requests"]) == 2 and lineage["parents"] == parent()["lineage"]["parents"]


@pytest.mark.parametrize(("new", "taken"), [(0.5, True), (1.0, False), (2.0, False)])
def test_an_answer_is_accepted_only_if_its_question_is_easier_to_guess(new, taken):
    model = student({ANSWER: 1.0, FULLER: 1.0}, guessed={ANSWER: 1.0, FULLER: new})
    after, requests = answered(model, parent())
    assert after["rifd_before"] == pytest.approx(math.exp(1.0 - 3.0))
    assert after["rifd_after"] == pytest.approx(math.exp(new - 3.0))
    assert after["answer"] == (FULLER if taken else ANSWER)
    assert after["answer_decision"] == ("rewritten" if taken else "kept")
    guessed = [request for request in requests if request.task == "guessed"]
    assert {request.given for request in guessed} == {QUESTION}
    prompts = [request.messages[-1]["content"] for request in guessed]
    assert all("Guess the question" in text and parent()["context"] not in text for text in prompts)


@pytest.mark.parametrize("fault", ["ifd", "rifd"])
def test_a_rewritten_pair_with_a_ratio_of_one_or_more_is_restored(fault):
    asked = {FULL: 1.0, FULLER: 3.0 if fault == "ifd" else 1.0}
    guessed = {FULL: 4.0, FULLER: 3.0 if fault == "rifd" else 0.5}
    row, _ = questioned({ANSWER: 0.5, FULL: 1.0})
    assert row["question"] == BETTER
    after, _ = answered(student(asked, guessed=guessed), row)
    assert (after["question"], after["answer"], after["prompt"]) == (QUESTION, ANSWER, parent()["prompt"])
    assert after["evidence"] == parent()["evidence"]
    assert after["lineage"]["model"] == "writer"
    assert (after["question_decision"], after["answer_decision"]) == ("original", "original")


def test_accepting_both_phases_gives_the_new_question_with_the_latest_answer():
    row, _ = questioned({ANSWER: 0.5, FULL: 1.0})
    model = student({FULL: 1.0, FULLER: 1.0}, guessed={FULL: 4.0, FULLER: 0.5})
    after, _ = answered(model, row)
    assert (after["question"], after["answer"]) == (BETTER, FULLER)
    assert (after["question_before"], after["answer_before"]) == (QUESTION, ANSWER)
    assert after["ifd_before"] is not None and after["rifd_after"] is not None
    assert after["question_proposal"]["critique"] and after["answer_proposal"]["critique"]


def test_a_rewritten_question_is_measured_again_if_no_answer_is_proposed():
    row, _ = questioned({ANSWER: 0.5, FULL: 1.0})
    after, requests = answered(student({FULL: 1.0}, guessed={FULL: 1.0}), row, "prose")
    assert len(requests) == 4 and after["question"] == BETTER and after["answer_decision"] == "unsound"
    after, _ = answered(student({FULL: 3.0}, guessed={FULL: 1.0}), row, "prose")
    assert after["question"] == QUESTION


@pytest.mark.parametrize(
    "fault", [{"finish": "error", "error": "x"}, {"logprobs": []}, {"logprobs": [-math.inf]}]
)
def test_missing_measurements_change_nothing(fault):
    def model(request):
        return {"text": request.given, "logprobs": [-1.0]} | fault

    row, _ = reflected()
    after, _ = through(accept.questions, model, row)
    assert after["question"] == QUESTION and after["question_decision"] == "kept"
    after, _ = answered(model, parent())
    assert after["answer"] == ANSWER


def test_mode_all_accepts_every_sound_proposal_without_the_student():
    after, requests = questioned({}, mode="all")
    assert not requests and after["question"] == BETTER
    after, requests = answered(student({}), after, mode="all")
    assert not requests and after["answer"] == FULLER and after["question_before"] == QUESTION


def test_accepting_without_proposals_is_an_error_that_names_the_missing_stage():
    with pytest.raises(UserError, match="put reflect_answers before"):
        through(accept.answers_, student({}), parent())


def test_teacher_and_student_are_separate_roles():
    assert {reflect.questions.role, reflect.answers_.role} == {"generator"}
    assert {accept.questions.role, accept.answers_.role} == {"target"}


def test_rows_outside_the_share_have_no_proposal():
    row, requests = through(reflect.questions, lambda _: reply_text(REFLECTED), parent(), share=0.0)
    assert not requests and row["question_proposal"] is None
    after, requests = questioned({}, row)
    assert not requests and after["question_decision"] == "kept"


def test_rows_of_other_tasks_have_no_proposal():
    row, requests = through(
        reflect.questions, lambda _: reply_text(REFLECTED), parent(task="function"), tasks=("qa",)
    )
    assert not requests and row["question_proposal"] is None
    row, requests = through(
        reflect.questions, lambda _: reply_text(REFLECTED), parent(task="qa"), tasks=("qa",)
    )
    assert len(requests) == 1 and row["question_proposal"]["reason"] is None
