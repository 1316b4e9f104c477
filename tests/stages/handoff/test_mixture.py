"""Shares, phases, domains, closed-book forms and the knowledge test."""

import json
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datagen.errors import UserError
from datagen.schema import chat, fraction
from datagen.stage import NOTICES, Partitions
from datagen.stages.handoff.mix import difficulty, ledger, mentions, stage
from tests.support.rows import example, partitions, put_through

PLAIN = {"closed_book": 0, "knowledge_test": 0, "max_share": {}, "validation": 0}
SERVED = {"models": {"generator": {"engine": "openai", "model": "m", "base_url": "http://localhost"}}}


def texts(count, source="a.md", task="mined", start=0):
    return [
        example(
            "reading", text=f"Text {n} of {source}.", task=task, id=f"{source} {task} {n}", **at(source, n)
        )
        for n in range(start, start + count)
    ]


def at(source, document):
    lineage = {"document_id": f"{source} {document}", "source": source, "requests": [], "parents": []}
    return {"lineage": lineage | {"passage_id": f"{source} {document}"}}


def pairs(count, source="a.md"):
    return [
        example(question=f"Q{n}?", answer="A", id=f"pair {source} {n}", **at(source, n)) for n in range(count)
    ]


def mixed(rows, size=None, output=None, **options):
    return put_through(stage, rows, size, recipe=SERVED, output=output, **(PLAIN | options))


def ids(rows):
    return {row["id"] for row in rows}


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 300), st.integers(1, 9), st.integers(1, 9))
def test_actual_shares_match_and_the_scarcest_part_is_used_up(a, b, c, one, two):
    total = one + two + 2
    shares = {"a": one / total, "b": two / total}  # 2 / total is left for the rest
    rows = [*texts(a, "a.md"), *texts(b, "b.md"), *texts(c, "c.md")]
    parts = {name: {"source": f"{name}.*", "share": share} for name, share in shares.items()}
    kept, dropped = mixed(rows, size=101, parts=parts)
    left = Counter(row["part"] for row in kept)
    for name, share in (shares | {"rest": 2 / total}).items():
        assert abs(left[name] - share * len(kept)) <= 1.5
    used = {"a": left["a"] / a, "b": left["b"] / b, "rest": left["rest"] / c}
    assert max(used.values()) == 1 or len(kept) < 3 * total
    assert {row["reason"] for row in dropped} <= {"over the share"}


def test_shares_are_within_one_percent_on_a_large_set():
    rows = [*texts(3000, "a.md"), *texts(2000, "b.md")]
    kept, _ = mixed(rows, size=700, parts={"b": {"source": "b*", "share": 0.7}}, total=1500)
    assert len(kept) == 1500 and abs(sum(row["part"] == "b" for row in kept) / 1500 - 0.7) < 0.01


def test_added_rows_do_not_change_the_selection_of_other_parts():
    parts = {"b": {"source": "b*", "share": 0.5}}
    before, _ = mixed([*texts(400, "a.md"), *texts(100, "b.md")], parts=parts)
    after, _ = mixed([*texts(500, "a.md"), *texts(120, "b.md")][::-1], size=50, parts=parts)
    kept = ids(before) & ids(after)
    # New rows take the place of some old ones; of those that stay in view most are taken again.
    assert ids(texts(100, "b.md")) <= ids(after) and len(kept) > 0.9 * len(before)
    more, _ = mixed([*texts(900, "a.md"), *texts(100, "b.md")], parts=parts)
    assert {row["id"] for row in before if row["part"] == "b"} == {
        row["id"] for row in more if row["part"] == "b"
    }


def test_many_documents_and_sources_are_numbers():
    rows = [row for n in range(40) for row in texts(2, f"{'ab'[n % 2]}/{n}.md")]
    domains, patterns = {"first": ["a/*"]}, {"*", "*7.md", "c*"}
    read = ledger.read(partitions(rows, 7), domains, patterns, "0")
    assert len(read) == 80 and len(read.document_draws) == 80
    assert {(traits.domain, traits.sources) for traits in read.combinations} == {
        ("first", frozenset({"*"})),
        ("other", frozenset({"*"})),
        ("other", frozenset({"*", "*7.md"})),
    }
    assert read.in_domain("first").sum() == 40 and read.domains == ["first", "other"]


def test_a_shortage_error_states_the_missing_rows():
    rows = [*texts(100, "a.md"), *texts(10, "b.md")]
    parts = {"rare": {"source": "b*", "share": 0.5}}
    with pytest.raises(UserError, match=r"part 'rare' of phase 1: 50 requested, 40 missing"):
        mixed(rows, parts=parts, total=100)
    with pytest.raises(UserError, match=r"part 'none'.*has no rows"):
        mixed(rows, parts={"none": {"source": "x*", "share": 0.5}})
    kept, _ = mixed(rows, parts=parts, total=100, shortage="fill")
    assert Counter(row["part"] for row in kept) == {"rest": 90, "rare": 10}


