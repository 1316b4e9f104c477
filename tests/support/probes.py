"""Questions about rivers that were put to a target, and what `datagen.stages.knowledge.refuse` is told of them."""

from tests.support.rows import example

RIVERS = ["Amstel", "Brenta", "Clyde", "Douro", "Ebro", "Fulda", "Garonne", "Havel", "Isar", "Jizera"]
SOURCE = "library/rivers of Europe.txt"
SILENCE = "The text does not say."


def passage(number):
    return f"The river {RIVERS[number]} is {100 + number} miles long. Its spring lies in the hills."


def knowledge(answers, right):
    """Give the columns of a target that said this, and was right, wrong (False) or neither (None) each time."""
    drawn = right[1:] or right
    label = "known" if all(right) else "unknown" if all(one is False for one in right) else "ambiguous"
    return {
        "answers": answers,
        "right": right,
        "matches": [{True: 1.0, False: 0.0, None: 0.5}[one] for one in right],
        "accuracy": sum(one is True for one in drawn) / len(drawn),
        "entropy": 0.0,
        "label": label,
    }


SAID = {
    "known": knowledge(["It is {n} miles long.", "{n} miles"], [True, True]),
    "unknown": knowledge(["7000 miles", "80 miles"], [False, False]),
    "ambiguous": knowledge(["perhaps", "no idea"], [None, False]),
}


def probe(number, label="known", document="rivers", near=None, **fields):
    """A question about a river's length, already put to the target; `near`: the number of a near passage."""
    row = example(
        document=document,
        task="extractive_question",
        question=f"How long is the river {RIVERS[number]}?",
        answer=f"{100 + number} miles",
        context=passage(number),
        evidence=passage(number).split(". ")[0] + ".",
        logprob=-0.4,
    )
    row |= SAID[label]
    row["answers"] = [said.format(n=100 + number) for said in row["answers"]]
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
