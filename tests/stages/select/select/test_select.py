"""Budgets by kind, and the selection methods."""

from collections import Counter
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datagen.errors import UserError
from datagen.stages.select.select import stage
from datagen.store.parquet import write_table
from tests.support.rows import example, partitions, put_through

SCORED = {"p_true": pa.float64()}


def ids(rows):
    return {row["id"] for row in rows}


def test_the_best_rows_of_a_kind_are_kept():
    rows = [
        example(id="sure", p_true=0.9, logprob=-9.0),
        example(id="likelier", p_true=0.5, logprob=-1.0),
        example(id="less", p_true=0.5, logprob=-2.0),
        example(id="unscored", p_true=None, logprob=-0.1),
        example("refusal", id="other kind", p_true=None),
    ]
    kept, dropped = put_through(stage, rows, size=2, columns=SCORED, max_rows={"instruction": 2})
    assert ids(kept) == {"sure", "likelier", "other kind"}
    assert {row["id"]: (row["reason"], row["detail"]) for row in dropped} == {
        "less": ("over the budget", "rank 3 of 4 for 2 places, p_true 0.5"),
        "unscored": ("over the budget", "rank 4 of 4 for 2 places, logprob -0.1"),
    }


def test_without_a_budget_every_row_is_kept():
    rows = [example(id=str(number)) for number in range(5)]
    assert len(put_through(stage, rows)[0]) == 5
    assert put_through(stage, [], max_rows={"reading": 1}) == ([], [])


SOME = st.lists(
    st.tuples(st.sampled_from(["reading", "instruction", "refusal"]), st.sampled_from([None, 0.1, 0.9])),
    max_size=25,
)


@settings(max_examples=50, deadline=None)
@given(SOME, st.integers(0, 8), st.integers(1, 9), st.randoms(use_true_random=False))
def test_the_budget_is_exact_monotone_and_independent_of_order(drawn, budget, size, random):
    rows = [example(kind, id=f"{number:03}", p_true=score) for number, (kind, score) in enumerate(drawn)]
    limit = {"reading": budget, "instruction": budget}
    kept, _ = put_through(stage, rows, columns=SCORED, max_rows=limit)
    for kind in ("reading", "instruction", "refusal"):
        had = sum(row["kind"] == kind for row in rows)
        assert sum(row["kind"] == kind for row in kept) == (had if kind == "refusal" else min(budget, had))
    again, _ = put_through(stage, random.sample(rows, len(rows)), size, columns=SCORED, max_rows=limit)
    assert ids(again) == ids(kept)
    more, _ = put_through(stage, rows, columns=SCORED, max_rows=dict.fromkeys(limit, budget + 1))
    assert ids(kept) <= ids(more)


def test_the_seed_breaks_ties():
    rows = [example(id=str(number)) for number in range(40)]
    chosen = [
        ids(put_through(stage, rows, recipe={"seed": seed}, max_rows={"instruction": 20})[0])
        for seed in (0, 0, 1)
    ]
    assert chosen[0] == chosen[1] != chosen[2]


def test_unknown_kinds_are_errors():
    with pytest.raises(ValidationError):
        put_through(stage, [], max_rows={"instructions": 3})


def say(topic, number):
    """Create a question and answer about a topic, distinguished by a number."""
    return {"question": f"What does rule {number} say about {topic}?", "answer": f"It is on {topic}."}


TOPICS = (
    "the theft of mail",
    "wetlands on the coast",
    "pensions of widows",
    "边境的海关检查",
    "налог на землю",
)


def on(topics, each=6, start=0, **fields):
    return [
        example(id=f"{topic} {number}", **say(topic, number), **fields)
        for topic in topics
        for number in range(start, start + each)
    ]


def topics_of(rows):
    return {row["id"].rpartition(" ")[0] for row in rows}