def test_a_mixture_that_cannot_be_filled_is_stated(tmp_path):
    rows, parts = [*texts(100, "a.md"), *texts(10, "b.md")], {"rare": {"source": "b*", "share": 0.5}}
    kept, _ = mixed(rows, parts=parts, total=400, shortage="fill", output=tmp_path)
    assert len(kept) == 110
    stated = "the mixture has 110 of the 400 rows requested: no part has more"
    assert json.loads((tmp_path / NOTICES).read_text()) == [stated]
    assert json.loads((tmp_path / "mixture.json").read_text())["warnings"] == [stated]
    with pytest.raises(UserError, match="part 'none' of phase 1 has no rows, so there is nothing to fill"):
        mixed(rows, parts={"none": {"source": "x*", "share": 1}}, total=10, shortage="fill")


def test_rows_of_no_part_are_dropped():
    kept, dropped = mixed([*texts(5, "a.md"), *texts(5, "b.md")], parts={"a": {"source": "a*", "share": 1}})
    assert ids(kept) == ids(texts(5, "a.md"))
    assert {row["reason"] for row in dropped} == {"in no part of the mixture"}


def test_untrainable_rows_do_not_count_towards_shares():
    blank = [example("reading", text=" ", id=f"blank {n}", **at("b.md", n)) for n in range(5)]
    kept, dropped = mixed([*texts(5), *texts(5, "b.md"), *blank], parts={"b": {"source": "b*", "share": 0.5}})
    assert len(kept) == 10 and {row["reason"] for row in dropped} == {"incomplete"}


def test_phases_are_in_order_with_their_own_shares(tmp_path):
    rows = [*texts(900, "domain.md"), *texts(900, "general.md", task="general")]
    general = {"task": "general"}
    phases = [
        {"share": 0.9, "parts": {"general": general | {"share": 0.6}}},
        {"share": 0.1, "parts": {"general": general | {"share": 0.1}}},
    ]
    kept, _ = mixed(rows, phases=phases, total=1000, output=tmp_path)
    counts = Counter((row["phase"], row["part"]) for row in kept)
    assert counts == {(1, "general"): 540, (1, "rest"): 360, (2, "general"): 10, (2, "rest"): 90}
    assert [row["phase"] for row in kept] == [1] * 900 + [2] * 100
    plan = json.loads((tmp_path / "mixture.json").read_text())
    assert plan["ordered"] and {"phase": 2, "part": "rest", "share": 0.9} in plan["requested"]


def test_rows_without_difficulty_come_first_and_do_not_move_the_others():
    table = pa.table({"id": [*map(str, range(20))], "ifd": [None] * 10 + [n / 10 for n in range(10)]})
    replayed = pa.table({"id": ["general"] * 20})
    levels = difficulty.levels(Partitions([lambda _, rows=rows: rows for rows in (table, replayed)]), "ifd")
    assert levels.tolist() == [0] * 10 + [*range(10)] + [0] * 20


def test_easiest_rows_come_first(tmp_path):
    rows = [row | {"ifd": n / 100} for n, row in enumerate(pairs(100))]
    kept, _ = put_through(
        stage, rows[::-1], columns={"ifd": pa.float64()}, recipe=SERVED, output=tmp_path,
        **(PLAIN | {"order": "difficulty"}),
    )  # fmt: skip
    assert json.loads((tmp_path / "mixture.json").read_text())["ordered"]
    levels = [row["order"] for row in kept]
    assert levels == sorted(levels) and set(levels) == set(range(10))
    easiest = {row["id"] for row in kept[:10]}
    assert easiest == ids(rows[:10])
    with pytest.raises(UserError, match="no column 'ifd'"):
        mixed(pairs(3), order="difficulty")


def test_refusals_are_capped_in_each_domain():
    refusals = [
        example("refusal", question=f"R{n} {source}?", answer="No.", id=f"r {source} {n}", **at(source, n))
        for source in ("law/x.md", "art/y.md")
        for n in range(10)
    ]
    rows = [*pairs(40, "law/x.md"), *refusals]
    domains = {"law": ["law/*"], "art": ["art/*"]}
    kept, dropped = mixed(rows, domains=domains, max_share={"refusal": 0.2})
    assert Counter(row["id"][:5] for row in kept if row["kind"] == "refusal") == {"r law": 10}
    assert "10 rows in art; with 0 others" in dropped[0]["detail"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"parts": {"a": {"share": 0.7}, "b": {"share": 0.7}}},
        {"phases": [{"share": 0.5, "parts": {"a": {"share": 1}}}]},
        {"shortage": "fill", "parts": {"a": {"share": 1}}},
        {"parts": {"rest": {"share": 0.5}}},
        {"parts": {"a": {"share": 1}}, "phases": [{"parts": {"a": {"share": 1}}}]},
    ],
)
def test_invalid_shares_are_rejected(wrong):
    with pytest.raises(ValidationError):
        stage.options.model_validate(wrong)


