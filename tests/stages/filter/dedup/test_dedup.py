"""Planted duplicates of every kind that defeated public tools."""

import json
import random
import tempfile
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datagen.errors import UserError
from datagen.schema import EXAMPLES, PASSAGES, table_of
from datagen.stage import Partitions
from datagen.stages.filter.dedup import Options, passages, stage
from datagen.stages.handoff.mix import stage as mix
from datagen.stages.shared.similarity.minhash import found
from tests.support.rows import context, example, partitions, put_through

WORDS = [
    f"{a}{b}" for a in ("ba", "ko", "mi", "tu", "re", "lo", "sa") for b in ("dan", "fer", "lim", "nor", "pas")
]
SCORED = {"p_true": pa.float64()}


def prose(seed, length=120):
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def edit(text, places):
    cut = text.split()
    for place in places:
        cut[place] = "changed" + "".join("abcdefghij"[int(digit)] for digit in str(place))
    return " ".join(cut)


def reading(text, **fields):
    return example("reading", text=text, **fields)


def ids(rows):
    return {row["id"] for row in rows}


def test_normal_form_makes_exact_duplicates():
    rows = [
        reading("The Court held: “Not so.”", id="a"),
        reading("the court  held\nnot so", id="b"),
        reading("Ｔｈｅ co\u00adurt held — not so!", id="c"),
        reading("the court held so", id="d"),
    ]
    kept, dropped = put_through(stage, rows)
    assert {row["reason"] for row in dropped} == {"exact duplicate"}
    assert len(kept) == 2 and "d" in ids(kept)


def test_the_underline_of_a_heading_makes_no_difference():
    body = "\n\nA licence is granted by the office within thirty days of the request."
    rows = [reading(f"Licences\n{mark * 8}{body}", document=mark) for mark in "=-~^*"]
    rows.append(reading(f"# Licences{body}", document="#"))
    kept, dropped = put_through(stage, rows)
    assert len(kept) == 1 and {row["reason"] for row in dropped} == {"exact duplicate"}
    kept, _ = put_through(stage, [reading("x == y and more"), reading("x - y and more", document="other")])
    assert len(kept) == 2


def test_operators_are_words():
    rows = [
        example("refusal", question=f"What does `{sign}` do?", answer="I do not know.")
        for sign in ("==", "!=", "[]", "()", "-", "**")
    ]
    kept, dropped = put_through(stage, rows)
    assert len(kept) == 6 and not dropped


def test_near_duplicates_state_the_kept_row_and_the_measure():
    text = prose(1)
    rows = [reading(text, id="a"), reading(edit(text, [30, 80]), id="b"), reading(prose(2), id="c")]
    kept, [dropped] = put_through(stage, rows, size=1)
    assert dropped["reason"] == "near duplicate"
    stays = ({"a", "b"} - {dropped["id"]}).pop()
    assert stays in ids(kept)
    # 116 shingles each, 10 of them changed
    assert dropped["detail"] == f"of {stays}: {106 / 126:.3f} by Jaccard over 5 words of text"


@pytest.mark.slow
@pytest.mark.parametrize("words", [80, 90, 97, 98, 99, 100, 101, 110, 120, 150])
def test_added_words_are_found_in_short_and_long_texts(words):
    draw = random.Random(words)
    rows = []
    for number in range(30):
        cut = prose(f"{words} {number}", words).split()
        longer = list(cut)
        for place in sorted(draw.sample(range(words), 3), reverse=True):
            longer.insert(place, "lo" + draw.choice(WORDS))
        rows += [reading(" ".join(some), id=f"{number}-{len(some)}") for some in (cut, longer)]
    _, dropped = put_through(stage, rows, size=13)
    assert len(dropped) >= 29


def test_lookalike_letters_and_markdown_are_ignored():
    text = "The agency shall publish its reasons in the register of the court."
    rows = [
        reading(text, id="a"),
        reading(text.replace("o", "о").replace("e", "е"), id="b"),  # Cyrillic
        reading(f"> **{text}**", id="c"),
        reading(text.replace("fi", "ﬁ").replace("court", "ｃｏｕｒｔ"), id="d"),
    ]
    kept, dropped = put_through(stage, rows)
    assert len(kept) == 1 and {row["reason"] for row in dropped} == {"exact duplicate"}


