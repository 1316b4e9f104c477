"""Handwritten cases: the parts must fit each other and a rule in the passage."""

import pytest

from datagen.stages.generate.instruct import stage
from tests.support.asked import ask
from tests.support.written import outcome_of, passage

RULE = "The owner of a vessel shall report a collision to the harbor master within 48 hours."
TEXT = f"{RULE} The harbor of Klow was dredged in spring."
SOUND = {
    "evidence": RULE,
    "facts": "Anna owns a trawler that hit a pier on Monday, and she told nobody until Friday.",
    "issue": "Was Anna bound to report that her trawler hit a pier?",
    "application": "As owner of a vessel Anna had to report the collision of her trawler with the pier within 48 hours.",
    "conclusion": "Anna had to report that the trawler hit the pier, and did not within 48 hours.",
}


def test_the_answer_to_a_sound_case_has_four_parts():
    pair = outcome_of("irac", SOUND, TEXT)
    assert SOUND["facts"] in pair["question"]
    parts = [pair["answer"].index(SOUND[part]) for part in ("issue", "evidence", "application", "conclusion")]
    assert parts == sorted(parts)
    assert pair["evidence"] == RULE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"evidence": "The owner shall report."}, "evidence not in passage"),
        ({"facts": RULE.replace("48", "24")}, "copies the passage"),
        ({"facts": "She owns a trawler that hit a pier."}, "depends on earlier text"),
        ({"issue": "Anna was bound to report."}, "not a question"),
        ({"issue": "May a lawyer charge interest on unpaid invoices?"}, "parts do not fit together"),
        ({"application": "Anna should have told somebody about the pier, and her trawler was hit."}, "does not apply the rule to the facts"),
        ({"application": "The owner of a vessel shall report a collision to the harbor master."}, "does not apply the rule to the facts"),
        ({"application": SOUND["application"].replace("48", "24")}, "number not in passage"),
        ({"conclusion": "Taxes are due in spring each year."}, "parts do not fit together"),
    ],
)  # fmt: skip
def test_a_flaw_is_dropped_with_its_reason(change, reason):
    assert outcome_of("irac", SOUND | change, TEXT) == reason


def test_a_passage_without_a_rule_gets_no_requests():
    rows = [passage("The harbor of Klow was dredged in spring by the crew of the barge.")]
    _, dropped, requests = ask(stage, rows, lambda _: "{}", tasks=["irac"])
    assert (requests, [row["reason"] for row in dropped]) == ([], ["nothing to quote"])
