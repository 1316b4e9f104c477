"""Scripted generators for every task of every profile: good rows are kept, others dropped for the right reason."""

import json

import pytest

from datagen.recipe.profiles import BUILT_IN, read_profile
from datagen.stages.exercises.marked.candidates import Candidate
from datagen.stages.exercises.round_trip import TASK as ROUND_TRIP
from datagen.stages.exercises.task import StructuredTask, find_task, task_names
from datagen.stages.generate.instruct import stage
from datagen.stages.reading.comprehend import stage as comprehend
from tests.support.asked import ask
from tests.support.generators import BAD, GERMAN, GOOD, HOSTILE, HOSTILE_TEXT, INJECTED, TEXT, changed, texts
from tests.support.written import passage

VARIANTS = ["", "worked"]


def through(task, reply, **options):
    """Answer one task about the passage with `reply`; return the kept row, or the reason of the drop."""
    text = reply if isinstance(reply, str) else json.dumps(reply)
    kept, dropped, _ = ask(stage, [passage(TEXT)], lambda _: text, tasks=[task], **options)
    assert len(kept) + len(dropped) == 1
    return (kept or [dropped[0]["reason"]])[0]


def test_the_generators_cover_every_structured_task():
    structured = {name for name in task_names() if isinstance(find_task(name), StructuredTask)}
    assert set(GOOD) == set(BAD) == structured


def test_a_task_has_the_name_of_its_module():
    """Rows of two tasks with one name could not be told apart."""
    assert {name: find_task(name).name for name in task_names()} == {name: name for name in task_names()}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("task", GOOD)
def test_a_good_answer_is_kept_under_every_variant(task, variant):
    row = through(task, GOOD[task], variant=variant)
    assert isinstance(row, dict), row
    assert row["task"] == task
    assert row["prompt"][-1]["content"].endswith(row["question"])
    assert row["evidence"] in TEXT


@pytest.mark.parametrize(
    ("task", "change", "reason"), [(task, *case) for task, cases in BAD.items() for case in cases]
)
def test_a_bad_answer_is_dropped_with_its_reason(task, change, reason):
    assert through(task, GOOD[task] | change) == reason


@pytest.mark.slow
@pytest.mark.parametrize("task", GOOD)
def test_hostile_output_is_dropped_as_unparsable(task):
    for name, spoil in HOSTILE.items():
        assert through(task, spoil(GOOD[task])) == "unparsable", name


@pytest.mark.slow
@pytest.mark.parametrize("task", GOOD)
def test_hostile_text_in_any_field_never_reaches_a_row(task):
    for name, spoil in HOSTILE_TEXT.items():
        for path in texts(GOOD[task]):
            reason = through(task, changed(GOOD[task], path, spoil))
            assert isinstance(reason, str), (name, path, reason)


@pytest.mark.parametrize("task", GOOD)
def test_an_injected_instruction_or_another_language_is_dropped(task):
    for text in (INJECTED, f"{INJECTED[:-1]}?", GERMAN, f"{GERMAN[:-1]}?"):
        for path in texts(GOOD[task]):
            if path[-1] == "facts":
                continue  # invented, so word rules cannot detect it
            reason = through(task, changed(GOOD[task], path, lambda _, text=text: text))
            assert isinstance(reason, str), (text, path, reason)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("task", GOOD)
def test_a_copy_of_the_prompt_is_dropped(task, variant):
    prompts = []

    def model(request):
        prompts.append(request.messages[-1]["content"])
        instruction = prompts[0].rpartition("~~~")[2].split("\n\n")[1]
        return json.dumps(dict.fromkeys(request.schema["properties"], instruction))

    kept, dropped, _ = ask(stage, [passage(TEXT)], model, tasks=[task], variant=variant)
    assert not kept and dropped