@pytest.mark.parametrize("verbatim", ["a few of", "5 mW or", "5 µV or", "－5 then", "with -c"])
def test_compatible_forms_of_verbatim_parts_are_equal(verbatim):
    plain = unicodedata.normalize("NFKC", f"{prose(1)} {verbatim} {prose(2)}")
    wide = "".join(
        chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in f" {verbatim} "
    )
    rows = [reading(plain, id="a"), reading(f"{prose(1)}{wide}{prose(2)}", id="b")]
    assert len(put_through(stage, rows)[1]) == 1


def test_command_line_flags_are_compared_verbatim():
    rows = [reading(f"Run the tool with {flag} to see.", id=flag) for flag in ("-c", "-C", "--c", "c")]
    assert len(put_through(stage, rows)[0]) == 4


def test_a_chain_does_not_collapse_to_its_first_row():
    text = prose(3)
    chain = [
        reading(edit(text, range(0, 6 * link, 3)), id=f"link {link:02}", logprob=-float(link))
        for link in range(9)
    ]
    kept, dropped = put_through(stage, chain)
    assert {"link 00"} < ids(kept) and dropped
    assert len(kept) >= 3
    for row in dropped:
        assert row["detail"].split(":")[0].removeprefix("of ") in ids(kept)


def test_templates_that_differ_in_one_name_are_kept():
    names = ["Austria", "Australia", "Iran", "Iraq", "New York", "York", "Section 12", "Section 13"]
    rows = [
        example(
            "refusal",
            question=f"What is the penalty for late payment of the annual registration fee under the law of {name}?",
            answer="I do not know.",
        )
        for name in names
    ]
    kept, _ = put_through(stage, rows)
    lost = len(rows) - len(kept)
    assert lost <= 1  # "New York" is "York" with a word added
    assert sum("York" in row["question"] for row in kept) == 2 - lost


def test_long_templates_about_two_subjects_are_kept():
    text = prose(12, 150)
    places = (20, 60, 100)
    rows = [
        reading(" ".join(name if n in places else word for n, word in enumerate(text.split())), id=name)
        for name in ("barley", "cotton")
    ]
    kept, _ = put_through(stage, rows)
    assert len(kept) == 2
    kept, _ = put_through(stage, [rows[0], reading(rows[0]["text"].replace("barley", "cotton", 1))])
    assert len(kept) == 1  # an insignificant word changed
    kept, _ = put_through(stage, [rows[0], reading(rows[0]["text"].replace("barley", "Cotton", 1))])
    assert len(kept) == 2  # a name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("What is the purpose of the with statement?", "What is the purpose of with statement?", True),
        (
            "May the agency refuse the request of a person?",
            "May the agency not refuse the request of a person?",
            False,
        ),
        (
            "Which rules hold in every version of Python now?",
            "Which rules hold in every version of Python 3 now?",
            False,
        ),
        (
            "Does the plaintiff owe the defendant a duty here?",
            "Does the defendant owe the plaintiff a duty here?",
            False,
        ),
        ("What is the fee for a permit in the city?", "What is the fine for a permit in the city?", False),
        (
            "What is the fee for a permit in the city?",
            "What is the renewal fee for a permit in the city?",
            False,
        ),
        ("What is the fee for a permit in the city?", "So what is the fee for a permit in the city?", True),
        ("Wie hoch ist die Gebühr für den Bescheid?", "Wie hoch ist denn die Gebühr für den Bescheid?", True),
        (
            "Wie hoch ist die Gebühr für den Bescheid?",
            "Wie hoch ist die grüne Gebühr für den Bescheid?",
            False,
        ),
        ("公司必须在三十天内提交年度报告吗", "公司必须在三十天内提交年度的报告吗", True),
        ("公司必须在三十天内提交年度报告吗", "公司必须在四十天内提交年度报告吗", False),
        (
            "ما هي عقوبة التأخر في دفع رسوم التسجيل السنوية",
            "ما هي عقوبة التأخر في دفع رسوم التسجيل السنوية هنا",
            True,
        ),
        (
            "ما هي عقوبة التأخر في دفع رسوم التسجيل السنوية",
            "ما هي عقوبة التأخر في دفع رسوم التسجيل الشهرية",
            False,
        ),
    ],
)
def test_short_texts_are_alike_when_one_is_the_other_with_words_added(one, other, same):
    rows = [example("refusal", question=text, answer="I do not know.") for text in (one, other)]
    _, dropped = put_through(stage, rows)
    assert [row["reason"] for row in dropped] == ["near duplicate"] * same


