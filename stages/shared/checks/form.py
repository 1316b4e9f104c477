"""Checks of the form of a text, a question, and a question with its answer."""

import re
from itertools import pairwise

from datagen.control_tokens import control_tokens
from datagen.request import Reject
from datagen.stages.shared.checks.characters import legible
from datagen.stages.shared.checks.field_patterns import QUESTION_MARKS, SENTENCE_MARKS
from datagen.stages.shared.language.rules import Language, code_of, function_words
from datagen.stages.shared.language.words import NUMBER, words_of
from datagen.stages.shared.passage import Passage, opening, phrase_in

CLOSING = " \"'”’»)]*_」』）】`"
# Leftovers of templates and markup; not if the passage contains the same text.
LEFTOVER = re.compile(
    r"\{\{|\}\}|\{%|</?[A-Za-z_][A-Za-z0-9_]{0,19}>|(?<!\w)\[[A-Z][A-Za-z_ ]{2,20}\]|```|\\n|<\||_{4,}"
    r"|[\"”][}\]]|https?://[^\s)\]]+|\A(?:null|undefined|NaN|nil)\.?\Z"
    # Escapes, entities, text read in a wrong encoding, and the signs of blanks in tokenizers.
    r"|\\u[0-9a-fA-F]{4}|&(?:[a-z]{2,8}|#x?[0-9a-fA-F]{1,6});|<0x[0-9A-F]{2}>|â€|Ã[\xa0-\xbf]|▁|(?<!\w)[ĠĊ](?=\w)"
    # Formulas, templates, images, addresses, references to sources.
    r"|\\boxed\b|\$\{|!\[[^\]]*\]\(|[\w.+-]+@[\w-]+\.\w{2,}|【[^】]*†[^】]*】"
    r"|(?<=[a-z.?!] )\[\d{1,3}\](?=[.?!]*(?:\Z|\s+[A-Z]))"
    # Rules at the end; code in base64.
    r"|(?<=\s)(?:#{2,}|-{3,}|={3,})\s*\Z|(?=\S*\d)(?=\S*[a-z])(?=\S*[A-Z])[A-Za-z0-9+/]{24,}={0,2}"
)
# One line that is an item, a quotation of several words, a list or in bold type as a whole.
MARKED_UP = re.compile(
    r"(?:#{1,6}|>|[-*•–]|\(?[A-Ea-e]\)|\d{1,2}[.)]) \S.*|\*\*[^*]+\*\*|__[^_]+__|\[[\"'“].*[\"'”]\]"
    r"|\"(?:[^\" ]+ ){3,}[^\"]+\"|“(?:[^” ]+ ){3,}[^”]+”"
)
STARTING = re.compile(r"\W*(?:\.{3}|…)")
ELLIPSIS = re.compile(r"\S*(?:\.{3}|…)[\"”’]?(?=\s*\Z|\s+[A-Z])")
LOUD = 4  # least words of a sentence in capitals
FOREIGN = 2  # function words of another language that show it
WORD = re.compile(r"[^\W\d_]+")
SHORT = 3  # most letters of an abbreviation that is also a word
NAMED = re.compile(r"(?<=\w )[A-Z]|[\"'`“‘*_\d]")  # a name inside a question, a quotation, a number
# A later line or sentence with a label.
LABELLED = re.compile(
    rf"(?:\n[\s*#_>]*|[{SENTENCE_MARKS}{QUESTION_MARKS}][\"”’)]? +[*_]{{0,2}})(\w+)(?: \d+)?[*_]{{0,2}}[:：]"
)
SPEAKER = re.compile(r"\s([A-Z]\w+):(?=\s)")  # inside a line: "12 years Human: next"
HEADED = re.compile(r"\A#{1,6} +[*_]*(\w+)[*_]*:? *\n")
SENTENCE_END = rf"[{SENTENCE_MARKS}{QUESTION_MARKS}]\s+"
BROKEN = re.compile(r"”\w[^”“]*\s”")  # ”x ”: quotation marks that a model spaced like words
NO_PARENTHESIS = re.compile(
    r"(?m)^\s*\w{1,3}\)|(?<=\s)\w{1,3}\)(?=\s)|\[[^\[\]()]*\)|[:;]-?[()]"
)  # "1)", "[0, 1)", ":)"
QUOTED = re.compile(r"[\"“`]([^\"”`]+)[\"”`]")
ECHO = 5  # consecutive words that a field must not share with the prompt
LOOP = 0.25  # maximum share of repeated trigrams


