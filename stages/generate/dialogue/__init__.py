"""
Write dialogues in which a user leaves the assistant's topic and is redirected to it.

Topic following after CantTalkAboutThis (arXiv 2404.03820): a system message defines a role, its topic and its
rules; the user asks about the topic and is answered; between these turns, *distractors* are declined and the
dialogue is redirected to the topic. Here the topic is a document, and the turns on topic are question and
answer pairs that an earlier stage wrote and checked; the system message contains the passages with their
answers. Roles, rules and phrases are data (``prompts/dialogues/``).

There are four kinds of distractor (the paper finds the first alone too easy): ``abrupt``, a question about
another document; ``gradual``, the same with a transition; ``persuasive``, the same with a reason to answer
it; ``rule``, a turn close to the topic that breaks one of the rules. Questions come from other documents, or
the generator writes them (``written``).

Every turn has a label. `datagen.stages.generate.dialogue.steer` turns the dialogues into training rows.
"""

from collections.abc import Iterator

import pyarrow as pa

from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.schema import content_id
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.generate.dialogue.distractors import HELD, write_in
from datagen.stages.generate.dialogue.options import Options
from datagen.stages.generate.dialogue.plan import Plan
from datagen.stages.generate.dialogue.script import Distractor, Script
from datagen.stages.shared.language.matching import contained_share
from datagen.stages.shared.render.phrases import say

LONGEST_REMINDER = 120  # characters of a question that a redirect repeats


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask the generator to write distractors."""
    prompt = context.prompt(options.writing)
    sampling = Sampling(max_tokens=64, temperature=options.temperature, stop=("\n",))
    for script in Plan(rows.to_pylist(), options, context).scripts:
        for number, distractor in enumerate(script.distractors):
            if distractor.written:
                before = script.pairs[distractor.after - 1] if distractor.after else {}
                yield prompt.ask(
                    script.pairs[0]["id"],
                    task=distractor.kind,
                    sampling=sampling,
                    about=str(number),
                    topic=script.topic,
                    last=before.get("question", ""),
                    reply=before.get("answer", ""),
                    way=prompt.fields["ways"][distractor.kind],
                    subject=distractor.subject,
                )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Write the dialogues; a pair that is in no dialogue is dropped with its reason."""
    declining = context.prompt(options.declining)
    builder = Builder("dialogues", context, declining.name, declining.hash)
    plan = Plan(rows.to_pylist(), options, context)
    for row, reason in plan.unused:
        builder.drop(reason, {"id": content_id("dialogue", row["id"])}, row)
    for script in plan.scripts:
        first, *others = script.pairs
        dialogue = {"id": script.key, "topic": script.topic}
        written = answers.of(first["id"])
        try:
            for answer in written:
                _replace_distractor(answer, script, options, builder)
            turns = _turns(script, declining.fields)
        except Reject as reason:
            builder.drop(reason, dialogue, first, *written, others=others)
            continue
        builder.keep(dialogue | {"turns": turns}, first, *written, others=others)
    return builder.outcome()


def _replace_distractor(answer: Answer, script: Script, options: Options, builder: Builder) -> None:
    """Replace a drawn distractor by the one that the generator wrote, or drop the latter with its reason."""
    number = int(answer.request.about)
    try:
        script.distractors[number] = write_in(script, number, answer, options.overlap)
    except Reject as reason:
        rejected = {"id": content_id("written", script.key, answer.request.about), "topic": script.topic}
        builder.drop(reason, rejected, script.pairs[0], answer, others=script.pairs[1:])


def _turns(script: Script, phrases: dict[str, list[str]]) -> list[dict[str, str | None]]:
    """List the turns of a dialogue, each with its label."""
    turns = [_turn("system", script.system, "topic")]
    for place in range(len(script.pairs) + 1):
        last = script.pairs[place - 1]["question"] if place else ""
        for distractor in script.distractors:
            if distractor.after != place:
                continue
            turn = _turn("user", distractor.text, "distractor") | {"distractor": distractor.kind}
            turns.append(turn | {"answer": distractor.answer})
            turns.append(_turn("assistant", _redirect(script, distractor, last, phrases), "redirect"))
        if place < len(script.pairs):
            pair = script.pairs[place]
            turns.append(_turn("user", pair["question"], "on_topic"))
            turns.append(_turn("assistant", pair["answer"], "on_topic") | {"evidence": pair["evidence"]})
    return turns


def _redirect(script: Script, distractor: Distractor, last: str, phrases: dict[str, list[str]]) -> str:
    """Decline a distractor and redirect to the topic, or to the last question about it."""
    statements = distractor.declines or phrases["statements"]
    reminders = phrases["reminders"] if 0 < len(last) <= LONGEST_REMINDER else []
    parts = [phrases["openings"], statements, [*phrases["steers"], *reminders]]
    reply = say(parts, script.key, distractor.text, topic=script.topic, last=last)
    if distractor.answer and contained_share(distractor.answer, reply, language=script.language) >= HELD:
        raise Reject("redirect contains the answer", f"{distractor.answer} in: {reply}")
    return reply


def _turn(role: str, content: str, label: str) -> dict[str, str | None]:
    return {"role": role, "content": content, "label": label}


stage = ModelStage(
    name="dialogue",
    summary="write dialogues about a topic, with user turns that leave it",
    takes="examples",
    gives="dialogues",
    ask=ask,
    read=read,
    options=Options,
    kinds=("instruction",),
)