@pytest.mark.parametrize(
    "alphabet", ["的一是在不了有和人这中大为上个国我以要他", "ابتثجحخدذرزسشصضطظعغفقكلمنهوي"]
)
def test_long_texts_in_other_scripts(alphabet):
    draw = random.Random(7)
    cut = ["".join(draw.choices(alphabet, k=3)) for _ in range(130)]
    other = [*cut[:40], "改", *cut[40:]]
    joint = "" if alphabet[0] == "的" else " "
    rows = [reading(joint.join(cut)), reading(joint.join(other)), reading(joint.join(reversed(cut)))]
    kept, [dropped] = put_through(stage, rows)
    assert dropped["reason"] == "near duplicate" and len(kept) == 2


def test_refusals_share_their_answers():
    rows = [
        example("refusal", question=f"Who wrote the {word} rule?", answer="I do not know.") for word in WORDS
    ]
    kept, dropped = put_through(stage, rows)
    assert len(kept) == len(WORDS) and not dropped


def test_samples_of_one_question_are_kept_apart():
    rows = [
        example(kind, task=f"multisample_{n}", question="Who wrote it?", answer=answer, id=str(n))
        for n, (kind, answer) in enumerate(
            [("instruction", "Ann"), ("instruction", "Ann"), ("refusal", "No idea.")]
        )
    ]
    assert len(put_through(stage, rows)[0]) == 3


def test_refusals_differ_by_task_not_by_wording():
    rows = [
        example("refusal", task="does_not_know", question="Who wrote it?", answer="I do not know.", id="a"),
        example("refusal", task="does_not_know", question="Who wrote it?", answer="I cannot say.", id="b"),
        example(
            "refusal", task="not_in_context", question="Who wrote it?", answer="It does not say.", id="c"
        ),
    ]
    kept, [dropped] = put_through(stage, rows)
    assert dropped["reason"] == "exact duplicate" and dropped["id"] in "ab" and len(kept) == 2


def test_another_answer_to_the_same_question_is_a_conflict_that_confidence_resolves():
    rows = [
        example(question="Who wrote it?", answer="Ada", id="a", p_true=0.4),
        example(question="who wrote it", answer="Grace", id="b", p_true=0.9),
        example(question="Who wrote it?", answer="grace.", id="c", p_true=0.8),
        example(question="Who wrote it?", answer="Ada", context="Ada wrote it.", id="d", p_true=0.1),
        example(question="Who wrote it?", answer="Alan", context="Alan wrote it.", id="e", p_true=0.1),
    ]
    kept, dropped = put_through(stage, rows, columns=SCORED)
    assert ids(kept) == {"b", "d", "e"}
    assert {row["id"]: (row["reason"], row["detail"]) for row in dropped} == {
        "a": ("conflicting answer", "of b: the same question, p_true 0.4 against p_true 0.9"),
        "c": ("exact duplicate", "of b: equal except for case, whitespace and punctuation"),
    }


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (("in the first hour of the meeting", "in the very first hour of the meeting"), "near duplicate"),
        (("in the first hour", "by post"), "conflicting answer"),
    ],
)
def test_a_question_asked_almost_the_same_way_is_judged_by_its_answer(answers, reason):
    questions = (
        "When may a member of the board ask for a vote?",
        "When may a member of the board ask for vote?",
    )
    rows = [
        example(question=question, answer=answer, p_true=sure, id=name)
        for question, answer, sure, name in zip(questions, answers, (0.4, 0.9), "ab", strict=True)
    ]
    kept, [dropped] = put_through(stage, rows, columns=SCORED)
    assert ids(kept) == {"b"} and dropped["reason"] == reason
    if reason == "conflicting answer":
        assert dropped["detail"] == "of b: 0.952 by ROUGE-L of question, p_true 0.4 against p_true 0.9"