def sized(text: str, least: int, most: int) -> None:
    """Reject a text with fewer or more words."""
    count = len(words_of(text))
    if count < least:
        raise Reject("too short", text)
    if count > most:
        raise Reject("too long", text)


def clean(text: str, passage: Passage, instruction: str) -> None:
    """
    Reject an empty text, an echo, a loop, a leftover, a control token, capitals and an assistant's phrase.

    An echo repeats `instruction`, the prompt without the passage.
    """
    words = words_of(text)
    if not text.strip(" \t\n.-_*"):
        raise Reject("empty", text)
    _no_control_token(text, passage)
    _no_capitals(text, passage)
    _no_placeholder(text, words, passage.words)
    _no_leftover(text, passage)
    _no_chatter(text, passage)
    _no_other_language(text, passage)
    _no_echo(words, passage, words_of(instruction))
    _no_loop(text, passage.once(_words), passage.words)
    legible(text, passage)


def _no_control_token(text: str, passage: Passage) -> None:
    for match in control_tokens().finditer(text):
        if match[0] not in passage.text:
            raise Reject("control token", f"{match[0]} in: {text}")


def _no_capitals(text: str, passage: Passage) -> None:
    """
    Reject a sentence in capitals, also a short answer in them, and a sentence with the capitals of a title.

    Not if the passage has the same. A short word may be an abbreviation: "US" is no shouted "us".
    """
    for sentence in sentences(text):
        tokens = WORD.findall(sentence)
        if not tokens or sentence in passage.text:
            continue
        if "".join(tokens).isupper() and all(map(str.isupper, "".join(tokens))):
            own = {word.casefold() for word in tokens if len(word) > SHORT and word not in passage.text}
            if len(tokens) >= LOUD or own & set(passage.once(_words)):
                raise Reject("written in capitals", text)
        small = [word for word in tokens if word.casefold() in passage.words.stop]
        titled = len(small) >= 2 and all(word[0].isupper() for word in tokens)
        if (
            len(tokens) > LOUD
            and titled
            and text.rstrip(CLOSING).endswith(tuple(SENTENCE_MARKS + QUESTION_MARKS))
        ):
            raise Reject("written in capitals", text)


def _words(passage: Passage) -> list[str]:
    return words_of(passage.text)


def _no_placeholder(text: str, text_words: list[str], language: Language) -> None:
    """Reject the name of a field: "The answer", but not 'What does the "with" statement do?'."""
    if any(language.stop.issuperset(words_of(name)) for name in QUOTED.findall(text)):
        return  # "with" is a name here
    bare = " ".join(word for word in text_words if word not in language.stop)
    if {bare, text.strip(CLOSING).casefold()} & language.placeholders:
        raise Reject("template leftover", text)


