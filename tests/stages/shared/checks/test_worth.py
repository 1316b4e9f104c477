"""Questions that nobody would ask and answers without content, among good ones."""

import pytest

from datagen.stages.shared.checks.worth import worth_asking
from datagen.stages.shared.language.rules import UNKNOWN, language_of
from tests.support.rejections import rejection

EN, DE = language_of("en"), language_of("de")
UNLIKELY = "question nobody would ask"

METHOD = 'An example of a built-in method is "alist.append()".'
BLOCK = "Guard evaluation must stop once a case block is selected."
PROXY = "The new copy is wrapped in a read-only proxy, which becomes the attribute of the class."
ORDER = "Insertion order was preserved, but it was considered a detail of the implementation."
SCOPE = "Free names are not resolved in the nearest block, but in the module."
LOOP = "Names of the list are not deleted when the loop ends."
GUARD = "If the pattern failed, the guard is not evaluated."
TEXTS = "Error messages are not part of the interface."
CALL = "The setter is called with appropriate arguments, and returns several different values."
ROLLS = "Rolls may be used as names or as targets in assignments."
FILE = 'The file is searched on "sys.path", and the returned value is bound to the name.'
STAFF = "The members of the board are elected for three years."
KASSE = "Die Kasse steht nicht im Hof, sondern im Keller."


@pytest.mark.parametrize(
    ("question", "answer", "evidence", "why"),
    [
        ("Who may make awards not to exceed ten crowns?", "Ada Holz", "Ada Holz may make awards not to exceed ten crowns.", ""),
        ("What cannot be directly compared?", "Strings and bytes", "Strings and bytes cannot be directly compared.", UNLIKELY),
        ("What is an example of a built-in method?", "alist", METHOD, UNLIKELY),
        ("What must stop once a case block is selected?", "Guard evaluation", BLOCK, UNLIKELY),
        ("Who shall furnish copies without cost?", "The Registrar", "The Registrar shall furnish copies without cost.", ""),
        ("Who may authorize a change only?", "The clerk", "The clerk may authorize a change only in June.", "cut from its condition"),
        ("Who may authorize a change without notice?", "nobody", "Nobody may authorize a change without notice.", "answer says nothing"),
        ("What must either both be numbers or both be sequences?", "The arguments", "The arguments must either both be numbers or both be sequences.", UNLIKELY),
        ("What are also compound statements?", "Classes", "Classes are also compound statements.", UNLIKELY),
        ("What is wrapped in a proxy, which becomes the attribute?", "The new copy", PROXY, "asks about two things"),
        ("What was preserved, but it was considered a detail?", "Insertion order", ORDER, "asks about two things"),
        ("When is a common cause of cycles a common cause?", "when it fails", METHOD, "repetition loop"),
        ("When is the length added to it?", "If it is negative", METHOD, "refers to the passage"),
        ("What happens in such a statement?", "It fails", "It fails in such a statement.", UNLIKELY),
        ("When is pass a null operation —?", "when it is executed", "It is one.", "unfinished sentence"),
        ("Historically, which church backed the movement?", "the Methodists", "The Methodists backed it.", ""),
        ("When must guard evaluation stop?", "once a case block is selected", BLOCK, ""),
        ("What is the new copy wrapped in?", "a read-only proxy", PROXY, ""),
        ("What are floors, walls, and roofs made of?", "oak", "Floors, walls, and roofs are made of oak.", ""),
        ("What is done using the specified character?", "Padding", "Padding is done using the specified character.", UNLIKELY),
        ("When is an error raised (a new item cannot be added to a list)?", "If it is full", METHOD, "asks about two things"),
        ("What is the town (pop. 4,000) known for?", "salt", "The town (pop. 4,000) is known for salt.", ""),
        ("What can be shown by %1, while %* is replaced by all of them?", "Parameters", METHOD, "asks about two things"),
        ("What are errors a means of leaving the flow of control of?", "a block", METHOD, "ungrammatical"),
        ("What is the abbey a daughter house of?", "Cluny", "The abbey is a daughter house of Cluny.", ""),
        ("What happens if the names are not found there?", "the module is searched", SCOPE, "refers to the passage"),
        ("What happens if a name is used in a block but not defined there?", "it is free", SCOPE, ""),
        ("Why is there a toll on the bridge?", "to pay for it", "There is a toll on the bridge to pay for it.", ""),
        ("What happens when invoked as a module?", "the debugger starts", METHOD, "refers to the passage"),
        ("What happens if appointed by the crown?", "the judge serves for life", STAFF, "refers to the passage"),
        ("What happens if needed papers are missing?", "the claim lapses", STAFF, ""),
        ("When are the elements reversed?", "If set to true.", METHOD, "refers to the passage"),
        ("When is the fee waived?", "If necessary", STAFF, "refers to the passage"),
        ("When does the debugger start by itself?", "When invoked as a module.", METHOD, ""),
        ("What can be read from its log?", "Details of a voyage", "Details of a voyage can be read from its log.", "refers to the passage"),
        ("What can be read from its log?", "A ship’s speed", "A ship’s speed can be read from its log.", "refers to the passage"),
        ("What can hide their tracks by swimming?", "Otters", "Otters can hide their tracks by swimming.", ""),
        ("What can be read from a ship and its log?", "Details of a voyage", "Details of a voyage can be read from a ship and its log.", ""),
        ("What must a tenant pay?", "rent", "A tenant must pay rent.", ""),
    ],
)  # fmt: skip
def test_questions_that_nobody_would_ask_are_rejected(question, answer, evidence, why):
    assert rejection(worth_asking, question, answer, evidence, EN) == why