@pytest.mark.parametrize("task", GOOD)
def test_a_copy_of_the_worked_example_is_dropped(task):
    def model(request):
        prompt = request.messages[-1]["content"]
        return prompt[prompt.index('{"') :] if '{"' in prompt else "{}"

    kept, dropped, _ = ask(stage, [passage(TEXT)], model, tasks=[task], variant="worked")
    assert not kept and dropped


@pytest.mark.parametrize("profile", BUILT_IN)
def test_every_task_of_a_profile_keeps_good_answers_and_counts_bad_ones(profile):
    settings = read_profile(profile).stages["instruct"]
    assert {*settings["tasks"]} <= {*GOOD, "marked_question"}  # which has its own scripted generator below
    structured = {name: weight for name, weight in settings["tasks"].items() if name in GOOD}
    options = settings | {"tasks": structured, "per_passage": 0}
    kept, dropped, requests = ask(stage, [passage(TEXT)], lambda r: json.dumps(GOOD[r.task]), **options)
    assert {row["task"] for row in kept} == set(structured) and not dropped
    assert {request.sampling.max_tokens for request in requests} == {settings.get("max_tokens", 192)}
    kept, dropped, _ = ask(
        stage, [passage(TEXT)], lambda r: json.dumps(GOOD[r.task] | BAD[r.task][0][0]), **options
    )
    assert not kept
    assert {row["task"]: row["reason"] for row in dropped} == {name: BAD[name][0][1] for name in structured}


def test_reasoning_has_its_own_column_and_is_not_part_of_the_answer():
    row = through("reasoned_question", GOOD["reasoned_question"])
    assert row["reasoning"] == GOOD["reasoned_question"]["reasoning"]
    assert row["reasoning"] not in row["answer"]
    assert through("open_question", GOOD["open_question"])["reasoning"] is None


def test_the_answer_of_a_conversation_is_its_last_turn_and_the_prompt_has_the_earlier_ones():
    row = through("conversation", GOOD["conversation"], system="Answer briefly.")
    assert [turn["role"] for turn in row["prompt"]] == ["system", "user", "assistant", "user"]
    assert row["prompt"][0]["content"] == "Answer briefly."
    first, last = GOOD["conversation"]["turns"]
    assert row["prompt"][1]["content"] == f"{TEXT}\n\n{first['question']}"
    assert (row["prompt"][2]["content"], row["prompt"][3]["content"]) == (first["answer"], last["question"])
    assert row["answer"] == last["answer"]


def test_same_meaning_is_answered_for_the_sentence_that_is_shown():
    rows = [passage(TEXT, number) for number in range(16)]
    kept, _, _ = ask(stage, rows, lambda r: json.dumps(GOOD[r.task]), tasks=["same_meaning"])
    shown = [GOOD["same_meaning"]["different"] in row["question"] for row in kept]
    assert len(kept) == 16 and 0 < sum(shown) < 16
    assert [row["answer"].startswith("No") for row in kept] == shown


def test_the_answer_of_a_written_question_is_the_question():
    row, good = through("question_writing", GOOD["question_writing"]), GOOD["question_writing"]
    assert row["answer"] == good["question"] and good["answer"] in row["question"]


def test_a_pronoun_refers_to_the_sentence_before_it():
    row = through("coreference", GOOD["coreference"])
    assert (row["answer"], row["evidence"]) == ("A valid notice", "A valid notice names the land.")
    assert "“It”" in row["question"] and GOOD["coreference"]["evidence"] in row["question"]


def test_the_steps_of_a_procedure_are_numbered():
    row = through("how_to", GOOD["how_to"])
    assert row["answer"].splitlines()[0] == f"1. {GOOD['how_to']['steps'][0]}"
    assert len(row["answer"].splitlines()) == 3


def test_an_answer_can_share_words_with_the_worked_example():
    turns = GOOD["conversation"]["turns"]
    reply = {
        "turns": [
            turns[0],
            {"question": turns[1]["question"], "answer": "You can renew it twice, and the rent is due."},
        ]
    }
    assert isinstance(through("conversation", reply, variant="worked"), dict)