def _no_leftover(text: str, passage: Passage) -> None:
    for match in LEFTOVER.finditer(text):
        if match[0] not in passage.text:
            raise Reject("template leftover", f"{match[0]} in: {text}")
    if MARKED_UP.fullmatch(text.strip()) and text.strip() not in passage.text:
        raise Reject("template leftover", f"marks around: {text}")
    if (cut := STARTING.match(text)) and cut[0] not in passage.text:
        raise Reject("begins inside a sentence", text)
    if (cut := ELLIPSIS.search(text)) and cut[0].strip() not in passage.text:
        raise Reject("unfinished sentence", text)
    if BROKEN.search(text) and not BROKEN.search(passage.text):
        raise Reject("template leftover", f"quotation marks in: {text}")
    if (
        (head := HEADED.match(text))
        and head[1].casefold() in passage.words.labels
        and head[0] not in passage.text
    ):
        raise Reject("template leftover", f"{head[0].strip()} in: {text}")
    label = re.match(r"\W*(\w+)(?: \d+)?\W?\s*[:：]", text)
    if label and label[1].casefold() in passage.words.labels and label[0] not in passage.text:
        raise Reject("template leftover", f"{label[0]} in: {text}")


def _no_chatter(text: str, passage: Passage) -> None:
    """Reject an assistant's phrase ("I hope this helps!") or a further label ("Question: ...")."""
    for match in passage.words.chattering.finditer(text):
        if match[0].casefold() not in passage.text.casefold():
            raise Reject("assistant's phrase", f"{match[0].strip()} in: {text}")
    for match in (*LABELLED.finditer(text), *SPEAKER.finditer(text)):
        if match[1].casefold() in passage.words.spoken_labels and match[0].strip() not in passage.text:
            raise Reject("template leftover", f"{match[0].strip()} in: {text}")


def _no_other_language(text: str, passage: Passage) -> None:
    """Reject a text with function words of another language that neither it nor the passage quotes."""
    language = code_of(passage.row)
    known = passage.words.stop | set(passage.once(_words))
    unknown = set(words_of(QUOTED.sub(" ", text))) - known if passage.words.is_known else set()
    for code, small in function_words().items():
        if code != language and len(found := sorted(unknown & small)) >= FOREIGN:
            raise Reject("another language", f"{', '.join(found)} in: {text}")


def _no_echo(words: list[str], passage: Passage, instruction: list[str]) -> None:
    prompt_line, passage_line = f" {' '.join(instruction)} ", f" {' '.join(passage.once(_words))} "
    size = min(ECHO, len(words))
    if size < 2:
        return
    for start in range(len(words) - size + 1):
        run = f" {' '.join(words[start : start + size])} "
        if run in prompt_line and run not in passage_line:
            raise Reject("prompt echo", run.strip())


def _no_loop(text: str, written: list[str], language: Language) -> None:
    text_words = words_of(text)
    trigrams = list(zip(text_words, text_words[1:], text_words[2:], strict=False))
    if len(text_words) >= 6 and 1 - len(set(trigrams)) / len(trigrams) > LOOP:
        raise Reject("repetition loop", text)
    if any(len(set(run)) == 1 for run in trigrams):
        raise Reject("repetition loop", text)
    half = len(text_words) // 2
    pairs = [(first, second) for first, second in pairwise(text_words) if first == second]
    single = (
        language.stop - language.articles - language.prepositions - language.open_ended
    )  # "had had" is no fault
    doubled = [
        pair for pair in pairs if pair[0].isalpha() and (len(pair[0]) > 1 or pair[0] in language.articles)
    ]
    repeated: list[tuple[str, ...]] = [pair for pair in doubled if pair[0] not in single]
    if half and text_words[:half] == text_words[half:]:
        repeated.append(tuple(text_words))
    if any(not phrase_in(written, [" ".join(run)]) for run in repeated):
        raise Reject("repetition loop", text)
    contents = [frozenset(language.content(sentence)) for sentence in sentences(text)]
    if len(set(contents)) < len(contents):
        raise Reject("repetition loop", text)


def sentences(text: str) -> list[str]:
    """Split a text after the marks that end sentences."""
    return re.split(SENTENCE_END, text)


def question(text: str, language: Language) -> None:
    """Reject a text without a final question mark or a question word, or with a malformed beginning."""
    if not text.rstrip(CLOSING).endswith(tuple(QUESTION_MARKS)):
        raise Reject("not a question", text)
    text_words = words_of(text)
    if (language.asking and not language.asking & set(text_words)) or opening(text_words, language.malformed):
        raise Reject("not a question", text)


