"""True or false: a statement names its subject or is shown with its passage, and does not contradict itself."""

import pytest

from tests.support.written import outcome_of

TEXT = """\
{subject} is opened by the registrar on the first day of each month. Every visitor signs the ledger of the archive
before noon and leaves by the northern gate.
"""


def written(subject, **change):
    text = TEXT.format(subject=subject)
    true = f"{subject} is opened by the registrar on the first day of each month."
    answer = {
        "evidence": true,
        "true_statement": true,
        "false_statement": true.replace("is opened", "is not opened"),
    }
    return outcome_of("true_false", answer | change, text), text


@pytest.mark.parametrize("subject", ["The vault", "The new room", "The register", "The *vault* room"])
def test_a_subject_that_only_the_passage_identifies_is_shown_with_the_passage(subject):
    row, text = written(subject)
    assert row["context"] == text
    assert row["prompt"][-1]["content"].startswith(text)


@pytest.mark.parametrize("subject", ["The Marlow Archive", "The `vault` room", "A vault of the archive"])
def test_a_subject_with_a_name_is_self_contained(subject):
    row, _ = written(subject)
    assert row["context"] is None


def test_a_negation_whose_second_half_still_holds_is_dropped():
    sentence = "The Marlow Archive is opened on Mondays, and holds 12 ledgers of the guild."
    answer = {
        "evidence": sentence,
        "true_statement": sentence,
        "false_statement": "The Marlow Archive is not opened on Mondays, and holds 12 ledgers of the guild.",
    }
    assert outcome_of("true_false", answer, f"{sentence} It is a quiet place.") == "contradicts itself"
