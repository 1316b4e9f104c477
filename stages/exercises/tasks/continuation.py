"""
Continuation: which sentence follows another one in the passage.

The passage itself holds the answer, so no model is asked.
"""

from itertools import pairwise

from datagen.prompt import Prompt
from datagen.schema import pick
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import MinedTask, draw_template
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage, phrase_in
from datagen.stages.shared.render.exercises import fill
from datagen.stages.shared.segment.sentences import is_sentence, split_sentences, unwrap


def followed(passage: Passage) -> list[str]:
    """List the sentences that can be quoted, stand there once and have another one after them."""
    return list(_next(passage))


def make(passage: Passage, prompt: Prompt) -> Pair:
    """Ask for the sentence after one that is drawn by hash."""
    after = _next(passage)
    quoted = pick(list(after), passage.row["id"])
    question = fill(draw_template(prompt, "questions", passage, quoted), sentence=quoted)
    said = after[quoted]
    return {"question": question, "context": passage.text, "answer": unwrap(said), "evidence": said}


def _next(passage: Passage) -> dict[str, str]:
    """Map a sentence on one line to the one after it in its block, as that stands in the passage."""
    text, known, words = passage.text, set(passage.quotable), passage.words
    spans = split_sentences(text)
    lines = [unwrap(text[start:end]) for start, end in spans]
    found = {}
    for (line, (_, before)), (other, (start, end)) in pairwise(zip(lines, spans, strict=True)):
        apart = "\n\n" in text[before:start]
        if line not in known or lines.count(line) > 1 or apart or not is_sentence(other):
            continue
        if not phrase_in(words_of(other), words.apparatus):
            found[line] = text[start:end]
    return found


task = MinedTask(
    name="continuation",
    summary="the sentence of the passage that follows another one; asks no model",
    prompt="reading/continuation",
    quotes=followed,
    make=make,
)
