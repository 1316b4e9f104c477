"""Questions and answers against their sentence: planted pairs with each fault, and sound ones."""

import pytest

from datagen.stages.shared.checks import claims
from datagen.stages.shared.checks.own_words import turned
from datagen.stages.shared.language.rules import UNKNOWN, language_of
from tests.support.rejections import rejection

EN = language_of("en")

VANADIUM = "Vanadium was discovered by Andres Manuel del Rio in Mexico City in 1801."
CANAL = "The canal was nationalised by the Egyptian president Gamal Nasser in July 1956."
NOVEL = "The novel, which is set in Lisbon, was translated by Ines Duarte for a Danish publisher."
LEAVES = "The leaves are eaten by the caterpillars of the cinnabar moth in June."
LEASE = "A lease that has expired must not be extended by the registrar."
BARGE = "Barges of the guild may not pass the lock at night."
CLASS = "Once the appropriate metaclass has been identified, then the class namespace is prepared."
PRINTER = "After the toner cartridge was replaced, the printer recalibrates its sensors."
TOWER = "The tower was closed in 1911 because its stairs had rotted."
LOG = 'The log is written by the "flush()" function whenever the buffer is full.'
STAFF = "The members of the board and the auditor are elected for three years."
FORMAT = "ASCII characters have code points in the range U+0000-U+007F."
OWLS = "The owls are found on every island except Gotland, unlike the main island."
KEEPER = "A keeper shall not enter a barn without a key."
THOUGHT = "The warden thought the guild had sold the seal."
SCOPE = "The scope of a name is limited to the block."


