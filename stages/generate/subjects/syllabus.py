"""Complete the tree below each leaf, and write a syllabus for each subject."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

import pyarrow as pa
from pydantic import BaseModel, Field, create_model

import datagen.stage
from datagen.json_types import JsonObject
from datagen.prompt import PromptSource
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.rows import SessionRow
from datagen.schema import content_id
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.generate.subjects.tree import LEVELS, name_of, node_lineage
from datagen.stages.shared.language.rules import Language, Languages
from datagen.stages.shared.language.words import words_of

COMPLETE, SYLLABUS = "complete", "syllabus"
PLURALS = ("fields", "sub-fields", "disciplines", "subjects")

Path = tuple[str, ...]


class Options(datagen.stage.Options):
    """How the tree is completed and how long a syllabus is."""

    children: int = Field(3, ge=1, le=50, description="Names to generate at each level that the tree lacks")
    sessions: int = Field(5, ge=1, le=50, description="Class sessions of a syllabus")
    concepts: int = Field(3, ge=1, le=20, description="Key concepts of a session")
    max_tokens: int = Field(1024, ge=64, description="Maximum length of a completion, in tokens")
    temperature: float = Field(0.0, ge=0, description="0: always the likeliest tokens")
    completing: PromptSource = Field("subjects/complete", description="Prompt that completes the tree")
    prompt: PromptSource = Field("subjects/syllabus", description="Prompt that writes a syllabus")

    def sampling(self) -> Sampling:
        """Return the sampling parameters."""
        return Sampling(self.max_tokens, self.temperature)


class Session(BaseModel):
    """A class session."""

    title: str
    concepts: list[str] = Field(min_length=1)


class Syllabus(BaseModel):
    """A syllabus."""

    sessions: list[Session] = Field(min_length=1)


@cache
def levels_below(count: int) -> type[BaseModel]:
    """Build the schema of `count` levels below a node; the last level is a list of names."""
    if count == 1:
        return create_model("Names", names=(list[str], Field(min_length=1)))
    part = create_model("Part", name=(str, ...), below=(levels_below(count - 1), ...))
    return create_model("Parts", parts=(list[part], Field(min_length=1)))


def form(count: int) -> str:
    """Return an example of `count` levels, for models that do not see the schema."""
    example: object = {"names": ["...", "..."]}
    for _ in range(count - 1):
        example = {"parts": [{"name": "...", "below": example}]}
    return json.dumps(example)


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask for the tree below each node, or for the syllabus of a subject."""
    prompt = context.prompt(options.completing)
    for row in rows.to_pylist():
        path: Path = tuple(row["path"])
        missing = len(LEVELS) - len(path)
        if not missing:
            yield _syllabus(row["id"], path, options, context)
            continue
        yield prompt.ask(
            row["id"],
            task=COMPLETE,
            sampling=options.sampling(),
            schema=levels_below(missing),
            level=row["level"].capitalize(),
            path=" > ".join(path),
            levels=", these into ".join(PLURALS[len(path) :]),
            count=options.children,
            form=form(missing),
        )


def _syllabus(row: str, path: Path, options: Options, context: Context) -> Request:
    return context.prompt(options.prompt).ask(
        row,
        task=SYLLABUS,
        sampling=options.sampling(),
        schema=Syllabus,
        about=json.dumps(path, ensure_ascii=False),
        path=" > ".join(path),
        sessions=options.sessions,
        concepts=options.concepts,
    )


