"""The layers of the code: which package may import which. Read from the import statements, types included."""

import ast
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from datagen.recipe.registry import BUILT_IN

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
MACHINE = ("datagen.run", "datagen.cluster")
# Commands over recipes and finished runs. They share the stages' rules (labels, languages, candidates); nothing that runs
# a stage imports them.
COMMANDS = ("__main__", "cli", "evaluate", "look", "operate", "synthesizer")


def imports(source: str, module: str = "") -> Iterator[tuple[str, str]]:
    """List pairs of a module and an imported one, including imports in functions and for type checking."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((module, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            yield from ((module, f"{node.module}.{name.name}") for name in node.names)


@cache
def modules() -> dict[str, str]:
    """Map the name of each module to its source."""
    sources = {}
    for folder, prefix in (("datagen", ""), ("stages", "datagen.")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if folder == "datagen" and path.is_relative_to(ROOT / "datagen" / "stages"):
                continue
            parts = path.relative_to(ROOT).with_suffix("").parts
            module = prefix + ".".join(parts).removesuffix(".__init__")
            sources[module] = path.read_text(encoding="utf-8")
    return sources


@cache
def all_imports() -> list[tuple[str, str]]:
    return [pair for module, source in modules().items() for pair in imports(source, module)]


def loaded(importer: str, imported: str, known: Collection[str]) -> Iterator[str]:
    """
    List the modules that an import loads: the one it names, and the packages around it.

    The packages that the importer itself is in are loaded already.
    """
    parts = imported.split(".")
    for end in range(1, len(parts) + 1):
        module = ".".join(parts[:end])
        if module in known and not f"{importer}.".startswith(f"{module}."):
            yield module
    if imported.rpartition(".")[0] in known and imported not in known:
        yield imported.rpartition(".")[0]


def cycles(pairs: Iterable[tuple[str, str]], known: Collection[str]) -> list[list[str]]:
    """Find groups of modules that import each other, each in alphabetical order."""
    graph: dict[str, set[str]] = {module: set() for module in known}
    for importer, imported in pairs:
        graph[importer].update(loaded(importer, imported, known))
    reached = {module: _reachable(graph, module) for module in graph}
    groups = {
        tuple(sorted(other for other in reached[module] if module in reached[other]))
        for module in graph
        if module in reached[module]
    }
    return [list(group) for group in sorted(groups)]


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen, left = set(), [*graph[start] - {start}]
    while left:
        if (module := left.pop()) not in seen:
            seen.add(module)
            left += graph[module]
    return seen


def phase(module: str) -> str | None:
    parts = module.split(".")
    return parts[2] if parts[:2] == ["datagen", "stages"] and len(parts) > 2 else None


def violation(importer: str, imported: str) -> str | None:
    """Return the rule that an import breaks; None if there is none."""
    where, what = phase(importer), phase(imported)
    if where and what and PHASES.index(what) > PHASES.index(where):
        return "a phase imports a later one"
    if where and imported.startswith(MACHINE):
        return "a stage imports the runner"
    engines = imported.startswith(("datagen.run", "datagen.cluster", "datagen.engines"))
    if importer in ("datagen.stage", "datagen.request", "datagen.prompt") and engines:
        return "the interface of stages imports what runs them"
    top = importer.split(".")[1] if "." in importer else ""
    if what and not where and top not in COMMANDS:
        return "datagen reaches stages only through the registry"
    if imported.startswith(tuple(f"datagen.{command}." for command in COMMANDS)) and top not in COMMANDS:
        return "what runs a stage imports a command"
    return None


def test_no_import_crosses_the_layers():
    pairs = all_imports()
    assert len(pairs) > 1000
    broken = [
        f"{importer} -> {imported}: {why}"
        for importer, imported in pairs
        if (why := violation(importer, imported))
    ]
    assert broken == []


@pytest.mark.parametrize(
    ("importer", "line"),
    [
        ("datagen.stages.knowledge.probe", "from datagen.stages.select.select import budget"),
        ("datagen.stages.shared.tokens", "from datagen.stages.filter.curate import stage"),
        ("datagen.stages.knowledge.unanswerable", "from datagen.run.runner import run"),
        ("datagen.stage", "from datagen.engines.pool import engine_pool"),
        ("datagen.request", "import datagen.run.tasks"),
        ("datagen.run.runner", "from datagen.stages.handoff.mix import stage"),
        ("datagen.training.steps", "from datagen.stages.shared.tokens import count"),
        ("datagen.run.runner", "from datagen.look.index import Index"),
        ("datagen.stages.filter.curate", "from datagen.operate.diff import diff"),
        ("datagen.report.html", "def late():\n    from datagen.stages.filter import dedup"),
    ],
)
def test_forbidden_imports_are_found(importer, line):
    assert [violation(*pair) for pair in imports(line, importer)] != [None]


def test_no_modules_import_each_other():
    assert cycles(all_imports(), modules()) == []


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({"a": "import b", "b": "from c import x", "c": ""}, []),
        ({"a": "from b import x", "b": "import a"}, [["a", "b"]]),
        ({"a": "if TYPE_CHECKING:\n    from b import X", "b": "def f():\n    import a"}, [["a", "b"]]),
        ({"a": "import b", "b": "import c", "c": "from a import x", "d": "import a"}, [["a", "b", "c"]]),
        ({"p": "from p.a import x", "p.a": "", "b": "from p.a import x"}, []),
        ({"p": "from p.a import x", "p.a": "from p import y"}, [["p", "p.a"]]),
        ({"p": "import b", "p.a": "", "b": "from p.a import x"}, [["b", "p"]]),
        ({"p": "", "p.a": "from p import b", "p.b": "from p import a"}, [["p.a", "p.b"]]),
    ],
)
def test_modules_that_import_each_other_are_found(sources, expected):
    pairs = [pair for module, source in sources.items() for pair in imports(source, module)]
    assert cycles(pairs, sources) == expected


def test_every_phase_is_a_folder():
    folders = {path.name for path in (ROOT / "stages").iterdir() if (path / "__init__.py").is_file()}
    assert folders == set(PHASES)


def assigned(source: str) -> set[str]:
    """List the names that a module assigns at its top level."""
    targets = [
        target
        for node in ast.parse(source).body
        for target in (node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)])
    ]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def test_every_built_in_stage_is_defined_where_its_line_says():
    places = [stage.import_string.partition(":") for stage in BUILT_IN]
    wrong = [
        f"{module}:{name}" for module, _, name in places if name not in assigned(modules().get(module, ""))
    ]
    assert wrong == []


def test_every_built_in_stage_has_its_own_name():
    names = [stage.name for stage in BUILT_IN]
    assert sorted(set(names)) == sorted(names)
