"""A good generator, teacher and judge for the families of instructions, about the atlas of `tests.support.scribe`."""

import json
import re

from tests.support import scribe

WRITERS = "The clerks of the river guild wrote down the oldest records of the archive of {}."
SUBJECTS = {"names": ["Atlases", "Archives"]}


def model(request):
    """Answer a request of any stage of the families; others as the scribe does."""
    if request.given:
        return {"text": request.given, "logprobs": [_loss(request)] * 3}
    message = request.messages[-1]["content"]
    if request.choices:
        letters = re.findall(r"\((\w)\) (?:Yes|True|Correct)", message)
        return {"text": letters[0], "choices": [-0.1 if c == letters[0] else -3.0 for c in request.choices]}
    family, _, part = request.prompt.partition("/")
    if family in ("operators", "formats", "recycle", "ensemble", "subjects"):
        if family == "recycle" and not _country(message):
            return "I would not change this."
        made = ANSWERS[f"{family}/{part}"](message, request)
        return {"text": made if isinstance(made, str) else json.dumps(made), "logprobs": [-0.1, -0.2]}
    return scribe.model(request)


def _loss(request):
    """Find rewritten questions harder and rewritten answers more telling, as a student might."""
    if request.task == "guessed":
        return -0.5 if "barge" in request.messages[-1]["content"].rpartition("Guess")[2] else -1.0
    return {"asked": -1.5 if "clerks" in request.given else -1.0}.get(request.task, -3.0)


def _country(message):
    return next((name for name in scribe.CITIES if name in message), "")


def _written(message):
    return f"Who wrote down the oldest records of the royal archive of {_country(message)}?"


def _visit(message):
    return (
        f"What must a librarian of {_country(message)} do before visitors may read the records on weekdays?"
    )


def _answered(message, request):
    asked = message.rpartition("Question: ")[2]
    country = _country(asked)
    if "librarian" in asked:
        return {
            "answer": f"The librarian of {country} has to enter their names in the guest ledger before noon."
        }
    return {"answer": WRITERS.format(country)}


def _pairs(message, request):
    return {"pairs": [{"question": _visit(message), **_answered(f"Question: {_visit(message)}", request)}]}


def _city(message):
    match = re.search(r"archive of (\w+)\s+stands\s+in\s+(\w+)", message)
    return f"The royal archive of {match[1]} stands in {match[2]}."


def _formatted(message, request):
    demand = message.rpartition("~~~")[2]
    names = re.search(r"keys ([\w, ]+)", demand)
    keys = [name.strip() for name in names[1].split(",")][:2]
    answer = message.split("~~~")[-2].strip()
    return dict(zip(keys, [answer, _city(message)], strict=True))


def _described(message, request):
    keys = list(json.loads(message.split("~~~")[1]))
    instruction = f"Give a JSON object with exactly the keys {', '.join(keys)}."
    return {"layout": "One object with two keys.", "instruction": instruction}


def _link(message, request):
    """Carry out any link on "Marlow" or a sentence: an object, which is the shortest."""
    source = message.split("~~~")[1].strip()
    return {"subject": source.rstrip("."), "statement": source}


def _question(message, request):
    return {
        "critique": "It asks for one fact.",
        "question": _written(message),
        "answer": WRITERS.format(_country(message)),
    }


def _better(message, request):
    return {
        "critique": "It could say more.",
        "answer": f"{WRITERS.format(_country(message))[:-1]}, and kept accounts of every barge.",
    }


def _output(message, request):
    return _city(message) if "stands" in message else scribe.CITIES[_country(message)]


def _syllabus(message, request):
    subject = message.splitlines()[0].split(" > ")[-1]
    sessions = [f"Basics of {subject}", f"Advanced {subject}"]
    return {
        "sessions": [{"title": title, "concepts": [f"{title} terms", f"{title} rules"]} for title in sessions]
    }


def _homework(message, request):
    return {
        "question": f"How do {message.partition('Key concepts: ')[2].splitlines()[0]} shape what a scholar may decide?"
    }


ANSWERS = {
    "operators/expand": lambda said, request: {"questions": [_written(said), _visit(said)]},
    "operators/refine": lambda said, request: {
        "question": f"In which town does the royal archive of {_country(said)}, with its oldest records, stand?"
    },
    "operators/answer": _answered,
    "operators/expand_pairs": _pairs,
    "operators/link": _link,
    "formats/rewrite": _formatted,
    "formats/describe": _described,
    "recycle/question": _question,
    "recycle/answer": _better,
    "ensemble/with_input": _output,
    "ensemble/without_input": _output,
    "subjects/complete": lambda said, request: SUBJECTS,
    "subjects/syllabus": _syllabus,
    "subjects/question": _homework,
    "subjects/answer": lambda said, request: {
        "answer": "First, a scholar weighs the terms. Then rules set limits."
    },
}
