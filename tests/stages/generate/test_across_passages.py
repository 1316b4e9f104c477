"""A question over two passages is kept only if both answer it and neither does alone."""

import json

import pytest

from datagen.stages.generate.across_passages import stage
from tests.support.asked import ask
from tests.support.generators import HOSTILE, HOSTILE_TEXT, texts
from tests.support.generators import changed as with_text

BRIDGE = "The Halvorsen bridge was built in 1871 by Anna Weidlich. It spans the river Tann near the mill."
ANNA = "Anna Weidlich was born in the village of Corby. She founded a school of engineers there."
OTHER = "Bread is baked on Fridays. The oven is lit at dawn and cools for a whole day after the last loaf."
GOOD = {
    "first": "The Halvorsen bridge was built in 1871 by Anna Weidlich.",
    "second": "Anna Weidlich was born in the village of Corby.",
    "question": "In which village was the builder of the Halvorsen bridge born?",
    "answer": "Corby",
}
SILENCE = "The text does not say."


def passages(*given):
    return [
        {
            "id": f"p{number}",
            "document_id": f"d{number}",
            "source": f"d{number}.md",
            "title": f"Page {number}",
        }
        | {"section": [], "text": text, "start": 100, "end": 100 + len(text), "index": 0, "language": "en"}
        for number, text in enumerate(given)
    ]


def model(draft=GOOD, both="Corby", first=SILENCE, second=SILENCE):
    """Write the draft, and answer according to the passages in the prompt."""

    def answer(request):
        if request.task == "across_passages":
            return draft if isinstance(draft, str) else json.dumps(draft)
        return {"with_both": both, "with_first": first, "with_second": second}[request.task]

    return answer


def test_a_question_that_needs_both_is_kept_with_both_spans():
    kept, dropped, requests = ask(stage, passages(BRIDGE, ANNA, OTHER), model())
    (row,) = kept
    assert row["lineage"]["parents"] == ["p0", "p1"] and len(row["lineage"]["requests"]) == 4
    for span, text in zip(json.loads(row["metadata"])["spans"], (BRIDGE, ANNA), strict=True):
        assert (
            text[span["start"] - 100 : span["end"] - 100] == span["quote"] and span["quote"] in row["context"]
        )
    assert [span["document_id"] for span in json.loads(row["metadata"])["spans"]] == ["d0", "d1"]
    assert row["context"] == f"{BRIDGE}\n\n{ANNA}" and row["prompt"][0]["content"].startswith(row["context"])
    assert {row["reason"] for row in dropped} == {"paired already", "no related passage"}
    shown = {request.task: request.messages[-1]["content"] for request in requests[1:]}
    assert BRIDGE in shown["with_first"] and ANNA not in shown["with_first"]
    assert ANNA in shown["with_second"] and BRIDGE not in shown["with_second"]
    assert BRIDGE in shown["with_both"] and ANNA in shown["with_both"]
    assert all(GOOD["answer"] not in text.replace(ANNA, "") for text in shown.values())


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ({"both": SILENCE}, "not answered from both passages"),
        ({"both": "Aldham"}, "not answered from both passages"),
        (
            {"both": "Corby, Aldham, Dover and many other towns of the county"},
            "not answered from both passages",
        ),
        ({"first": "Corby"}, "answered from one passage"),
        ({"first": "The text does not say, but Corby is likely."}, "answered from one passage"),
        ({"second": "in Corby"}, "answered from one passage"),
        ({"second": {"text": "", "finish": "error", "error": "lost"}}, "no verdict"),
        ({"both": {"text": "Corby", "finish": "length"}}, "no verdict"),
    ],
)
def test_the_ablation_decides(reply, reason):
    kept, dropped, _ = ask(stage, passages(BRIDGE, ANNA), model(**reply))
    assert not kept
    assert [row["reason"] for row in dropped if row["reason"] != "paired already"] == [reason]


