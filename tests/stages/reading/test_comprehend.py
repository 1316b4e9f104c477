"""Handwritten exercises: sound ones follow their passage in a text, failed ones become dropped rows."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pytest

from datagen.schema import content_id
from datagen.stage import Partitions
from datagen.stages.generate.instruct import stage as instruct
from datagen.stages.reading.comprehend import Options, stage
from datagen.stages.shared.render.exercises import Exercise, bind
from datagen.store.parquet import write_table
from tests.support.asked import WHO, answers_to, ask
from tests.support.rows import context

TEXT = """\
A block is a piece of program text that is executed as a unit. A name
is bound in a block when an assignment names it.

Names in the target list are not deleted when the loop is finished.
"""
EXTRACT = {
    "question": "What are not deleted when the loop is finished?",
    "answer": "Names in the target list",
}
DEFINE = {
    "evidence": "A block is a piece of program text that is executed as a unit.",
    "term": "block",
    "definition": "A piece of program text that is executed as a unit.",
}
SOUND = {
    "extractive_question": EXTRACT,
    "definition": DEFINE,
    "terms": {"terms": ["block", "target list", "unit"]},
}
TASKS = list(SOUND)


def passage(text=TEXT):
    row = {
        "document_id": "d",
        "source": "s",
        "title": "Naming",
        "section": [],
        "text": text,
        "start": 0,
        "index": 0,
    }
    return row | {"id": content_id(text), "end": len(text)}


def writer(answers):
    return lambda request: json.dumps(answers[request.task])


def comprehend(answers, rows=None, **options):
    return ask(stage, rows or [passage()], writer(answers), **{"tasks": TASKS, "per_passage": 0} | options)


def test_the_account_counts_input_and_output():
    rows = pa.Table.from_pylist([passage(), passage("Nothing.")])
    options, where = Options(tasks=TASKS, per_passage=0), context("comprehend")
    requests = list(stage.ask(rows, options, where))
    answers = answers_to(requests, lambda r: writer(SOUND)(r) if r.row == passage()["id"] else "", WHO)
    outcome = stage.read(rows, answers, options, where)
    (text,) = outcome.kept["text"].to_pylist()
    assert (
        outcome.figures.items()
        >= {
            "passage_characters": len(TEXT) + len("Nothing."),
            "bound_characters": len(TEXT),
            "text_characters": len(text),
        }.items()
    )


def run_partitions(rows, folder, size=None, answers=SOUND, **options):
    """Run the stage on partitions of passages; return the rows, the requests and the figures."""
    tables = [
        pa.Table.from_pylist(rows[start : start + (size or 40)]) for start in range(0, len(rows), size or 40)
    ]
    readers = [lambda names, table=table: table.select(names) for table in tables]
    where = replace(context("comprehend"), output=folder)
    prepared = stage.prepare(Partitions(readers), Options(tasks=TASKS, per_passage=0, **options), where)
    kept, dropped, requests, figures = [], [], [], Counter()
    for table in tables:
        batch = list(stage.ask(table, prepared, where))
        outcome = stage.read(table, answers_to(batch, writer(answers), WHO), prepared, where)
        kept, dropped = kept + outcome.kept.to_pylist(), dropped + outcome.dropped.to_pylist()
        requests += batch
        figures.update(outcome.figures)
    return kept, dropped, requests, figures


@pytest.mark.slow
def test_transformllm_no_request_is_sent_beyond_the_token_target(blanks, tmp_path):
    rows = [passage(f"{TEXT}\nNumber {number}." + " Bees sleep." * number) for number in range(40)]
    length = {row["id"]: len(row["text"].split()) for row in rows}
    target = sum(length.values()) // 2
    settings = {"tokenizer": blanks, "expected": 1.5}
    chosen = []
    for size in (40, 7, 1):
        kept, dropped, requests, figures = run_partitions(
            rows, tmp_path, size, max_total_tokens=target, **settings
        )
        asked = {request.row for request in requests}
        expected = 1.5 * sum(length[row] + 1 for row in asked)  # each with its end token
        assert target - 1.5 * (max(length.values()) + 1) < expected <= target
        assert {row["lineage"]["passage_id"] for row in kept} <= asked
        assert {row["reason"] for row in dropped} == {"over the token target"}
        assert len(kept) + sum(row["task"] == "comprehension" for row in dropped) == len(rows)
        assert figures["passage_tokens"] == sum(length.values())
        assert figures["sampled_tokens"] == sum(length[row] for row in asked)
        assert figures["text_tokens"] == sum(len(row["text"].split()) for row in kept)
        assert target / 2 < figures["text_tokens"] + len(kept) <= target
        chosen.append((asked, {row["text"] for row in kept}))
    assert chosen[0] == chosen[1] == chosen[2]
    more = run_partitions(rows, tmp_path, max_total_tokens=target * 3 // 2, **settings)[2]
    assert chosen[0][0] < {request.row for request in more}
    assert not run_partitions(rows, tmp_path, max_total_tokens=0, **settings)[2]
    every = run_partitions(rows, tmp_path, max_total_tokens=10**6, **settings)
    assert len(every[0]) == len(rows) and not every[1]


@pytest.mark.parametrize("longest", [1, 10, 100, 1000])
@pytest.mark.parametrize("target", [0, 1, 60, 600, 6000])
def test_the_token_target_is_an_upper_bound_for_exercises_of_any_length(blanks, tmp_path, target, longest):
    long = {"terms": {"terms": ["block", "target list", "unit"]}, "definition": DEFINE}
    long["extractive_question"] = EXTRACT | {"question": "What " * longest + EXTRACT["question"]}
    rows = [passage(f"{TEXT}\nNumber {number}.") for number in range(20)]
    options = {"tokenizer": blanks, "max_total_tokens": target, "raw_without_exercises": longest > 10}
    kept, dropped, requests, _ = run_partitions(rows, tmp_path, 7, answers=long, **options)
    assert sum(len(row["text"].split()) + 1 for row in kept) <= target
    passages = [row for row in [*kept, *dropped] if row["task"] == "comprehension"]
    assert len(passages) == len(rows)  # each has a text or a reason
    exercises = [e for row in kept for e in exercises_in(row)]
    assert len(exercises) + sum(row["task"] != "comprehension" for row in dropped) == len(requests)


def exercises_in(row):
    return json.loads(row["metadata"])["exercises"]


def test_each_text_lists_its_exercises_with_their_requests_and_spans():
    writing = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 300, "samples": 2}
    (row,), _, requests = comprehend(SOUND, domain="python", recipe={"seed": 7}, **writing)
    requests = [request for request in requests if request.sample == 0]  # the second samples repeat them
    listed = exercises_in(row)
    assert json.loads(row["metadata"])["domain"] == "python"
    asked = {request.task: request for request in requests}
    assert {entry["task"] for entry in listed} == set(SOUND) and len(listed) == 3
    spans = {}
    for entry in listed:
        request = asked[entry["task"]]
        assert entry["question"] in row["text"] and entry["answer"] in row["text"]
        assert (entry["prompt"], entry["prompt_hash"]) == (request.prompt, request.prompt_hash)
        assert (entry["request"], entry["sample"]) == (request.key(WHO), 0)
        sampling = {"repetition_penalty": 1.0, "stop": []}
        assert entry["sampling"] == sampling | {name: writing[name] for name in writing if name != "samples"}
        assert (entry["model"], entry["revision"], entry["seed"]) == (WHO.name, WHO.revision, 7)
        (span,) = entry["gold_spans"]
        assert span["id"] == passage()["id"]
        spans[entry["task"]] = row["text"][span["start"] : span["end"]]
    assert spans["definition"] == DEFINE["evidence"]
    assert (
        spans["extractive_question"] == "Names in the target list are not deleted when the loop is finished."
    )
    assert all(span in TEXT for span in spans.values())


def test_an_exercise_of_a_later_sample_names_it():
    def write(request):
        return json.dumps(EXTRACT if request.sample == 1 else {})

    (row,), *_ = ask(stage, [passage()], write, tasks=["extractive_question"], samples=2, temperature=0.5)
    assert [entry["sample"] for entry in exercises_in(row)] == [1]


def test_transformllm_texts_can_omit_their_passage():
    (row,), *_ = comprehend(SOUND, keep_raw=False)
    assert (
        TEXT not in row["text"] and EXTRACT["answer"] in row["text"] and DEFINE["definition"] in row["text"]
    )
    assert all(entry["gold_spans"] == [] for entry in exercises_in(row))
    with pytest.raises(ValueError, match="raw_without_exercises"):
        Options(keep_raw=False, raw_without_exercises=True)


def test_transformllm_one_recipe_serves_two_domains():
    law = passage(
        "A deed is a signed instrument that passes an interest in property.\n\nHeirs of the grantor."
    )
    answer = {"definition": {"evidence": law["text"].partition("\n")[0], "term": "deed"}}
    answer["definition"]["definition"] = "A signed instrument that passes an interest in property."
    for row, answers, domain in ((passage(), SOUND, "python"), (law, answer, "law")):
        (made,), *_ = comprehend(answers, [row], tasks=["definition"], domain=domain)
        assert json.loads(made["metadata"])["domain"] == domain and row["text"] in made["text"]


def test_transformllm_the_same_input_seed_and_answers_give_the_same_bytes(tmp_path):
    rows = [passage(f"{TEXT}\nNumber {number}.") for number in range(12)]
    options, where = Options(tasks=TASKS, per_passage=2), context("comprehend")
    written = []
    for turn in range(2):
        table = pa.Table.from_pylist(rows)
        requests = list(stage.ask(table, options, where))
        outcome = stage.read(table, answers_to(requests, writer(SOUND), WHO), options, where)
        write_table(outcome.kept, tmp_path / f"{turn}.parquet")
        written.append((tmp_path / f"{turn}.parquet").read_bytes())
    assert written[0] == written[1] and len(outcome.kept) == 12


HASH = """
import hashlib, sys
from pathlib import Path
from tests.stages.reading.test_comprehend import SOUND, TEXT, comprehend, passage
from datagen.schema import EXAMPLES, table_of
from datagen.store.parquet import write_table
kept, *_ = comprehend(SOUND, [passage(f"{TEXT}\\nNumber {number}.") for number in range(12)])
write_table(table_of(EXAMPLES, kept), Path(sys.argv[1]))
print(len(kept), hashlib.sha256(Path(sys.argv[1]).read_bytes()).hexdigest())
"""


@pytest.mark.slow
def test_transformllm_other_processes_write_the_same_bytes(tmp_path):
    """Each process orders sets of texts differently."""
    hashes = [
        subprocess.run(
            [sys.executable, "-c", HASH, tmp_path / f"{seed}.parquet"],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert hashes[0] == hashes[1] and hashes[0].startswith("12 ")


def test_instruction_pretraining_passages_without_pairs_are_kept_as_raw_text():
    bad = {task: {"question": "What?", "answer": ""} for task in TASKS}
    kept, dropped, _ = comprehend(bad, raw_without_exercises=True)
    assert [row["text"] for row in kept] == [TEXT] and exercises_in(kept[0]) == []
    assert {row["task"] for row in dropped} == set(TASKS)
    kept, dropped, _ = comprehend(SOUND, raw_without_exercises=True, share=0.0)
    assert not kept and [row["reason"] for row in dropped] == ["outside the sample"]


@pytest.mark.parametrize("options", [{}, {"tokenizer": "t", "share": 0.5}])
def test_a_target_needs_a_tokenizer_and_no_share(options):
    with pytest.raises(ValueError, match="max_total_tokens needs a tokenizer"):
        Options(max_total_tokens=1, **options)


def test_structtuning_texts_start_with_their_position_in_the_heading_tree():
    (row,), *_ = comprehend(SOUND, [passage() | {"section": ["Names", "Binding"]}], structure=True)
    assert "─ Binding ◀" in row["text"].partition(TEXT)[0]
    bad = {task: {} for task in TASKS}
    (raw,), *_ = comprehend(bad, [passage()], structure=True, raw_without_exercises=True)
    assert "─ Naming ◀" in raw["text"].partition(TEXT)[0] and raw["text"].endswith(TEXT)


def test_sound_exercises_follow_their_passage():
    kept, dropped, requests = comprehend(SOUND)
    assert not dropped
    (row,) = kept
    assert (row["kind"], row["task"], row["question"], row["prompt"]) == (
        "reading",
        "comprehension",
        None,
        None,
    )
    assert row["text"].count(TEXT) == 1  # verbatim
    after = row["text"].partition(TEXT)[2]
    assert EXTRACT["question"] in after
    assert DEFINE["definition"] in after
    assert "block; target list; unit" in after
    assert len(row["lineage"]["requests"]) == len(requests) == 3
    exercises = [
        Exercise("extractive_question", EXTRACT["question"], EXTRACT["answer"]),
    ]
    style = context().prompt("reading/layouts").fields
    alone = comprehend(SOUND, tasks=["extractive_question"])[0][0]
    assert alone["text"] == bind(passage(), exercises, style, 0)


def test_failed_exercises_are_dropped_and_the_others_are_kept():
    kept, dropped, _ = comprehend(SOUND | {"definition": DEFINE | {"term": "unit"}})
    assert [(row["task"], row["reason"]) for row in dropped] == [
        ("definition", "evidence does not define the term")
    ]
    assert json.loads(dropped[0]["answer"])["term"] == "unit"
    assert DEFINE["definition"] not in kept[0]["text"].partition(TEXT)[2]
    assert not set(dropped[0]["lineage"]["requests"]) & set(kept[0]["lineage"]["requests"])


def test_a_passage_without_a_sound_exercise_is_dropped_with_the_reasons():
    bad = {task: {"question": "What?", "answer": ""} for task in TASKS}
    kept, dropped, _ = comprehend(bad)
    assert kept == []
    passages = [row for row in dropped if row["task"] == "comprehension"]
    assert [(row["reason"], row["detail"]) for row in passages] == [
        ("no sound exercise", "2 unparsable, 1 empty")
    ]
    assert len(dropped) == 4
    assert all(row["kind"] == "reading" for row in dropped)


def test_each_passage_has_one_text_or_one_reason():
    rows = [passage(f"{TEXT}\nNumber {number}.") for number in range(40)] + [passage("x ::= y")]
    kept, dropped, _ = comprehend(SOUND | {"terms": {"terms": ["block"]}}, rows, tasks=TASKS[:2], share=0.6)
    without = [row for row in dropped if row["task"] == "comprehension"]
    assert len(kept) + len(without) == len(rows)
    assert {row["reason"] for row in without} <= {
        "outside the sample",
        "no sound exercise",
        "nothing to quote",
    }
    assert 10 < len(kept) < 35


def test_a_question_occurs_once_in_a_text():
    kept, dropped, _ = comprehend(SOUND, tasks=["extractive_question"], samples=2, temperature=0.5)
    assert kept[0]["text"].count(EXTRACT["question"]) == 1
    assert [row["reason"] for row in dropped] == ["repeated"]


def test_the_set_number_of_exercises_is_drawn_for_each_passage():
    rows = [passage(f"{TEXT}\nNumber {number}.") for number in range(30)]
    requests = comprehend(SOUND, rows, per_passage=2)[2]
    asked = {}
    for request in requests:
        asked.setdefault(request.row, []).append(request.task)
    assert all(len(set(tasks)) == 2 for tasks in asked.values())
    assert len({tuple(tasks) for tasks in asked.values()}) == 6  # every order of every pair


def test_another_exercise_is_drawn_if_one_has_nothing_to_quote():
    text = TEXT.partition("Names in")[2].join(["Names in", ""])
    requests = comprehend(SOUND, [passage(text)], per_passage=2)[2]
    assert sorted(request.task for request in requests) == ["extractive_question", "terms"]


def test_comprehend_and_instruct_write_equal_requests():
    ours = comprehend(SOUND, tasks=["definition"])[2]
    theirs = ask(instruct, [passage()], writer(SOUND), tasks=["definition"])[2]
    assert ours == theirs


def test_the_same_seed_gives_the_same_texts():
    first, again = comprehend(SOUND)[0], comprehend(SOUND)[0]
    assert first == again
    assert Options().per_passage == 3