@pytest.mark.parametrize("most", [0, 1000])
def test_short_questions_are_found_by_lsh_and_by_comparing_all(most):
    draw = random.Random(1)
    questions = [" ".join(draw.choices(WORDS, k=draw.randint(9, 15))) for _ in range(400)]
    again = [f"{text} {draw.choice(WORDS)}" for text in questions[:200]]
    rows = [example("refusal", question=text, answer="No.") for text in questions + again]
    _, dropped = put_through(stage, rows, size=250, all_pairs=most)
    assert {row["reason"] for row in dropped} == {"near duplicate"}
    assert len(dropped) == 200 if most else len(dropped) > 190


def test_every_field_must_be_alike():
    passage = prose(4)
    rows = [
        example(question="What is asked of the agency?", answer="A report.", context=passage, id="a"),
        example(question="Who must send the report?", answer="The agency.", context=passage, id="b"),
        example(question="What is asked of the agency?", answer="A report.", context=prose(5), id="c"),
        example(
            question="What is asked of the agency?", answer="A report.", context=edit(passage, [9]), id="d"
        ),
    ]
    kept, [dropped] = put_through(stage, rows)
    assert dropped["id"] in "ad" and dropped["detail"].endswith("by Jaccard over 5 words of context")
    assert {"b", "c"} < ids(kept)


def test_a_self_contained_question_is_kept_once_regardless_of_its_passage():
    asked = {"question": "What is the toll of the bridge of Syldavia?", "answer": "Two crowns"}
    rows = [
        example(task="marked_question", **asked, context=prose(1), id="a"),
        example(task="marked_question", **asked, context=prose(2), id="b"),
        example(task="marked_question", **asked | {"answer": "three crowns."}, context=prose(3), id="c"),
        example(task="found_in_context", **asked, context=prose(4), id="d"),
        example(task="marked_question", **asked | {"answer": "TWO crowns"}, id="e"),
    ]
    kept, dropped = put_through(stage, rows)
    assert len(kept) == 3 and {"c", "d"} < {row["id"] for row in kept}
    assert {row["reason"] for row in dropped} == {"exact duplicate"}


def test_preferences_by_question_chosen_and_rejected():
    same = {"question": "Who wrote it?", "answer": "I do not know."}
    rows = [
        example("preference", **same, rejected="Ada", id="a"),
        example("preference", **same, rejected="ADA", id="b"),
        example("preference", **same, rejected="Alan", id="c"),
    ]
    kept, [dropped] = put_through(stage, rows)
    assert dropped["id"] in "ab" and "c" in ids(kept)


@pytest.mark.parametrize("text", ["", "word", None, "…", "是"])
def test_a_thousand_copies_leave_one(text):
    rows = [reading(text, document=str(number)) for number in range(1000)] + [reading("another")]
    kept, dropped = put_through(stage, rows, size=300)
    assert len(kept) == 2 and len(dropped) == 999


@pytest.mark.slow
def test_a_million_copies_leave_one(tmp_path):
    count, size = 1_000_000, 100_000
    tables = [
        pa.table(
            {
                **{
                    name: pa.nulls(size, kind)
                    for name, kind in zip(EXAMPLES.names, EXAMPLES.types, strict=True)
                },
                "id": pa.array(np.arange(start, start + size)).cast(pa.string()),
                "kind": pa.array(["reading"] * size),
                "text": pa.array(["The same words in all of them."] * size),
            }
        )
        for start in range(0, count, size)
    ]
    read = Partitions([lambda names, table=table: table for table in tables])
    kept = dropped = 0
    stage_context = replace(context("dedup"), output=tmp_path)
    for table, verdict in zip(tables, stage.run(read, Options(), stage_context), strict=True):
        outcome = stage.apply(table, verdict, Options(), stage_context)
        kept, dropped = kept + len(outcome.kept), dropped + len(outcome.dropped)
    assert (kept, dropped) == (1, count - 1)


