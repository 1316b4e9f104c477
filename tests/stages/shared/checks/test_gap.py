"""Questions in the words of their sentence: planted answers that fill the gap, and others."""

import pytest

from datagen.stages.shared.checks.gap import Asks, fills, names_subject, says_all
from datagen.stages.shared.checks.gap_checks import completes
from datagen.stages.shared.language.rules import UNKNOWN, language_of
from tests.support.rejections import rejection

EN, DE = language_of("en"), language_of("de")

BELL = 'The "ring()" command returns a bell code, and the buffer is closed.'
SHAFT = "The shaft of the pump is sealed with a ring of copper."
LOCK = "When the tide turns, the lock keeper opens both gates."
KILN = "The kiln is treated as cold if its sensor fails."
GUILD = "The guild appoints a warden when the old one retires."
SLUICE = "If the sluice jams, then the alarm is raised at the mill."
FRAME = 'A wind mark via the "vane" module is available for sailors and pilots.'
LEDGER = "The ledger is signed and must be sealed before noon."
ROOF = "The roof is covered with slate, which is cut in the quarry of Arbroath."
RUNS = "Ada Holz ran the mint and struck the copper coins of Ruritania."
KEEPS = "The warden may keep the seal."
ABSENT = "The clerk, in the absence of the judge, shall sign the ledger."
MOVED = "In 1820 the mint was moved to Arbroath, and in 1564 was the seat of a guild."
WAGES = "When the guild and the smiths fail to agree as to wages, fees, and costs, either may appeal."
MEMBER = "The guild pays a member who is on duty outside of Arbroath."
KASSE = "Die Kasse wird am Abend von der Wirtin geschlossen."
KANAL = "Der Kanal wird mit Wasser gefüllt, und die Schleuse wird geprüft."
TOR = "Das Tor öffnet sich, wenn die Glocke läutet."

PATTERN = "If the pattern failed, the guard is not tested and the next block is read."


@pytest.mark.parametrize(
    ("question", "answer", "evidence", "asks"),
    [
        ("What is sealed with a ring of copper?", "The shaft of the pump", SHAFT, Asks.SUBJECT),
        ("What is the shaft of the pump sealed with?", "a ring of copper", SHAFT, Asks.OBJECT),
        ('What does the "ring()" command return?', "a bell code", BELL, Asks.OBJECT),
        ('What does the "ring()" command do?', "returns a bell code", BELL, Asks.ACTION),
        ("What happens when the tide turns?", "the lock keeper opens both gates", LOCK, Asks.CONSEQUENCE),
        ("When does the lock keeper open both gates?", "When the tide turns", LOCK, Asks.CIRCUMSTANCE),
        ("What happens if the sluice jams?", "the alarm is raised at the mill", SLUICE, Asks.CONSEQUENCE),
        ("Which command returns a bell code?", "ring()", BELL, Asks.SUBJECT),
        ("What does the guild do when the old one retires?", "appoints a warden", GUILD, Asks.ACTION),
        ("What can the warden keep?", "the seal", KEEPS, Asks.OBJECT),
        ("Who can keep the seal?", "The warden", KEEPS, Asks.SUBJECT),
        ("Who shall sign the ledger?", "The clerk", ABSENT, Asks.SUBJECT),
        ("Who shall sign the ledger?", "the judge", ABSENT, Asks.ELSEWHERE),
        ("When was the mint moved to Arbroath?", "1820", MOVED, Asks.CIRCUMSTANCE),
        ("When was the mint moved to Arbroath?", "1564", MOVED, Asks.ELSEWHERE),
        # Another part of the sentence, and nothing left out.
        ("What is the shaft of the pump sealed with?", "copper", SHAFT, Asks.ELSEWHERE),
        ('What does the "ring()" command return?', "the buffer", BELL, Asks.ELSEWHERE),
        ("What is the roof covered with?", "the quarry of Arbroath", ROOF, Asks.ELSEWHERE),
        ("What is the alarm raised at the mill?", "the sluice", SLUICE, Asks.ELSEWHERE),
        ("What happens when the tide turns?", "both gates", LOCK, Asks.ELSEWHERE),
        # The subject of a second verb is further back; the question is in other words.
        ("Who struck the copper coins of Ruritania?", "Ada Holz", RUNS, None),
        ("Why does the keeper let boats pass?", "When the tide turns", LOCK, None),
        ("Who led the guild?", "a warden", GUILD, None),
    ],
)
def test_an_answer_fills_the_gap_of_a_question_in_the_words_of_its_sentence(question, answer, evidence, asks):
    assert fills(question, answer, evidence, EN) is asks