def test_validation_has_about_its_share_of_each_kind():
    # Few documents have all the pairs, and one has a third of the texts.
    rows = [row | at("a.md", n % 40) for n, row in enumerate(pairs(120))]
    rows += [row | at("a.md", n % 400) for n, row in enumerate(texts(600))]
    rows += [row | at("a.md", 401) for row in texts(300, start=600)]
    for seed in range(12):  # by the draws of documents alone, some of these are off by more than half
        recipe = SERVED | {"seed": seed}
        kept, _ = put_through(stage, rows, recipe=recipe, **(PLAIN | {"validation": 0.1}))
        for kind, count in (("reading", 900), ("instruction", 120)):
            held = sum(row["split"] == "validation" for row in kept if row["kind"] == kind)
            assert 0.05 <= held / count <= 0.15, (seed, kind)


def test_validation_has_its_share_of_the_rows_within_the_cap(tmp_path):
    rows = [row | at("a.md", n % 40) for n, row in enumerate(pairs(240))]
    rows += [
        example("refusal", id=f"r{n}", question=f"What is town {n}?", answer="I do not know.",
                lineage=at("a.md", n % 40)["lineage"])
        for n in range(600)
    ]  # fmt: skip
    for seed in range(8):
        kept, _ = put_through(
            stage,
            rows,
            recipe=SERVED | {"seed": seed},
            **(PLAIN | {"validation": 0.1, "max_share": {"refusal": 0.2}}),
        )
        refusals = [row["split"] for row in kept if row["kind"] == "refusal"]
        assert len(refusals) == 60
        assert 3 <= refusals.count("validation") <= 9, seed


def held_out(tmp_path, documents, share=0.05, each=10):
    """The documents in validation, and what the stage tells the user, for twelve seeds."""
    rows = [row | at("a.md", n % documents) for n, row in enumerate(texts(documents * each))]
    for seed in range(12):
        output = tmp_path / f"{documents}-{seed}"
        recipe = SERVED | {"seed": seed}
        kept, _ = put_through(stage, rows, recipe=recipe, output=output, **(PLAIN | {"validation": share}))
        names = {row["lineage"]["document_id"] for row in kept if row["split"] == "validation"}
        notices = output / NOTICES
        yield len(names), json.loads(notices.read_text()) if notices.exists() else []


def test_one_of_ten_equal_documents_is_held_out_rather_than_none(tmp_path):
    """At 5% both are off by the same."""
    expected = (
        "reading: validation has 10 of 100 rows; the requested share is 0.05, and the rows are from "
        "10 documents, of which the smallest has 10% of the rows"
    )
    assert list(held_out(tmp_path, 10)) == [(1, [expected])] * 12


@pytest.mark.parametrize(
    ("documents", "origin"),
    [
        (1, "a single document"),
        (
            4,
            "4 documents, of which the smallest has 25% of the rows. mix.validation: 0.25 holds out about 10",
        ),
    ],
)
def test_an_empty_validation_split_is_shown_with_its_cause(tmp_path, documents, origin):
    expected = f"reading: validation has no rows; the requested share is 0.05, and the rows are from {origin}"
    assert list(held_out(tmp_path, documents)) == [(0, [expected])] * 12


def test_the_smallest_of_uneven_documents_is_named(tmp_path):
    rows = [row | at("a.md", n > 30) for n, row in enumerate(texts(100))]
    mixed(rows, validation=0.05, output=tmp_path)
    [notice] = json.loads((tmp_path / NOTICES).read_text())
    assert "2 documents, of which the smallest has 31% of the rows" in notice


def test_a_tiny_validation_split_is_shown_with_a_share_that_holds_out_enough(tmp_path):
    for held, [message] in held_out(tmp_path, 30, each=3):
        assert held < 4 and message.endswith(". mix.validation: 0.12 holds out about 11")


def test_a_validation_split_far_above_its_share_is_shown(tmp_path):
    expected = (
        "reading: validation has 20 of 40 rows; the requested share is 0.3, and the rows are from "
        "2 documents, of which the smallest has 50% of the rows"
    )
    assert list(held_out(tmp_path, 2, 0.3, each=20)) == [(1, [expected])] * 12


def test_a_kind_without_training_rows_is_shown(tmp_path):
    [(held, [message])] = {str(found): found for found in held_out(tmp_path, 1, 0.9)}.values()
    assert held == 1 and message.startswith("reading: validation has all rows")


TOWNS = [
    "Arlen",
    "Bexley",
    "Corby",
    "Dunmore",
    "Elswick",
    "Formby",
    "Garstang",
    "Hexham",
    "Ilkley",
    "Jarrow",
    "Kelso",
    "Louth",
]


def town(number, **fields):
    question = f"In which town does the harbour company number {number} keep its ledger?"
    answer = TOWNS[number % len(TOWNS)]
    context = f"The harbour company number {number} keeps its ledger in {answer}."
    row = example(
        question=question, context=context, answer=answer, id=f"town {number}", **at("a.md", number)
    )
    text = example("reading", text=context, id=f"text {number}", task="mined", **at("a.md", number))
    return [row | fields, text]


def towns(count=60):
    return [row for number in range(count) for row in town(number)]


