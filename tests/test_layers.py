"""The layers of the code: which package may import which. Read from the import statements, types included."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# The phases of the pipeline in their order. A phase imports earlier phases and `shared`.
PHASES = (
    "shared",
    "sources",
    "exercises",
    "reading",
    "generate",
    "knowledge",
    "confidence",
    "filter",
    "select",
    "handoff",
)
# resolve_contradictions finds equal questions with dedup's search.
EXCEPTIONS = {("datagen.stages.knowledge.contradictions", "datagen.stages.filter.dedup")}
MACHINE = ("datagen.run", "datagen.cluster")


def imports(source: str, module: str = "") -> Iterator[tuple[str, str]]:
    """List pairs of module and what it imports, imports for type checking left out."""
    tree = ast.parse(source)
    typing = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in typing:
            continue
        if isinstance(node, ast.Import):
            yield from ((module, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((module, f"{node.module}.{name.name}") for name in node.names)


def all_imports() -> list[tuple[str, str]]:
    found = []
    for folder, prefix in (("datagen", ""), ("stages", "datagen.")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if folder == "datagen" and path.is_relative_to(ROOT / "datagen" / "stages"):
                continue
            parts = path.relative_to(ROOT).with_suffix("").parts
            module = prefix + ".".join(parts).removesuffix(".__init__")
            found += list(imports(path.read_text(encoding="utf-8"), module))
    return found


def phase(module: str) -> str | None:
    parts = module.split(".")
    return parts[2] if parts[:2] == ["datagen", "stages"] and len(parts) > 2 else None


def violation(importer: str, imported: str) -> str | None:
    """Say which rule an import breaks, None if none."""
    where, what = phase(importer), phase(imported)
    if any(importer.startswith(a) and imported.startswith(b) for a, b in EXCEPTIONS):
        return None
    if where and what and PHASES.index(what) > PHASES.index(where):
        return "a phase imports a later one"
    if where and imported.startswith(MACHINE) and not importer.startswith("datagen.stages.confidence.labels"):
        return "a stage imports the runner"
    engines = imported.startswith(("datagen.run", "datagen.cluster", "datagen.engines"))
    if importer in ("datagen.stage", "datagen.request", "datagen.prompt") and engines:
        return "the interface of stages imports what runs them"
    top = importer.split(".")[1] if "." in importer else ""
    if what and not where and top in ("recipe", "run", "cluster", "engines", "store", "report", "stage"):
        return "datagen reaches stages only through the registry"
    return None


def test_no_import_crosses_the_layers():
    found = all_imports()
    assert len(found) > 1000
    broken = [
        f"{importer} -> {imported}: {why}"
        for importer, imported in found
        if (why := violation(importer, imported))
    ]
    assert broken == []


@pytest.mark.parametrize(
    ("importer", "line"),
    [
        ("datagen.stages.knowledge.probe", "from datagen.stages.select.select import budget"),
        ("datagen.stages.shared.tokens", "from datagen.stages.filter.curate import stage"),
        ("datagen.stages.knowledge.unanswerable", "from datagen.run.runner import run"),
        ("datagen.stage", "from datagen.engines.pool import engine_room"),
        ("datagen.request", "import datagen.run.tasks"),
        ("datagen.run.runner", "from datagen.stages.handoff.mix import stage"),
        ("datagen.report.html", "def late():\n    from datagen.stages.filter import dedup"),
    ],
)
def test_what_crosses_them_is_found(importer, line):
    assert [violation(*pair) for pair in imports(line, importer)] != [None]


def test_every_phase_is_a_folder():
    folders = {path.name for path in (ROOT / "stages").iterdir() if (path / "__init__.py").is_file()}
    assert folders == set(PHASES)
