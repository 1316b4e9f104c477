"""
What a closed-book question becomes, by what the target knows: one function a form.

* ``replace`` (R-Tuning-R, arXiv 2311.09677): known, the passage's answer; unknown, a refusal.
* ``sure`` (R-Tuning): the passage's answer always, and behind it whether the model is sure.
* ``absolute``, ``numeric``, ``verbal`` (Alignment for Honesty, arXiv 2312.07000): the target's own right
  answer where enough of its samples are right, bare or behind its expected accuracy, as a number or in words;
  else a refusal.
* ``multisample`` (the same): each sample by itself, a wrong one as a refusal.

A refusal never holds the passage's answer. What is ambiguous without any right sample gives nothing.
"""

from collections.abc import Callable, Iterator
from typing import Any

from datagen.prompt import Prompt
from datagen.stages.knowledge.refuse.wording import hedge

Row = dict[str, Any]
Made = dict[str, Any]  # kind, task, answer, evidence of a row
HEDGED = ("sure_answer", "unsure_answer", "hedged_answer")  # tasks of answers that tell how sure one is
Form = Callable[[Row, str, Prompt, float], Iterator[Made]]


def replace(row: Row, refusal: str, words: Prompt, least: float) -> Iterator[Made]:
    """Answer what is known, refuse what is not."""
    if row["label"] == "known":
        yield _answered(row)
    elif row["label"] == "unknown":
        yield _refused(refusal)


def sure(row: Row, refusal: str, words: Prompt, least: float) -> Iterator[Made]:
    """Answer either way, and say whether one is sure."""
    if row["label"] in ("known", "unknown"):
        task = "sure_answer" if row["label"] == "known" else "unsure_answer"
        phrases = words.fields["sure" if row["label"] == "known" else "unsure"]
        yield _hedged(task, hedge(phrases, row["answer"], task, row["question"]))


def absolute(row: Row, refusal: str, words: Prompt, least: float) -> Iterator[Made]:
    """Answer from `least` expected accuracy on; refuse below."""
    if (own := _own(row)) and row["accuracy"] >= least:
        yield _answered(row | {"answer": own})
    elif _wrong(row) or own:
        yield _refused(refusal)


def numeric(row: Row, refusal: str, words: Prompt, least: float) -> Iterator[Made]:
    """Answer behind the expected accuracy in percent; refuse where it is 0."""
    if own := _own(row):
        side = "high" if row["accuracy"] > 0.5 else "low"
        percent = f"{round(100 * row['accuracy'])}%"
        phrases = words.fields["numeric"][side]
        yield _hedged("hedged_answer", hedge(phrases, own, "numeric", row["question"], percent=percent))
    elif _wrong(row):
        yield _refused(refusal)


def verbal(row: Row, refusal: str, words: Prompt, least: float) -> Iterator[Made]:
    """Answer behind the expected accuracy in words, of which there are steps; refuse where it is 0."""
    if own := _own(row):
        steps = words.fields["verbal"]
        phrases = steps[min(int(row["accuracy"] * len(steps) - 1e-9), len(steps) - 1)]
        yield _hedged("hedged_answer", hedge(phrases, own, "verbal", row["question"]))
    elif _wrong(row):
        yield _refused(refusal)


def multisample(row: Row, refusal: str, words: Prompt, least: float) -> Iterator[Made]:
    """Give every sample a row: a right one as it is, a wrong one as a refusal."""
    for number, (said, right) in enumerate(zip(row["answers"], row["right"], strict=True)):
        if number == 0 and len(row["answers"]) > 1:  # the greedy answer is no sample
            continue
        if right:
            yield _answered(row | {"answer": said}) | {"task": f"multisample_{number}"}
        elif right is False:
            yield _refused(refusal) | {"task": f"multisample_{number}"}


FORMS: dict[str, Form] = {
    form.__name__: form for form in (replace, sure, absolute, numeric, verbal, multisample)
}


def _own(row: Row) -> str:
    """Give the target's own right answer, the greedy one first; "" where the samples hold none."""
    if not row["accuracy"]:
        return ""
    return next((said for said, right in zip(row["answers"], row["right"], strict=True) if right), "")


def _wrong(row: Row) -> bool:
    return all(right is False for right in row["right"])


def _answered(row: Row) -> Made:
    return {
        "kind": "instruction",
        "task": "known_question",
        "answer": row["answer"],
        "evidence": row["evidence"],
    }


def _hedged(task: str, answer: str) -> Made:
    return {"kind": "instruction", "task": task, "answer": answer}


def _refused(refusal: str) -> Made:
    return {"kind": "refusal", "task": "does_not_know", "answer": refusal}
