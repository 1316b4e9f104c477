"""Pairs for a policy against sums of money, from passages with planted violations."""

import json
import re
from collections import Counter
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.errors import UserError
from datagen.schema import PASSAGES, table_of
from datagen.stages.filter.curate import stage as curate
from datagen.stages.filter.dedup import stage as dedup
from datagen.stages.generate.self_correction import Options, pairs, stage
from datagen.stages.generate.self_correction.drafts import Draft
from datagen.stages.generate.self_correction.policy import load_policy
from datagen.stages.handoff.handoff.configurations import of_split
from tests.support.asked import ask
from tests.support.rows import context, measured, put_through

PRICES = {"policy": "corrections/prices"}
POLICY = load_policy(context(), "corrections/prices")
WORDING = context().prompt("corrections/words").fields
WARES = ["Lanterns", "Anchors", "Saddles", "Kettles", "Ladders", "Barrels", "Mirrors", "Chisels", "Ropes"]


def sentence(ware, number, price=False):
    if price:
        return f"The guild sells {ware.lower()} of grade {number} at {number + 3} dollars a piece in spring."
    return f"The guild keeps {ware.lower()} of grade {number} in the upper storehouse all year."


def passage(number, prices=(2,), sentences=5, **fields):
    """Return a passage of sentences; those numbered in `prices` have a price."""
    ware = WARES[number % len(WARES)]
    text = " ".join(sentence(ware, place, place in prices) for place in range(1, sentences + 1))
    row = {"id": f"p{number}", "document_id": f"d{number}", "source": "wares.txt", "title": ware}
    return row | {"section": [], "text": text, "start": 0, "end": len(text), "index": 0} | fields


def made(rows, model=None, **options):
    return ask(stage, rows, model, **PRICES | options)


def placed(row):
    """Return the number of sentences before the correction of each side; never counts as after all."""
    labels = json.loads(row["metadata"])
    places = labels["chosen_corrects_after"], labels["rejected_corrects_after"]
    return [labels["sentences"] + 1 if place is None else place for place in places]


def test_all_ranks_of_a_draft_are_paired_and_the_earlier_correction_is_chosen():
    kept, dropped, requests = made([passage(0, prices=(2, 4))], cuts=3, pairs=99)
    assert not dropped and not requests
    assert Counter(row["task"] for row in kept) == {
        "keeps_the_rule": 4,  # over the corrections after 2, 3 and 4 sentences, and over none
        "corrects_earlier": 3,
        "corrects_at_all": 3,
    }
    assert sorted(map(tuple, map(placed, kept))) == [
        *[(1, 2), (1, 3), (1, 4), (1, 6)],
        *[(2, 3), (2, 4), (2, 6), (3, 4), (3, 6), (4, 6)],
    ]


drafts = st.builds(
    lambda before, after: Draft(
        f"{before}",
        [
            sentence("Ropes", place, price=price)
            for place, price in enumerate([*[False] * before, True, *after], 1)
        ],
        before + 1,
    ),
    st.integers(0, 4),
    st.lists(st.booleans(), min_size=1, max_size=5),
)


@settings(max_examples=60, deadline=None)
@given(drafts, st.integers(1, 6), st.integers(1, 20))
def test_the_earlier_correction_is_always_chosen_and_both_share_the_text_before_it(draft, cuts, most):
    written = list(pairs(draft, POLICY, WORDING, Options(cuts=cuts, pairs=most, **PRICES)))
    assert 0 < len(written) <= most
    for pair in written:
        earlier, later = placed(pair)
        assert earlier < later
        shared = " ".join(draft.sentences[:earlier])
        assert pair["answer"].startswith(shared) and pair["rejected"].startswith(shared)
        rest = pair["answer"][len(shared) :]
        assert rest and not pair["rejected"].endswith(rest)
        assert not POLICY.broken_by(rest)  # a correction does not break the rule itself
        in_words_shared = POLICY.broken_by(shared)
        assert in_words_shared == (pair["task"] != "keeps_the_rule")
        assert POLICY.broken_by(pair["rejected"])
        assert (later > len(draft.sentences)) == (pair["rejected"] == " ".join(draft.sentences))


@settings(max_examples=40, deadline=None)
@given(drafts, st.integers(1, 6))
def test_the_order_of_ranks_has_no_cycle(draft, cuts):
    """All pairs are consistent with one order of the texts."""
    rank = {}
    for pair in pairs(draft, POLICY, WORDING, Options(cuts=cuts, pairs=99, **PRICES)):
        for text, place in zip((pair["answer"], pair["rejected"]), placed(pair), strict=True):
            assert rank.setdefault(text, place) == place


