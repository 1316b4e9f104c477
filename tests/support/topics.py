"""Rows on a few topics, and a target that an example on the same topic helps."""

import math

from datagen.schema import EXAMPLES, chat, table_of
from datagen.stage import Options, Outcome, SourceStage
from tests.support.rows import example

TOPICS = ("the theft of mail", "wetlands on the coast", "pensions of widows", "the weight of lorries")
GUESSED, TOLD, KNOWN = 0.2, 0.6, 0.9  # token probability: without help, with help, with the answer itself


def say(topic, number):
    """Return a question and an answer on a topic, distinguished by a number."""
    question = f"What does rule {number} say about {topic}?"
    return {"question": question, "answer": f"Rule {number} is on {topic}.", "prompt": chat(question)}


def on(topics, each=4, start=0, **fields):
    return [
        example(id=f"{topic} {number}", **say(topic, number), **fields)
        for topic in topics
        for number in range(start, start + each)
    ]


def topics_of(rows):
    return {row["question"].partition("about ")[2].rstrip("?") for row in rows}


def target(request):
    """Score an answer: higher for a closer example before it; without an example, higher for a longer one."""
    *shown, asked = (message["content"] for message in request.messages if message["role"] == "user")
    if not asked:
        return {"text": request.given, "logprobs": (math.log(len(request.given) / 1000),) * 3}
    same = bool(shown) and asked.partition("about")[2] == shown[0].partition("about")[2]
    likely = KNOWN if shown == [asked] else TOLD if same else GUESSED
    return {"text": request.given, "logprobs": (math.log(likely),) * 3}


def weak(request):
    """Score as the target does, with half the probability."""
    read = target(request)
    return read | {"logprobs": tuple(logprob - math.log(2) for logprob in read["logprobs"])}


def read(part, options, context):
    yield Outcome.all_kept(table_of(EXAMPLES, on(TOPICS[part : part + 2])))


source = SourceStage("source", "rows", lambda *_: [0, 2], read, gives="examples", options=Options)
