"""Questions that are no sentences of their language, and answers that do not continue them, are rejected."""

import pytest

from datagen.stages.shared.checks.agreement import agrees
from datagen.stages.shared.language.rules import UNKNOWN, language_of
from tests.support.rejections import rejection

ENGLISH = language_of("en")

REJECTED = [
    # question, answer, sentence, reason
    ("What does the report should contain?", "two tables", "The report should contain two tables.", "ungrammatical"),
    ("What do the pumps are driven by?", "a belt", "The pumps are driven by a belt.", "ungrammatical"),
    ("What is a useful tool but it is often misused?", "the lathe",
     "The lathe is a useful tool but it is often misused.", "asks about two things"),
    ("What does these gauges measure at the inlet?", "pressure",
     "These gauges measure pressure at the inlet.", "ungrammatical"),
    ("What does open valves do?", "should be closed at night", "Open valves should be closed at night.",
     "answer of another kind"),
    ("What does the old method do?", "has been to count by hand", "The old method has been to count by hand.",
     "answer of another kind"),
    ("What happens if the seal leaks?", "replace the gasket", "If the seal leaks, replace the gasket.",
     "answer of another kind"),
    ("What happens if the seal leaks?", "Please call the workshop.", "If the seal leaks, please call the workshop.",
     "answer of another kind"),
    ("What happens if the seal leaks?", "do not open the tank", "If the seal leaks, do not open the tank.",
     "answer of another kind"),
    ("What happens if the seal leaks?", "remove all bolts", "If the seal leaks, remove all bolts.",
     "answer of another kind"),
    ("What happens if the seal leaks?", "report the leak", "If the seal leaks, report the leak.",
     "answer of another kind"),
    ("What is the lathe of 1911?", "A good example", "A good example is the lathe of 1911.", "answer says nothing"),
    ("What can be found in the annex?", "More information", "More information can be found in the annex.",
     "answer says nothing"),
    ("What is tested in?", "the usual manner", "It is tested in the usual manner.", "answer says nothing"),
    ("Who report leaks to the workshop?", "Sometimes tenants", "Sometimes tenants report leaks to the workshop.",
     "answers another part of the sentence"),
]  # fmt: skip

ACCEPTED = [
    ("What does the report contain?", "two tables", "The report contains two tables."),
    ("What does the rule that must be followed require?", "a receipt",
     "The rule that must be followed requires a receipt."),
    ("What does the clerk have to be able to read?", "the seal", "The clerk has to be able to read the seal."),
    ("What does the pump that is old do if it is cold?", "stops", "The pump that is old stops if it is cold."),
    ("Which lock and key is the oldest?", "that of the cellar", "The oldest lock and key is that of the cellar."),
    ("What is wet and cold?", "the cellar", "The cellar is wet and cold."),
    ("What did the gauges measure?", "pressure", "The gauges measured pressure."),
    ("What does the gauge not measure?", "heat", "The gauge does not measure heat."),
    ("What does the court allow the clerk to do?", "sign", "The court allows the clerk to sign."),
    ("How does rust weaken a beam?", "It thins the beam.", "Both rust and rot weaken a beam."),  # "weaken": two nouns
    ("What does the old method do?", "counts by hand", "The old method counts by hand."),
    ("What happens if the seal leaks?", "The gasket is replaced.", "If the seal leaks, the gasket is replaced."),
    ("What happens if the seal leaks?", "Use of the tank is forbidden.",
     "If the seal leaks, use of the tank is forbidden."),
    ("What happens if the seal leaks?", "all the bolts are removed", "If the seal leaks, all the bolts are removed."),
    ("What should be done if the seal leaks?", "replace the gasket", "If the seal leaks, replace the gasket."),
    ("What is the lathe of 1911?", "A good example of early engineering",
     "The lathe of 1911 is a good example of early engineering."),
    ("How many sets are there?", "two sets", "There are two sets."),
    ("When do tenants report leaks?", "often in winter", "Tenants report leaks often in winter."),
]  # fmt: skip


@pytest.mark.parametrize(("question", "answer", "sentence", "reason"), REJECTED)
def test_what_is_no_sentence_is_rejected(question, answer, sentence, reason):
    assert rejection(agrees, question, answer, sentence, ENGLISH) == reason
    assert rejection(agrees, question, answer, sentence, UNKNOWN) == ""  # a rule of English


@pytest.mark.parametrize(("question", "answer", "sentence"), ACCEPTED)
def test_sentences_are_accepted(question, answer, sentence):
    assert rejection(agrees, question, answer, sentence, ENGLISH) == ""
