"""
The rows that a closed-book question yields, given what the target knows: one function per format.

* ``replace`` (R-Tuning-R, arXiv 2311.09677): known, the passage's answer; unknown, a refusal.
* ``sure`` (R-Tuning): always the passage's answer, followed by whether the model is certain.
* ``absolute``, ``numeric``, ``verbal`` (Alignment for Honesty, arXiv 2312.07000): the target's own right
  answer if enough of its samples are right, alone or after its expected accuracy as a number or in words;
  else a refusal.
* ``multisample`` (the same): one row per sample, wrong ones as refusals.

A refusal never contains the passage's answer. Ambiguous questions without a right sample yield nothing.
"""

from collections.abc import Callable, Iterator

from datagen.prompt import Prompt
from datagen.rows import Fields, Row
from datagen.stages.knowledge.refuse.wording import hedge

HEDGED = ("sure_answer", "unsure_answer", "hedged_answer")  # tasks of answers that state a certainty
Form = Callable[[Row, str, Prompt, float], Iterator[Fields]]


def replace(row: Row, refusal: str, words: Prompt, least: float) -> Iterator[Fields]:
    """Answer known questions, refuse unknown ones."""
    if row["label"] == "known":
        yield _answered(row)
    elif row["label"] == "unknown":
        yield _refused(refusal)


def sure(row: Row, refusal: str, words: Prompt, least: float) -> Iterator[Fields]:
    """Answer either way, and state whether the answer is certain."""
    if row["label"] in ("known", "unknown"):
        task = "sure_answer" if row["label"] == "known" else "unsure_answer"
        phrases = words.fields["sure" if row["label"] == "known" else "unsure"]
        yield _hedged(task, hedge(phrases, row["answer"], task, row["question"]))


def absolute(row: Row, refusal: str, words: Prompt, least: float) -> Iterator[Fields]:
    """Answer if the expected accuracy is at least `least`; else refuse."""
    if (own := _own(row)) and row["accuracy"] >= least:
        yield _answered({**row, "answer": own})
    elif _wrong(row) or own:
        yield _refused(refusal)


def numeric(row: Row, refusal: str, words: Prompt, least: float) -> Iterator[Fields]:
    """Answer after the expected accuracy in percent; refuse if it is 0."""
    if own := _own(row):
        side = "high" if row["accuracy"] > 0.5 else "low"
        percent = f"{round(100 * row['accuracy'])}%"
        phrases = words.fields["numeric"][side]
        yield _hedged("hedged_answer", hedge(phrases, own, "numeric", row["question"], percent=percent))
    elif _wrong(row):
        yield _refused(refusal)


def verbal(row: Row, refusal: str, words: Prompt, least: float) -> Iterator[Fields]:
    """Answer after the expected accuracy in words, on a scale of phrases; refuse if it is 0."""
    if own := _own(row):
        steps = words.fields["verbal"]
        phrases = steps[min(int(row["accuracy"] * len(steps) - 1e-9), len(steps) - 1)]
        yield _hedged("hedged_answer", hedge(phrases, own, "verbal", row["question"]))
    elif _wrong(row):
        yield _refused(refusal)


def multisample(row: Row, refusal: str, words: Prompt, least: float) -> Iterator[Fields]:
    """Yield a row per sample: a right one as an answer, a wrong one as a refusal."""
    for number, (text, right) in enumerate(zip(row["answers"], row["right"], strict=True)):
        if number == 0 and len(row["answers"]) > 1:  # the greedy answer is not a sample
            continue
        if right:
            yield _answered({**row, "answer": text}) | {"task": f"multisample_{number}"}
        elif right is False:
            yield _refused(refusal) | {"task": f"multisample_{number}"}


FORMS: dict[str, Form] = {
    form.__name__: form for form in (replace, sure, absolute, numeric, verbal, multisample)
}


def _own(row: Row) -> str:
    """Return the target's own right answer, preferably the greedy one; "" if no sample is right."""
    if not row["accuracy"]:
        return ""
    return next((text for text, right in zip(row["answers"], row["right"], strict=True) if right), "")


def _wrong(row: Row) -> bool:
    return all(right is False for right in row["right"])


def _answered(row: Row) -> Fields:
    return {
        "kind": "instruction",
        "task": "known_question",
        "answer": row["answer"],
        "evidence": row["evidence"],
    }


def _hedged(task: str, answer: str) -> Fields:
    return {"kind": "instruction", "task": task, "answer": answer}


def _refused(refusal: str) -> Fields:
    return {"kind": "refusal", "task": "does_not_know", "answer": refusal}
