"""
Score a model on held-out questions (``datagen probe``).

The model answers each question closed-book and greedily, and then states whether it is sure. Completions are
stored under their keys and reused, as in a run.
"""

import gzip
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from datagen.engines.ask import Asker
from datagen.errors import UserError
from datagen.evaluate.metrics import Judged, measure
from datagen.outside_json import parse
from datagen.paths import regular
from datagen.prompt import exists, load
from datagen.recipe.roles import Model, VllmModel
from datagen.request import Answer, Reject, Request, Sampling
from datagen.stage import mean_logprob
from datagen.stages.knowledge.probe import choices
from datagen.stages.knowledge.probe.knowledge import text_of
from datagen.stages.shared.language.detect import detect_language
from datagen.stages.shared.language.matching import abstains, likeness, words
from datagen.stages.shared.language.rules import Language, language_of
from datagen.yaml_loader import load as load_yaml

RIGHT = 0.8  # minimum similarity of a correct answer, as in the stage probe
SAMPLING = Sampling(max_tokens=48)
WORDINGS = ("refusals/does_not_know", "refusals/not_in_context")


@dataclass(frozen=True)
class Question:
    """A held-out question and its correct answers."""

    text: str
    right: tuple[str, ...]
    lettered: choices.Lettered | None
    code: str  # of its language

    @property
    def language(self) -> Language:
        """The rules of its language."""
        return language_of(self.code)


def read_set(path: Path) -> list[Question]:
    """
    Read JSON lines with ``question`` and ``answer``, and optionally ``aliases`` and ``options``.

    Raises
    ------
    UserError
        If the file cannot be read, or a line has another format.
    """
    questions = []
    try:
        with gzip.open(regular(path)) if path.suffix == ".gz" else regular(path).open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    questions.append(_question(parse(line), f"{path}:{number}"))
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"the probe set {path} cannot be read as JSON lines: {error}") from error
    if not questions:
        raise UserError(f"the probe set {path} has no questions")
    return questions


def _question(row: object, where: str) -> Question:
    row = row if isinstance(row, dict) else {}
    texts = [row.get("question"), row.get("answer")]
    for listed in (row.get(name) or [] for name in ("aliases", "options")):
        texts += listed if isinstance(listed, list) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise UserError(
            f'{where}: write {{"question": "...", "answer": "..."}}, and aliases or options as lists'
        )
    text = row["question"]
    if options := row.get("options"):
        letters = (chr(ord("A") + number) for number in range(len(options)))
        text = "\n".join(
            [text, *(f"{letter}) {option}" for letter, option in zip(letters, options, strict=True))]
        )
    code = detect_language(f"{text} {row['answer']}")
    right = (row["answer"], *(row.get("aliases") or ()))
    return Question(text, right, choices.lettered(text, row["answer"], language_of(code)), code)


def read_model(name: str) -> Model:
    """
    Read a model from its name (bundled, a folder, a hub id), or from a YAML file as in a recipe.

    Raises
    ------
    UserError
        If the file does not contain a model.
    """
    if not name.endswith((".yaml", ".yml")):
        return VllmModel(model=name)
    try:
        fields = load_yaml(regular(Path(name)).read_text(encoding="utf-8"))
        if not isinstance(fields, dict):
            raise TypeError("it is not a mapping")
        return TypeAdapter(Model).validate_python({"engine": "vllm"} | fields)
    except (OSError, yaml.YAMLError, TypeError, ValueError, ValidationError) as error:
        raise UserError(f"{name} is not a model as under a recipe's models: {error}") from error


