"""Probed questions about rivers, as input of `datagen.stages.knowledge.refuse`."""

from tests.support.rows import example

RIVERS = ["Amstel", "Brenta", "Clyde", "Douro", "Ebro", "Fulda", "Garonne", "Havel", "Isar", "Jizera"]
SOURCE = "library/rivers of Europe.txt"
SILENCE = "The text does not say."


def passage(number):
    return f"The river {RIVERS[number]} is {100 + number} miles long. Its spring lies in the hills."


def knowledge(answers, right):
    """Return the probe columns for these answers, each right, wrong (False) or undecided (None)."""
    drawn = right[1:] or right
    label = (
        "known" if all(right) else "unknown" if all(verdict is False for verdict in right) else "ambiguous"
    )
    return {
        "answers": answers,
        "right": right,
        "matches": [{True: 1.0, False: 0.0, None: 0.5}[verdict] for verdict in right],
        "accuracy": sum(verdict is True for verdict in drawn) / len(drawn),
        "entropy": 0.0,
        "label": label,
    }


KNOWLEDGE = {
    "known": knowledge(["It is {n} miles long.", "{n} miles"], [True, True]),
    "unknown": knowledge(["7000 miles", "80 miles"], [False, False]),
    "ambiguous": knowledge(["perhaps", "no idea"], [None, False]),
}


def probe(number, label="known", document="rivers", near=None, **fields):
    """Return a probed question about a river's length; `near` is the number of a near passage."""
    row = example(
        document=document,
        task="extractive_question",
        question=f"How long is the river {RIVERS[number]}?",
        answer=f"{100 + number} miles",
        context=passage(number),
        evidence=passage(number).split(". ")[0] + ".",
        logprob=-0.4,
    )
    row |= KNOWLEDGE[label]
    row["answers"] = [answer.format(n=100 + number) for answer in row["answers"]]
    row["lineage"] |= {
        "source": SOURCE,
        "start": 200 * number,
        "end": 200 * number + 150,
        "passage_id": f"{document}-{number}",
    }
    if near is not None:
        row["near"] = {
            "question": row["question"],
            "context": passage(near),
            "title": "",
            "change": "passage",
        }
    return row | fields
