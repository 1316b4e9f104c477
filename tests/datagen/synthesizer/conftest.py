"""Small labelled sets and a recipe for the tests."""

import json

import pytest
import yaml

TOWNS = [
    ("Harwick", "1911", "granite"), ("Ostrava", "1923", "slate"), ("Brenmouth", "1934", "brick"),
    ("Lindholm", "1945", "timber"), ("Carrow", "1956", "marble"), ("Tarsdale", "1967", "chalk"),
    ("Norvell", "1978", "limestone"), ("Eastmere", "1989", "sandstone"),
]  # fmt: skip


def squad():
    articles = []
    for town, year, stone in TOWNS:
        paragraphs = []
        for kind, noun in (("bridge", "miners"), ("tower", "farmers")):
            text = (
                f"The {kind} of {town} was built in {year} by local {noun}. "
                f"Its walls are made of {stone} from the {kind} quarry. "
                f"A {town.lower()}{kind} is a kind of tall structure that the {noun} of the region admire."
            )
            answers = [
                (f"When was the {kind} of {town} built?", year),
                (f"Who built the {kind} of {town}?", f"local {noun}"),
            ]
            qas = [
                {
                    "id": f"{town}-{kind}-{n}",
                    "question": question,
                    "answers": [{"text": answer, "answer_start": text.index(answer)}],
                }
                for n, (question, answer) in enumerate(answers)
            ]
            paragraphs.append({"context": text, "qas": qas})
        articles.append({"title": town, "paragraphs": paragraphs})
    return {"data": articles}


def abstracts():
    return {
        str(number): {
            "QUESTION": f"Does treatment {number} reduce pain in {group}?",
            "CONTEXTS": [
                f"Pain is common in {group}.",
                f"We gave treatment {number} to {20 + number} {group} for a month.",
            ],
            "LONG_ANSWER": f"Treatment {number} clearly lowers the pain scores of {group} after surgery.",
            "final_decision": "yes" if number % 2 else "maybe",
        }
        for number, group in enumerate(["children", "nurses", "athletes", "veterans", "drivers", "teachers"])
    }


@pytest.fixture
def written(tmp_path):
    """Return a function that writes the sets and a recipe with the given changes."""

    def write(**changes):
        (tmp_path / "towns.json").write_text(json.dumps(squad()))
        (tmp_path / "trials.json").write_text(json.dumps(abstracts()))
        mapping = {
            "passage": "CONTEXTS", "question": "QUESTION", "verdict": "final_decision", "conclusion": "LONG_ANSWER",
        }  # fmt: skip
        tasks = ("marked_question", "answer", "unanswerable", "reasoned_answer", "extractive_question",
                 "closed_book_question", "definition", "true_false", "yes_no")  # fmt: skip
        recipe = {
            "name": "small",
            "sets": [
                {"path": "towns.json", "format": "squad", "licence": "none", "holdout": 0.3},
                {
                    "path": "trials.json",
                    "format": "records",
                    "licence": "none",
                    "mapping": mapping,
                    "holdout": 0.3,
                },
            ],
            "tasks": dict.fromkeys(tasks),
        } | changes
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(recipe, sort_keys=False))
        return path

    return write
