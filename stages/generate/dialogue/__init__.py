"""
Write dialogues in which a user drifts off the assistant's topic and is brought back.

Topic following after CantTalkAboutThis (arXiv 2404.03820): a system message gives a role, its topic and
its rules; the user asks about the topic and is answered; between such turns stand *distractors*, which
are declined, and the talk goes back to the topic. Here the topic is a document, and its turns are
question and answer pairs that an earlier stage wrote and checked; the system message holds the passages
that they are answered from. Roles, rules and words are data (``prompts/dialogues/``).

Four kinds of distractor (the first alone is too easy, says the paper): ``abrupt``, a question about another
document as it is; ``gradual``, the same led up to; ``persuasive``, the same with a reason why it should be
answered; ``rule``, which stays near the topic and breaks one of the rules.
Questions come from other documents, or the generator writes them (``written``).

Every turn has a label. What is trained on is made of the dialogues by
`datagen.stages.generate.dialogue.steer`.
"""

from collections.abc import Iterator

import pyarrow as pa

from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.schema import content_id
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.generate.dialogue.distractors import HELD, write_in
from datagen.stages.generate.dialogue.options import Options
from datagen.stages.generate.dialogue.plan import Plan
from datagen.stages.generate.dialogue.script import Script
from datagen.stages.shared.language.matching import standing
from datagen.stages.shared.render.phrases import say

LONGEST_REMINDER = 120  # characters of a question that is taken up again


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask the generator for the distractors that it is to write."""
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
    """Put the dialogues together; a pair that is in none is dropped with its reason."""
    declining = context.prompt(options.declining)
    builder = Builder("dialogues", context, declining.name, declining.hash)
    plan = Plan(rows.to_pylist(), options, context)
    for row, why in plan.unused:
        builder.drop(why, {"id": content_id("dialogue", row["id"])}, row)
    for script in plan.scripts:
        first, *others = script.pairs
        dialogue = {"id": script.key, "topic": script.topic}
        given = answers.of(first["id"])
        try:
            for answer in given:
                _take(answer, script, plan, options, builder)
            turns = _turns(script, declining.fields)
        except Reject as why:
            builder.drop(why, dialogue, first, *given, others=others)
            continue
        builder.keep(dialogue | {"turns": turns}, first, *given, others=others)
    return builder.outcome()


def _take(answer: Answer, script: Script, plan: Plan, options: Options, builder: Builder) -> None:
    """Put what the generator wrote in the place of the distractor that was drawn, if it is sound."""
    number = int(answer.request.about)
    try:
        script.distractors[number] = write_in(script, number, answer, options.overlap)
    except Reject as why:  # the drawn one stays
        tried = {"id": content_id("written", script.key, answer.request.about), "topic": script.topic}
        builder.drop(why, tried, script.pairs[0], answer, others=script.pairs[1:])


def _turns(script: Script, words: dict[str, list[str]]) -> list[dict[str, str | None]]:
    """List the turns of a dialogue, each with its label."""
    turns = [_turn("system", script.system, "topic")]
    for place in range(len(script.pairs) + 1):
        last = script.pairs[place - 1]["question"] if place else ""
        for distractor in script.distractors:
            if distractor.after != place:
                continue
            asked = _turn("user", distractor.text, "distractor") | {"distractor": distractor.kind}
            turns.append(asked | {"answer": distractor.answer})
            statements = distractor.declines or words["statements"]
            reminders = words["reminders"] if 0 < len(last) <= LONGEST_REMINDER else []
            parts = [words["openings"], statements, [*words["steers"], *reminders]]
            reply = say(parts, script.key, distractor.text, topic=script.topic, last=last)
            if distractor.answer and standing(distractor.answer, reply, language=script.language) >= HELD:
                raise Reject("decline answers", f"{distractor.answer} in: {reply}")
            turns.append(_turn("assistant", reply, "redirect"))
        if place < len(script.pairs):
            pair = script.pairs[place]
            turns.append(_turn("user", pair["question"], "on_topic"))
            turns.append(_turn("assistant", pair["answer"], "on_topic") | {"evidence": pair["evidence"]})
    return turns


def _turn(role: str, content: str, label: str) -> dict[str, str | None]:
    return {"role": role, "content": content, "label": label}


stage = ModelStage(
    name="dialogue",
    summary="write dialogues about a topic, with turns that lead away from it",
    takes="examples",
    gives="dialogues",
    ask=ask,
    read=read,
    options=Options,
    kinds=("instruction",),
)
