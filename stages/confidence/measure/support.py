"""How an answer stands to its passage, its question and its prompt, told from their words."""

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

DOUBTFUL = 0.5  # at most, where the words agree but a number or a negation does not
RUN = 5  # words in a row that are no chance


def grounding(wordings: Wordings, texts: Mapping[str, pa.Array], language: Language) -> Scores:
    """
    Say how well each answer is supported by its passage, from 0 to 1.

    1 where the answer stands in the passage, word by word. Else the mean of two shares of its content
    words: of those that the passage has anywhere, and of those that stand in it in the answer's order,
    by the best window (`rapidfuzz.fuzz.partial_ratio` over words: an Indel similarity). At most
    `DOUBTFUL` where the answer has a number that neither passage nor question has, or is negated and its
    evidence is not, or the other way round. nan without passage or answer, and for an answer that only says
    yes or no, true or false.
    """
    answers, passages = wordings.lines("answer"), wordings.lines("passage")
    pairs = list(zip(answers, passages, strict=True))
    stands = np.fromiter((bool(answer) and answer in passage for answer, passage in pairs), bool, len(pairs))
    judged = np.fromiter((bool(answer) and bool(passage) for answer, passage in pairs), bool, len(pairs))
    known = np.nan_to_num(wordings.share("answer", ["passage"], wordings.content))
    score = (known + _aligned(wordings)) / 2
    foreign = wordings.share("answer", ["passage", "question"], wordings.numbers) < 1  # nan: no number
    doubtful = foreign | _turned(texts, language)
    score[doubtful] = np.minimum(score[doubtful], DOUBTFUL)
    score[stands] = 1.0
    return np.where(judged & ~_verdicts(texts, language), score, np.nan)


def _aligned(wordings: Wordings) -> Scores:
    answers, passages = (wordings.lines(name, wordings.content) for name in ("answer", "passage"))
    longer = [len(answer) > len(passage) for answer, passage in zip(answers, passages, strict=True)]
    best, whole = (
        process.cpdist(answers, passages, scorer=scorer, dtype=np.float64, workers=1) / 100
        for scorer in (fuzz.partial_ratio, fuzz.ratio)
    )
    return np.where(longer, whole, best)


def _turned(texts: Mapping[str, pa.Array], language: Language) -> npt.NDArray[np.bool_]:
    answer, evidence, passage = (
        _negated(texts[name], language) for name in ("answer", "evidence", "passage")
    )
    quoted = pc.not_equal(texts["evidence"], "").to_numpy(zero_copy_only=False)
    return np.where(quoted, answer != evidence, answer & ~passage)


def _negated(texts: pa.Array, language: Language) -> npt.NDArray[np.bool_]:
    pattern = f"(?i){words_pattern([*map(re.escape, sorted(language.negations)), *language.contracted])}"
    result: npt.NDArray[np.bool_] = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return result


def leakage(wordings: Wordings, texts: Mapping[str, pa.Array], language: Language) -> Scores:
    """
    Say how much of each answer its question gives away: the share of its content words that it has.

    1 where the answer stands in the question, word by word. nan for an answer that only says yes or no,
    true or false, and for one without words.
    """
    answers, questions = wordings.lines("answer"), wordings.lines("question")
    pairs = zip(answers, questions, strict=True)
    stands = np.fromiter(
        (bool(answer) and answer in question for answer, question in pairs), bool, len(answers)
    )
    score = wordings.share("answer", ["question"], wordings.content)
    score[stands] = 1.0
    return np.where(_verdicts(texts, language), np.nan, score)


def _verdicts(texts: Mapping[str, pa.Array], language: Language) -> npt.NDArray[np.bool_]:
    """Tell which answers only say which of two it is: the passage has no such words, the question both."""
    pattern = rf"(?i)^\W*{words_pattern(language.verdicts)}\W*$"
    result: npt.NDArray[np.bool_] = pc.match_substring_regex(texts["answer"], pattern).to_numpy(
        zero_copy_only=False
    )
    return result


def standalone(questions: pa.Array, language: Language) -> Scores:
    """Say of each question whether it can be understood without the passage: 1 or 0; nan without one."""
    distinct = questions.dictionary_encode()
    told = [_alone(text, language) for text in distinct.dictionary.to_pylist()]
    result: Scores = np.array(told, np.float64)[distinct.indices.to_numpy(zero_copy_only=False)]
    return result


def _alone(question: str, language: Language) -> float:
    try:
        stands_alone(question, language, asks=True)
    except Reject:
        return 0.0
    return 1.0 if question.strip() else np.nan


def echo(wordings: Wordings) -> Scores:
    """Say which share of each answer's runs of words is its prompt's and not its passage's; nan if short."""
    return wordings.copied("answer", "instruction", but="passage", run=RUN)
