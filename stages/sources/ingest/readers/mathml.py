"""Write formulas of MathML on one line."""

from datagen.stages.sources.ingest.readers.word_xml import grouped
from datagen.stages.sources.ingest.readers.zipped import Element

LEFT_OUT = ("annotation", "annotation-xml", "mphantom")
MAX_DEPTH = 100  # of elements; deeper ones are read as plain text


def linear(formula: Element) -> str:
    """Write a formula on one line: (a+b)/2, x^2, √(x)."""
    return " ".join(_written(formula, 0).split())


def _written(element: Element, depth: int) -> str:
    name = element.tag.rpartition("}")[2]
    inner = [child for child in element if isinstance(child.tag, str)]
    if name in LEFT_OUT:
        return ""
    if not inner or depth == MAX_DEPTH:
        text = " ".join("".join(element.itertext()).split())
        return text
    parts = [_written(child, depth + 1).strip() for child in inner]
    if name == "mfrac" and len(parts) == 2:
        return f"{grouped(parts[0])}/{grouped(parts[1])}"
    if name in ("msup", "mover") and len(parts) == 2:
        return f"{parts[0]}^{grouped(parts[1])}"
    if name in ("msub", "munder") and len(parts) == 2:
        return f"{parts[0]}_{grouped(parts[1])}"
    if name in ("msubsup", "munderover") and len(parts) == 3:
        return f"{parts[0]}_{grouped(parts[1])}^{grouped(parts[2])}"
    if name == "msqrt":
        return f"√{grouped(''.join(parts))}"
    if name == "mroot" and len(parts) == 2:
        return f"{parts[1]}√{grouped(parts[0])}"
    if name == "mtr":
        return ", ".join(parts) + "; "
    return "".join(parts)