def test_the_rule_is_the_system_message_and_the_prompt_contains_the_passage():
    kept, _, _ = made([passage(0)])
    for row in kept:
        system, user = row["prompt"]
        assert (system["role"], system["content"]) == ("system", POLICY.rule)
        assert user["content"] == f"{passage(0)['text']}\n\n{row['question']}"
        assert '"Lanterns"' in row["question"]
        assert row["lineage"]["prompt"] == "corrections/words"


def test_position_category_and_reason_are_in_the_handoff():
    kept, _, _ = made([passage(0)])
    rows = pa.Table.from_pylist([row | {"split": "train"} for row in kept])
    for row in of_split("preference", "train")[0].table(rows).to_pylist():
        assert [turn["role"] for turn in row["prompt"]] == ["system", "user"]
        assert [turn["role"] for turn in (*row["chosen"], *row["rejected"])] == ["assistant"] * 2
        labels = json.loads(row["metadata"])
        assert (labels["policy"], labels["category"]) == ("prices", "house rule")
        assert labels["broken_by_sentence"] == 2
        assert labels["chosen_corrects_after"] is not None


def test_the_reason_states_what_the_chosen_side_does_better():
    rows = [passage(0), passage(1, prices=())]
    reasons = {tuple(placed(row)): json.loads(row["metadata"])["reason"] for row in made(rows, pairs=99)[0]}
    breach = "sentence 2, which contains a sum of money"
    assert reasons[1, 4] == f"the chosen answer omits {breach}"
    assert (
        reasons[2, 4]
        == f"the chosen answer corrects itself after sentence 2 ({breach}), the rejected one after sentence 4"
    )
    assert (
        reasons[4, 6]
        == f"the chosen answer corrects itself after sentence 4 ({breach}), the rejected one never does"
    )
    assert [
        reason for (chosen, _), reason in reasons.items() if "nothing to correct" in reason and chosen == 6
    ]


def test_the_category_is_that_of_the_policy():
    row = passage(
        0,
        text="A nurse weighs each patient daily. "
        + "Patients take 20 mg of the powder at noon. "
        + "The ward keeps the powder in a locked drawer. " * 3,
    )
    kept, _, _ = ask(stage, [row], None, policy="corrections/dosages")
    assert {json.loads(row["metadata"])["category"] for row in kept} == {"medical safety"}


def test_the_pairs_of_a_draft_are_not_duplicates_and_pass_the_filters():
    kept, _, _ = made([passage(number, prices=(2,)) for number in range(5)], cuts=3, pairs=99)
    unique, dropped = put_through(dedup, kept)
    assert {row["reason"] for row in dropped} <= {"near duplicate"}
    assert {row["task"] for row in unique} == {row["task"] for row in kept}
    assert len(unique) >= 0.8 * len(kept)
    rows, columns = measured(kept)
    assert not put_through(curate, rows, columns=columns)[1]


def test_an_equal_number_of_answers_need_no_correction():
    rows = [passage(number, prices=(2,) if number < 4 else ()) for number in range(20)]
    kept, dropped, _ = made(rows, pairs=1)
    tasks = Counter(row["task"] for row in kept)
    assert tasks.pop("needs_no_correction") == 4 == sum(tasks.values())
    assert Counter(row["reason"] for row in dropped) == {"keeps the policy": 12}
    for row in kept:
        if row["task"] == "needs_no_correction":
            assert row["answer"] == row["context"] and not POLICY.broken_by(row["answer"])
            assert row["rejected"].startswith(sentence(row["question"].split('"')[1], 1))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (passage(0, prices=(5,)), "no sentences for a draft"),  # no sentence after the violation
        (passage(0, text="| lantern | $4 |\n| anchor | $9 |\n"), "no sentences for a draft"),
        (passage(0, prices=()), "keeps the policy"),
        (passage(0, title=""), "nothing to ask about"),
    ],
)
def test_a_passage_without_a_draft_is_dropped_with_its_reason(row, reason):
    kept, dropped, _ = made([row])
    assert not kept and [row["reason"] for row in dropped] == [reason]


def test_sentences_that_are_not_adjacent_are_not_a_draft():
    text = (
        f"{sentence('Ropes', 1)}\n\n| grade | price |\n|---|---|\n\n{sentence('Ropes', 2, True)} It is low."
    )
    kept, dropped, _ = made([passage(0, text=text)])
    assert not kept and dropped[0]["reason"] == "no sentences for a draft"


