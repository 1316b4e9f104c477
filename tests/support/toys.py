"""A pipeline of toy stages and a toy model, for tests of the runner."""

import contextlib
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel, Field

from datagen.request import Reject, Request, Sampling
from datagen.schema import chat, content_id
from datagen.stage import Builder, MapStage, ModelStage, Options, Outcome, SourceStage, WholeStage

DIED = "TOY_DIED"  # environment variable: the file that `dying` writes when it dies
POISON = "What is fact 7, sample 1?"  # the row on which it dies
CALLS = "TOY_CALLS"  # environment variable: the toy model's log of calls


class Count(Options):
    """Size of the toy corpus."""

    documents: int = Field(12, description="Documents")
    partitions: int = Field(3, description="Partitions")


def plan(options, context):
    return list(range(options.partitions))


def read_source(partition, options, context):
    builder = Builder("documents", context)
    for number in range(partition, options.documents, options.partitions):
        text = f"Fact {number} is {number * number}."
        builder.keep({"id": content_id(text), "source": f"toy-{number}", "title": "", "text": text}, {})
    yield builder.outcome()


def cut(documents, options, context):
    builder = Builder("passages", context)
    for row in documents.to_pylist():
        passage = {"id": content_id("passage", row["text"]), "document_id": row["id"], "text": row["text"]}
        builder.keep(passage | {"source": row["source"], "start": 0, "end": len(row["text"])}, row)
    return replace(
        builder.outcome(), figures={"letters": sum(map(len, documents["text"].to_pylist())), "none": 0}
    )


class Pair(BaseModel):
    """Output schema of the toy model."""

    question: str
    answer: str


SCHEMA = Pair.model_json_schema()  # the slowest step in building a request


class Asking(Options):
    """Number of requests per passage."""

    samples: int = 2


def ask(passages, options, context):
    for row in passages.to_pylist():
        for sample in range(options.samples):
            yield Request(
                row=row["id"],
                messages=[{"role": "user", "content": row["text"]}],
                prompt="toy",
                prompt_hash="0",
                task="fact",
                sampling=Sampling(max_tokens=20, temperature=1.0),
                schema=SCHEMA,
                sample=sample,
            )


def doubt(passages, answers, options, context):
    """Send a follow-up request about each valid answer."""
    for row in passages.to_pylist():
        for answer in answers.of(row["id"]):
            with contextlib.suppress(Reject):
                question = answer.parse(Pair).question
                yield replace(
                    answer.request,
                    messages=[*answer.request.messages, {"role": "user", "content": f"Sure? {question}"}],
                    task="doubt",
                    about=question,
                )


def insist(passages, answers, options, context):
    """Doubt the valid answers, and then the answers to the doubts."""
    if answers.rounds == 1:
        yield from doubt(passages, answers, options, context)
    for answer in answers if answers.rounds == 2 else ():
        if answer.request.task == "doubt":
            more = [*answer.request.messages, {"role": "user", "content": f"{answer.text} Really?"}]
            yield replace(answer.request, messages=more, task="insist")


def read_doubts(passages, answers, options, context):
    builder = Builder("examples", context)
    for row in passages.to_pylist():
        doubts = [answer for answer in answers.of(row["id"]) if answer.request.task == "doubt"]
        for answer in doubts:
            draft = {"kind": "instruction", "task": "fact", "question": answer.request.about}
            builder.keep(draft | {"answer": answer.text}, row, answer)
        if not doubts:
            builder.drop(Reject("no doubt"), {"kind": "instruction"}, row)
    return builder.outcome()


def press(examples, options, context):
    """Ask again, once for each row."""
    for row in examples.to_pylist():
        yield Request(
            row=row["id"],
            messages=[{"role": "user", "content": f"Sure? {row['question']} {row['answer']}"}],
            prompt="toy",
            prompt_hash="0",
            task="press",
            sampling=Sampling(max_tokens=20),
        )


def press_on(examples, answers, options, context):
    """Ask about the answers to the last round."""
    for answer in answers:
        if answer.request.task == ("press", "doubt")[answers.rounds - 1]:
            more = [*answer.request.messages, {"role": "user", "content": f"{answer.text} Really?"}]
            yield replace(answer.request, messages=more, task=("doubt", "insist")[answers.rounds - 1])


def read_pressed(examples, answers, options, context):
    builder = Builder("candidates", context)
    for row in examples.to_pylist():
        replies = answers.of(row["id"])
        said = " ".join(f"{answer.request.task}: {answer.text}" for answer in replies)
        draft = {"kind": "instruction", "task": "fact", "question": row["question"], "answer": said}
        builder.keep(draft, row, replies[-1])
    return builder.outcome()


