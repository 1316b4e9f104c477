"""Duplicates planted in every shape that public tools were caught by."""

import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from rows import example, put_through

from datagen.stages.dedup import Options, stage
from datagen.stages.dedup.minhash import found

WORDS = [
    f"{a}{b}" for a in ("ba", "ko", "mi", "tu", "re", "lo", "sa") for b in ("dan", "fer", "lim", "nor", "pas")
]
SCORED = {"p_true": pa.float64()}


def prose(seed, length=120):
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def edit(text, places):
    cut = text.split()
    for place in places:
        cut[place] = f"changed{place}"
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


def test_operators_are_words():
    rows = [
        example("refusal", question=f"What does `{sign}` do?", answer="I do not know.")
        for sign in ("==", "!=", "[]", "()", "-", "**")
    ]
    kept, dropped = put_through(stage, rows)
    assert len(kept) == 6 and not dropped


def test_long_near_duplicates_say_of_which_row_how_alike_and_how_told():
    text = prose(1)
    rows = [reading(text, id="a"), reading(edit(text, [30, 80]), id="b"), reading(prose(2), id="c")]
    kept, [gone] = put_through(stage, rows, size=1)
    assert gone["reason"] == "near duplicate"
    stays = ({"a", "b"} - {gone["id"]}).pop()
    assert stays in ids(kept)
    # 116 shingles each, 10 of them changed
    assert gone["detail"] == f"of {stays}: {106 / 126:.3f} by Jaccard over 5 words of text"


def test_a_chain_does_not_fall_to_its_first_row():
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


def test_templates_that_differ_in_one_name_stay():
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
def test_long_texts_of_other_scripts(alphabet):
    draw = random.Random(7)
    cut = ["".join(draw.choices(alphabet, k=3)) for _ in range(130)]
    other = [*cut[:40], "改", *cut[41:]]
    joint = "" if alphabet[0] == "的" else " "
    rows = [reading(joint.join(cut)), reading(joint.join(other)), reading(joint.join(reversed(cut)))]
    kept, [gone] = put_through(stage, rows)
    assert gone["reason"] == "near duplicate" and len(kept) == 2


def test_refusals_share_their_answers():
    rows = [
        example("refusal", question=f"Who wrote the {word} rule?", answer="I do not know.") for word in WORDS
    ]
    kept, dropped = put_through(stage, rows)
    assert len(kept) == len(WORDS) and not dropped


def test_refusals_are_told_apart_by_task_and_not_by_wording():
    rows = [
        example("refusal", task="does_not_know", question="Who wrote it?", answer="I do not know.", id="a"),
        example("refusal", task="does_not_know", question="Who wrote it?", answer="I cannot say.", id="b"),
        example(
            "refusal", task="not_in_context", question="Who wrote it?", answer="It does not say.", id="c"
        ),
    ]
    kept, [gone] = put_through(stage, rows)
    assert gone["reason"] == "exact duplicate" and gone["id"] in "ab" and len(kept) == 2


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
        "c": ("exact duplicate", "of b: equal but for case, blanks and punctuation"),
    }


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
    kept, [gone] = put_through(stage, rows)
    assert gone["id"] in "ad" and gone["detail"].endswith("by Jaccard over 5 words of context")
    assert {"b", "c"} < ids(kept)


def test_preferences_by_question_chosen_and_rejected():
    same = {"question": "Who wrote it?", "answer": "I do not know."}
    rows = [
        example("preference", **same, rejected="Ada", id="a"),
        example("preference", **same, rejected="ADA", id="b"),
        example("preference", **same, rejected="Alan", id="c"),
    ]
    kept, [gone] = put_through(stage, rows)
    assert gone["id"] in "ab" and "c" in ids(kept)


@pytest.mark.parametrize("text", ["", "word", None, "…", "是"])
def test_a_thousand_copies_leave_one(text):
    rows = [reading(text, document=str(number)) for number in range(1000)] + [reading("another")]
    kept, dropped = put_through(stage, rows, size=300)
    assert len(kept) == 2 and len(dropped) == 999


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


def test_a_copy_of_a_near_duplicate_is_a_duplicate_of_the_row_that_stays():
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


@settings(max_examples=60, deadline=None)
@given(
    st.lists(POOL, max_size=14, unique_by=lambda row: row["id"]),
    st.randoms(use_true_random=False),
    st.integers(1, 5),
)
def test_order_and_partitions_change_nothing(rows, draw, size):
    shuffled = draw.sample(rows, len(rows))
    first = put_through(stage, rows, columns=SCORED)
    again = put_through(stage, shuffled, size, columns=SCORED)
    for one, other in zip(first, again, strict=True):
        assert sorted(one, key=lambda row: row["id"]) == sorted(other, key=lambda row: row["id"])
    kept, dropped = first
    assert all(row["detail"].split(":")[0].removeprefix("of ") in ids(kept) for row in dropped)
    assert ids(put_through(stage, kept, columns=SCORED)[0]) == ids(kept)  # nothing more goes


def test_unrelated_texts_stay():
    rows = [reading(prose(seed)) for seed in range(300)]
    kept, dropped = put_through(stage, rows, size=100)
    assert len(kept) == 300 and not dropped


def test_planted_edits_are_found_and_nothing_else():
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


def test_no_rows():
    assert put_through(stage, []) == ([], [])
