"""
Write questions that need two passages, and prove by ablation that neither alone is enough.

Passages of a partition are paired by the rare words that they share
(`datagen.stages.shared.similarity.inverted_index`). The model writes a question that only both together
answer, and quotes a sentence of each. The question is then asked three times: with both passages, where the
model must give the answer, and with each alone, where it must not. A question without a verdict is dropped.

A row cites both spans: `metadata` has the document, position and words of each quote, and both passages are
its parents.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
from pydantic import BaseModel, Field

import datagen.stage
from datagen.prompt import Prompt
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.rows import Fields, Row
from datagen.schema import chat, fraction
from datagen.stage import Builder, Context, ModelStage, Outcome, mean_logprob
from datagen.stages.exercises.round_trip import agree
from datagen.stages.shared import checks, passage_qa
from datagen.stages.shared.language import matching
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.similarity.inverted_index import Postings

TASK = "across_passages"
PROMPT = "instructions/across_passages"
FIRST, SECOND, BOTH = ABLATION = ("first", "second", "both")  # passages in the prompt
TRACED = ("document_id", "source")


class Options(datagen.stage.Options):
    """Which passages to pair, and the requirements of a question."""

    share: float = Field(1.0, ge=0, le=1, description="Share of the passages that lead a pair, drawn by hash")
    longest: int = Field(15, ge=1, description="Maximum words of an answer: answers are compared by words")
    agreement: float = Field(
        0.75, gt=0, le=1, description="Word agreement at or above which two answers are the same"
    )
    max_tokens: int = Field(
        256, ge=32, description="Maximum length of a question with its answer and quotes, in tokens"
    )
    temperature: float = Field(0.0, ge=0, description="0: always the likeliest answer")


class Output(BaseModel):
    """A question over two passages, with a quote from each."""

    first: str
    second: str
    question: str
    answer: str


@dataclass(frozen=True)
class Pair:
    """Two related passages, separate or joined."""

    first: Passage
    second: Passage

    @property
    def both(self) -> Passage:
        """Both texts in order, under the title of the first."""
        text = f"{self.first.text}\n\n{self.second.text}"
        return Passage(dict(self.first.row) | {"text": text, "section": None}, self.first.words)

    def shown(self, step: str) -> Passage:
        """Return the passage for one step of the ablation."""
        return {FIRST: self.first, SECOND: self.second, BOTH: self.both}[step]


def pairs_of(passages: pa.Table, options: Options, context: Context) -> dict[str, Pair | Reject]:
    """
    Pair each passage that leads a pair with the nearest related one.

    Returns
    -------
    Id of the leading passage -> its pair, or the reason why it leads none. Each pair occurs once, with the
    first of its passages as the leading one.
    """
    languages = Languages(context)
    by_id = {row["id"]: Passage(row, languages.of(row)) for row in passages.to_pylist()}
    by_text = {passage.text: passage for passage in by_id.values()}
    postings = Postings({text: passage.words for text, passage in by_text.items()})
    pairs: dict[str, Pair | Reject] = {}
    paired: set[frozenset[str]] = set()
    for key, passage in by_id.items():
        if fraction(TASK, key, str(context.seed)) >= options.share:
            pairs[key] = Reject("outside the sample")
            continue
        related = (by_text[text] for text in postings.related(passage.text))
        other = next((candidate for candidate in related if not _overlap(passage.row, candidate.row)), None)
        if other is None:
            pairs[key] = Reject("no related passage", passage.heading)
        elif (ids := frozenset((key, other.row["id"]))) in paired:
            pairs[key] = Reject("paired already", f"by {other.row['id']}")
        else:
            paired.add(ids)
            pairs[key] = Pair(passage, other)
    return pairs


def _overlap(first: Row, second: Row) -> bool:
    same = first["document_id"] == second["document_id"]
    return bool(same and first["start"] < second["end"] and second["start"] < first["end"])


def ask(passages: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Request a question about each pair."""
    prompt = context.prompt(PROMPT)
    sampling = Sampling(max_tokens=options.max_tokens, temperature=options.temperature)
    for key, pair in pairs_of(passages, options, context).items():
        if isinstance(pair, Pair):
            yield prompt.ask(
                key,
                task=TASK,
                sampling=sampling,
                schema=Output,
                first=pair.first.text,
                first_heading=pair.first.heading,
                second=pair.second.text,
                second_heading=pair.second.heading,
            )


def follow(passages: pa.Table, answers: Answers, options: Options, context: Context) -> Iterator[Request]:
    """Ask each sound question with both passages, and with each alone."""
    prompt, ablation = context.prompt(PROMPT), context.prompt(passage_qa.PROMPT)
    for key, pair in pairs_of(passages, options, context).items():
        if not isinstance(pair, Pair):
            continue
        for draft in answers.of(key):
            try:
                output = _checked(draft, pair, prompt, options)
            except Reject:
                continue
            for step in ABLATION:
                passage = pair.shown(step)
                yield passage_qa.ask(
                    ablation,
                    key,
                    task=f"with_{step}",
                    question=output.question,
                    passage=passage.text,
                    heading=passage.heading,
                )


