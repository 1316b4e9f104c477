"""
Properties of the published methods that generated exercises must have.

TransformLLM (arXiv 2410.21479), Bonito (arXiv 2402.18334) and instruction pre-training (arXiv 2406.14491).
Properties of single tasks are tested in tasks/, few-shot context in test_few_shot.py.
"""

import json
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datagen.request import Answer, Answers, Completion, Identity
from datagen.schema import KINDS, TABLES, table_of
from datagen.stages.generate.instruct import stage as instruct
from datagen.stages.reading.comprehend import TASKS as POOL
from datagen.stages.reading.comprehend import stage as comprehend
from tests.support.asked import answers_to, ask
from tests.support.generators import GOOD, TEXT
from tests.support.rows import context
from tests.support.written import passage

LAW = "The owner of a vessel shall report a collision to the harbor master within 48 hours. A fine is due in spring."
MEDICINE = (
    "The nurse gives the second dose of the vaccine after 21 days. Fever is a common reaction to the vaccine."
)
MUSIC = "The oboe gives the tuning note to the orchestra before a concert. A string player tunes to the oboe."
PAIRS = {
    LAW: ("To whom shall the owner of a vessel report a collision?", "the harbor master"),
    MEDICINE: ("When does the nurse give the second dose of the vaccine?", "after 21 days"),
    MUSIC: ("To whom does the oboe give the tuning note before a concert?", "the orchestra"),
}
ROWS = [passage(text, index, document_id=f"d{index}") for index, text in enumerate(PAIRS)]
WHO = Identity("planted", "1")


def converter(request):
    """Write the sound pair of the passage in the prompt, of any domain."""
    question, answer = next(pair for text, pair in PAIRS.items() if text in request.messages[-1]["content"])
    return json.dumps({"question": question, "answer": answer})


def written(write=converter, rows=ROWS, on=comprehend, tasks=("extractive_question",), **options):
    return ask(on, rows, write, tasks=list(tasks), **options)


def by_task(request):
    """Answer every task except summary."""
    return converter(request) if request.task == "extractive_question" else "{}"


class TestTransformLLM:
    def test_nothing_is_tied_to_one_domain(self):
        kept, dropped, _ = written()
        assert (len(kept), dropped) == (3, [])

    @pytest.mark.parametrize("stage", [comprehend, instruct])
    def test_converter_and_target_are_separate(self, stage):
        """Neither stage uses the target model: replacing it changes no request."""
        asked = [
            written(on=stage, recipe={"models": {"target": {"model": target}}})[2]
            for target in ("small", "large")
        ]
        assert stage.role == "generator"
        assert asked[0] == asked[1] == written(on=stage)[2]

    def test_each_passage_becomes_one_plain_text_with_a_complete_exercise(self):
        kept = written()[0]
        assert KINDS["reading"] != KINDS["instruction"]  # stored in separate files
        for row in kept:
            (source,) = [passage for passage in ROWS if passage["id"] == row["lineage"]["passage_id"]]
            question, answer = PAIRS[source["text"]]
            assert (row["kind"], row["prompt"], row["question"], row["answer"]) == (
                "reading",
                None,
                None,
                None,
            )
            assert row["text"].count(source["text"]) == 1  # verbatim
            assert row["text"].count(question) == 1
            assert answer in row["text"].partition(question)[2]

    @settings(max_examples=40, deadline=None)
    @given(
        st.lists(
            st.sampled_from(["sound", "", "{}", "[1]", '{"question": "What', "null", "engine"]),
            min_size=3,
            max_size=3,
        )
    )
    def test_unparsable_answers_are_counted_with_their_reason(self, replies):
        def write(request):
            reply = replies[[row["id"] for row in ROWS].index(request.row)]
            if reply == "engine":
                return {"text": "", "finish": "error", "error": "died"}
            return converter(request) if reply == "sound" else reply

        kept, dropped, _ = written(write)
        exercises = Counter(row["reason"] for row in dropped if row["task"] == "extractive_question")
        texts = Counter(row["reason"] for row in dropped if row["task"] == "comprehension")
        failed = {
            "engine error": replies.count("engine"),
            "unparsable": 3 - replies.count("sound") - replies.count("engine"),
        }
        assert exercises == +Counter(failed)
        assert len(kept) == replies.count("sound")
        assert texts == +Counter({"no sound exercise": 3 - len(kept)})

    def test_each_text_records_its_lineage(self):
        for row in written()[0]:
            lineage = row["lineage"]
            (source,) = [passage for passage in ROWS if passage["id"] == lineage["passage_id"]]
            assert (lineage["document_id"], lineage["start"]) == (source["document_id"], source["start"])
            assert (lineage["end"], lineage["model"], lineage["revision"]) == (source["end"], "planted", "1")
            assert lineage["prompt"] == "instructions/extractive_question"
            assert lineage["prompt_hash"]
            assert len(lineage["requests"]) == 1  # the key of a completion, with its sampling

    @settings(max_examples=10, deadline=None)
    @given(st.permutations(range(3)), st.integers(0, 99))
    def test_input_and_seed_determine_every_byte_and_the_order_of_passages_does_not_matter(self, order, seed):
        first = written(recipe={"seed": seed})[0]
        again = written(rows=[ROWS[place] for place in order], recipe={"seed": seed})[0]
        assert sorted(first, key=str) == sorted(again, key=str)

    def test_an_answer_that_the_passage_does_not_support_is_dropped_and_counted(self):
        def write(request):
            return json.dumps(json.loads(converter(request)) | {"answer": "a green bicycle"})

        assert {row["reason"] for row in written(write)[1]} == {"answer not in passage", "no sound exercise"}

    @pytest.mark.slow
    def test_the_pool_draws_tasks_by_weight_seed_and_number_per_passage(self):
        rows = [passage(f"{LAW} Number {number}.", number) for number in range(200)]
        options = {"tasks": {"extractive_question": 3, "closed_book_question": 1}, "per_passage": 1}

        def drawn(seed):
            requests = ask(comprehend, rows, converter, recipe={"seed": seed}, **options)[2]
            return [request.task for request in requests]

        assert len(drawn(0)) == 200
        assert 130 < drawn(0).count("extractive_question") < 170
        assert drawn(0) != drawn(1)
        assert drawn(0) == drawn(0)