@pytest.mark.parametrize(
    ("question", "answer", "evidence", "reason"),
    [
        # What the sentence excepts.
        ("Which island are the owls found on?", "Gotland", OWLS, "question is not true"),
        ("What are the owls found on?", "the main island", OWLS, "question is not true"),
        ("What are found on every island except Gotland?", "The owls", OWLS, ""),
        # One of two negations is left out; both are kept.
        ("Who shall enter a barn without a key?", "A keeper", KEEPER, "question is not true"),
        ("Who shall not enter a barn without a key?", "A keeper", KEEPER, ""),
        ("Who shall enter a barn?", "A keeper who does not ride", "A keeper who does not ride shall not enter a barn.", "question is not true"),
        # What somebody only thinks.
        ("Who owned the seal?", "the guild", "The warden thought highly of the guild that owned the seal.", ""),
        ("What did the guild own?", "the seal", "It is thought the guild owned the seal.", ""),
        ("Who had sold the seal?", "the guild", THOUGHT, "question is not true"),
        ("What did the warden think the guild had sold?", "the seal", THOUGHT, ""),
        ("Who was thought to own the seal?", "Ada Holz", "Ada Holz was thought to own the seal.", ""),
        # A time for a question that asks for a place or a manner.
        ("Where was the tower closed?", "After its stairs had rotted", TOWER, "answer of another kind"),
        ("Where was the tower closed?", "because its stairs had rotted", TOWER, "answer of another kind"),
        ("How was the tower closed?", "in 1911", TOWER, "answer of another kind"),
        ("How was the lamp lit?", "before noon", "The lamp was lit before noon.", "answer of another kind"),
        ("How long was the tower closed?", "until May 1911", "The tower was closed until May 1911.", ""),
        ("How was the tower closed?", "in three steps", "The tower was closed in three steps.", ""),
        # Who did it, and to whom.
        ("Where was Andres Manuel del Rio discovered?", "Mexico City", VANADIUM, "confuses who does what"),
        ("When was Andres Manuel del Rio discovered?", "in 1801", VANADIUM, "confuses who does what"),
        ("Who did vanadium discover?", "Andres Manuel del Rio", VANADIUM, "confuses who does what"),
        ("Who discovered Andres Manuel del Rio?", "vanadium", VANADIUM, "confuses who does what"),
        ("Which president was nationalised in July 1956?", "Gamal Nasser", CANAL, "confuses who does what"),
        ("When was the Egyptian president nationalised?", "July 1956", CANAL, "confuses who does what"),
        ("For whom was Ines Duarte translated?", "a Danish publisher", NOVEL, "confuses who does what"),
        ("When are the caterpillars of the cinnabar moth eaten?", "in June", LEAVES, "confuses who does what"),
        ("What eats the cinnabar moth?", "the leaves", LEAVES, "confuses who does what"),
        ("Who was vanadium discovered by?", "Andres Manuel del Rio", VANADIUM, ""),
        ("Who discovered vanadium?", "Andres Manuel del Rio", VANADIUM, ""),
        ("What was discovered by Andres Manuel del Rio?", "Vanadium", VANADIUM, ""),
        ("What did Andres Manuel del Rio discover?", "Vanadium", VANADIUM, ""),
        ("Where was vanadium discovered?", "Mexico City", VANADIUM, ""),
        ("When was the canal nationalised by Gamal Nasser?", "in July 1956", CANAL, ""),
        ("Who was the novel translated by?", "Ines Duarte", NOVEL, ""),
        ("What can the seal be followed by?", "a date", "The seal can be followed by a date.", ""),
        ("What can the date be followed by?", "the seal", "The seal can be followed by a date.", "confuses who does what"),
        ("What can be followed by a date?", "the seal", "The seal can be followed by a date.", ""),
        ("When are the leaves eaten?", "in June", LEAVES, ""),
        # A superfluous preposition.
        ("When was vanadium discovered by?", "in 1801", VANADIUM, "superfluous preposition"),
        ("When was the canal nationalised in?", "July 1956", CANAL, "superfluous preposition"),
        ("Why was the tower closed for?", "because its stairs had rotted", TOWER, ""),
        ("Why was the tower closed by?", "because its stairs had rotted", TOWER, "superfluous preposition"),
        ("Where was vanadium discovered in?", "Mexico City", VANADIUM, "superfluous preposition"),
        ("What is the argument interpreted as in?", "slice notation", FORMAT, "superfluous preposition"),
        ("What is vanadium referred to as?", "del Rio's metal", VANADIUM, ""),
        ("What was the name of the man that discovered vanadium?", "Andres Manuel del Rio", VANADIUM, ""),
        # A clause that stops before its verb; a reason where a time is asked for.
        ("When is the class namespace prepared?", "Once the appropriate metaclass", CLASS, "answer is cut from a clause"),
        ("When does the printer recalibrate?", "After the toner cartridge", PRINTER, "answer is cut from a clause"),
        ("When is the class namespace prepared?", "Once the appropriate metaclass has been identified", CLASS, ""),
        ("When is the log written?", "whenever the buffer is full", LOG, ""),
        ("When was the tower closed?", "because its stairs had rotted", TOWER, "answer of another kind"),
        ("Why was the tower closed?", "because its stairs had rotted", TOWER, ""),
        # A negation that the question leaves out.
        ("Who must a lease that has expired be extended by?", "the registrar", LEASE, "question is not true"),
        ("When may barges of the guild pass the lock?", "at night", BARGE, "question is not true"),
        ("When may barges of the guild not pass the lock?", "at night", BARGE, ""),
    ],
)  # fmt: skip
def test_a_question_is_entailed_by_its_sentence(question, answer, evidence, reason):
    assert rejection(claims.entailed, question, answer, evidence, EN) == reason


@pytest.mark.parametrize(
    ("question", "answer", "evidence", "reason"),
    [
        ("What can the log be written by?", "flush()", LOG, "question is not true"),
        ("Which class is the board aliases for?", "auditor", STAFF, "question is not true"),
        (
            "What are ASCII characters having code points in?",
            "the range U+0000-U+007F",
            FORMAT,
            "question is not true",
        ),
        ("What does the scope of a name limit to?", "the block", SCOPE, "question is not true"),
        ("Which class is the log written by?", "flush()", LOG, "answer of another kind"),
        ("Which function is the log written by?", "flush()", LOG, ""),
        ("What class is the log written by?", "flush()", LOG, "answer of another kind"),
        ("What function is the log written by?", "flush()", LOG, ""),
        ("What year were they elected?", "1980", "They were elected in 1980.", ""),
        # One bound, or one end of a range.
        ("How long does the board meet?", "5 days", "The board shall meet not less than 5 days.", "cut from a longer answer"),
        ("How long does the board meet?", "not less than 5 days", "The board shall meet not less than 5 days.", ""),
        ("When was the hall in Lisbon?", "2000", "From 1991 until 2000, the hall was in Lisbon.", "cut from a longer answer"),
        ("When was the hall in Lisbon?", "1991", "From 1991 until 2000, the hall was in Lisbon.", "cut from a longer answer"),
        ("When was the hall in Lisbon?", "From 1991 until 2000", "From 1991 until 2000, the hall was in Lisbon.", ""),
        ("What was known for his kilns?", "Holz", "Holz was known for his kilns.", "answer of another kind"),
        ("What is the scope of a name limited to?", "the block", SCOPE, ""),
        ("How long are the members of the board elected for?", "three years", STAFF, ""),
        ("Where do ASCII characters have code points?", "in the range U+0000-U+007F", FORMAT, ""),
    ],
)  # fmt: skip
def test_a_question_keeps_verb_number_voice_and_kind_of_its_sentence(question, answer, evidence, reason):
    assert rejection(turned, question, answer, evidence, EN) == reason