@pytest.mark.parametrize("method", ["coverage", "vote_k"])
def test_few_rows_represent_every_topic(method):
    rows = on(TOPICS)
    options = {"method": {"instruction": method}, "max_rows": {"instruction": 5}, "neighbours": 3}
    kept, dropped = put_through(stage, rows, **options)
    assert len(kept) == 5 and topics_of(kept) == set(TOPICS)
    assert {row["reason"] for row in dropped} == {"over the budget"}
    assert all(
        row["detail"].startswith(f"rank {rank} of 30 for 5 places, ")
        for rank, row in enumerate(sorted(dropped, key=lambda row: int(row["detail"].split()[1])), 6)
    )


@pytest.mark.slow
@pytest.mark.parametrize("method", ["coverage", "vote_k", "entropy"])
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 12), st.integers(1, 5), st.integers(2, 9), st.randoms(use_true_random=False))
def test_neither_order_nor_partitions_nor_blocks_break_the_budget(method, budget, size, block, random):
    rows = on(TOPICS[:3], each=3)
    rows += [example(id=f"copy {number}", **say(TOPICS[0], 0)) for number in range(2)]
    options = {"method": {"instruction": method}, "max_rows": {"instruction": budget}, "block": block}
    kept, dropped = put_through(stage, rows, **options)
    assert len(kept) == min(budget, len(rows)) and len(kept) + len(dropped) == len(rows)
    again, _ = put_through(stage, random.sample(rows, len(rows)), size, **options)
    assert ids(again) == ids(kept)
    more, _ = put_through(stage, rows, **options | {"max_rows": {"instruction": budget + 1}})
    assert ids(kept) <= ids(more)


def test_copies_come_last_and_gain_nothing(tmp_path):
    rows = on(TOPICS[:2], each=2)
    rows += [example(id=f"copy {number}", **say(TOPICS[0], 0)) for number in range(5)]
    options = {"method": {"instruction": "coverage"}, "max_rows": {"instruction": 4}, "block": 2}
    kept, dropped = put_through(stage, rows, output=tmp_path, **options)
    alike = {f"{TOPICS[0]} 0", *(f"copy {number}" for number in range(5))}
    assert len(ids(kept) & alike) == 1
    assert {row["detail"].partition(", ")[2] for row in dropped} == {"gain 0"}
    order = pq.read_table(tmp_path / "order.parquet").to_pylist()
    assert [row["rank"] for row in order] == list(range(1, 10))
    assert {row["id"] for row in order if row["kept"]} == ids(kept)
    assert all(one["worth"] >= next_one["worth"] for one, next_one in pairwise(order))


@pytest.mark.parametrize("budget", [2, 20])
def test_vote_k_fills_the_budget_beyond_rows_with_votes(tmp_path, budget):
    rows = on(TOPICS[:4])
    options = {"method": {"instruction": "vote_k"}, "neighbours": 1, "discount": 2, "output": tmp_path}
    kept, _ = put_through(stage, rows, 5, max_rows={"instruction": budget}, **options)
    order = pq.read_table(tmp_path / "order.parquet").to_pylist()
    voted = [row for row in order if row["worth"]]
    assert 2 < len(voted) < 20  # each has one vote to give, and its own is lost when it is chosen
    assert len(kept) == len(ids(kept)) == budget == sum(row["kept"] for row in order)
    assert ids(kept) == {row["id"] for row in order[:budget]}  # in the order of selection, with their votes
    assert all(one["worth"] >= next_one["worth"] for one, next_one in pairwise(order))