def test_self_contained_pairs_lose_their_passage_at_the_requested_share():
    rows = [*towns(80), example(question="What does it say here?", context="C", answer="A", id="needs it")]
    rows += [town(n)[0] | {"answer": f"According to the text, in {TOWNS[0]}."} for n in range(80, 120)]
    kept, _ = mixed(rows, closed_book=0.5)
    instructions = [row for row in kept if row["kind"] == "instruction"]
    closed = [row for row in instructions if row["context"] is None]
    assert 25 < len(closed) < 55 and ids(closed) <= {f"town {number}" for number in range(80)}
    for row in closed:
        assert row["prompt"] == chat(row["question"])
    shown = [row for row in instructions if row["context"]]
    assert all(row["context"] in row["prompt"][0]["content"] for row in shown)
    again, _ = mixed(rows[::-1], size=7, closed_book=0.5)
    assert ids(closed) == {row["id"] for row in again if row["kind"] == "instruction" and not row["context"]}


def test_only_training_rows_lose_their_passage():
    kept, _ = mixed(towns(), closed_book=1, validation=0.4)
    shown = {(row["split"], row["context"] is not None) for row in kept if row["kind"] == "instruction"}
    assert shown == {("train", False), ("validation", True)}


def test_declined_questions_are_not_closed_book():
    declined = example("refusal", question=town(3)[0]["question"], answer="I do not know.", id="declined")
    kept, _ = mixed([*towns(), declined], closed_book=1)
    [row] = [row for row in kept if row["id"] == "town 3"]
    assert row["context"] and row["split"] == "train" and "declined" in ids(kept)


def test_a_declined_question_is_tested_without_its_refusal():
    """Otherwise the test has only questions that the target answers anyway."""
    declined = [
        example("refusal", question=town(n)[0]["question"], answer="I do not know.", id=f"declined {n}")
        for n in range(60)
    ]
    kept, dropped = mixed([*towns(), *declined], knowledge_test=0.3)
    tested = {row["id"].split()[1] for row in kept if row["split"] == "knowledge_test"}
    assert 8 < len(tested) < 28 and ids(dropped) == {f"declined {name}" for name in tested}


def test_rows_that_contain_a_tested_question_are_not_trained():
    [pair, _] = town(3)
    question, lineage = pair["question"], {"lineage": at("b.md", 1)["lineage"]}
    other = {"context": "Another text.", "answer": "A"} | lineage
    earlier = [*chat(question), {"role": "assistant", "content": pair["answer"]}, *chat("And why?")]
    rows = [
        example(question=f"{question} (A) {TOWNS[0]} (B) {TOWNS[3]}", id="options", **other),
        example(question="And why?", prompt=earlier, id="earlier turn", **other),
        example(question="Ask for the town.", id="as answer", **(other | {"answer": question.upper()})),
        example("preference", question="Q?", prompt=chat(f"A. {question} B."), rejected="R", id="lure", **other),
        example("preference", question="Q?", rejected=f"Why not: {question}", id="as rejected", **other),
        example(question=question, prompt=chat("Guess the question."), id="only in its field", **other),
        example("reading", text=f"Exercise: {question}", id="other document", **lineage),
        example(question="Where is it sunny?", id="unrelated", **other),
    ]  # fmt: skip
    kept, dropped = mixed([*towns(), *rows], size=11, knowledge_test=0.99)
    tested = {row["id"] for row in kept if row["split"] == "knowledge_test"}
    assert "town 3" in tested and ids(dropped) == ids(rows) - {"unrelated"}
    assert {row["reason"] for row in dropped} == {"question of the knowledge test"}


@pytest.mark.parametrize(
    "question", ["Wer fand die Insel?", "Wo liegt die Gießerei?", "誰がその島を発見したか。"]
)
def test_a_question_is_found_whatever_its_case_and_punctuation(question):
    questions = mentions.Questions.of([mentions.same(question)])
    assert questions.within(f"“{question.upper()}”, so die Frage.") == {mentions.same(question)}
    assert not questions.within("Wer fand die Inseln und 誰がその島を?")


def test_a_question_of_a_language_without_spaces_is_found_within_a_sentence():
    question = mentions.same("島は、どこにあるか。")  # two runs of characters
    assert mentions.Questions.of([question]).within("その島は、どこにあるかと聞いた。") == {question}


def test_questions_with_the_same_first_word_are_all_found():
    asked = {mentions.same(text) for text in ("Who found it?", "Who found it in May?", "Who sold the boat?")}
    found = mentions.Questions.of(asked).within("Exercises: who found it in May? Who sold the boat?")
    assert found == asked
    assert mentions.Questions.of({mentions.same("?!")}).within("Any text.") == set()


@pytest.mark.parametrize("count", [10, 20, 40])
def test_few_questions_are_held_out_in_about_the_requested_share(count):
    """The draws alone hold out none of ten questions for a third of the seeds."""
    for seed in range(8):
        kept, _ = put_through(
            stage, towns(count), recipe=SERVED | {"seed": seed}, **(PLAIN | {"knowledge_test": 0.1})
        )
        tested = sum(row["split"] == "knowledge_test" for row in kept)
        assert 0.05 * count <= tested <= count / 2