@pytest.mark.parametrize(
    ("question", "answer", "evidence", "why"),
    [
        # A sentence that repeats itself; those who receive for their own service.
        ("Who pays the fee of the guild before the fee of the guild?", "Holz", "Holz pays the fee of the guild before the fee of the guild.", ""),
        ("Who pays the fee of the guild before the fee of the guild?", "Holz", "Holz pays the fee of the guild.", "repetition loop"),
        ("Who receives no pay for their service?", "Members of the board", "Members of the board receives no pay for their service.", ""),
        # Half of a contrast; a condition after a negation; endless things that are not so.
        ("What are free names not resolved in?", "the nearest block", SCOPE, UNLIKELY),
        ("What are not resolved in the nearest block?", "Free names", SCOPE, UNLIKELY),
        ("When are names of the list not deleted?", "when the loop ends", LOOP, UNLIKELY),
        ("What are not part of the interface?", "Error messages", TEXTS, UNLIKELY),
        ("What are error messages not part of?", "the interface", TEXTS, ""),
        ("What is stable if it does not turn?", "A sort", "A sort is stable if it does not turn.", ""),
        ("What is usually not stable if it turns?", "A sort", "A sort is usually not stable if it turns.", UNLIKELY),
        ("When is the guard not evaluated?", "If the pattern failed", GUARD, ""),
        ("What happens if the pattern failed?", "the guard is not evaluated", GUARD, ""),
        # A note that refers elsewhere, a pronoun of the answer, a preposition of one of two phrases, an empty phrase.
        ("What is read in a new frame (see Naming)?", "The roll", "The roll is read in a new frame (see Naming).", "refers to the passage"),
        ("What is then read in a new frame?", "The roll", "The roll is then read in a new frame.", UNLIKELY),
        ('What may have a seal, even those of the form "*x"?', "Any roll", 'Any roll may have a seal, even those of the form "*x".', UNLIKELY),
        ("What can rolls be used as names or as targets in?", "assignments", ROLLS, "ungrammatical"),
        ("What are rolls read in May or after noon with?", "lenses", "Rolls are read in May or after noon with lenses.", ""),
        ("What can rolls be used in as targets?", "assignments", ROLLS, ""),
        ("Which clerk is called with suitable forms?", "Ada Holz", "The clerk Ada Holz is called with suitable forms.", UNLIKELY),
        ("Which clerk of Arbroath sent different forms?", "Ada Holz", "The clerk of Arbroath Ada Holz sent different forms.", ""),
        # A missing noun; a second statement; a reference to an earlier sentence.
        ("Which is searched on the path?", "file", FILE, UNLIKELY),
        ("Which file is searched on the path?", "the first", FILE, ""),
        ('What is raised for copies; or a "KeyError" for names?', "SyntaxError", METHOD, "asks about two things"),
        ("What is used to set such attributes?", "Dot notation", METHOD, "refers to the passage"),
        ("What are keys such as numbers used for?", "access", METHOD, ""),
        ("When is the name printed?", "When an error occurs in such a statement", METHOD, "refers to the passage"),
    ],
)  # fmt: skip
def test_negated_double_and_dependent_questions_are_rejected(question, answer, evidence, why):
    assert rejection(worth_asking, question, answer, evidence, EN) == why


@pytest.mark.parametrize(
    ("question", "answer", "evidence", "why"),
    [
        ("What is the setter called with?", "appropriate arguments", CALL, "answer says nothing"),
        ("What does the setter return?", "several different values", CALL, "answer says nothing"),
        ("What does it map?", "names in different formats", "It maps names in different formats.", ""),
        ("What is searched on the path?", "various", FILE, ""),
        ('What is searched on "sys.path"?', "The file", FILE, "refers to the passage"),
        ("What is bound to the name?", "the returned value", FILE, "refers to the passage"),
        ("Who are elected for three years?", "The members of the board", STAFF, ""),
        ('What becomes "None"?', "The annotation values", 'The annotation values become "None".', ""),
        ("What met in May?", "The Senate", "The Senate met in May.", ""),
        (
            "Who sold the boat in June?",
            "my uncle",
            "No, my uncle sold the boat in June.",
            "refers to the passage",
        ),
    ],
)
def test_answers_that_say_nothing_are_rejected(question, answer, evidence, why):
    assert rejection(worth_asking, question, answer, evidence, EN) == why


@pytest.mark.parametrize(
    ("question", "answer", "why"),
    [
        ("Was steht nicht im Hof?", "Die Kasse", UNLIKELY),
        ("Was steht im Keller?", "verschiedene Kassen", "answer says nothing"),
        ("Welche steht im Keller?", "die Kasse", ""),
        ("Welche wird im Keller gezählt?", "die Kasse", UNLIKELY),
        ("Wofür werden solche Kassen gebraucht?", "für Münzen", "refers to the passage"),
        ("Wo steht die Kasse?", "im Keller", ""),
        ("Was passiert, wenn Moped oder Kasse fehlen?", "Es hupt", ""),  # English participles end in -ed
    ],
)
def test_german_has_the_rules_that_do_not_need_english_word_order(question, answer, why):
    assert rejection(worth_asking, question, answer, KASSE, DE) == why


def test_a_language_without_lists_has_no_rules():
    assert (
        rejection(
            worth_asking, "What are free names not resolved in?", "appropriate arguments", SCOPE, UNKNOWN
        )
        == ""
    )
