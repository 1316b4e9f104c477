"""
Where a passage stands in its document, as a tree of headings (StructTuning's structure-aware pre-training).

Each passage has a place of its own. Where headings are too few to tell passages apart, or there are none,
a name is proposed by rule: the words that the passage opens with.

Source: Liu et al., "Structure-aware Domain Knowledge Injection for Large Language Models",
arXiv 2407.16724; there a model proposes the tree.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from datagen.errors import UserError
from datagen.schema import pick
from datagen.stages.shared.render.exercises import fill
from datagen.stages.shared.segment.blocks import blocks, plain

NAME = 8  # words of a proposed name
WIDE = 3  # neighbours shown before and behind a node

Place = tuple[str, ...]  # headings from the document's title down
Node = dict[str, "Node"]


def heads(passages: Sequence[Mapping[str, Any]], style: Mapping[str, Any], seed: int) -> dict[str, str]:
    """
    Write what stands in front of each passage: its place in the tree of its document.

    Parameters
    ----------
    passages
        Rows of passages; those of a document are together, in their order.
    style
        A file of layouts with ``places``: a list of templates with {tree} and {path}.
    seed
        The recipe's seed.

    Returns
    -------
    Passage's id -> head. Each passage has one.

    Raises
    ------
    UserError
        When the file has no places.
    """
    if not style.get("places"):
        raise UserError("texts that show their place need places: in the file of layouts")
    documents: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for one in passages:
        documents[one["document_id"]].append(one)
    written = {}
    for rows in documents.values():
        found = places(rows)
        tree = grow(found.values())
        for name, place in found.items():
            template = pick(style["places"], "place", name, str(seed))
            written[name] = fill(template, tree=show(tree, place), path=" > ".join(place))
    return written


def places(passages: Sequence[Mapping[str, Any]]) -> dict[str, Place]:
    """Give each passage of a document a place that no other one has: passage's id -> place."""
    headed = [headings(one) for one in passages]
    times = Counter(headed)
    found: dict[str, Place] = {}
    taken: set[Place] = set()
    above: set[Place] = set()  # headings that an earlier passage stands below: a later one does not open them
    for one, place in zip(passages, headed, strict=True):
        if times[place] > 1 or not place or place in above:
            place = (*place, propose(one["text"]))
        above.update(place[:depth] for depth in range(1, len(place)))
        alone, again = place, 1
        while alone in taken:
            again += 1
            alone = (*place[:-1], f"{place[-1]} ({again})")
        taken.add(alone)
        found[one["id"]] = alone
    return found


def headings(passage: Mapping[str, Any]) -> Place:
    """List the title and the headings above a passage, each once."""
    names = [passage.get("title") or "", *(passage.get("section") or ())]
    return tuple(dict.fromkeys(" ".join(name.split()) for name in names if name.strip()))


def propose(text: str) -> str:
    """Name a passage by the first words of its first paragraph."""
    found = blocks(text)
    first = next((block for block in found if block.kind in ("text", "item")), found[0] if found else None)
    words = plain(text[first.start : first.end]).split() if first else []
    return " ".join(words[:NAME]) + ("…" if len(words) > NAME else "") or "—"


def grow(found: Iterable[Place]) -> Node:
    """Make a tree of places."""
    tree: Node = {}
    for place in found:
        node = tree
        for name in place:
            node = node.setdefault(name, {})
    return tree


def show(tree: Node, place: Place) -> str:
    """Draw the way to a place, with the neighbours of each node on it; the place itself is marked."""
    return "\n".join(_lines(tree, place, ""))


def _lines(node: Node, way: Place, margin: str) -> Iterator[str]:
    names = list(node)
    at = names.index(way[0]) if way else 0
    near = names[max(at - WIDE, 0) : at + WIDE + 1]
    shown = ["…"] * (near[:1] != names[:1]) + near + ["…"] * (near[-1:] != names[-1:])
    for number, name in enumerate(shown, 1):
        last = number == len(shown)
        own = bool(way) and name == way[0]
        yield f"{margin}{'└─' if last else '├─'} {name}{' ◀' if own and len(way) == 1 else ''}"
        if own:
            yield from _lines(node[name], way[1:], margin + ("   " if last else "│  "))