def particular(asked: str, language: Language, least: int = 3) -> None:
    """
    Reject a question with many possible answers: "What may be empty?".

    Such a question has fewer than `least` content words, and neither a name, a quotation nor a number.
    """
    if len(set(language.content(asked))) < least and not NAMED.search(asked):
        raise Reject("asks for nothing in particular", asked)


def finished(text: str) -> None:
    """Reject prose that ends before its sentence does."""
    if not text.rstrip(CLOSING).endswith(tuple(SENTENCE_MARKS + QUESTION_MARKS)):
        raise Reject("unfinished sentence", text)


def begun(text: str) -> None:
    """Reject prose that begins inside a sentence: it closes a parenthesis that it does not open."""
    depth = 0
    for sign in re.findall(r"[()]", NO_PARENTHESIS.sub("", text)):
        depth += 1 if sign == "(" else -1
        if depth < 0:
            raise Reject("begins inside a sentence", text)


def stands_alone(text: str, language: Language, *, asks: bool = False) -> None:
    """
    Reject a text that is not self-contained.

    With `asks` it is a question, in which a pronoun needs an antecedent.
    """
    text_words = words_of(text)
    if phrase := phrase_in(text_words, language.outside):
        raise Reject("refers to the passage", f"{phrase!r} in: {text}")
    if not asks and (phrase := opening(text_words, language.dangling)):
        raise Reject("depends on earlier text", f"{phrase!r} in: {text}")
    if asks:
        small = language.asking | language.modals | language.verbs | language.opening_words
        for position, word in enumerate(text_words):
            # "What is a list and how is it made?" contains the pronoun's antecedent.
            before = " ".join(earlier for earlier in text_words[:position] if earlier not in small)
            if word in language.demonstrative or (word in language.pointing and not language.content(before)):
                raise Reject("refers to the passage", f"{word!r} in: {text}")


def unnamed_pronoun(asked: str, language: Language) -> str:
    """Return a pronoun without an article or a name before it: "its" in "What can be read from its log?"."""
    text_words = words_of(asked)
    for place, word in enumerate(text_words):
        if word in language.pointing and not language.articles.intersection(text_words[:place]):
            before = re.split(rf"\b{re.escape(word)}\b", asked, maxsplit=1, flags=re.IGNORECASE)[0]
            return "" if NAMED.search(before) else word
    return ""


def withholds(asked: str, answer: str, language: Language) -> None:
    """Reject a question that contains its answer, and an answer that only repeats the question."""
    answer_words = words_of(answer)
    if answer_words and phrase_in(words_of(asked), [" ".join(answer_words)]):
        raise Reject("question gives its answer away", f"{answer} in: {asked}")
    question_content, answer_content = set(language.content(asked)), language.content(answer)
    if answer_content and question_content.issuperset(answer_content):
        raise Reject("answer repeats the question", f"{asked} {answer}")


def of_a_kind(asked: str, answer: str, language: Language) -> None:
    """
    Reject an answer of the wrong type for its question.

    Such answers lack the number that the question asks for, answer who, where or why with a bare number, or
    what or who with a condition or a reason.
    """
    question, answer_words = words_of(asked), words_of(answer)
    numeric = [bool(NUMBER.search(word)) or word in language.numerals for word in answer_words]
    if (phrase := phrase_in(question, language.counting)) and not any(numeric):
        raise Reject("answer of another kind", f"{phrase!r}: {asked} {answer}")
    if question and question[0] in language.naming and numeric and all(numeric):
        raise Reject("answer of another kind", f"{question[0]!r}: {asked} {answer}")
    condition, happens = opening(answer_words, language.connectives), phrase_in(question, language.happening)
    if condition and opening(question, language.things) and not happens:
        raise Reject("answer of another kind", f"{condition!r}: {asked} {answer}")
