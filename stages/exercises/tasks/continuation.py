"""
Continuation: the sentence that follows another one in the passage.

The passage provides the answer; no model is used.
"""

from itertools import pairwise

from datagen.prompt import Prompt
from datagen.schema import pick
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import MinedTask, draw_text
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage, phrase_in
from datagen.stages.shared.render.exercises import fill
from datagen.stages.shared.segment.sentences import is_sentence, split_sentences, unwrap


def followed(passage: Passage) -> list[str]:
    """List the quotable sentences that occur once and are followed by another sentence."""
    return list(_next(passage))


def make(passage: Passage, prompt: Prompt) -> Pair:
    """Ask for the sentence that follows one drawn by hash."""
    after = _next(passage)
    quoted = pick(list(after), passage.row["id"])
    question = fill(draw_text(prompt, "questions", passage, quoted), sentence=quoted)
    following = after[quoted]
    return {"question": question, "context": passage.text, "answer": unwrap(following), "evidence": following}


def _next(passage: Passage) -> dict[str, str]:
    """Map each sentence, on one line, to the verbatim text of the next sentence in its block."""
    text, quotable, words = passage.text, set(passage.quotable), passage.words
    spans = split_sentences(text)
    lines = [unwrap(text[start:end]) for start, end in spans]
    following = {}
    for (line, (_, before)), (other, (start, end)) in pairwise(zip(lines, spans, strict=True)):
        apart = "\n\n" in text[before:start]
        if line not in quotable or lines.count(line) > 1 or apart or not is_sentence(other):
            continue
        if not phrase_in(words_of(other), words.apparatus):
            following[line] = text[start:end]
    return following


task = MinedTask(
    name="continuation",
    summary="the sentence of the passage that follows another one; uses no model",
    prompt="reading/continuation",
    quotes=followed,
    make=make,
)