class TestBonito:
    def test_there_are_many_task_types_and_an_unknown_one_is_an_error(self):
        assert len(POOL) >= 10
        with pytest.raises(ValidationError, match="there is no task 'sentiment'"):
            written(tasks=["sentiment"])

    @pytest.mark.parametrize(
        "reply",
        [
            "{pair}{pair}",
            "A draft: {pair}\nBetter: {pair}",
            "{{}} {pair}",
            "{pair} or {{question}}",
            "[{pair}, {pair}]",
            "```json\n{pair}\n```\n```json\n{pair}\n```",
            '{{"question": "{pair}"}}',
        ],
    )
    def test_a_reply_without_exactly_one_pair_is_unparsable(self, reply):
        dropped = written(lambda request: reply.format(pair=converter(request)), on=instruct)[1]
        assert [row["reason"] for row in dropped] == ["unparsable"] * 3

    @pytest.mark.parametrize(
        "reply",
        [
            "Here it is: {pair}",
            "{pair} I hope this helps.",
            "As {{question, answer}}:\n```json\n{pair}\n```",
            "```python\nprint()\n```\n```\n{pair}\n```",
            "<think>\nFirst {pair}\n</think>\n{pair}",
        ],
    )
    def test_the_only_pair_is_parsed_from_a_fence_from_prose_and_after_reasoning(self, reply):
        kept = written(lambda request: reply.format(pair=converter(request)), on=instruct)[0]
        assert len(kept) == 3

    @pytest.mark.parametrize("stage", [instruct, comprehend])
    def test_the_yield_of_each_task_is_reported(self, stage):
        table, where = table_of(TABLES["passages"], ROWS), context(stage.name)
        options = stage.options.model_validate({"tasks": ["extractive_question", "summary"]})
        answers = answers_to(list(stage.ask(table, options, where)), by_task, WHO)
        figures = stage.read(table, answers, options, where).figures
        assert {name: count for name, count in figures.items() if name.startswith(("written", "sound"))} == {
            "written_extractive_question": 3,
            "sound_extractive_question": 3,
            "written_summary": 3,
            "sound_summary": 0,
        }

    @pytest.mark.parametrize("stage", [instruct, comprehend])
    def test_the_yield_of_every_task_counts_its_sound_answers(self, stage):
        table, where = table_of(TABLES["passages"], [passage(TEXT)]), context(stage.name)
        options = stage.options.model_validate({"tasks": list(GOOD), "per_passage": 0})
        answers = answers_to(list(stage.ask(table, options, where)), lambda r: json.dumps(GOOD[r.task]), WHO)
        figures = stage.read(table, answers, options, where).figures
        assert {task: figures[f"written_{task}"] for task in GOOD} == dict.fromkeys(GOOD, 1)
        assert {task: figures[f"sound_{task}"] for task in GOOD} == dict.fromkeys(GOOD, 1)

    def test_every_answer_becomes_a_kept_or_dropped_row_with_its_task(self):
        kept, dropped, requests = written(by_task, on=instruct, tasks=["extractive_question", "summary"])
        assert Counter(row["task"] for row in kept) == {"extractive_question": 3}
        assert Counter((row["task"], row["reason"]) for row in dropped) == {("summary", "unparsable"): 3}
        assert len(kept) + len(dropped) == len(requests)

    def test_three_samples_become_three_rows_each_with_its_own_request(self):
        answers = ["the harbor master", "harbor master", "the harbor master within 48 hours"]

        def write(request):
            return json.dumps({"question": PAIRS[LAW][0], "answer": answers[request.sample]})

        sampling = {"samples": 3, "temperature": 0.5, "top_p": 0.95}
        kept, dropped, requests = written(write, ROWS[:1], instruct, **sampling)
        assert not dropped
        keys = {request.key(WHO): request for request in requests}
        assert {row["answer"]: keys[row["lineage"]["requests"][0]].sample for row in kept} == {
            answer: sample for sample, answer in enumerate(answers)
        }
        assert {(request.sampling.temperature, request.sampling.top_p) for request in requests} == {
            (0.5, 0.95)
        }

    def test_every_row_that_needs_the_context_has_it(self):
        kept = written(on=instruct)[0]
        assert len(kept) == 3
        for row in kept:
            assert row["context"] in PAIRS
            assert row["prompt"][-1]["content"] == f"{row['context']}\n\n{row['question']}"
            assert not {"{{", "{passage}", "{statement}"} & set(row["prompt"][-1]["content"].split())
            assert row["answer"] in row["context"]  # extractive

    @settings(max_examples=20, deadline=None)
    @given(st.permutations(range(3)))
    def test_answers_are_matched_to_their_rows_in_any_order(self, order):
        table, where = table_of(TABLES["passages"], ROWS), context("instruct")
        options = instruct.options.model_validate({"tasks": ["extractive_question"]})
        requests = list(instruct.ask(table, options, where))
        answers = Answers(
            Answer(requests[place], Completion(str(place), converter(requests[place]), "stop", "m", "r"))
            for place in order
        )
        kept: pa.Table = instruct.read(table, answers, options, where).kept
        assert [(row["question"], row["answer"]) for row in kept.to_pylist()] == list(PAIRS.values())


class TestInstructionPreTraining:
    def test_a_passage_gets_several_exercises_without_repeated_questions(self):
        kept, dropped, _ = written(tasks=["extractive_question", "closed_book_question"])
        assert all(
            row["text"].count(PAIRS[text][0]) == 1 for row in kept for text in PAIRS if text in row["text"]
        )
        assert {row["reason"] for row in dropped} <= {"repeated", "answer repeats the question"}

    def test_the_form_of_the_texts_varies(self):
        rows = [passage(f"{LAW}\n\nNumber {number}.", number) for number in range(80)]
        kept = written(rows=rows)[0]
        around = {row["text"].replace(f"Number {number}.", "") for number, row in enumerate(kept)}
        assert len(around) > 40
        last = sum(row["text"].rstrip().endswith(rows[number]["text"]) for number, row in enumerate(kept))
        assert 0 < last < 20  # exercises before the passage

    def test_a_passage_without_an_exercise_is_counted(self):
        kept, dropped, _ = written(lambda request: "{}")
        assert kept == []
        lost = [row for row in dropped if row["task"] == "comprehension"]
        assert [row["lineage"]["passage_id"] for row in lost] == [row["id"] for row in ROWS]