def probe(
    sets: Sequence[Path], before: str, after: str | None, folder: Path
) -> dict[str, dict[str, dict[str, float | None]]]:
    """
    Score one model, or a model before and after training.

    Parameters
    ----------
    sets
        Files of held-out questions, scored separately.
    before, after
        Models, as for `read_model`.
    folder
        Where completions are stored.

    Returns
    -------
    Set -> model -> measure -> value, with the measures of `datagen.evaluate.metrics.measure`.
    """
    questions_of = {str(path): read_set(path) for path in sets}
    all_questions = [question for questions in questions_of.values() for question in questions]
    models = {"before": before} if after is None else {"before": before, "after": after}
    results = {when: iter(_ask(all_questions, read_model(name), folder)) for when, name in models.items()}
    report = {}
    for path, questions in questions_of.items():
        of_set = {when: [next(stream) for _ in questions] for when, stream in results.items()}
        report[path] = {when: measure(of_set["before"], seen) for when, seen in of_set.items()}
    return report


def _ask(questions: Sequence[Question], spec: Model, folder: Path) -> list[Judged]:
    """Let a model answer the questions, and state whether it is sure."""
    with Asker(spec, folder) as asker:
        first = asker.answer(
            [request for number, question in enumerate(questions) for request in _requests(number, question)]
        )
        by_row: dict[str, list[Answer]] = {}
        for answer in first:
            by_row.setdefault(answer.request.row, []).append(answer)
        answers = [by_row[str(number)] for number in range(len(questions))]
        sure = asker.answer(
            [
                _ask_if_sure(of_question[0], question)
                for of_question, question in zip(answers, questions, strict=True)
            ]
        )
    return list(map(_judge, questions, answers, sure))


def _requests(number: int, question: Question) -> Iterator[Request]:
    if question.lettered:
        yield from choices.ask(load("refusals/multiple_choice"), str(number), question.lettered)
    else:
        prompt = load("refusals/closed_book")
        yield prompt.ask(str(number), task="closed_book", sampling=SAMPLING, question=question.text)


def _ask_if_sure(answer: Answer, question: Question) -> Request:
    """Build the follow-up request that asks the model whether it is sure of an answer."""
    prompt, reply = load("refusals/are_you_sure"), answer.completion.text.strip()
    if question.lettered and answer.completion.choices:
        reply = answer.request.choices[_likeliest(answer.completion.choices)]
    messages = [*answer.request.messages, {"role": "assistant", "content": reply or "-"}, *prompt.render()]
    return Request(
        row=answer.request.row,
        messages=messages,
        prompt=prompt.name,
        prompt_hash=prompt.hash,
        task="are_you_sure",
        sampling=Sampling(max_tokens=1),
        choices=tuple(prompt.fields["options"]),
    )


def _judge(question: Question, answers: Sequence[Answer], sure: Answer) -> Judged:
    """Judge an answer. After an engine error it counts as wrong and unsure."""
    try:
        if question.lettered:
            probabilities = choices.probabilities(answers)
            best = _likeliest(probabilities)
            right, declined = question.lettered.letters[best] == question.lettered.right, False
            confidence = probabilities[best]
        else:
            text = text_of(answers[0])
            right = any(
                likeness(text, answer, question.text, language=question.language) >= RIGHT
                for answer in question.right
            )
            declined, confidence = (
                declines(text, question.text, question.code),
                math.exp(mean_logprob(answers) or 0.0),
            )
    except Reject:
        return Judged(False, False, 0.0)
    yes, no = (math.exp(score) for score in sure.completion.choices or (0.0, 0.0))
    return Judged(right, declined, (confidence + (yes / (yes + no) if yes + no else 0.5)) / 2)


def declines(text: str, question: str, code: str) -> bool:
    """
    Check whether an answer declines, in common wordings or in those of the refusal data.

    `code` is the question's language; a model may also decline in English.
    """
    language = language_of(code)
    if abstains(text, language=language) and not abstains(question, language=language):
        return True
    line = f" {' '.join(words(text, language=language))} "
    names = [name for wording in WORDINGS for name in (wording, f"{wording}.{code}") if exists(name)]
    wordings = [load(name).fields for name in names]
    signs = (sign for fields in wordings for sign in [*fields.get("signs", ()), *fields["sentences"]])
    return any(f" {' '.join(words(sign, language=language))} " in line for sign in signs)


def _likeliest(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=scores.__getitem__)
