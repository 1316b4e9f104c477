"""Pairs that omit a condition, an alternative or an action of their sentence, among complete ones."""

import pytest

from datagen.stages.exercises.tasks.marked_question import holds
from datagen.stages.shared.checks.whole import whole
from datagen.stages.shared.language.rules import UNKNOWN, language_of
from tests.support.rejections import rejection

EN = language_of("en")
CONDITION, LONGER, ALTERNATIVE = (
    "cut from its condition",
    "cut from a longer answer",
    "cut from its alternative",
)

HOOK = "If a hook is found, the base is replaced by its result when creating the class."
BARE = "If no arguments are given, all aliases are listed."
NOTED = "If the key (a name, or a number) is missing, the default is returned."
PURPOSE = "To renew a lease, tenants should write to the registrar."
CHOICE = "Tenants should either renew the lease, or move to another flat."
NEITHER = "A lease is signed by hand, either in ink or in pencil."
ACTIONS = "The mint stamps the coin, and weighs it again."
NOUNS = "The mint strikes copper coins and silver medals."
READS = "The lock closes the gate and may ring a bell."
OPENED = (
    "When the mint was opened in 1998 the wardens used two presses of copper from Halden, unlike the smiths."
)
WHILE = "While the mint strikes the coins, the wardens have keys of the gate."


@pytest.mark.parametrize(
    ("question", "answer", "evidence", "why"),
    [
        ("When is the base replaced by its result?", "when creating the class", HOOK, CONDITION),
        ("What is the base replaced by?", "its result", HOOK, CONDITION),
        ("What happens if a hook is found?", "the base is replaced by its result when creating the class", HOOK, ""),
        ("When is the base replaced by its result when creating the class?", "If a hook is found", HOOK, ""),
        ("What are listed?", "all aliases", BARE, CONDITION),
        ("When are all aliases listed?", "If no arguments are given", BARE, ""),
        ("What is returned?", "the default", NOTED, CONDITION),
        ("What is returned if the key is missing?", "the default", NOTED, ""),
        ("Who should write to the registrar?", "tenants", PURPOSE, CONDITION),
        ("Who should write to the registrar to renew a lease?", "tenants", PURPOSE, ""),
        ("When was the mint opened?", "1998", OPENED, ""),  # about the clause itself
        # Concessions and times are no conditions.
        ("What do the wardens have?", "keys of the gate", WHILE, ""),
        ("Who should renew the lease?", "Tenants", CHOICE, ALTERNATIVE),
        ("Who should move to another flat?", "Tenants", CHOICE, ALTERNATIVE),
        ("Who should either renew the lease, or move to another flat?", "Tenants", CHOICE, ""),
        ("What should tenants do?", "either renew the lease, or move to another flat", CHOICE, ""),
        ("What is signed by hand?", "A lease", NEITHER, ""),
        ("What does the mint do?", "stamps the coin", ACTIONS, LONGER),
        ("What does the mint do when a coin is finished?", "stamps the coin", ACTIONS, LONGER),
        ("What does the mint do?", "stamps the coin, and weighs it again", ACTIONS, ""),
        ("What does the mint stamp?", "the coin", ACTIONS, ""),
        ("What does the mint do?", "strikes copper coins", NOUNS, ""),
        ("What does the lock do?", "closes the gate", READS, LONGER),
        ("What does the mint strike?", "copper coins", NOUNS, LONGER),
        ("What does the mint strike?", "copper coins and silver medals", NOUNS, ""),
        ("Who shall the court hear?", "the clerk", "The court shall hear the clerk and the parties in the appeal.", LONGER),
        ("Who shall the court give notice to?", "the clerk", "The court shall, before a hearing, give notice to the clerk and the owner.", LONGER),
        ("What can the mint sell?", "coins", "The mint may sell coins, medals, or other goods to the guild.", LONGER),
        ("What can the mint sell?", "coins", "The mint may sell coins, and the guild may buy them.", ""),
        ("What can the mint sell?", "coins", "The mint may sell coins and signs a bill.", ""),
        ("What could the mint sell?", "coins", "The mint could sell coins and drew up bills.", ""),
        ("What did Holz need?", "coins", "Holz lived on coins and the medals of a guild.", ""),
        ("What can the mint sell?", "coins", "The mint may sell coins, with a seal and a bill of the guild.", ""),
        ("What can the mint sell?", "coins", "The mint may sell coins and if the guild agrees medals.", ""),
        ("What can the mint sell?", "coins", "The mint may sell coins and, if the guild agrees, medals.", ""),
        ("What does the operator do?", "::=", 'The operator ::= and it defines a name.', ""),  # no word
        ("What does the lock do?", "rings", READS, ""),  # a paraphrase; located elsewhere
    ],
)  # fmt: skip
def test_a_pair_has_the_whole_sentence_that_it_depends_on(question, answer, evidence, why):
    assert rejection(whole, question, answer, evidence, EN) == why


def test_questions_in_other_words_are_not_judged():
    assert rejection(whole, "What replaces a parent of a class?", "its result", HOOK, EN) == ""


def test_marked_questions_are_checked():
    assert rejection(holds, "Who should renew the lease?", "Tenants", CHOICE, EN) == ALTERNATIVE


def test_a_language_without_lists_is_not_checked():
    assert rejection(whole, "Who should renew the lease?", "Tenants", CHOICE, UNKNOWN) == ""