def test_a_question_whose_text_is_not_in_the_mixture_is_not_tested(tmp_path):
    parts = {"pairs": {"kind": "instruction", "share": 0.8}}
    kept, dropped = mixed(towns(), knowledge_test=0.5, parts=parts, output=tmp_path)
    tested = {int(row["id"].split()[1]) for row in kept if row["split"] == "knowledge_test"}
    trained = {int(row["id"].split()[1]) for row in kept if row["kind"] == "reading"}
    assert tested and tested <= trained and len(trained) < 30
    assert Counter(row["reason"] for row in dropped)["tested passage is not trained"] > 5
    assert json.loads((tmp_path / "mixture.json").read_text())["knowledge_test"] == len(tested)


def unreadable(number):
    """A passage whose pair and text are not trained: the text has no visible character."""
    [pair, text] = town(number)
    return [pair, text | {"text": "\u200b"}]


def test_a_question_whose_text_no_trainer_can_use_is_not_tested(tmp_path):
    rows = [row for n in range(60) for row in (town(n) if n % 2 else unreadable(n))]
    kept, dropped = mixed(rows, size=7, knowledge_test=0.5, output=tmp_path)
    tested = {int(row["id"].split()[1]) for row in kept if row["split"] == "knowledge_test"}
    assert len(tested) > 5 and all(n % 2 for n in tested)
    reasons = {row["id"]: row["reason"] for row in dropped}
    untested = {name for name, reason in reasons.items() if reason == "tested passage is not trained"}
    assert len(untested) > 5 and all(int(name.split()[1]) % 2 == 0 for name in untested)
    assert reasons.keys() - untested == {f"text {n}" for n in range(0, 60, 2)}
    written = json.loads((tmp_path / "mixture.json").read_text())
    assert written["knowledge_test"] == len(tested)
    assert written["dropped"] == Counter(reasons.values())


def test_refusals_are_capped_among_the_rows_that_a_trainer_can_use():
    blank = [row | {"answer": " "} for row in pairs(60, "b.md")]
    kept, _ = mixed([*pairs(40), *blank, *declined(60, "c.md")], max_share={"refusal": 0.2})
    assert Counter(row["kind"] for row in kept) == {"instruction": 40, "refusal": 10}


def test_an_answer_with_both_passages_is_dropped_with_a_refusal_that_no_trainer_can_use():
    rows = [row for number in range(4) for row in with_contrasts(number)]
    rows = [row | {"answer": ""} if row["id"] == "declined 1" else row for row in rows]
    kept, dropped = mixed(rows)
    assert {row["id"]: row["reason"] for row in dropped} == {
        "declined 1": "incomplete", "both 1": "its refusal is not handed off"
    }  # fmt: skip
    assert {f"both {n}" for n in (0, 2, 3)} <= ids(kept)


def test_wrong_answers_are_those_of_rows_in_the_mixture(tmp_path):
    """Half of the pairs, with other towns, are in no part."""
    rows = []
    for n in range(80):
        [pair, text] = town(n, answer=TOWNS[n % 6] if n < 40 else TOWNS[6 + n % 6])
        rows += [pair if n < 40 else pair | at("b.md", n), text]
    parts = {
        "pairs": {"kind": "instruction", "source": "a.md", "share": 0.3},
        "texts": {"kind": "reading", "share": 0.7},
    }
    kept, _ = mixed(rows, knowledge_test=0.3, parts=parts)
    handed_off = {row["answer"] for row in kept if row["kind"] == "instruction"}
    known = [row["knowledge"] for row in kept if row["knowledge"]]
    assert len(known) > 8 and {text for row in known for text in row["choices"]} <= handed_off


def test_a_question_whose_wrong_answers_leave_the_mixture_is_dropped():
    """The pairs in no part have the fourth answer that a question needs."""
    rows = []
    for n in range(60):
        [pair, text] = town(n)
        rows += [pair | {"answer": TOWNS[n % 3]}, text]
    others = [town(n)[0] | at("b.md", n) for n in range(60, 70)]
    parts = {"pairs": {"source": "a.md", "share": 1}}
    kept, dropped = mixed([*rows, *others], knowledge_test=0.3, parts=parts)
    assert not [row for row in kept if row["split"] == "knowledge_test"]
    assert Counter(row["reason"] for row in dropped)["too few wrong answers"] > 5


def test_a_pair_that_is_not_trained_does_not_mark_a_question():
    """The other pair about each passage, with the same answer, is in no part."""
    other = [
        example(question=f"Who is {n}?", answer=TOWNS[n % 12], id=f"other {n}", task="out", **at("a.md", n))
        for n in range(60)
    ]
    parts = {"pairs": {"task": "qa", "share": 0.3}, "texts": {"task": "mined", "share": 0.7}}
    kept, _ = mixed([*towns(), *other], knowledge_test=0.5, parts=parts)
    known = [row["knowledge"] for row in kept if row["id"].startswith("town") and row["knowledge"]]
    assert len(known) > 10 and not any(row["in_pairs"] for row in known)