def test_the_generator_writes_drafts_if_enabled():
    draft = " ".join(sentence("Lanterns", place, place == 2) for place in (1, 2, 3)) + " They are sturdy."
    rows = [passage(0), passage(1, prices=())]

    def generator(request):
        assert "Never quote" not in str(request.messages)  # the generator does not see the rule
        return draft if "lanterns" in request.messages[-1]["content"] else "The guild keeps some. They rest."

    kept, _, requests = made(rows, generator, drafts="written")
    assert len(requests) == 2
    broken = [row for row in kept if row["task"] != "needs_no_correction"]
    assert broken and all(row["rejected"].startswith(sentence("Lanterns", 1)) for row in broken)
    assert all(len(row["lineage"]["requests"]) == 1 for row in kept)
    clean = next(row for row in kept if row["task"] == "needs_no_correction")
    assert clean["answer"] == "The guild keeps some. They rest."


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        ("The guild keeps lanterns. They rest upstairs.", "draft keeps the policy"),
        ("The guild keeps lanterns. Each is sold at 5 dollars.", "draft too short to be cut"),
        ("They cost 5 dollars. The guild keeps them in", "unfinished sentence"),
        ({"text": "They cost 5 dollars.", "finish": "length"}, "truncated"),
        ({"finish": "error", "error": "gone"}, "engine error"),
    ],
)
def test_an_unusable_written_draft_is_dropped(draft, reason):
    kept, dropped, _ = made([passage(0)], lambda request: draft, drafts="written")
    assert not kept and [row["reason"] for row in dropped] == [reason]


def test_an_invalid_policy_is_reported(tmp_path):
    own = {"file": tmp_path / "recipe.yaml", "prompts": "own"}
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "bad.yaml").write_text("category: x\nrule: Never say 5 dollars.\nwhat: a price\n")
    with pytest.raises(UserError, match="broken"):
        load_policy(context(**own), "bad")
    text = (
        "category: x\nrule: Never say 5 dollars.\nwhat: a price\ninstead: [Ask.]\nbroken: ['\\d dollars']\n"
    )
    (folder / "self.yaml").write_text(text)
    with pytest.raises(UserError, match="own text"):
        load_policy(context(**own), "self")
    (folder / "regex.yaml").write_text(text.replace("\\d dollars", "("))
    with pytest.raises(UserError, match="not a regular expression"):
        load_policy(context(**own), "regex")


@pytest.mark.parametrize(
    ("policy", "breaks", "keeps"),
    [
        ("prices", ["It costs $4.", "It is 1,200 euros.", "5 million dollars"], ["Form 4 is free.", "the dollar fell"]),
        ("dosages", ["Take 20 mg twice.", "two tablets a day", "0.5 microg/kg"], ["Take it twice a day.", "a level of 200 mg/dL", "a newborn of 2700 grams"]),
        ("periods", ["within 30 days", "five business days", "a 2-year period"], ["days go by", "section 30"]),
    ],
)  # fmt: skip
def test_the_bundled_policies_detect_violations(policy, breaks, keeps):
    loaded = load_policy(context(), f"corrections/{policy}")
    assert all(loaded.broken_by(text) for text in breaks)
    assert not any(loaded.broken_by(text) for text in keeps)


@pytest.fixture(scope="module")
def many():
    rows = [passage(number, prices=(1 + number % 3,), text=None) for number in range(60)]
    for number, row in enumerate(rows):
        row["text"] = passage(number, prices=(1 + number % 3,))["text"].replace("guild", f"guild of {number}")
    return made(rows, pairs=1)[0]


def test_corrections_vary_and_name_their_reason(many):
    corrections = []
    for row in many:
        after = placed(row)[0]
        prefix = " ".join(re.split(r"(?<=\.) ", row["answer"])[:after])
        corrections.append(row["answer"][len(prefix) :].strip())
    assert len(corrections) >= 50 and len(set(corrections)) > 0.9 * len(corrections)
    openings = [re.split(r"(?<=\.)\s", text)[0] for text in corrections]
    groups = [openings[at : at + 10] for at in range(0, len(openings), 10)]
    assert sum(len(group) - len(set(group)) for group in groups) <= 1
    for text in corrections:
        assert "a sum of money" in text.casefold()  # the reason
        assert not re.search(r"sorry|apolog|regret", text, re.IGNORECASE)
        assert text[0].isupper() and text.endswith(".") and "{" not in text and "  " not in text


def test_the_share_is_drawn_by_passage():
    rows = [passage(number) for number in range(40)]
    kept, dropped, _ = made(rows, share=0.5)
    half = {row["lineage"]["passage_id"] for row in kept}
    assert 8 < len(half) < 32
    again, _, _ = made(rows[:20], share=0.5)
    assert {row["lineage"]["passage_id"] for row in again} == half & {row["id"] for row in rows[:20]}
    assert {row["reason"] for row in dropped} == {"not drawn"}


def test_cuts_are_distinct_and_before_the_end():
    draft = Draft("k", [sentence("Ropes", place, place == 2) for place in range(1, 10)], 2)
    for most in range(1, 12):
        places = draft.places(most)
        assert places[0] == 2 and places[-1] <= 8
        assert all(first < second for first, second in pairwise(places))
    assert draft.places(3) == [2, 5, 8]


def test_the_columns_of_passages_are_sufficient():
    assert len(made(table_of(PASSAGES, [passage(0)]))[0]) > 0