@pytest.mark.parametrize(
    ("statement", "evidence", "reason"),
    [
        ("Neon does not occur in the atmosphere, and comprises 0.0018% of it.", "Neon occurs in the atmosphere, and comprises 0.0018% of it.", "contradicts itself"),
        ("Neon does not occur in the atmosphere and comprises 0.0018% of it.", "Neon occurs in the atmosphere and comprises 0.0018% of it.", "contradicts itself"),
        ("The copy is not wrapped in a proxy, which becomes the attribute.", "The copy is wrapped in a proxy, which becomes the attribute.", "contradicts itself"),
        ("The library isn't open on Mondays, but lends books then.", "The library is open on Mondays, but lends books then.", "contradicts itself"),
        ("Neon does not occur in the atmosphere.", "Neon occurs in the atmosphere, and comprises 0.0018% of it.", ""),
        ("Slicings may not be used as expressions and targets.", "Slicings may be used as expressions and targets.", ""),
        ("Gold does not rust, and it keeps its lustre.", "Gold does not rust, and it keeps its lustre.", ""),
        ("The bank was not founded in 1817 and continued trading.", "The bank was founded in 1817 and continued trading.", "contradicts itself"),
        ("The library is open on 3 Mondays, and lends books then.", "The library is open on 2 Mondays, and lends books then.", ""),
    ],
)  # fmt: skip
def test_a_statement_that_negates_one_half_of_its_sentence_is_rejected(statement, evidence, reason):
    assert rejection(claims.consistent, statement, evidence, EN) == reason


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("The method is not called with the original bases tuple.", False),
        ("The new copy is wrapped in a read-only proxy.", False),
        ("Its members are elected for three years.", False),
        ("Such vessels pay no toll.", False),
        ("The `property()` function is implemented as a data descriptor.", True),
        ("The Suez Canal connects two seas.", True),
        ("The Senate may adjourn.", True),
        ("A match statement may have one irrefutable block.", True),
        ("Neon is a noble gas.", True),
        ("The annual meeting of members elects the board.", False),
    ],
)
def test_whether_a_statement_names_its_subject(statement, named):
    assert claims.named(statement, EN) is named


def test_a_language_without_lists_has_no_rules():
    pair = "Where was Andres Manuel del Rio discovered by?", "Once the Mexico City", VANADIUM
    for check in (claims.entailed, turned):
        check(*pair, UNKNOWN)
    claims.consistent("Neon does not occur in air, and comprises it.", "Neon occurs in air.", UNKNOWN)
    assert claims.named("The method is called.", UNKNOWN)


TIDES = "Spring tides occur when the Sun and the Moon are aligned."


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("When are spring tides occur?", "ungrammatical"),
        ("When are the Sun and the Moon aligned?", ""),
        ("When do spring tides occur?", ""),
        ("What are aligned when spring tides occur?", ""),
    ],
)
def test_a_form_of_be_belongs_to_the_verb_of_the_sentence(question, reason):
    assert rejection(turned, question, "When the Sun and the Moon are aligned", TIDES, EN) == reason


def test_a_form_of_be_may_complete_a_participle():
    born = "Ada Holz, born in 1571, ran the mint, and was its warden."
    assert rejection(turned, "When was Ada Holz born?", "1571", born, EN) == ""
    assert rejection(turned, "Who was born in 1571?", "Ada Holz", born, EN) == ""