def test_a_tested_question_may_contain_another(tmp_path):
    longer = []
    for n in range(40):
        [pair, text] = town(n)
        question = f"In the year of the great flood, {pair['question'][0].lower()}{pair['question'][1:]}"
        fields = {"question": question, "prompt": chat(question)} | at("b.md", n)
        longer += [pair | fields | {"id": f"longer {n}"}, text | {"id": f"other text {n}"} | at("b.md", n)]
    kept, dropped = mixed([*towns(40), *longer], knowledge_test=0.99, output=tmp_path)
    tested = ids(row for row in kept if row["split"] == "knowledge_test")
    both = [n for n in range(40) if {f"town {n}", f"longer {n}"} <= tested]
    assert 5 < len(both) < 35 and not ids(dropped) & tested
    assert json.loads((tmp_path / "mixture.json").read_text())["knowledge_test"] == len(tested)


def test_a_question_whose_text_another_question_excludes_is_not_tested():
    """Each text has the question about the next passage as an exercise."""
    asking = [
        row | {"text": f"{row['text']} {town(n + 1)[0]['question']}"} if row["kind"] == "reading" else row
        for n in range(40)
        for row in town(n)
    ]
    kept, _ = mixed(asking, knowledge_test=0.99)
    tested = {int(row["id"].split()[1]) for row in kept if row["split"] == "knowledge_test"}
    texts_left = {int(row["id"].split()[1]) for row in kept if row["kind"] == "reading"}
    assert len(tested) > 8 and tested <= texts_left


@pytest.mark.parametrize("seed", range(6))
def test_the_hash_of_a_question_decides_on_its_test(seed):
    recipe, share = SERVED | {"seed": seed}, 0.3
    kept, _ = put_through(stage, towns(60), recipe=recipe, **(PLAIN | {"knowledge_test": share}))
    drawn = {
        f"town {n}"
        for n in range(60)
        if fraction("knowledge", str(seed), mentions.same(town(n)[0]["question"])) < share
    }
    assert len(drawn) >= 9 and {row["id"] for row in kept if row["split"] == "knowledge_test"} == drawn


def test_the_right_answer_is_at_any_place_among_answers_of_its_form():
    rows = [
        row | {"answer": f"{1900 + n % 7}"} if n % 2 and row["kind"] == "instruction" else row
        for n in range(60)
        for row in town(n)
    ]
    kept, _ = mixed(rows, knowledge_test=0.9)
    tested = [row["knowledge"] for row in kept if row["knowledge"]]
    assert {known["gold"] for known in tested} == {0, 1, 2, 3}
    assert {len({choice.isdigit() for choice in known["choices"]}) for known in tested} == {1}


@pytest.mark.parametrize(
    "fields",
    [
        {"question": "What is the new copy wrapped in?"},
        {"question": "What may be empty?"},
        {
            "prompt": [
                *chat("Hello?"),
                {"role": "assistant", "content": "Yes?"},
                *chat(town(3)[0]["question"]),
            ]
        },
        {"task": "found_in_context"},
    ],
    ids=["definite", "vague", "dialogue", "contrast"],
)
def test_pairs_that_need_their_passage_or_their_earlier_turns_keep_them(fields):
    pair = town(3)[0]
    row = pair | {"prompt": chat(fields.get("question", pair["question"]), pair["context"])} | fields
    answered = example(
        "refusal",
        question=row["question"],
        context="Other.",
        answer="No.",
        task="not_in_context",
        **at("b", 1),
    )
    others = [answered] if row["task"] == "found_in_context" else []
    kept, _ = mixed([row, *others], closed_book=1)
    [left] = [other for other in kept if other["id"] == row["id"]]
    assert left["context"] and left["prompt"] == row["prompt"]


def test_wrong_answers_neither_overlap_the_right_one_nor_occur_in_the_question():
    answers = ["Arlen", "Arlenton", "Lenton", "Corby", "Dunmore", "Elswick", "Formby"]
    rows = []
    for n in range(60):
        [pair, text] = town(n, answer=answers[n % len(answers)])
        question = pair["question"].replace("harbour", "Corby")
        rows += [pair | {"question": question, "prompt": chat(question, pair["context"])}, text]
    kept, _ = mixed(rows, knowledge_test=0.9)
    tested = [row for row in kept if row["knowledge"] and row["answer"] != "Corby"]
    assert len(tested) > 20
    for row in tested:
        wrong = [text.lower() for text in row["knowledge"]["choices"] if text != row["answer"]]
        right = row["answer"].lower()
        assert len(wrong) == 3 and "corby" not in wrong
        assert not any(right in text or text in right for text in wrong)


def test_a_question_with_fewer_than_three_wrong_answers_is_not_tested():
    def kept_with(towns_):
        rows = [
            row | {"answer": TOWNS[n % towns_]} if row["kind"] == "instruction" else row
            for n in range(30)
            for row in town(n)
        ]
        return mixed(rows, knowledge_test=0.5)[0]

    assert not [row for row in kept_with(3) if row["knowledge"]]
    assert [row for row in kept_with(4) if row["knowledge"]]


def test_questions_that_cannot_be_tested_are_replaced_by_others():
    """Half of the passages have no text that is trained."""
    rows = [row for n in range(40) for row in town(n) if n % 2 or row["kind"] == "instruction"]
    for seed in range(8):
        recipe = SERVED | {"seed": seed}
        kept, _ = put_through(stage, rows, recipe=recipe, **(PLAIN | {"knowledge_test": 0.1}))
        assert sum(row["split"] == "knowledge_test" for row in kept) >= 2