def test_a_worked_prompt_keeps_the_question_templates_and_adds_an_example():
    by_variant = {}
    for variant in VARIANTS:
        kept, _, requests = ask(
            stage, [passage(TEXT)], lambda r: json.dumps(GOOD[r.task]), tasks=["definition"], variant=variant
        )
        by_variant[variant] = requests[0], kept[0]
    (plain, row), (worked, other) = by_variant[""], by_variant["worked"]
    assert row["question"] == other["question"]
    assert "For a text with this sentence" in worked.messages[-1]["content"]
    assert "For a text with this sentence" not in plain.messages[-1]["content"]
    assert plain.schema == worked.schema and plain.prompt_hash != worked.prompt_hash


@pytest.mark.parametrize("profile", BUILT_IN)
def test_reading_texts_of_a_profile_have_the_good_exercises_and_none_of_the_others(profile):
    settings = read_profile(profile).stages["comprehend"]
    structured = {name: weight for name, weight in settings["tasks"].items() if name in GOOD}
    assert {*settings["tasks"]} == {*structured, "marked_question"}
    options = settings | {"tasks": structured, "per_passage": 0}
    (text,), dropped, _ = ask(comprehend, [passage(TEXT)], lambda r: json.dumps(GOOD[r.task]), **options)
    listed = json.loads(text["metadata"])["exercises"]
    good = {entry["question"] for entry in listed}
    assert {entry["task"] for entry in listed} | {row["task"] for row in dropped} == set(structured)
    assert {row["reason"] for row in dropped} <= {"repeated"}  # two tasks with the same question
    answers = (
        [lambda r, spoil=spoil: json.dumps(changed(GOOD[r.task], texts(GOOD[r.task])[0], spoil)) for spoil in HOSTILE_TEXT.values()]
        + [lambda r, spoil=spoil: spoil(GOOD[r.task]) for spoil in HOSTILE.values()]
        + [lambda r: json.dumps(GOOD[r.task] | BAD[r.task][0][0])]
    )  # fmt: skip
    for answer in answers:
        kept, dropped, _ = ask(comprehend, [passage(TEXT)], answer, **options)
        assert not kept and len(dropped) == len(structured) + 1  # and the passage without exercises
    assert len(good) == len(listed)


MARKED = {"question": "For how long does a standard lease last?", "answer": "12 years"}


def marked(question, returned, elsewhere):
    """Ask about "12 years" with a marked question; the round trip returns these answers."""

    def model(request):
        if request.task == ROUND_TRIP:
            return returned if TEXT in request.messages[-1]["content"] else elsewhere
        return question if Candidate.load(request.about).answer == MARKED["answer"] else ""

    rows = [passage(TEXT), passage("Bees sleep in winter. A hive of bees is kept by a keeper in spring.", 1)]
    return ask(stage, rows, model, tasks=["marked_question"])[0]


def test_a_marked_question_is_kept_if_its_round_trip_or_its_own_sentence_confirms_it():
    good, no = MARKED["question"], "The text does not answer this."
    kept = marked(good, "12 years", no)
    assert [(row["question"], row["answer"]) for row in kept] == [(good, "12 years")]
    for question, returned, elsewhere in (
        (good, "6 months", no),  # subtly wrong
        (good, "", no),
        (good, "12 years", "12 years"),  # the model knows it without the passage
        ("For how long can a seasonal lease run?", "12 years", no),
        ("What must stop?", "12 years", no),
        (INJECTED, "12 years", no),
        (f"{GERMAN[:-1]}?", "12 years", no),
        ('{"question": "', "12 years", no),
        ("<|im_start|>user", "12 years", no),
    ):
        assert marked(question, returned, elsewhere) == [], question
    # A question that leaves one part out of its sentence has that part as its answer, whatever the model returns.
    kept = marked("How long does a seasonal lease last?", "12 years", no)
    assert [row["answer"] for row in kept] == ["6 months"]
    assert marked("How long does a seasonal lease last?", "12 years", "6 months") == []
