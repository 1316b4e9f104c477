"""
Replace displayed formulas in pieces by a marker.

A PDF positions the parts of a fraction, a sum or a matrix separately, so they come as short blocks of signs,
whose order and meaning are lost. A formula on one line can be read and is kept.
"""

import re
from collections.abc import Sequence

from datagen.stages.sources.ingest.pdf.paragraphs import BULLET, Block

# Operators, relations and Greek letters; parts of large brackets, also those of TeX in the private use area.
SIGN = re.compile(
    r"[=<>+±×÷·∗^|\u00ac\u0370-\u03ff\u2032-\u2034\u2190-\u22ff\u27e8\u27e9\u2a00-\u2aff\u02c6\u02dc]"
)
BRACKET = re.compile(r"[\u239b-\u23b7\uf8e5-\uf8fe]")
WORD = re.compile(r"[^\W\d_]{4,}")
LETTER = re.compile(r"[^\W\d_]")  # ticks of a plot have none
FUNCTIONS = frozenset(("argmin", "argmax", "trace", "diag", "sign", "rank", "sinh", "cosh", "tanh", "logit"))
MAX_PIECE = 16  # characters of a block without a sign beside a formula, such as "i=1" or "n"
MAX_CHARS = 300  # of a block of a formula


def mark_formulas(blocks: Sequence[Block]) -> tuple[list[Block], int]:
    """
    Replace runs of the pieces of formulas by a block of the kind "formula".

    Returns
    -------
    The blocks, and the number of blocks that were replaced.
    """
    out: list[Block] = []
    left_out = 0
    at = 0
    while at < len(blocks):
        end = at
        while end < len(blocks) and _is_piece(blocks[end]):
            end += 1
        run = blocks[at:end]
        texts = [_text(block) for block in run]
        in_pieces = len(run) > 1 or any(len(block.lines) > 1 for block in run)
        is_formula = any(_has_signs(text) and LETTER.search(text) for text in texts) and any(
            len(text) <= 2 or not text.isascii() for text in texts
        )
        if is_formula and (in_pieces or any(map(BRACKET.search, texts))):
            out.append(Block("formula", [], run[0].page))
            left_out += len(run)
        else:
            out += run
        if end < len(blocks):
            out.append(blocks[end])
        at = end + 1
    return out, left_out


def _is_piece(block: Block) -> bool:
    if block.kind not in ("text", "item") or block.table or any(line.mono for line in block.lines):
        return False
    if sum(len(line.text) for line in block.lines) > MAX_CHARS:
        return False
    text = _text(block)
    if block.kind == "item" and BULLET.match(text):
        return False
    if any(word.lower() not in FUNCTIONS for word in WORD.findall(text)):
        return False
    return len(text) <= MAX_PIECE or _has_signs(text)


def _has_signs(text: str) -> bool:
    return bool(SIGN.search(text) or BRACKET.search(text))


def _text(block: Block) -> str:
    return " ".join(line.text for line in block.lines)