def test_the_hardest_rows_that_the_instruction_helps_with_are_kept():
    measured = {"too hard": 1.0, "hard": 0.97, "middling": 0.8, "easy": 0.1, "unmeasured": None}
    rows = [example(id=name, ifd_ppl=value) for name, value in measured.items()]
    columns = {"ifd_ppl": pa.float64()}
    options = {"method": {"instruction": "ifd_ppl"}, "max_share": {"instruction": 0.3}}
    kept, dropped = put_through(stage, rows, 2, columns=columns, **options)
    assert ids(kept) == {"hard", "middling"}  # 0.3 of 5, rounded up
    assert {row["id"]: (row["reason"], row["detail"]) for row in dropped} == {
        "too hard": ("the instruction does not help", "ifd_ppl 1"),
        "easy": ("over the budget", "rank 3 of 5 for 2 places, ifd_ppl 0.1"),
        "unmeasured": ("over the budget", "rank 4 of 5 for 2 places, no ifd_ppl"),
    }
    kept, _ = put_through(stage, rows, columns=columns, method={"instruction": "ifd_ppl"})
    assert ids(kept) == {*measured} - {"too hard"}
    with pytest.raises(UserError, match="no column ifd"):
        put_through(stage, rows, columns=columns, method={"instruction": "ifd"})


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 9), st.randoms(use_true_random=False))
def test_ties_in_difficulty_are_broken_the_same_way(size, random):
    rows = [example(id=str(number), ifd_ppl=0.5) for number in range(20)]
    options = {"columns": {"ifd_ppl": pa.float64()}, "method": {"instruction": "ifd_ppl"}}
    kept, _ = put_through(stage, rows, max_share={"instruction": 0.25}, **options)
    again, _ = put_through(stage, random.sample(rows, 20), size, max_share={"instruction": 0.25}, **options)
    assert len(kept) == 5 and ids(again) == ids(kept)


def release(folder, rows):
    """Write the hand-off of an earlier run."""
    table = next(iter(partitions(rows)))
    write_table(table, folder / "before" / "stages" / "handoff" / "part-00000.parquet")
    return {"earlier": [str(folder / "before")]}


def test_rows_like_the_earlier_release_are_not_chosen(tmp_path):
    earlier = release(tmp_path, on(TOPICS[:3]))
    rows = on(TOPICS[:3], each=2) + on(TOPICS[3:], each=2, start=7)
    for method in ("novelty", "coverage"):
        options = {"method": {"instruction": method}, "max_rows": {"instruction": 2}, **earlier}
        kept, dropped = put_through(stage, rows, **options)
        assert len(kept) == 2 and topics_of(kept) <= set(TOPICS[3:])
        old = [row["detail"].split()[-1] for row in dropped if topics_of([row]) <= set(TOPICS[:3])]
        assert len(old) == 6 and max(map(float, old)) <= (0 if method == "novelty" else 5e-3)
    with pytest.raises(UserError, match=r"select.earlier: .*nowhere has no hand-off"):
        put_through(stage, rows, folder=tmp_path, **options | {"earlier": ["nowhere"]})


def test_only_similarity_to_wanted_examples_counts(tmp_path):
    path = tmp_path / "wanted.jsonl"
    path.write_text('{"question": "Which penalty has the theft of mail?"}\n{"text": "налог на землю"}\n')
    options = {"method": {"instruction": "coverage"}, "max_rows": {"instruction": 2}, "wanted": [str(path)]}
    kept, _ = put_through(stage, on(TOPICS), **options)
    assert topics_of(kept) == {TOPICS[0], TOPICS[4]}
    path.write_text("no JSON")
    with pytest.raises(UserError, match=r"select.wanted: .*cannot be read"):
        put_through(stage, on(TOPICS), **options)


def test_categories_are_balanced():
    rows = [example(id=f"qa {number}", task="qa", document=f"d{number % 2}") for number in range(20)]
    rows += [example(id=f"list {number}", task="list", document=f"d{number % 2}") for number in range(9)]
    options = {"method": {"instruction": "entropy"}, "max_rows": {"instruction": 8}}
    kept, _ = put_through(stage, rows, 7, **options)
    assert Counter(row["task"] for row in kept) == {"qa": 4, "list": 4}
    assert Counter(row["lineage"]["document_id"] for row in kept) == {"d0": 4, "d1": 4}
    with pytest.raises(UserError, match=r"select.categories: colour"):
        put_through(stage, rows, **options, categories=["colour"])


def test_openings_are_balanced():
    openings = ["What is"] * 20 + ["Explain how"] * 5 + ["List the"] * 5
    rows = [example(id=str(n), question=f"{opening} land {n} ?") for n, opening in enumerate(openings)]
    options = {"method": {"instruction": "entropy"}, "max_rows": {"instruction": 9}}
    kept, _ = put_through(stage, rows, 7, **options, categories=["opening"])
    assert Counter(row["question"][:4] for row in kept) == {"What": 3, "Expl": 3, "List": 3}


