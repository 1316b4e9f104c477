"""The tree of subjects in the recipe, read down to its leaves."""

import json
from collections.abc import Iterator
from dataclasses import replace

import yaml
from pydantic import Field

import datagen.stage
from datagen.control_tokens import control_tokens
from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.paths import expanded, regular
from datagen.rows import Row
from datagen.schema import content_id
from datagen.stage import Builder, Context, Outcome, SourceStage
from datagen.yaml_loader import load as load_yaml

LEVELS = ("field", "sub-field", "discipline", "subject")
LONGEST = 100  # maximum characters of a name


class Options(datagen.stage.Options):
    """The tree."""

    tree: str | JsonObject = Field(
        description="Fields and the levels below them: mappings, lists of names, or the path of a YAML file"
    )
    language: str = Field(
        "en", pattern=r"^[a-z]{2,3}$", description="Language of the names and of the text generated from them"
    )


def plan(options: Options, context: Context) -> list[JsonObject]:
    """Read the tree, as one task."""
    return [load_tree(options, context)]


def read(tree: JsonObject, options: Options, context: Context) -> Iterator[Outcome]:
    """Yield the leaves of the tree."""
    builder = Builder("nodes", context)
    source = options.tree if isinstance(options.tree, str) else ""
    paths = list(walk(tree))
    for path in paths:
        builder.keep(
            {
                "id": content_id("node", *path),
                "path": list(path),
                "level": LEVELS[len(path) - 1],
                "language": options.language,
            },
            {"lineage": node_lineage(path, options.language, source)},
        )
    yield replace(builder.outcome(), figures={level: _count(paths, level) for level in LEVELS})


def node_lineage(path: tuple[str, ...] | list[str], language: str, source: str) -> Row:
    """Return the lineage of rows about a node; all rows of a subject count as one document."""
    return {
        "document_id": content_id("node", *path),
        "source": source,
        "title": " > ".join(path),
        "language": language,
        "node": list(path),
        "model": "",
        "revision": "",
        "requests": [],
    }


def load_tree(options: Options, context: Context) -> JsonObject:
    """
    Read and check the tree.

    Raises
    ------
    UserError
        If the file cannot be read, or is not a tree of names.
    """
    where = f"stages.{context.stage}.tree"
    tree: object = options.tree
    if isinstance(tree, str):
        path = (context.folder / expanded(tree)).resolve()
        try:
            tree = load_yaml(regular(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise UserError(f"{where}: {path} cannot be read as YAML: {error}") from error
        where = str(path)
    if not isinstance(tree, dict) or not tree:
        raise UserError(f"{where}: write a mapping from fields to the levels below them")
    try:
        for path_ in walk(tree):
            if len(path_) > len(LEVELS):
                raise ValueError(f"{' > '.join(path_)} is deeper than {', '.join(LEVELS)}")
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: {error}") from error
    return tree


def walk(tree: object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """
    Yield the path to each leaf.

    Raises
    ------
    ValueError
        If a name is invalid, or two children share one.
    """
    if len(above) > len(LEVELS):
        raise ValueError(f"{' > '.join(above)} is deeper than {', '.join(LEVELS)}")
    if not tree:
        yield above
        return
    parts = list(tree.items()) if isinstance(tree, dict) else tree
    if isinstance(parts, str):
        parts = [parts]
    if not isinstance(parts, list):
        raise ValueError(f"below {' > '.join(above) or 'the top'}: write names, not {parts!r}")
    pairs: list[tuple[object, object]] = []
    for part in parts:
        pairs += (
            part.items() if isinstance(part, dict) else [part if isinstance(part, tuple) else (part, None)]
        )
    seen: set[str] = set()
    for name, below in pairs:
        checked = name_of(name)
        if checked.casefold() in seen:
            raise ValueError(f"{checked} appears twice below {' > '.join(above) or 'the top'}")
        seen.add(checked.casefold())
        yield from walk(below, (*above, checked))
    if not pairs:
        yield above


def name_of(name: object) -> str:
    """
    Return a name on one line.

    Raises
    ------
    ValueError
        If it is not text, empty, too long, or contains a control token.
    """
    if not isinstance(name, str):
        raise ValueError(f"{name!r} is not a name; put it in quotes")
    line = " ".join(name.split())
    if not any(map(str.isalnum, line)) or len(line) > LONGEST or control_tokens().search(line):
        raise ValueError(f"{line[:LONGEST]!r} is not a name of at most {LONGEST} characters")
    return line


def _count(paths: list[tuple[str, ...]], level: str) -> int:
    depth = LEVELS.index(level) + 1
    return len({path[:depth] for path in paths if len(path) >= depth})


def digest(options: Options, context: Context) -> str:
    """Hash the tree."""
    return content_id(json.dumps(load_tree(options, context), ensure_ascii=False), options.language)


stage = SourceStage(
    name="subjects",
    summary="read a tree of subjects",
    plan=plan,
    read=read,
    gives="nodes",
    options=Options,
    digest=digest,
)