def read(passages, answers, options, context):
    builder = Builder("examples", context)
    for row in passages.to_pylist():
        for answer in answers.of(row["id"]):
            draft = {"kind": "instruction", "task": "fact"}
            try:
                pair = answer.parse(Pair)
                draft |= {"question": pair.question, "answer": pair.answer, "prompt": chat(pair.question)}
                builder.keep(draft, row, answer)
            except Reject as why:
                builder.drop(why, draft, row, answer)
    return builder.outcome()


def score(examples, answers, options, context):
    length = pa.array([len(text) for text in examples["answer"].to_pylist()], pa.float64())
    return Outcome.all_kept(examples.append_column("length", length))


def tally(partitions, options, context):
    context.scratch.mkdir()
    seen = sum(context.each(count, partitions.readers))
    (context.output / "seen.txt").write_text(str(seen))
    yield from [seen] * len(partitions)


def count(reader):
    return len(reader(["id"]))


def spare(partitions, options, context):
    """Send one request per passage for every twelve passages in all partitions."""
    context.scratch.mkdir()
    seen = sum(context.each(count, partitions.readers))
    return options.model_copy(update={"samples": seen // 12})


def write_tally(examples, seen, options, context):
    return Outcome.all_kept(examples.append_column("of", pa.array([seen] * len(examples), pa.int64())))


def lose_one(examples, options, context):
    return Outcome.all_kept(examples.slice(1))


def die(examples, options, context):
    """Kill the worker on one row, as if it ran out of memory; only once if `DIED` names a file."""
    if POISON in examples["question"].to_pylist():
        died = os.environ.get(DIED)
        if not (died and Path(died).exists()):
            if died:
                Path(died).touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return Outcome.all_kept(examples)


source = SourceStage(
    "source", "reads", plan, read_source, options=Count, digest=lambda options, context: "always the same"
)
cutting = MapStage("cutting", "cuts", "documents", "passages", cut)
asking = ModelStage("asking", "asks", "passages", "examples", ask, read, options=Asking)
doubting = ModelStage(
    "doubting", "asks twice", "passages", "examples", ask, read_doubts, options=Asking, follow=doubt
)
insisting = ModelStage(
    "insisting",
    "asks three times",
    "passages",
    "examples",
    ask,
    read_doubts,
    options=Asking,
    follow=insist,
    rounds=lambda options: 3,
)
pressing = ModelStage(
    "pressing",
    "asks three times about each row",
    "examples",
    "candidates",
    press,
    read_pressed,
    follow=press_on,
    rounds=lambda options: 3,
)
sparing = ModelStage("sparing", "asks less", "passages", "examples", ask, read, options=Asking, prepare=spare)
scoring = ModelStage(
    "scoring", "scores", "examples", "examples", lambda *_: [], score, role="judge", kinds=("instruction",)
)
tallying = WholeStage("tallying", "counts", "examples", "examples", tally, apply=write_tally)
dying = MapStage("dying", "runs out of memory", "examples", "examples", die)
losing = MapStage("losing", "has a bug", "examples", "examples", lose_one)


def model(request):
    """Answer with the fact; truncate or corrupt some answers, to cover every type of failure."""
    if log := os.environ.get(CALLS):
        with Path(log).open("a") as file:
            file.write(json.dumps([request.row, request.sample, request.task]) + "\n")
    if request.task in ("doubt", "insist", "press"):
        return "Sure."
    fact = request.messages[-1]["content"]
    number = int(fact.split()[1])
    if number % 5 == 3:
        return "{spoiled"
    text = json.dumps(
        {"question": f"What is fact {number}, sample {request.sample}?", "answer": fact.split()[-1]}
    )
    return {"text": text, "finish": "length"} if number % 5 == 4 else text


def variables():
    """Return the environment variables of this module, for `set_variables` on workers."""
    return {name: os.environ.get(name, "") for name in (CALLS, DIED)}


def set_variables(values):
    """Set environment variables in this process."""
    os.environ.update(values)


def spoiling(request):
    """Return only invalid answers."""
    return "{spoiled"


RECIPE = """
name: toy
corpus: [{path: none}]
models: {generator: {engine: scripted, model: "tests.support.toys:model", latency: %s, window: %s}}
cluster: {workers: 1}
stages:
  source: {use: "tests.support.toys:source", documents: %s}
  cutting: {use: "tests.support.toys:cutting"}
  asking: {use: "tests.support.toys:asking"}
  scoring: {use: "tests.support.toys:scoring"}
  tallying: {use: "tests.support.toys:tallying"}
"""


class SilentWatcher:
    """A console without output."""

    def joined(self, dashboard): ...

    def begin(self, stage, partitions): ...

    def advance(self, stage, partitions, usage, under_way): ...

    def judged(self, stage, kept, dropped): ...

    def funnel(self, stage, made, lost): ...

    def occupied(self, share): ...

    def end(self, record, resumed): ...


def write_recipe(folder, latency=0, window=8, documents=12, more=""):
    """Write the toy recipe and return its path."""
    path = folder / "toy.yaml"
    path.write_text(RECIPE % (latency, window, documents) + more)
    return path