@pytest.mark.parametrize(
    ("question", "answer", "evidence", "asks"),
    [
        ("Was wird am Abend von der Wirtin geschlossen?", "Die Kasse", KASSE, Asks.SUBJECT),
        ("Von wem wird die Kasse geschlossen?", "der Wirtin", KASSE, None),
        ("Wann wird die Kasse von der Wirtin geschlossen?", "am Abend", KASSE, Asks.CIRCUMSTANCE),
        ("Was passiert, wenn die Glocke läutet?", "Das Tor öffnet sich", TOR, Asks.CONSEQUENCE),
        ("Was wird mit Wasser gefüllt?", "die Schleuse", KANAL, Asks.ELSEWHERE),
    ],
)
def test_gaps_are_found_in_german(question, answer, evidence, asks):
    assert fills(question, answer, evidence, DE) is asks


@pytest.mark.parametrize(
    ("question", "answer", "evidence", "reason"),
    [
        ("What is the shaft of the pump sealed with?", "copper", SHAFT, "answers another part of the sentence"),
        ("What is the shaft of the pump sealed with?", "a ring of copper", SHAFT, ""),
        # Cut from its condition, or from a longer subject.
        ("What is the kiln treated as?", "cold", KILN, "cut from its condition"),
        ("What is the kiln treated as if its sensor fails?", "cold", KILN, ""),
        ("Which module is available for sailors and pilots?", "vane", FRAME, "cut from a longer answer"),
        # The subject of the clause behind a colon; a definition without what limits it.
        ("What does the mill use?", "a pump", "The mill uses a wheel: a pump can clog in winter.", "answers another part of the sentence"),
        ("What does the mill use?", "a pump", "The mill uses: a pump.", ""),
        ("What is a span defined as?", "the beams", "A span is defined as the beams between two piers.", "cut from a longer answer"),
        ("What is a span defined as?", "the beams between two piers", "A span is defined as the beams between two piers.", ""),
        ("What are the seals applied to?", "the doors", "The seals are applied to the doors of the mint.", ""),
        # Limited behind the question's words; the last item of a list, but not the subject of a second clause.
        ("Who can open the gate?", "A guard", "A guard may open the gate, except for the gate of the mint.", "cut from its condition"),
        ("Who can open the gate?", "A guard", "A guard may open the gate until the bell rings.", "cut from its condition"),
        ("Who can open the gate until the bell rings?", "A guard", "A guard may open the gate until the bell rings.", ""),
        ("What are weighed in May?", "rings", "Coins, seals and the rings are weighed in May.", "cut from a longer answer"),
        ("What are weighed in May?", "rings", "Coins are struck, and the rings are weighed in May.", ""),
        ("What are weighed in May?", "rings", "Coins are kept. Seals and rings are weighed in May.", "cut from a longer answer"),
        # A consequence that repeats its condition.
        ("What happens when the tide turns?", "the bell rings when the tide turns, and the lock opens", "The bell rings when the tide turns, and the lock opens.", "answer repeats the question"),
        # The verb of the sentence after "does"; a second verb that is not inverted.
        ("When does the lock keeper opens both gates?", "When the tide turns", LOCK, "ungrammatical"),
        ("When does the lock keeper open both gates?", "When the tide turns", LOCK, ""),
        ("When is the ledger signed and must be sealed?", "before noon", LEDGER, "ungrammatical"),
        ("When is the guard not tested and the next block is read?", "If the pattern failed", PATTERN, "ungrammatical"),
        ("What happens if the pattern failed and the next block is empty?", "nothing", PATTERN, ""),
        ("When is the guard skipped if the pattern failed and the block is empty?", "always", PATTERN, ""),
        ("Who ran the mint and struck the copper coins?", "Ada Holz", RUNS, ""),
        ("What is read and there is no ledger?", "The roll", "The roll is read and there is no ledger.", "ungrammatical"),
        # The verb of a relative clause; a consequence that begins in a list of the condition.
        ("What is a member who is on duty outside of?", "Arbroath", MEMBER, "ungrammatical"),
        ("What are stars that are near?", "Suns", "Suns are stars that are near.", ""),
        ("What is the guild outside of?", "Arbroath", "The guild, which is rich, is outside of Arbroath.", ""),
        ("What happens when the guild and the smiths fail to agree as to wages?", "fees, and costs, either may appeal", WAGES, "answer is cut from a clause"),
        ("What happens when the guild and the smiths fail to agree as to wages, fees, and costs?", "either may appeal", WAGES, ""),
    ],
)  # fmt: skip
def test_an_answer_completes_its_question(question, answer, evidence, reason):
    assert rejection(completes, question, answer, evidence, EN) == reason


