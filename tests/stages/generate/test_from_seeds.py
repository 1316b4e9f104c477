"""New instructions and questions from seeds: contents of prompts, checks, and traceability of rows."""

import json

import pytest

from datagen.stages.generate.from_search import stage as from_search
from datagen.stages.generate.from_seeds import stage as from_seeds
from datagen.stages.sources.seeds import seed
from tests.support.asked import WHO, ask
from tests.support.generators import HOSTILE, HOSTILE_TEXT

SUBJECTS = ("rent", "land", "notices", "registers", "heirs", "orchards", "fences", "wells", "barns", "roads")


def seeds(count=10):
    rows = []
    for number, subject in enumerate(SUBJECTS[:count]):
        row = seed({"question": f"Which rules hold for {subject} in a lease?"})
        lineage = {
            "document_id": f"d{number}",
            "source": f"seeds.jsonl#{number}",
            "language": "en",
            "parents": [],
        }
        rows.append(row | {"id": f"s{number}", "task": "seed", "lineage": lineage | {"requests": []}})
    return rows


def test_rows_of_a_hand_off_are_seeds_of_a_second_iteration():
    handed_off = {
        "prompt": [{"role": "user", "content": GOOD}],
        "completion": [{"role": "assistant", "content": "A."}],
    }
    assert (seed(handed_off)["question"], seed(handed_off)["answer"]) == (GOOD, "A.")


def new(*texts, **fields):
    return json.dumps({"new": [{"text": text, **fields} for text in texts]})


GOOD = "How long may the heirs of a tenant keep the land?"


@pytest.mark.parametrize("stage", [from_seeds, from_search])
def test_each_prompt_shows_k_seeds_and_its_rows_name_them(stage):
    rows = seeds()
    shown = []

    def model(request):
        text = request.messages[-1]["content"]
        shown.append([row["id"] for row in rows if row["question"] in text])
        return new(GOOD)

    kept, dropped, requests = ask(stage, rows, model, shown=3, prompts=2, domain="land leases")
    assert len(requests) == 20 and not dropped
    assert all(len(ids) == 3 for ids in shown[:20])
    assert len({request.key(WHO) for request in requests}) == 20
    assert [request.sample for request in requests] == [0, 1] * 10
    for row, request in zip(kept, requests, strict=True):
        named = json.loads(request.about)
        assert (
            sorted(row["lineage"]["parents"]) == sorted(named) == sorted(json.loads(row["metadata"])["seeds"])
        )
        assert row["lineage"]["requests"] and row["task"] == stage.name
        assert "land leases" in request.messages[-1]["content"]


def test_prompts_with_the_same_seeds_are_different_samples():
    """Their requests would have one key, and the second would repeat the texts of the first."""
    _, _, requests = ask(from_seeds, seeds(2), lambda _: new(GOOD), shown=2, prompts=5)
    assert len({request.key(WHO) for request in requests}) == len(requests) == 10


def distinct(request):
    """Write two texts that share few words with those of other requests, and one that every request repeats."""
    words = [f"{SUBJECTS[int(request.row[1:])]}{request.sample}{number}x" for number in range(6)]
    return new(f"What {' '.join(words)}?", f"Where {' '.join(reversed(words))}?", GOOD)


@pytest.mark.parametrize("stage", [from_seeds, from_search])
@pytest.mark.parametrize(
    ("enough", "sent"),
    [
        (None, 40),
        (1, 10),
        (21, 10),
        (22, 20),
        (1000, 40),
    ],  # a round: 10 requests, 20 new texts, and one that repeats
)
def test_prompts_are_sent_until_enough_new_texts_passed(stage, enough, sent):
    everything = ask(stage, seeds(), lambda _: new(GOOD), prompts=4)[2]
    kept, _, requests = ask(stage, seeds(), distinct, prompts=4, enough=enough)
    assert len(requests) == sent
    assert {request.key(WHO) for request in requests} <= {request.key(WHO) for request in everything}
    assert len({row["question"] for row in kept}) == 2 * sent + 1


def test_texts_like_a_seed_or_another_text_are_not_enough():
    similar = iter(range(99))
    model = lambda _: new(f"Which rules hold for rent in a lease of year {next(similar)}?")  # noqa: E731
    assert len(ask(from_seeds, seeds(), model, prompts=4, enough=1)[2]) == 40
    one = lambda _: new(f"How long may the heirs of a tenant keep the land {next(similar)}?")  # noqa: E731
    assert len(ask(from_seeds, seeds(), one, prompts=4, enough=2)[2]) == 40