def test_questions_with_long_answers_are_not_tested():
    long = {n: f"In {TOWNS[n % 12]}, where all of the companies of the county have kept their ledgers since the war"
            for n in range(30)}  # fmt: skip
    rows = [row | {"answer": long[n]} if n in long and row["kind"] == "instruction" else row
            for n in range(60) for row in town(n)]  # fmt: skip
    kept, _ = mixed(rows, knowledge_test=0.9)
    tested = {int(row["id"].split()[1]) for row in kept if row["split"] == "knowledge_test"}
    assert len(tested) > 15 and not tested & long.keys()
    shown = [text for row in kept if row["knowledge"] for text in row["knowledge"]["choices"]]
    assert max(map(len, shown)) < 20


def with_contrasts(number):
    """A pair, a refusal of its question with another passage, and the answer with both passages."""
    [pair, text] = town(number)
    other = f"The harbour company number {number} owns three ships."
    refusal = example("refusal", question=pair["question"], context=other, answer="The text does not say.",
                      task="not_in_context", id=f"declined {number}", **at("a.md", number))  # fmt: skip
    both = pair | {
        "id": f"both {number}",
        "task": "found_in_context",
        "context": f"{other} {pair['context']}",
    }
    return [pair, text, refusal, both | {"prompt": chat(pair["question"], both["context"])}]


def test_an_answer_with_both_passages_is_handed_off_only_with_its_refusal():
    rows = [row for number in range(60) for row in with_contrasts(number)]
    kept, dropped = mixed(rows, size=17, max_share={"refusal": 0.1})
    declined, both = ({name.split()[1] for name in ids(kept) if name.startswith(start)}
                      for start in ("declined", "both"))  # fmt: skip
    assert declined == both and 4 < len(declined) < 12
    instructions = sum(row["kind"] == "instruction" for row in kept)
    assert instructions == 60 + len(both) and len(declined) <= 0.1 * (instructions + len(declined))
    reasons = Counter(row["reason"] for row in dropped)
    assert reasons == {"over the share": 60 - len(declined), "its refusal is not handed off": 60 - len(both)}
    unlimited, _ = mixed(rows)
    assert ids(unlimited) == ids(rows)


def test_an_answer_with_both_passages_is_not_tested():
    rows = [row for n in range(40) for row in with_contrasts(n) if row["id"] != f"town {n}"]
    kept, _ = mixed([*rows, *(row for n in range(40, 60) for row in town(n))], knowledge_test=0.9)
    tested = {row["id"].split()[0] for row in kept if row["split"] == "knowledge_test"}
    assert tested == {"town"}


def test_an_answer_whose_refusal_an_earlier_stage_dropped_is_not_handed_off():
    rows = [row for row in with_contrasts(1) if row["kind"] != "refusal"]
    kept, dropped = mixed(rows)
    assert ids(kept) == {"town 1", "text 1"} and [row["id"] for row in dropped] == ["both 1"]


def test_a_question_declined_with_another_passage_keeps_its_own():
    rows = [*towns(20), *(row for number in range(20, 60) for row in with_contrasts(number))]
    kept, _ = mixed(rows, closed_book=0.5, both_forms=0.5)
    pairs = {row["id"]: row for row in kept if row["id"].startswith("town")}
    closed = {name for name, row in pairs.items() if not row["context"] or row["both_forms"]}
    assert closed == {f"town {number}" for number in range(20)}


def test_the_knowledge_test_covers_only_trained_passages():
    twin = town(5)[0] | {
        "id": "twin",
        "context": "Another passage.",
        "prompt": chat(town(5)[0]["question"], "P"),
    }
    asking = [
        example("reading", text=f"P. {town(n)[0]['question']} {TOWNS[n]}", id=f"asks {n}", **at("a.md", n))
        for n in range(12)
    ]
    # Of these only other passages of their documents are trained.
    others = [
        town(n)[0] | {"id": f"no text {n}"} | {"lineage": at("a.md", n)["lineage"] | {"passage_id": "other"}}
        for n in range(70, 90)
    ]
    about = [town(n)[1] for n in range(70, 90)]
    rows = [*towns(), twin, *asking, *others, *about]
    kept, dropped = mixed(rows, knowledge_test=0.5, validation=0.2)
    tested = [row for row in kept if row["split"] == "knowledge_test"]
    assert 10 < len(tested) < 45 and not any(name.startswith("no text") for name in ids(tested))
    training = [row for row in kept if row["split"] == "train"]
    read = {row["lineage"]["passage_id"] for row in training if row["kind"] == "reading"}
    for row in tested:
        assert row["context"] is None and row["prompt"] == chat(row["question"])
        assert row["lineage"]["passage_id"] in read
        knowledge = row["knowledge"]
        assert (
            knowledge["choices"][knowledge["gold"]] == row["answer"] and len(set(knowledge["choices"])) == 4
        )
        assert not any(row["question"] in (other["text"] or other["question"]) for other in training)
    assert {row["reason"] for row in dropped} == {"question of the knowledge test"}
    # Towns repeat, so that many answers equal those of pairs about other documents.
    assert not any(row["knowledge"]["in_pairs"] for row in tested)


