"""Each check with texts that it must reject and texts that it must accept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.request import Reject
from datagen.stages.shared import checks
from datagen.stages.shared.language.rules import Language, language_of
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage
from tests.support.rejections import rejection

WORDS = language_of("en")

# Hard-wrapped, with a heading, a list and code.
TEXT = """\
The "for" statement
*******************

The "for" statement is used to iterate over the elements of a sequence
(such as a string, tuple or list) or other iterable object:

   for_stmt ::= "for" target_list "in" starred_list ":" suite

The expression list is evaluated once; it should yield an iterable object.
Names in the target list are not deleted when the loop is finished.
A "break" statement executed in the first suite terminates the loop
without executing the "else" clause's suite. It was added in 1991.

* Each item in turn is assigned to the target list.
"""


def passage(text=TEXT, title="Compound statements", words=WORDS):
    return Passage({"id": "p", "title": title, "section": [], "text": text}, words)


class TestQuotes:
    @pytest.mark.parametrize(
        ("quote", "stands"),
        [
            ("elements of a sequence", "elements of a sequence"),
            ("a sequence (such as", "a sequence\n(such as"),  # across the line break
            ("A SEQUENCE  (such", "a sequence\n(such"),
            ("The 'for' statement is", 'The "for" statement is'),  # other quotation marks
            ("the “else” clause’s suite", 'the "else" clause\'s suite'),
        ],
    )
    def test_quotes_are_returned_verbatim(self, quote, stands):
        assert checks.verbatim(quote, passage()) == stands

    @pytest.mark.parametrize(
        "quote", ["elements of the sequence", "terminate", "break the loop", "equence", "..."]
    )
    def test_quotes_that_are_not_in_the_passage_are_rejected(self, quote):
        assert rejection(checks.verbatim, quote, passage()) == "evidence not in passage"
        assert rejection(checks.verbatim, quote, passage(), "answer") == "answer not in passage"

    def test_quotes_need_no_blanks_in_scripts_without_blanks(self):
        text = "长城是中国古代的\n伟大工程。它长约两万公里。"
        assert checks.verbatim("中国古代的伟大工程", passage(text)) == "中国古代的\n伟大工程"
        assert checks.verbatim("古代", passage(text)) == "古代"

    def test_a_quote_may_have_more_quotation_marks_than_the_passage(self):
        assert checks.verbatim("the ``for'' loop", passage('the "for" loop')) == 'the "for" loop'

    @given(st.text(alphabet="ab \"'-日本.(\n", max_size=60), st.integers(0, 60), st.integers(1, 30))
    def test_any_run_of_whole_words_is_a_quote(self, text, start, length):
        words = text.split()
        quote = " ".join(words[start : start + length])
        assert not quote or passage(text).find(quote) is not None


class TestClean:
    PROMPT = "Write one question about the text and answer it in one sentence."

    def rejection(self, text):
        return rejection(checks.clean, text, passage(), self.PROMPT)

    @pytest.mark.parametrize("text", ["", "  ", "...", "-"])
    def test_empty(self, text):
        assert self.rejection(text) == "empty"

    @pytest.mark.parametrize(
        "text",
        [
            "string",
            "The answer",
            "Question: what does it do?",
            "Question 2: what does it do?",
            "Answer: it iterates",
            "It iterates over {{ passage }}.",
            "It iterates.</text>",
            "What is the [TERM] statement?",
            "The ____ statement iterates.",
            "```json",
        ],
    )
    def test_template_leftover(self, text):
        assert self.rejection(text) in ("template leftover", "prompt echo")

    def test_a_quoted_name_among_small_words_is_not_a_placeholder(self):
        assert self.rejection('What does the "with" statement do?') == ""
        assert self.rejection('"The answer"') == "template leftover"

    def test_a_type_in_brackets_is_not_a_leftover(self):
        assert self.rejection("It returns a List[Term].") == ""

    def test_braces_in_the_passage_are_not_leftovers(self):
        about_braces = passage("A replacement field is written in {{ and }} pairs. Note: <b> is text.")
        assert rejection(checks.clean, "What do {{ and }} mean?", about_braces, self.PROMPT) == ""

    @pytest.mark.parametrize(
        "text",
        [
            "Write one question about the text and more",
            "I answer it in one sentence.",
            "one question about the text",
        ],
    )
    def test_prompt_echo(self, text):
        assert self.rejection(text) == "prompt echo"

    def test_words_shared_by_prompt_and_passage_are_not_an_echo(self):
        text = passage("To answer it in one sentence is hard for anybody who reads the law.")
        assert rejection(checks.clean, "To answer it in one sentence is hard.", text, self.PROMPT) == ""

    @pytest.mark.parametrize(
        "text",
        [
            "the the the loop",
            "a tool to debug, a tool to debug, a tool to debug, a tool",
            "What is the answer to the question: What is the answer to the question: What is the answer?",
            "中国中国中国中国中国中国",
        ],
    )
    def test_repetition_loop(self, text):
        assert self.rejection(text) == "repetition loop"

    @pytest.mark.parametrize(
        "text",
        [
            "Names in the target list are not deleted when the loop is finished.",
            "What does a break statement do in the first suite of a for statement?",
            "1991",
            "==",
            "for x in y",
        ],
    )
    def test_sound_texts_pass(self, text):
        assert self.rejection(text) == ""


class TestQuestions:
    @pytest.mark.parametrize(
        "text", ["What ends the loop?", "长城有多长？", "¿Qué termina el bucle?", "Who said “when?”"]
    )
    def test_questions_end_with_a_question_mark_of_their_script(self, text):
        assert rejection(checks.question, text, Language()) == ""

    @pytest.mark.parametrize("text", ["What is that values differ?", 'What happens if set to "True"?'])
    def test_malformed_questions_are_rejected(self, text):
        assert rejection(checks.question, text, WORDS) == "not a question"

    @pytest.mark.parametrize("text", ["What ends the loop", "The loop?", "It ends."])
    def test_questions_need_a_question_mark_and_a_question_word(self, text):
        assert rejection(checks.question, text, WORDS) == "not a question"

    @pytest.mark.parametrize(
        ("asked", "answer", "reason"),
        [
            (
                "What does the break statement terminate, the loop?",
                "the loop",
                "question gives its answer away",
            ),
            ("What is a break statement?", "A statement that is a break.", "answer repeats the question"),
            ("What does a break statement terminate?", "the loop", ""),
            ("What is the form of the loop?", "loo", ""),  # a part of a word gives nothing away
            ("Which operator compares?", "==", ""),
        ],
    )
    def test_questions_do_not_contain_their_answer(self, asked, answer, reason):
        assert rejection(checks.withholds, asked, answer, WORDS) == reason

    @pytest.mark.parametrize(
        ("asked", "answer", "reason"),
        [
            ("How many suites are there?", "the loop", "answer of another kind"),
            ("How many suites are there?", "Two", ""),
            ("Who added the statement?", "1991", "answer of another kind"),
            ("When was the statement added?", "1991", ""),
            ("Who added the statement?", "Louis XIV", ""),
            ("What does the result have the type of?", "unless it is negative", "answer of another kind"),
            ("When does the loop end?", "if the condition is false", ""),
            ("What happens if the loop ends?", "if there is an else clause, it is run", ""),
        ],
    )
    def test_answers_are_of_the_kind_that_the_question_asks_for(self, asked, answer, reason):
        assert rejection(checks.of_a_kind, asked, answer, WORDS) == reason

    @pytest.mark.parametrize(
        "text", ["What may be empty?", "When is the exception suppressed?", "What does it do?"]
    )
    def test_unspecific_questions_are_rejected(self, text):
        with pytest.raises(Reject, match="nothing in particular"):
            checks.particular(text, WORDS)

    @pytest.mark.parametrize(
        "text",
        [
            "What was established in 1817?",
            "What does `len` return?",
            "Who are the Tories?",
            "What may an empty list hold?",
        ],
    )
    def test_specific_questions_pass(self, text):
        assert rejection(checks.particular, text, WORDS) == ""


class TestStandsAlone:
    @pytest.mark.parametrize(
        "text",
        [
            "What does the passage say?",
            "According to the text, what ends the loop?",
            "What is the output of the following code?",
            "What is this statement for?",
            "What does it do?",
            "What should it iterate over the keys of?",
            "Which method does not have this problem?",
            "What is skipped by one of these patterns?",
        ],
    )
    def test_questions_that_refer_elsewhere_are_rejected(self, text):
        assert rejection(checks.stands_alone, text, WORDS, asks=True) == "refers to the passage"

    @pytest.mark.parametrize(
        "text", ["It terminates the loop.", "However, the loop ends.", "For example, a list."]
    )
    def test_answers_that_depend_on_earlier_text_are_rejected(self, text):
        assert rejection(checks.stands_alone, text, WORDS) == "depends on earlier text"

    @pytest.mark.parametrize(
        "text", ["What is a list and how is it created?", "What does the break statement do to its loop?"]
    )
    def test_a_pronoun_with_an_antecedent_passes(self, text):
        assert rejection(checks.stands_alone, text, WORDS, asks=True) == ""


class TestEvidence:
    def test_evidence_is_the_sentence_with_the_answer_that_fits_the_question(self):
        sentence = checks.located("What does a break statement terminate?", "the loop", passage())
        assert sentence.startswith(
            'A "break" statement executed in the first suite terminates the loop\nwithout'
        )

    @pytest.mark.parametrize(
        ("asked", "answer", "reason"),
        [
            (
                "What are not deleted when the loop is finished?",
                "iterable object",
                "question is not about its evidence",
            ),
            (
                "How is a dictionary made from a list of pairs?",
                "an iterable object",
                "question is not about its evidence",
            ),
            ("What is the grammar of the statement?", "starred_list", "answer not in a sentence"),
        ],
    )
    def test_an_answer_to_another_question_is_rejected(self, asked, answer, reason):
        assert rejection(checks.located, asked, answer, passage()) == reason

    def test_evidence_supports_what_an_answer_adds(self):
        asked = "What happens to names in the target list when the loop is finished?"
        sentence = checks.supported(asked, "They are not deleted.", passage())
        assert sentence == "Names in the target list are not deleted when the loop is finished."
        assert (
            rejection(checks.supported, asked, "They are freed at once.", passage())
            == "not supported by the passage"
        )

    def test_evidence_contains_every_number(self):
        asked, text = (
            "When was the break statement added?",
            "The break statement was added in 1991 to the language.",
        )
        assert checks.supported(asked, "It was added in 1991.", passage(text))
        assert (
            rejection(checks.supported, asked, "It was added to the language in 1992.", passage(text)) != ""
        )

    def test_a_passage_without_sentences_has_no_evidence(self):
        assert rejection(checks.supported, "What is it?", "a loop", passage("for_stmt ::= x")) != ""


class TestProse:
    def test_unfinished_sentence(self):
        assert rejection(checks.finished, "The loop is") == "unfinished sentence"
        assert rejection(checks.finished, "It is called “the loop.”") == ""
        assert rejection(checks.finished, "循环结束。") == ""

    def test_sizes_count_words(self):
        assert rejection(checks.sized, "one two", 3, 9) == "too short"
        assert rejection(checks.sized, "one two", 1, 1) == "too long"
        assert rejection(checks.sized, "长城很长", 3, 9) == ""

    def test_text_that_is_not_about_the_passage_is_rejected(self):
        assert (
            rejection(checks.about, "How do bees make honey from flowers?", passage())
            == "not about the passage"
        )
        assert rejection(checks.about, "How is iteration over a sequence done?", passage()) == ""

    def test_copies_are_rejected(self):
        copy = "Names in the target list are not deleted when the loop is finished."
        assert rejection(checks.original, copy, passage()) == "copies the passage"
        assert (
            rejection(checks.original, "Compound statements.", passage()) == "copies the passage"
        )  # its heading
        own = "A for statement walks over a sequence, and its names survive the loop."
        assert rejection(checks.original, own, passage()) == ""

    def test_the_words_of_the_passage_in_another_order_are_rejected(self):
        salad = "The target list is a string that terminates expression names with a break tuple."
        assert rejection(checks.about, salad, passage(), 0.7) == ""
        assert rejection(checks.related, salad, passage()) == "not what the passage says"
        own = "The for statement iterates over a sequence. A break statement terminates the loop without the else clause."
        assert rejection(checks.related, own, passage()) == ""

    def test_a_number_that_is_not_in_the_source_is_rejected(self):
        assert (
            rejection(checks.numbers, "Since 3.12 it is so.", "It was so in 3.11.") == "number not in passage"
        )
        assert rejection(checks.numbers, "Since 3.11 it is so.", "It was so in 3.11.") == ""

    @pytest.mark.parametrize(
        ("term", "evidence", "defined"),
        [
            ("scope", "A *scope* defines where a name is seen.", False),
            ("block", "A block is a piece of program text.", True),
            ("program text", "A block is a piece of program text.", False),
            ("the new method", "The new method's __func__ attribute is a function.", False),
            ("free variable", 'A "free variable" means one that is not defined there.', True),
            ("", "A block is a piece of program text.", False),
        ],
    )
    def test_a_definition_follows_its_term(self, term, evidence, defined):
        assert (rejection(checks.defined, term, evidence, WORDS) == "") == defined


class TestVerdict:
    EVIDENCE = "Names in the target list are not deleted when the loop is finished."

    @pytest.mark.parametrize(
        ("claim", "evidence", "verdict"),
        [
            (EVIDENCE, EVIDENCE, True),
            ("Are names in the target list not deleted when the loop is finished?", EVIDENCE, True),
            ("Names in the target list are deleted when the loop is finished.", EVIDENCE, False),
            ("Are names in the target list deleted when the loop is finished?", EVIDENCE, False),
            ("Names in the target list are not deleted.", EVIDENCE, None),  # the condition is missing
            ("Names in the target list are deleted before the loop is finished.", EVIDENCE, None),
            ("The target list is not deleted when the loop is finished.", EVIDENCE, None),  # another subject
            ("The else clause is deleted.", EVIDENCE, None),
            ("A tuple is mutable.", "A tuple is immutable.", False),
            ("A tuple is not mutable.", "A tuple is immutable.", None),  # turned round twice
            ("The limit is 80 columns.", "The limit is 72 columns.", False),
            ("The while statement is used to iterate.", "The for statement is used to iterate.", None),
            ("Can names be bound?", "Names can be bound.", True),
            ("Names cannot be bound.", "Names can be bound.", False),
            ("Can't names be bound?", "Names can be bound.", False),
            ("Is the loop is finished?", "The loop is finished.", None),
            ("The loop ends.", "The loop ends without executing the else clause.", None),
            (
                "Is the original specification of annotations?",
                "The original specification of annotations.",
                None,
            ),
            ("", EVIDENCE, None),
            *(
                (
                    f"The old gate of the harbour is {said} the first row of the wall.",
                    f"The old gate of the harbour is {stated} in the first row of the wall.",
                    verdict,
                )
                for said, stated, verdict in (
                    ("not in", "kept", None),
                    ("not in", "opened", None),
                    ("not kept in", "kept", False),
                )
            ),
            ("The gate is not kept in the first row.", "The gate is always kept in the first row.", False),
            ("The gate is in the first row.", "The gate is always opened in the first row.", None),
        ],
    )
    def test_the_verdict_depends_on_what_reverses_a_sentence(self, claim, evidence, verdict):
        assert checks.verdict(claim, evidence, WORDS) is verdict

    @given(
        st.lists(
            st.sampled_from(
                ["loop", "name", "list", "not", "never", "is", "the", "if", "3", "4", "all", "first", "last"]
            ),
            min_size=1,
        )
    )
    def test_a_sentence_supports_itself(self, words):
        sentence = " ".join(words)
        assert checks.verdict(sentence, sentence, WORDS) is not False

    def test_only_listed_words_decide(self):
        assert checks.verdict("Le mot n'est pas là.", "Le mot est là.", Language()) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("What terninates the loop?", "misspelt"),
        ("What does the ststement do?", "misspelt"),
        ("What terminates the loop?", ""),
        ("What is iterated over by a sequence of elemental objects?", ""),  # another word
        ("What has executes to do with it?", ""),  # another form: "executed"
        ("What is a fist?", ""),  # too short for a verdict
        ("What does „Termmnate“ mean?", ""),
    ],
)
def test_a_word_with_one_wrong_letter_is_misspelt(text, reason):
    assert rejection(checks.spelled, text, passage()) == reason


def test_quotation_marks_that_a_model_spaced_like_words_are_rejected():
    assert rejection(checks.clean, "The parts ”z ” of a number", passage(), "") == "template leftover"
    for text in ("The parts “z” of a loop", 'The parts "z" of a loop', "Osat ”z” ja ”y” eroavat"):
        assert rejection(checks.clean, text, passage(), "") == ""
    assert rejection(checks.clean, "The ”z ” part", passage("The ”z ” part of it."), "") == ""


@pytest.mark.parametrize("words", [language_of("en"), language_of("de")])
def test_the_words_that_open_a_condition_name_nothing(words):
    opened = {"en": "What happens if it ends?", "de": "Was passiert, wenn es endet?"}
    asked = opened["de" if "wenn" in words.connectives else "en"]
    assert rejection(checks.stands_alone, asked, words, asks=True) == "refers to the passage"


def test_words_are_split_by_script():
    assert words_of("The clause’s 3.11 rule: don't use __init__") == [
        "the", "clause's", "3.11", "rule", "don't", "use", "__init__",
    ]  # fmt: skip
    assert words_of("長城は長い。") == list("長城は長い")
    assert words_of("Длина стены") == ["длина", "стены"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Naming and binding), using a new namespace.", "begins inside a sentence"),
        ("It ends (in autumn). See also there) for more.", "begins inside a sentence"),
        ("It ends (in autumn (or winter)).", ""),
        ("1) File a notice.\n2) Pay the rent.", ""),
        ("There are two ways: a) file a notice, b) pay.", ""),
        ("The range [0, 1) excludes one.", ""),
        ("Fine :) and :-) too.", ""),
    ],
)
def test_a_closing_parenthesis_alone_begins_inside_a_sentence(text, reason):
    assert rejection(checks.begun, text) == reason