def test_positions_are_balanced_within_documents_of_different_length():
    rows = [place("short", start, start + 10) for start in range(0, 100, 10)]
    rows += [place("long", start, start + 1000) for start in (*range(0, 1000, 20), *range(1000, 10000, 1000))]
    options = {"method": {"instruction": "entropy"}, "max_rows": {"instruction": 20}}
    kept, _ = put_through(stage, rows, 16, **options, categories=["position"])
    tenths = Counter(
        row["lineage"]["start"] * 10 // {"short": 100, "long": 10000}[row["lineage"]["document_id"]]
        for row in kept
    )
    assert tenths == dict.fromkeys(range(10), 2)


def test_rows_without_a_place_or_question_can_be_balanced():
    rows = [place("d", 0, 10), *(example(id=f"own {n}", question=None) for n in range(3))]
    options = {"method": {"instruction": "entropy"}, "max_rows": {"instruction": 2}}
    kept, _ = put_through(stage, rows, **options, categories=["position", "opening"])
    assert {row["lineage"]["document_id"] for row in kept} == {"d"} and len(kept) == 2
    assert sum(row["question"] is None for row in kept) == 1


def place(document, start, end):
    """Make a row about a span of a document."""
    row = example(id=f"{document} {start}", document=document, question="What is it?")
    row["lineage"] |= {"start": start, "end": end}
    return row


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """A model folder with a word tokenizer."""
    pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("model")
    words = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    return str(folder)


@pytest.mark.slow
def test_tokens_are_a_budget(tokenizer):
    lengths = {"five": 5, "three": 3, "four": 4, "one": 1}
    rows = [
        example("reading", id=name, text="w " * tokens, p_true=0.9 - number / 10)
        for number, (name, tokens) in enumerate(lengths.items())
    ]
    options = {"columns": SCORED, "tokenizer": tokenizer}
    kept, dropped = put_through(stage, rows, 3, max_tokens={"reading": 9}, **options)
    assert ids(kept) == {"five", "three", "one"}  # four does not fit and is skipped
    assert [row["detail"] for row in dropped] == [
        "rank 3 of 4 for 4 places and 9 tokens, 4 tokens, p_true 0.7"
    ]
    kept, _ = put_through(stage, rows, max_tokens={"reading": 9}, max_rows={"reading": 1}, **options)
    assert ids(kept) == {"five"}
    chat = example(id="chat", question="how many", context="three words here", answer="five of them")
    assert put_through(stage, [chat], max_tokens={"instruction": 7}, **options)[0] == []
    assert len(put_through(stage, [chat], max_tokens={"instruction": 8}, **options)[0]) == 1


def test_a_missing_tokenizer_is_an_error():
    with pytest.raises(UserError, match=r"select.max_tokens: .*hub/model.*select.tokenizer"):
        put_through(stage, on(TOPICS), max_tokens={"instruction": 3}, tokenizer="hub/model")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"earlier": ["a"]}, "earlier is for"),
        ({"wanted": ["a"], "method": {"reading": "vote_k"}}, "wanted is for"),
        ({"method": {"reading": "novelty"}}, "needs earlier"),
    ],
)
def test_unused_options_are_errors(options, message):
    with pytest.raises(ValidationError, match=message):
        stage.options.model_validate(options)


@pytest.mark.parametrize("method", ["score", "ifd", "coverage", "vote_k", "entropy", "novelty"])
def test_a_kind_without_rows(method, tmp_path):
    rows = [
        example(id="one", question="?", answer="…", ifd=None),
        example("refusal", id="two", question="Why?"),
    ]
    options = {"max_share": {"reading": 0.5, "instruction": 0.5}}
    options["method"] = {"reading": method, "instruction": method}
    options |= release(tmp_path, [example(question="Who?")]) if method == "novelty" else {}
    kept, _ = put_through(stage, rows, columns={"ifd": pa.float64()}, **options)
    assert ids(kept) == {"one", "two"}