def test_questions_answered_by_a_pair_of_the_document_are_marked():
    other = [
        example(question=f"Who is {n}?", answer=TOWNS[n % 12], id=f"other {n}", **at("a.md", n))
        for n in range(60)
    ]
    kept, _ = mixed([*towns(), *other], knowledge_test=0.5)
    tested = [row for row in kept if row["split"] == "knowledge_test" and row["id"].startswith("town")]
    assert tested and any(row["knowledge"]["in_pairs"] for row in tested)


def test_questions_about_the_sentence_of_a_pair_are_marked():
    """A question turned round has another answer, and trains the same fact."""
    sentence = {n: f"The harbour company number {n} keeps its ledger in {TOWNS[n % 12]}." for n in range(40)}
    rows = [row | {"evidence": sentence.get(n)} for n in range(60) for row in town(n)]
    turned = [
        example(question="Who keeps a ledger?", answer="A company", evidence=f"{sentence[n]} It is old.",
                id=f"turned {n}", **at("a.md", n)) for n in range(20)
    ]  # fmt: skip
    kept, _ = mixed([*rows, *turned], knowledge_test=0.5)
    marked = {int(row["id"].split()[1]): row["knowledge"]["in_pairs"] for row in kept if row["knowledge"]}
    assert len(marked) > 15 and marked == {number: number < 20 for number in marked}


def test_a_mixture_is_found_if_any_allocation_has_it():
    rows = [*pairs(50, "law.md"), *pairs(50, "art.md"), *texts(50, "law.md"), *texts(50, "art.md")]
    phases = [
        {"share": 0.5, "parts": {"pairs": {"kind": "instruction", "share": 0.5}}},
        {"share": 0.5, "parts": {"law": {"source": "law*", "share": 0.9}}},
    ]
    kept, _ = mixed(rows, phases=phases)  # only if the pairs are not about law, which the second phase needs
    counts = Counter((row["phase"], row["part"]) for row in kept)
    assert counts == {(1, "pairs"): 50, (1, "rest"): 50, (2, "law"): 90, (2, "rest"): 10}
    with pytest.raises(UserError, match=r"part .rest. of phase 2: 11 requested, 1 missing"):
        mixed(rows, phases=phases, total=201)


def declined(count, source="a.md"):
    return [
        example("refusal", question=f"Who is {n}?", answer="I do not know.", id=f"no {n}", **at(source, n))
        for n in range(count)
    ]


def test_parts_that_request_more_refusals_than_max_share_are_an_error():
    rows = [*pairs(100), *declined(100)]
    parts = {"no": {"kind": "refusal", "share": 0.5}, "yes": {"kind": "instruction", "share": 0.5}}
    with pytest.raises(UserError, match=r"have 50% refusals .* max_share allows 0.2\. .*\{refusal: 0.5\}"):
        mixed(rows, parts=parts, max_share={"refusal": 0.2})
    kept, _ = mixed(rows, parts=parts, max_share={"refusal": 0.5})
    assert Counter(row["part"] for row in kept) == {"no": 100, "yes": 100}


def test_the_domain_that_loses_most_to_max_share_is_named():
    rows = [*pairs(100), *declined(100), *declined(1, "b.md")]
    parts = {"no": {"kind": "refusal", "share": 0.5}, "yes": {"kind": "instruction", "share": 0.5}}
    with pytest.raises(UserError, match=r"have 50% refusals among .* in art, but"):
        mixed(rows, parts=parts, max_share={"refusal": 0.2}, domains={"art": ["a.md"], "law": ["b.md"]})


def test_refusals_are_capped_among_the_chosen_rows():
    rows = [*pairs(400), *pairs(400, "b.md"), *declined(120, "b.md")]
    parts = {"b": {"source": "b.md", "share": 0.9}}
    kept, dropped = mixed(rows, parts=parts, max_share={"refusal": 0.2}, total=500)
    refusals = sum(row["kind"] == "refusal" for row in kept)
    assert 0 < refusals <= 0.2 * len(kept) and 475 <= len(kept) <= 500
    assert ids(kept) | ids(dropped) == ids(rows)


def test_an_answer_with_both_passages_leaves_a_mixture_with_its_refusal():
    rows = [*(row for number in range(60) for row in with_contrasts(number)), *pairs(300)]
    kept, dropped = mixed(rows, parts={"no": {"kind": "refusal", "share": 0.05}}, total=200)
    declined_, both = ({name.split()[1] for name in ids(kept) if name.startswith(start)}
                       for start in ("declined", "both"))  # fmt: skip
    assert len(kept) == 200 and len(declined_) == 10 and both <= declined_
    assert Counter(row["reason"] for row in dropped)["its refusal is not handed off"] > 0


def test_a_total_without_parts_is_the_size_of_the_mixture():
    kept, _ = mixed(texts(50), total=20)
    assert len(kept) == 20
    with pytest.raises(UserError, match="60 requested, 10 missing"):
        mixed(texts(50), total=60)
    with pytest.raises(UserError, match="1 requested, 1 missing"):
        mixed([], total=1)