def test_a_question_whose_words_are_all_in_the_passage_with_its_answer_is_not_asked():
    draft = GOOD | {"question": "In which village was Anna Weidlich, the engineer, born?"}
    kept, dropped, requests = ask(stage, passages(BRIDGE, ANNA), model(draft))
    assert not kept and len(requests) == 1
    words_of_the_first = GOOD | {"question": "Where from was who built the Halvorsen bridge in 1871?"}
    assert (
        len(ask(stage, passages(BRIDGE, ANNA), model(words_of_the_first))[0]) == 1
    )  # the answer is not in it
    assert {row["reason"] for row in dropped} == {"answered from one passage", "paired already"}


def test_a_different_answer_from_one_passage_does_not_count():
    kept, _, _ = ask(stage, passages(BRIDGE, ANNA), model(first="Aldham", second="Dover"))
    assert len(kept) == 1
    asked = "In which year and by which engineer from Corby was the Halvorsen bridge built?"
    answer = "1871 by Anna Weidlich"
    draft = GOOD | {"question": asked, "answer": answer}
    kept, _, _ = ask(stage, passages(BRIDGE, ANNA), model(draft, both=answer, second="1901 by Anna Weidlich"))
    assert len(kept) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"first": "The Halvorsen bridge is old."}, "evidence not in passage"),
        ({"first": GOOD["second"]}, "evidence not in passage"),
        ({"second": "She founded a school of engineers there."}, "evidence does not support it"),
        ({"answer": "engineers"}, "evidence does not support it"),
        (
            {
                "question": "In which year was the Halvorsen bridge of the woman from Corby built?",
                "answer": "1871",
                "second": "She founded a school of engineers there.",
            },
            "evidence does not support it",
        ),
        ({"question": "Where was the builder born?"}, "asks for nothing in particular"),
        (
            {"question": "In which village does the text say that the builder was born?"},
            "refers to the passage",
        ),
        ({"question": "The builder of the bridge was born in a village."}, "not a question"),
        (
            {"question": "Was the builder of the Halvorsen bridge born in Corby?", "answer": "yes"},
            "answer can be guessed",
        ),
        ({"answer": "In 1913"}, "number not in passage"),
        ({"answer": f"Corby, {BRIDGE}"}, "too long"),
        ({"answer": "Bananas"}, "not about the passage"),
    ],
)
def test_unsound_drafts_are_dropped_before_the_ablation(change, reason):
    kept, dropped, requests = ask(stage, passages(BRIDGE, ANNA), model(GOOD | change))
    assert not kept and len(requests) == 1
    assert [row["reason"] for row in dropped if row["reason"] != "paired already"] == [reason]


def test_a_quote_in_both_passages_is_rejected():
    both = "Anna Weidlich was a builder of bridges."
    kept, dropped, _ = ask(
        stage, passages(f"{both} {BRIDGE}", f"{both} {ANNA}"), model(GOOD | {"first": both})
    )
    assert not kept and "evidence in both passages" in {row["reason"] for row in dropped}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answers_are_dropped(name):
    kept, _, _ = ask(stage, passages(BRIDGE, ANNA), model(HOSTILE[name](GOOD)))
    assert not kept


@pytest.mark.parametrize("name", HOSTILE_TEXT)
@pytest.mark.parametrize("path", texts(GOOD))
def test_hostile_texts_are_dropped(name, path):
    kept, _, _ = ask(stage, passages(BRIDGE, ANNA), model(with_text(GOOD, path, HOSTILE_TEXT[name])))
    assert not kept


def test_overlapping_passages_are_not_paired():
    rows = passages(BRIDGE, ANNA)
    rows[1] |= {"document_id": "d0", "start": 150}
    kept, dropped, requests = ask(stage, rows, model())
    assert not kept and not requests and {row["reason"] for row in dropped} == {"no related passage"}


@pytest.mark.parametrize("start", [100 - len(ANNA), 100 + len(BRIDGE)])
def test_passages_of_one_document_that_only_meet_are_paired(start):
    rows = passages(BRIDGE, ANNA)
    rows[1] |= {"document_id": "d0", "start": start, "end": start + len(ANNA)}
    kept, _, _ = ask(stage, rows, model())
    assert [row["answer"] for row in kept] == ["Corby"]


def test_passages_outside_the_sample_lead_no_pair():
    kept, dropped, _ = ask(stage, passages(BRIDGE, ANNA), model(), share=0)
    assert not kept and {row["reason"] for row in dropped} == {"outside the sample"}
