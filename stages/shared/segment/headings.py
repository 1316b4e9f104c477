"""
The position of a passage in the heading tree of its document (StructTuning's structure-aware pre-training).

The topics of the document, if the stage `taxonomy` found some, are above its title. Each passage has a unique
position. If headings are missing or do not distinguish passages, a rule proposes a name: the first words of
the passage.

Source: Liu et al., "Structure-aware Domain Knowledge Injection for Large Language Models",
arXiv 2407.16724, in which a model proposes the tree.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.rows import PassageRow, Row
from datagen.schema import pick
from datagen.stages.shared.render.exercises import fill
from datagen.stages.shared.segment.blocks import blocks, plain

TOPIC = pa.field("topic", pa.list_(pa.string()))  # of the document, from the stage `taxonomy`
NAME = 8  # words of a proposed name
WIDE = 3  # neighbours shown before and after a node

Place = tuple[str, ...]  # topics of the document, if there are any, its title, and the headings below it
Node = dict[str, "Node"]


def heads(passages: Sequence[PassageRow], style: JsonObject, seed: int) -> dict[str, str]:
    """
    Write the head of each passage: its position in the heading tree of its document.

    Parameters
    ----------
    passages
        Rows of passages; the passages of a document are in order.
    style
        A layout file with ``places``: a list of templates with {tree} and {path}.
    seed
        The seed of the recipe.

    Returns
    -------
    Id of each passage -> head.

    Raises
    ------
    UserError
        If the file has no ``places``.
    """
    if not style.get("places"):
        raise UserError("structure: true needs the list places in the layout file")
    documents: dict[str, list[PassageRow]] = defaultdict(list)
    for passage in passages:
        documents[passage["document_id"]].append(passage)
    head_of = {}
    for rows in documents.values():
        place_of = places(rows)
        tree = grow(place_of.values())
        for name, place in place_of.items():
            template = pick(style["places"], "place", name, str(seed))
            head_of[name] = fill(template, tree=show(tree, place), path=" > ".join(place))
    return head_of


def places(passages: Sequence[PassageRow]) -> dict[str, Place]:
    """Assign each passage of a document a unique place: passage id -> place."""
    by_headings = [headings(passage) for passage in passages]
    count = Counter(by_headings)
    place_of: dict[str, Place] = {}
    taken: set[Place] = set()
    above: set[Place] = set()  # headings above an earlier passage; a later passage is not their first
    for passage, place in zip(passages, by_headings, strict=True):
        if count[place] > 1 or not place or place in above:
            place = (*place, propose(passage["text"]))
        above.update(place[:depth] for depth in range(1, len(place)))
        unique, number = place, 1
        while unique in taken:
            number += 1
            unique = (*place[:-1], f"{place[-1]} ({number})")
        taken.add(unique)
        place_of[passage["id"]] = unique
    return place_of


def headings(passage: Row) -> Place:
    """List the topics and the title of the document and the headings above a passage, without duplicates."""
    names = [*(passage.get(TOPIC.name) or ()), passage.get("title") or "", *(passage.get("section") or ())]
    return tuple(dict.fromkeys(" ".join(name.split()) for name in names if name.strip()))


def propose(text: str) -> str:
    """Propose a name for a passage: the first words of its first paragraph."""
    parts = blocks(text)
    first = next((block for block in parts if block.kind in ("text", "item")), parts[0] if parts else None)
    words = plain(text[first.start : first.end]).split() if first else []
    return " ".join(words[:NAME]) + ("…" if len(words) > NAME else "") or "—"


def grow(all_places: Iterable[Place]) -> Node:
    """Build the tree of places."""
    tree: Node = {}
    for place in all_places:
        node = tree
        for name in place:
            node = node.setdefault(name, {})
    return tree


def show(tree: Node, place: Place) -> str:
    """Draw the path to a place, with the neighbours of each node on it; the place is marked."""
    return "\n".join(_lines(tree, place, ""))


def _lines(node: Node, path: Place, margin: str) -> Iterator[str]:
    names = list(node)
    at = names.index(path[0]) if path else 0
    near = names[max(at - WIDE, 0) : at + WIDE + 1]
    shown = ["…"] * (near[:1] != names[:1]) + near + ["…"] * (near[-1:] != names[-1:])
    for number, name in enumerate(shown, 1):
        last = number == len(shown)
        on_path = bool(path) and name == path[0]
        yield f"{margin}{'└─' if last else '├─'} {name}{' ◀' if on_path and len(path) == 1 else ''}"
        if on_path:
            yield from _lines(node[name], path[1:], margin + ("   " if last else "│  "))