@pytest.mark.parametrize(
    ("stage", "text", "reason"),
    [
        (from_seeds, "Explain leases.", "too short"),
        (from_seeds, " ".join(f"w{number}" for number in range(151)), "too long"),
        (from_seeds, "Draw a diagram of how land is leased.", "needs what no text has"),
        (from_seeds, "Summarise the following text on land leases.", "needs what no text has"),
        (from_seeds, "~ Explain how a lease of land ends", "begins with a mark"),
        (from_seeds, "Which rules hold for rent in a lease?", "copies a seed"),
        (from_seeds, "WHICH rules hold  for rent in a lease?", "copies a seed"),
        (from_seeds, "The heirs of a tenant keep the land for a year.", "not an instruction"),
        (from_seeds, "Note that a lease of land ends in autumn.", "not an instruction"),
        (from_seeds, "Leases of land, orchards and wells in spring", "not an instruction"),
        (from_seeds, 'How does a lease end?", "category": "x', "template leftover"),
        (from_seeds, "{'text': 'How does a lease of land end?", "template leftover"),
        (from_seeds, 'How does a lease of land end?"}, {', "template leftover"),
        (from_search, '"text": "How does a lease of land end?', "template leftover"),
        (from_seeds, "As the text says, how does a lease end?", "refers to the passage"),
        (from_search, "Explain how a lease of land ends.", "not a question"),
        (from_search, "How long does this lease last in spring?", "refers to the passage"),
        (from_search, "What may be empty then?", "asks for nothing in particular"),
    ],
)
def test_unsuitable_texts_are_dropped_with_a_reason(stage, text, reason):
    kept, dropped, _ = ask(stage, seeds(1), lambda _: new(GOOD, text), prompts=1, shown=1)
    assert [row["question"] for row in kept] == [GOOD]
    assert [row["reason"] for row in dropped] == [reason]


@pytest.mark.parametrize(
    "text",
    [
        "Explain how a lease of land ends.",
        "For a tenant in his first year, list the duties of the lease.",
        "You advise tenants. Draft a letter that ends a lease.",
        "Please compare a lease of land with a sale.",
        "I need a short overview of leases for a new tenant.",
        "A lease ends in autumn. When must the tenant file a notice?",
        "Name each duty: rent, notice and care of the land.",
        'Explain what the JSON object {"term": [12]} means in a register of leases.',
    ],
)
def test_questions_and_commands_of_any_wording_are_kept(text):
    kept, dropped, _ = ask(from_seeds, seeds(1), lambda _: new(text), prompts=1, shown=1)
    assert [row["question"] for row in kept] == [text] and not dropped


def test_a_german_statement_is_no_instruction():
    rows = [row | {"lineage": row["lineage"] | {"language": "de"}} for row in seeds(1)]
    texts = "Erkläre, wie eine Pacht endet.", "Eine Pacht endet stets im Herbst."
    kept, dropped, _ = ask(from_seeds, rows, lambda _: new(*texts), prompts=1, shown=1)
    assert [row["question"] for row in kept] == [texts[0]]
    assert [row["reason"] for row in dropped] == ["not an instruction"]


def test_a_category_must_be_one_of_the_options():
    def model(request):
        assert request.schema["$defs"]["Item"]["properties"]["category"]["enum"] == ["answering", "writing"]
        return json.dumps(
            {"new": [{"text": GOOD, "category": "answering"}, {"text": f"{GOOD[:-1]} now?", "category": "x"}]}
        )

    kept, dropped, _ = ask(
        from_seeds, seeds(1), model, prompts=1, shown=1, categories=["answering", "writing"]
    )
    assert [json.loads(row["metadata"])["category"] for row in kept] == ["answering"]
    assert [row["reason"] for row in dropped] == ["unknown category"]


@pytest.mark.parametrize("stage", [from_seeds, from_search])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_gives_a_dropped_row(stage, name):
    good = json.loads(new(GOOD))
    kept, dropped, _ = ask(stage, seeds(1), lambda _: HOSTILE[name](good), prompts=1, shown=1)
    assert not kept and dropped


@pytest.mark.parametrize("stage", [from_seeds, from_search])
@pytest.mark.parametrize("name", HOSTILE_TEXT)
def test_hostile_texts_are_dropped(stage, name):
    kept, dropped, _ = ask(stage, seeds(1), lambda _: new(HOSTILE_TEXT[name](GOOD)), prompts=1, shown=1)
    assert not kept and dropped


def test_a_text_that_occurs_twice_in_an_answer_is_repeated():
    kept, dropped, _ = ask(from_seeds, seeds(1), lambda _: new(GOOD, GOOD), prompts=1, shown=1)
    assert len(kept) == 1 and [row["reason"] for row in dropped] == ["repeated"]