def follow(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Iterator[Request]:
    """Ask for the syllabus of each subject that the model named."""
    for row in rows.to_pylist():
        for answer in answers.of(row["id"]):
            if answer.request.task == COMPLETE:
                for path in completed(
                    answer, tuple(row["path"]), options, Languages(context)[row["language"]]
                ):
                    if not isinstance(path, Reject):
                        yield _syllabus(row["id"], path, options, context)


def completed(answer: Answer, above: Path, options: Options, language: Language) -> list[Path | Reject]:
    """Return the path to each subject that the model named, or the reason why it is not one."""
    try:
        value = answer.parse(levels_below(len(LEVELS) - len(above)))
    except Reject as why:
        return [why]
    return list(_below(value.model_dump(), above, options.children, language))


def _below(value: JsonObject, above: Path, limit: int, language: Language) -> Iterator[Path | Reject]:
    seen = {_plain(name, language) for name in above}
    parts = value.get("parts") or [{"name": name, "below": None} for name in value["names"]]
    for part in parts[:limit]:
        try:
            name = name_of(part["name"])
        except ValueError as error:
            yield Reject("not a name", str(error))
            continue
        if _plain(name, language) in seen:
            yield Reject("repeated name", " > ".join((*above, name)))
            continue
        seen.add(_plain(name, language))
        if part["below"] is None:
            yield (*above, name)
        else:
            yield from _below(part["below"], (*above, name), limit, language)


def _plain(name: str, language: Language) -> str:
    """Return a name without its first article and its plural: "The Leases" repeats "Lease"."""
    words = name.casefold().split()
    start = words[0] in language.articles
    return " ".join([*words[start:-1], language.singular(words[-1])])


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Check the syllabi. A node without a syllabus is dropped with a reason."""
    builder, named, languages = Builder("syllabi", context), 0, Languages(context)
    for row in rows.to_pylist():
        row_answers, written, fields = answers.of(row["id"]), 0, {"language": row["language"]}
        trees = [answer for answer in row_answers if answer.request.task == COMPLETE]
        for answer in trees:
            for subject in completed(answer, tuple(row["path"]), options, languages[row["language"]]):
                if isinstance(subject, Reject):
                    written += 1
                    dropped = {"path": row["path"], "id": _id(row["path"], subject.detail)}
                    builder.drop(subject, fields | dropped, row, answer)
                else:
                    named += 1
        for answer in row_answers:
            if answer.request.task != SYLLABUS:
                continue
            written += 1
            path = json.loads(answer.request.about)
            lineage = node_lineage(path, row["language"], row["lineage"]["source"])
            origin = row | {"lineage": {**lineage, "requests": [tree.completion.key for tree in trees]}}
            try:
                sessions = read_syllabus(answer, path, options, languages[row["language"]])
            except Reject as why:
                builder.drop(why, fields | {"path": path, "id": _id(path)}, origin, answer)
            else:
                syllabus = {"path": path, "sessions": sessions, "id": _id(path, json.dumps(sessions))}
                builder.keep(fields | syllabus, origin, answer)
        if not written:
            missing = {"path": row["path"], "id": _id(row["path"])}
            builder.drop(Reject("not answered", "no completion"), fields | missing, row)
    return replace(builder.outcome(), figures={"named": named})


def _id(path: list[str], *more: str) -> str:
    return content_id("syllabus", *path, *more)


def read_syllabus(
    answer: Answer, path: Sequence[str], options: Options, language: Language
) -> list[SessionRow]:
    """
    Return the sessions of a syllabus with their key concepts.

    A concept is empty if it has a generic word ("The Basics") and else only words of its path.

    Raises
    ------
    Reject
        If it has no sessions, an empty concept, or repeats a title or a concept within a session.
    """
    sessions: list[SessionRow] = []
    said = language.generic | language.stop | set(words_of(" ".join(path)))
    for session in answer.parse(Syllabus).sessions[: options.sessions]:
        try:
            title = name_of(session.title)
            concepts = [name_of(concept) for concept in session.concepts[: options.concepts]]
        except ValueError as error:
            raise Reject("not a name", str(error)) from None
        if _plain(title, language) in {_plain(other["title"], language) for other in sessions}:
            raise Reject("repeated session", title)
        if len({_plain(concept, language) for concept in concepts}) < len(concepts):
            raise Reject("repeated concept", f"{title}: {', '.join(concepts)}")
        for concept in concepts:
            words = {word for word in words_of(concept) if not word.isdigit()}
            if words <= said and (words & language.generic or words <= language.stop):
                raise Reject("empty concept", f"{title}: {concept}")
        sessions.append({"title": title, "concepts": concepts})
    return sessions


stage = ModelStage(
    name="syllabus",
    summary="complete the tree of subjects and write a syllabus for each",
    takes="nodes",
    gives="syllabi",
    ask=ask,
    follow=follow,
    read=read,
    options=Options,
)