def read(passages: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Keep the questions that need both passages."""
    prompt, ablation = context.prompt(PROMPT), context.prompt(passage_qa.PROMPT)
    builder = Builder("examples", context)
    fields = {"kind": "instruction", "task": TASK}
    pairs = pairs_of(passages, options, context)
    for row in passages.to_pylist():
        key, pair = row["id"], pairs[row["id"]]
        if isinstance(pair, Reject):
            builder.drop(pair, fields, row)
            continue
        drafts = [answer for answer in answers.of(key) if answer.request.task == TASK]
        by_task = {answer.request.task: answer for answer in answers.of(key)}
        replies = [*drafts, *(by_task[name] for step in ABLATION if (name := f"with_{step}") in by_task)]
        others = [dict(pair.second.row)]
        try:
            if not drafts:
                raise Reject("no answer", "the request was not answered")
            output = _checked(drafts[0], pair, prompt, options)
            prove(output, pair, by_task, ablation, options)
        except Reject as why:
            text = drafts[0].completion.text if drafts else None
            builder.drop(why, fields | {"answer": text}, row, *replies, others=others)
            continue
        example = _example(output, pair) | fields | {"logprob": mean_logprob(drafts)}
        builder.keep(example, row, *replies, others=others)
    return builder.outcome()


def prove(
    output: Output, pair: Pair, by_task: Mapping[str, Answer], prompt: Prompt, options: Options
) -> None:
    """
    Check that both passages together give the answer and neither does alone.

    Raises
    ------
    Reject
        If the check fails or a verdict is missing.
    """
    texts = {}
    for step in ABLATION:
        reply = by_task.get(f"with_{step}")
        if reply is None or reply.completion.finish != "stop":
            raise Reject("no verdict", f"with {step}: {reply.completion.error if reply else 'not asked'}")
        texts[step] = reply.text
    words = pair.first.words
    if passage_qa.left_open(texts[BOTH], prompt):
        raise Reject("not answered from both passages", output.question)
    if agree(texts[BOTH], output.answer, output.question, words) < options.agreement:
        raise Reject("not answered from both passages", f"{output.answer}, and then: {texts[BOTH]}")
    for step in (FIRST, SECOND):
        similarity = matching.likeness(
            texts[step], output.answer, output.question, words.stop, language=words
        )
        # Of "It does not say, but perhaps Corby", only the negation differs: it may be an answer.
        contained = similarity > 0 and matching.contained_share(output.answer, texts[step], language=words)
        if max(similarity, contained) >= options.agreement:
            raise Reject("answered from one passage", f"the {step}: {output.question} {texts[step]}")


def _checked(draft: Answer, pair: Pair, prompt: Prompt, options: Options) -> Output:
    """Parse and check a draft; return its quotes as written in the passages."""
    output, both = draft.parse(Output), pair.both
    words = both.words
    rendered = prompt.render(first="", first_heading="", second="", second_heading="")
    instruction = "\n".join(turn["content"] for turn in rendered)
    for text in (output.question, output.answer):
        checks.clean(text, both, instruction)
    checks.question(output.question, words)
    checks.stands_alone(output.question, words, asks=True)
    checks.particular(output.question, words)
    checks.withholds(output.question, output.answer, words)
    if words.verdict.fullmatch(output.answer):
        raise Reject("answer can be guessed", output.answer)
    checks.sized(output.answer, 1, options.longest)
    checks.numbers(output.answer, f"{both.heading} {both.text} {output.question}")
    checks.about(output.answer, both)
    quotes = []
    for quote, own, other in (
        (output.first, pair.first, pair.second),
        (output.second, pair.second, pair.first),
    ):
        quotes.append(checks.verbatim(quote, own))
        if other.find(quote):
            raise Reject("evidence in both passages", quote)
    asked, told = ({*words.content(text)} for text in (output.question, output.answer))
    quoted = [{*words.content(quote)} for quote in quotes]
    if not all(quote & (asked | told) for quote in quoted) or (
        told and not told & quoted[0].union(quoted[1])
    ):
        raise Reject("evidence does not support it", f"{output.answer}, by: {' '.join(quotes)}")
    for step in (FIRST, SECOND):
        if asked <= pair.shown(step).content and pair.shown(step).find(output.answer):
            raise Reject("answered from one passage", f"the {step} has all words of: {output.question}")
    return output.model_copy(update={FIRST: quotes[0], SECOND: quotes[1]})


def _example(output: Output, pair: Pair) -> Fields:
    joined = pair.both.text
    spans = [_span(pair.first, output.first), _span(pair.second, output.second)]
    return {
        "question": output.question,
        "context": joined,
        "answer": output.answer,
        "evidence": f"{output.first}\n{output.second}",
        "prompt": chat(output.question, joined),
        "metadata": json.dumps({"spans": spans}, ensure_ascii=False),
    }


def _span(passage: Passage, quote: str) -> Fields:
    start = passage.row["start"] + passage.text.index(quote)
    origin = {name: passage.row[name] for name in TRACED}
    return origin | {
        "passage_id": passage.row["id"],
        "start": start,
        "end": start + len(quote),
        "quote": quote,
    }


stage = ModelStage(
    name=TASK,
    summary="write questions that need two passages, proved by asking with each alone",
    takes="passages",
    gives="examples",
    ask=ask,
    follow=follow,
    read=read,
    options=Options,
)
