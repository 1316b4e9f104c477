"""How an answer relates to its passage, question and prompt, measured by their words."""

import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import fuzz, process

from datagen.request import Reject
from datagen.stages.confidence.measure.wordings import Wordings
from datagen.stages.shared.checks import stands_alone
from datagen.stages.shared.language.rules import Language, words_pattern

Scores = npt.NDArray[np.float64]

DOUBTFUL = 0.5  # highest score where the words agree but a number or a negation does not
RUN = 5  # length of a word n-gram that is not repeated by chance


def grounding(wordings: Wordings, texts: Mapping[str, pa.Array], language: Language) -> Scores:
    """
    Measure how well the passage supports each answer, from 0 to 1.

    1 where the passage contains the answer verbatim. Otherwise the mean of two shares of its content words:
    those that occur anywhere in the passage, and those that occur in the answer's order, in the best window
    (`rapidfuzz.fuzz.partial_ratio` over words: an Indel similarity). At most `DOUBTFUL` where the answer has
    a number that neither passage nor question has, or where exactly one of answer and evidence is negated.
    nan without passage or answer, and for an answer that is only yes or no, true or false.
    """
    answers, passages = wordings.lines("answer"), wordings.lines("passage")
    pairs = list(zip(answers, passages, strict=True))
    verbatim = np.fromiter(
        (bool(answer) and answer in passage for answer, passage in pairs), bool, len(pairs)
    )
    judged = np.fromiter((bool(answer) and bool(passage) for answer, passage in pairs), bool, len(pairs))
    shared = np.nan_to_num(wordings.share("answer", ["passage"], wordings.content))
    score = (shared + _aligned(wordings)) / 2
    foreign = wordings.share("answer", ["passage", "question"], wordings.numbers) < 1  # nan: no number
    doubtful = foreign | _negation_differs(texts, language)
    score[doubtful] = np.minimum(score[doubtful], DOUBTFUL)
    score[verbatim] = 1.0
    return np.where(judged & ~_verdicts(texts, language), score, np.nan)


def _aligned(wordings: Wordings) -> Scores:
    answers, passages = (wordings.lines(name, wordings.content) for name in ("answer", "passage"))
    longer = [len(answer) > len(passage) for answer, passage in zip(answers, passages, strict=True)]
    best, whole = (
        process.cpdist(answers, passages, scorer=scorer, dtype=np.float64, workers=1) / 100
        for scorer in (fuzz.partial_ratio, fuzz.ratio)
    )
    return np.where(longer, whole, best)


def _negation_differs(texts: Mapping[str, pa.Array], language: Language) -> npt.NDArray[np.bool_]:
    answer, evidence, passage = (
        _negated(texts[name], language) for name in ("answer", "evidence", "passage")
    )
    quoted = pc.not_equal(texts["evidence"], "").to_numpy(zero_copy_only=False)
    return np.where(quoted, answer != evidence, answer & ~passage)


def _negated(texts: pa.Array, language: Language) -> npt.NDArray[np.bool_]:
    pattern = f"(?i){words_pattern([*map(re.escape, sorted(language.negations)), *language.contracted])}"
    return np.asarray(pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False))


def leakage(wordings: Wordings, texts: Mapping[str, pa.Array], language: Language) -> Scores:
    """
    Measure how much of each answer its question gives away: the share of its content words in the question.

    1 where the question contains the answer verbatim. nan for an answer that is only yes or no, true or
    false, and for one without words.
    """
    answers, questions = wordings.lines("answer"), wordings.lines("question")
    pairs = zip(answers, questions, strict=True)
    verbatim = np.fromiter(
        (bool(answer) and answer in question for answer, question in pairs), bool, len(answers)
    )
    score = wordings.share("answer", ["question"], wordings.content)
    score[verbatim] = 1.0
    return np.where(_verdicts(texts, language), np.nan, score)


def _verdicts(texts: Mapping[str, pa.Array], language: Language) -> npt.NDArray[np.bool_]:
    """Return which answers are only yes or no, true or false; word overlap means nothing for them."""
    pattern = rf"(?i)^\W*{words_pattern(language.verdicts)}\W*$"
    return np.asarray(pc.match_substring_regex(texts["answer"], pattern).to_numpy(zero_copy_only=False))


def standalone(questions: pa.Array, language: Language) -> Scores:
    """Return 1 for questions that can be understood without the passage, else 0; nan without a question."""
    distinct = questions.dictionary_encode()
    scores = [_alone(text, language) for text in distinct.dictionary.to_pylist()]
    return np.asarray(np.array(scores, np.float64)[distinct.indices.to_numpy(zero_copy_only=False)])


def _alone(question: str, language: Language) -> float:
    try:
        stands_alone(question, language, asks=True)
    except Reject:
        return 0.0
    return 1.0 if question.strip() else np.nan


def echo(wordings: Wordings) -> Scores:
    """Return the share of each answer's n-grams that are in its prompt but not its passage; nan if short."""
    return wordings.copied("answer", "instruction", exclude="passage", length=RUN)