def test_documents_of_one_word_or_none():
    texts = ["yes", "no", "", "Yes!", " ", "是", "12", "13", "-12"]
    kept, dropped = put_through(stage, [reading(text, document=str(n)) for n, text in enumerate(texts)])
    assert sorted(row["text"].strip().casefold().strip("!") for row in kept) == [
        "",
        "-12",
        "12",
        "13",
        "no",
        "yes",
        "是",
    ]
    assert {row["reason"] for row in dropped} == {"exact duplicate"}


def test_a_boilerplate_header_makes_no_duplicates():
    header = prose(10, 70)
    kept, _ = put_through(stage, [reading(f"{header} {prose(seed, 60)}") for seed in range(100)])
    assert len(kept) == 100


def test_the_survivor_is_the_best_row():
    rows = [
        example(question="Who wrote it?", answer="Ada", id="a", p_true=None, logprob=-0.1),
        example(question="Who wrote it?", answer="Ada.", id="b", p_true=0.3, logprob=-2.0),
        example(question="Who wrote it?", answer="ada", id="c", p_true=0.7, logprob=-3.0),
    ]
    kept, _ = put_through(stage, rows, columns=SCORED)
    assert ids(kept) == {"c"}
    kept, _ = put_through(stage, rows[:2], columns=SCORED)
    assert ids(kept) == {"b"}
    unscored = [row | {"p_true": None, "logprob": None} for row in rows]
    kept, _ = put_through(stage, unscored, columns=SCORED)
    assert ids(kept) == {"b"}  # the longest answer


def test_a_copy_of_a_near_duplicate_is_a_duplicate_of_the_kept_row():
    text = prose(6)
    other = edit(text, [50])
    rows = [
        reading(text, id="a", logprob=-1.0),
        reading(other, id="b", logprob=-2.0),
        reading(other.upper(), id="c"),
    ]
    kept, dropped = put_through(stage, rows)
    assert ids(kept) == {"a"}
    assert all(row["reason"] == "near duplicate" and row["detail"].startswith("of a: ") for row in dropped)