@pytest.mark.parametrize(
    ("question", "answer", "evidence", "everything"),
    [
        ("When does the lock keeper open both gates?", "When the tide turns", LOCK, True),
        ("What happens if the sluice jams?", "the alarm is raised at the mill", SLUICE, True),
        ("What is sealed with a ring of copper?", "The shaft of the pump", SHAFT, True),
        ("What can the warden keep?", "the seal", KEEPS, True),  # what may be kept
        ("What must the ropes be cut with?", "a knife", "The ropes must be cut with a knife (or a saw).", True),
        ("What must the ropes be cut with?", "a knife", "The ropes must be cut with a knife (unless wet).", False),
        ("What must the ropes be cut with?", "a knife", "The ropes must be cut with a knife (not a saw).", False),
        # Something is left out: a place, a second clause, an adverb.
        ("What happens if the sluice jams?", "the alarm is raised", SLUICE, False),
        ('What does the "ring()" command return?', "a bell code", BELL, False),
        ("What is covered with slate?", "The roof", "The roof is usually covered with slate.", False),
        ("Why does the keeper let boats pass?", "When the tide turns", LOCK, False),
    ],
)  # fmt: skip
def test_question_and_answer_have_the_whole_content_of_their_sentence(question, answer, evidence, everything):
    assert says_all(question, answer, evidence, EN) is everything


@pytest.mark.parametrize(
    ("question", "answer", "evidence", "whole"),
    [
        ("What is closed at night?", "The mint", "The mint is closed at night because its guard sleeps.", True),
        ("What is closed at night?", "The mint", "In the winter of 1911, the mint is closed at night, which is dull.", True),
        ("What can be closed at night?", "The mint", "The mint may be closed at night, and the press is sold.", True),
        # Limited behind the words of the question, or before the subject.
        ("What is closed at night?", "The mint", "The mint is closed at night until May.", False),
        ("What is closed at night?", "The mint", "The mint is closed at night except in May.", False),
        ("What is closed at night?", "The mint", "The mint is closed at night only in May.", False),
        ("What is closed at night?", "The mint", "In years of peace, when it is calm, the mint is closed at night.", False),
        ("What is closed at night?", "The mint", "In a year that is calm, the mint is closed at night.", False),
        ("What is closed at night?", "The mint", "Without a guard, the mint is closed at night.", False),
        # Half of a subject; an adverb; words left out; not the subject.
        ("What happens if the tide turns?", "The lock opens", "The lock opens if the tide turns.", False),
        ("What are closed at night?", "the press", "The mint and the press are closed at night.", False),
        ("What is closed at night?", "the mint", "The door of the mint is closed at night.", False),
        ("What are closed at night?", "Mints usually", "Mints usually are closed at night.", False),
        ("What is closed?", "The mint", "The mint is often closed at night.", False),
        ("When is the mint closed?", "at night", "The mint is closed at night.", False),
        ("What is closed at night?", "--", "The mint -- is closed at night.", False),
        ("What is closed at night?", "", "The mint is closed at night.", False),
    ],
)  # fmt: skip
def test_an_answer_is_the_whole_subject_of_the_words_of_its_question(question, answer, evidence, whole):
    assert names_subject(question, answer, evidence, EN) is whole


def test_a_language_without_lists_has_no_gaps():
    assert fills("What is sealed with a ring of copper?", "The shaft", SHAFT, UNKNOWN) is None
    completes("What is sealed with a ring of copper?", "a ring", SHAFT, UNKNOWN)