LONG = prose(8)
POOL = st.one_of(
    st.sampled_from(["", "one", "One!", "two"]).map(reading),
    st.sets(st.integers(0, 119), max_size=14).map(lambda places: reading(edit(LONG, places))),
    st.tuples(
        st.sampled_from(["Who?", "who", "Where is it?"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from([None, 0.2, 0.8]),
    ).map(lambda drawn: example(question=drawn[0], answer=drawn[1], p_true=drawn[2], document=str(drawn))),
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    st.lists(POOL, max_size=14, unique_by=lambda row: row["id"]),
    st.randoms(use_true_random=False),
    st.integers(1, 5),
)
def test_order_and_partitions_do_not_matter(rows, draw, size):
    shuffled = draw.sample(rows, len(rows))
    first = put_through(stage, rows, columns=SCORED)
    again = put_through(stage, shuffled, size, columns=SCORED)
    for left, right in zip(first, again, strict=True):
        assert sorted(left, key=lambda row: row["id"]) == sorted(right, key=lambda row: row["id"])
    kept, dropped = first
    assert all(row["detail"].split(":")[0].removeprefix("of ") in ids(kept) for row in dropped)
    assert ids(put_through(stage, kept, columns=SCORED)[0]) == ids(kept)  # no further row is dropped


def test_unrelated_texts_are_kept():
    rows = [reading(prose(seed)) for seed in range(300)]
    kept, dropped = put_through(stage, rows, size=100)
    assert len(kept) == 300 and not dropped


def test_exactly_the_edited_copies_are_dropped():
    draw = random.Random(0)
    originals = [prose(seed, 200) for seed in range(200)]
    copies = [edit(text, draw.sample(range(200), 3)) for text in originals]
    kept, dropped = put_through(stage, [reading(text) for text in originals + copies], size=150)
    assert len(dropped) == 200
    assert len(kept) == 200


def test_the_default_shape_finds_most_pairs_at_the_threshold():
    options = Options()
    assert found(options.threshold, *options.shape) > 0.9


def test_swapped_bands_and_rows_are_an_error():
    assert Options(bands=60, rows=13, permutations=780).shape == (60, 13)
    with pytest.raises(ValidationError, match="swapped"):
        Options(bands=13, rows=60, permutations=780)
    with pytest.raises(ValidationError, match="permutations"):
        Options(bands=60, rows=13)
    with pytest.raises(ValidationError, match="neither"):
        Options(bands=60)


def copied(count, source):
    """Rows that are equal except for ten."""
    lineage = {"document_id": "d", "requests": [], "parents": [], "source": source}
    texts = [f"Text {min(n, 10)} of {source}" for n in range(count)]
    return [reading(text, id=f"{source}{n}", lineage=lineage) for n, text in enumerate(texts)]


def test_a_source_that_loses_too_much_stops_the_run(tmp_path):
    rows = [*copied(120, "dump.jsonl#1"), *copied(99, "small.jsonl#1")]
    with pytest.raises(UserError) as error:
        put_through(stage, rows)
    assert "109 of the 120 rows of dump.jsonl (90.8%): 109 repeat another row of the same source" in str(
        error.value
    )
    assert "stages.dedup.accept_loss: [dump.jsonl]" in str(error.value)
    assert len(put_through(stage, rows, accept_loss=["dump.jsonl"], output=tmp_path)[0]) == 22
    assert json.loads((tmp_path / "report.json").read_text())["sources"] == [
        {"source": "dump.jsonl", "rows": 120, "dropped": 109, "within": 109},
        {"source": "small.jsonl", "rows": 99, "dropped": 88, "within": 88},
    ]
    assert len(put_through(stage, rows, max_loss=0.95)[0]) == 22


def test_files_of_a_folder_are_one_source(tmp_path):
    rows = [reading(text, id=text, lineage={"source": f"manuals/{text}.md"}) for text in ("a", "b")]
    put_through(stage, rows, output=tmp_path)
    [source] = json.loads((tmp_path / "report.json").read_text())["sources"]
    assert (source["source"], source["rows"]) == ("manuals/", 2)


def test_the_report_states_recall_by_similarity(tmp_path):
    put_through(stage, [reading("a")], output=tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["bands"], report["rows"]) == Options().shape
    assert report["found"]["0.7"] == pytest.approx(found(0.7, *Options().shape), abs=0.001)
    assert report["found"]["1"] == 1


def release(folder, rows, **options):
    """Finish a run as a release: the stage's table and its index."""
    kept, _ = put_through(stage, rows, size=3, output=folder / "stages" / "dedup", **options)
    pq.write_table(table_of(EXAMPLES, kept), folder / "stages" / "dedup" / "part-00000.parquet")
    return kept


def test_rows_of_an_earlier_release_do_not_recur(tmp_path):
    old = [
        reading(prose(1), id="old 1"),
        reading(prose(2), id="old 2"),
        example(question="Who wrote it?", answer="Ada", id="old 3"),
        reading(prose(3), id="old 4"),
    ]
    release(tmp_path / "first", old)
    new = [
        reading(edit(prose(1), [40]), id="near", logprob=0.0),
        reading(prose(2).upper(), id="exact"),
        example(question="Who wrote it", answer="Grace", id="conflict"),
        reading(prose(4), id="new"),
    ]
    kept, dropped = put_through(
        stage, new, size=2, folder=tmp_path, earlier=["first"], recipe={"file": tmp_path / "r.yaml"}
    )
    assert ids(kept) == {"new"}
    assert {row["id"]: (row["reason"], row["detail"].split(":")[0]) for row in dropped} == {
        "near": ("near duplicate", "of old 1 of release first"),
        "exact": ("exact duplicate", "of old 2 of release first"),
        "conflict": ("conflicting answer", "of old 3 of release first"),
    }


def test_a_replaced_word_is_noticed_in_an_earlier_release(tmp_path):
    text = "the barge of the mill is on the river with barley and it is in the lock at noon " * 8
    old = [reading(text + "in a kiln", id="old"), *(reading(prose(n), id=f"{n}") for n in range(5))]
    release(tmp_path / "first", old)
    new = [
        reading(text + "in a lathe", id="replaced"),
        reading(text.replace("the barge", "the painted barge", 1) + "in a kiln", id="modified"),
        reading(text.replace("the barge", "the barge with a rope of the mill", 1) + "in a kiln", id="added"),
    ]
    kept, dropped = put_through(stage, new, earlier=["first"], recipe={"file": tmp_path / "r.yaml"})
    assert (ids(kept), ids(dropped)) == ({"replaced", "modified"}, {"added"})


def test_a_typo_is_recognised_in_an_earlier_release(tmp_path):
    text = "the barge of the mill is on the river with barley and it is in the lock at noon " * 8
    old = [reading(text + "for the governemnt", id="old"), *(reading(prose(n), id=f"{n}") for n in range(5))]
    release(tmp_path / "first", old)
    new = [reading(text + "for the government")]
    kept, _ = put_through(stage, new, earlier=["first"], recipe={"file": tmp_path / "r.yaml"})
    assert not kept


def test_rows_that_were_not_handed_off_are_ignored(tmp_path):
    kept = release(tmp_path / "first", [reading(prose(1), id="handed"), reading(prose(2), id="left out")])
    (tmp_path / "first" / "handoff" / "reading").mkdir(parents=True)
    handed = [row for row in kept if row["id"] == "handed"]
    pq.write_table(table_of(EXAMPLES, handed), tmp_path / "first" / "handoff" / "reading" / "train.parquet")
    again = [reading(prose(1), id="a"), reading(prose(2), id="b")]
    kept, _ = put_through(stage, again, earlier=["first"], recipe={"file": tmp_path / "r.yaml"})
    assert ids(kept) == {"b"}


def test_incompatible_and_missing_indexes_are_rejected(tmp_path):
    release(tmp_path / "first", [reading("a")], permutations=64)
    recipe = {"file": tmp_path / "r.yaml"}
    with pytest.raises(UserError, match=r"permutations 64.*this run has permutations 128"):
        put_through(stage, [reading("a")], earlier=["first"], recipe=recipe)
    with pytest.raises(UserError, match="second has no index"):
        put_through(stage, [reading("a")], earlier=["second"], recipe=recipe)


def test_leftovers_of_a_killed_run_are_ignored(tmp_path):
    rows = [reading(edit(prose(9), range(0, links * 4, 4)), id=str(links)) for links in range(8)]
    together = put_through(stage, rows, size=3, output=tmp_path / "whole")
    torn = tmp_path / "torn"
    (torn / "index").mkdir(parents=True)
    (torn / ".unfinished-scratch").mkdir()
    (torn / "index" / "part-00001.arrow").write_bytes(b"ARROW1")
    (torn / ".unfinished-scratch" / "pairs-band-0-0.npy").write_bytes(b"")
    assert put_through(stage, rows, size=3, output=torn) == together


def test_passages_are_deduplicated_before_generation():
    texts = [prose(1), edit(prose(1), [60]) + " and more", prose(2), prose(2)]
    table = pa.Table.from_pylist(
        [
            {"id": str(n), "document_id": f"d{n}", "source": f"{n}.md", "text": text}
            for n, text in enumerate(texts)
        ],
        schema=PASSAGES,
    )
    read = Partitions([lambda names: table])
    with tempfile.TemporaryDirectory() as folder:
        stage_context = replace(context("dedup_passages"), output=Path(folder))
        [verdict] = passages.run(read, Options(), stage_context)
        outcome = passages.apply(table, verdict, Options(), stage_context)
    assert outcome.kept["id"].to_pylist()[0] == "1" and len(outcome.kept) == 2
    assert sorted(outcome.dropped["reason"].to_pylist()) == ["exact duplicate", "near duplicate"]


def test_near_duplicates_of_two_documents_are_never_on_both_sides_of_a_split():
    texts = {f"d{n}": prose(n) for n in range(30)}
    texts |= {f"copy of d{n}": edit(prose(n), [n, n + 40]) for n in range(30)}
    kept, _ = put_through(stage, [reading(text, document=name) for name, text in texts.items()], size=13)
    mixed, _ = put_through(mix, kept, validation=0.5)
    split = {row["lineage"]["document_id"].removeprefix("copy of "): row["split"] for row in mixed}
    assert len(split) == len(mixed) == 30 and set(split.values()) == {"train", "validation"}


def test_a_partition_without_rows():
    rows = partitions([reading("one"), reading("One!", document="other")])
    table = next(iter(rows))
    tables = [table.slice(0, 0), table, table.slice(0, 0)]
    read = Partitions([lambda names, table=table: table for table in tables])
    with tempfile.TemporaryDirectory() as folder:
        stage_context = replace(context("dedup"), output=Path(folder))
        verdicts = list(stage.run(read, Options(), stage_context))
        kept = [
            len(stage.apply(table, verdict, Options(), stage_context).kept)
            for table, verdict in zip(tables, verdicts, strict=True)
        ]
    assert kept == [0, 1, 0]


def test_no_rows():
    assert put_through(stage, []) == ([], [])


def test_a_dropped_row_names_the_most_similar_kept_one():
    base = "the harbour office asks each captain to sign the ledger and to pay the toll at the desk before the ship may leave"
    texts = {"far": f"please really {base}", "near": f"{base} indeed", "copy": base}
    rows = [
        example("reading", text=text, id=name, confidence=0.5 if name == "copy" else 0.9)
        for name, text in texts.items()
    ]
    kept, [dropped] = put_through(stage, rows, columns={"confidence": pa.float64()}, max_loss=1)
    assert {row["id"] for row in kept} == {"far", "near"} and dropped["id"] == "copy"
    assert "near" in dropped["detail"] and dropped["reason"] == "near duplicate"


def test_rows_of_earlier_releases_are_kept_though_they_repeat_each_other(tmp_path):
    """What was released stays a reason to drop a new row, also next to a better or equal released one."""
    one, near = prose(1), edit(prose(1), [20, 40, 60])
    nearer = edit(near, [30, 50, 70])  # of a chain: like `near`, not like `one`
    release(tmp_path / "first", [reading(one, id="one"), example(question="Who?", answer="Ada", id="q1")])
    second = [reading(near, id="near"), example(question="Who?", answer="Grace", id="q2")]
    release(tmp_path / "second", [*second, reading(prose(2), id="two")])
    release(tmp_path / "third", [reading(prose(2), id="two again")])
    new = [
        reading(nearer, id="chain"),
        reading(prose(2), id="copy"),
        example(question="Who?", answer="Ada", id="first answer"),
        example(question="Who?", answer="Grace", id="second answer"),
        reading(prose(3), id="new", logprob=-9.0),
    ]
    kept, dropped = put_through(
        stage,
        new,
        size=1,
        earlier=["first", "second", "third"],
        recipe={"file": tmp_path / "r.yaml"},
        output=tmp_path / "now",
    )
    assert ids(kept) == {"new"}
    assert {row["id"]: row["detail"].split(":")[0] for row in dropped if row["id"] != "copy"} == {
        "chain": "of near of release second",
        "first answer": "of q1 of release first",
        "second answer": "of q2 of release second",
    }
    report = json.loads((tmp_path / "now" / "report.json").read_text())
    assert [(source["rows"], source["dropped"]) for source in report["sources"]] == [(5, 4)]
