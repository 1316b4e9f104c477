"""The loader for user-written YAML, and the check that a text is safe to load."""

from typing import ClassVar, TypeAlias

import yaml

LIMIT = 2**63  # columns hold smaller integers


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    value: int = yaml.SafeLoader.construct_yaml_int(loader, node)
    if not -LIMIT <= value < LIMIT:
        raise yaml.constructor.ConstructorError(None, None, "an integer over 64 bits", node.start_mark)
    return value


# A dependency of vLLM changes the constructors that every loader of PyYAML shares, to read dates as text.
_CONSTRUCTORS = {
    **yaml.SafeLoader.yaml_constructors,
    "tag:yaml.org,2002:timestamp": yaml.SafeLoader.construct_yaml_timestamp,
    "tag:yaml.org,2002:int": _integer,
}


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with places of errors that show the line."""

    yaml_constructors: ClassVar = _CONSTRUCTORS


class FastLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the base is chosen at run time
    """The safe loader on libyaml, ten times as fast; not every build of PyYAML has it."""

    yaml_constructors: ClassVar = _CONSTRUCTORS


LoaderClass: TypeAlias = type[yaml.SafeLoader] | type[yaml.CSafeLoader]
SLOW = 1_000_000  # characters; Python's parser takes up to 10 seconds for them, libyaml a tenth of a second
FILE = {"values": 200_000, "characters": 20_000_000, "levels": 64}  # more is a mistake or an attack


class UnsafeShape(yaml.YAMLError):
    """YAML that is nested too deeply, contains itself, or grows beyond its limits with its aliases."""


def load(text: str, loader: LoaderClass = Loader) -> object:
    """
    Load user-written YAML; a text of over `SLOW` characters always on libyaml.

    Raises
    ------
    yaml.YAMLError
        For any error in it, including impossible dates and more content than `FILE` allows.
    """
    if len(text) > SLOW:
        loader = FastLoader
    check_shape(text, loader, **FILE)
    try:
        loaded: object = yaml.load(text, loader)
    except (ValueError, RecursionError) as error:  # 2024-02-30, !!int x
        raise yaml.YAMLError(f"{error}") from error
    return loaded


def check_shape(text: str, loader: LoaderClass, *, values: int, characters: int, levels: int) -> None:
    """
    Refuse YAML that would exhaust memory or the stack when it is loaded.

    Reads the parser's events, which need neither: libyaml's loader crashes the process on deep nesting.

    Parameters
    ----------
    text
        The YAML.
    loader
        The loader that will load it.
    values, characters
        Maximum number of nodes, and of characters in them; an alias counts as the nodes it refers to.
    levels
        Maximum depth of nested lists and mappings.

    Raises
    ------
    UnsafeShape
        If it exceeds a limit, or an alias is unknown or within its own anchor.
    yaml.YAMLError
        If it is not YAML.
    """
    excess = f"over {values:,} values, {characters:,} characters or {levels} levels"
    if len(text) > characters:  # comments and blanks take time, too
        raise UnsafeShape(excess)
    sizes: dict[str, tuple[int, int, int]] = {}  # anchor -> nodes, characters and levels of its value
    open_parts: list[
        tuple[str | None, int, int, int]
    ] = []  # anchor, and the totals before each open collection
    nodes = size = 0
    deepest = 0  # level reached since the outermost open anchor began
    for event in yaml.parse(text, loader):
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.CollectionStartEvent):
            open_parts.append((anchor, nodes, size, deepest))
            nodes += 1
            deepest = len(open_parts)
        elif isinstance(event, yaml.CollectionEndEvent):
            level = len(open_parts)
            name, nodes_before, size_before, deepest_before = open_parts.pop()
            if name:
                sizes[name] = nodes - nodes_before, size - size_before, deepest - level + 1
            deepest = max(deepest, deepest_before)
        elif isinstance(event, yaml.AliasEvent):
            if anchor not in sizes:
                raise UnsafeShape(f"the alias *{anchor} is unknown or contains itself")
            more_nodes, more_size, depth = sizes[anchor]
            nodes, size = nodes + more_nodes, size + more_size
            deepest = max(deepest, len(open_parts) + depth)
        elif isinstance(event, yaml.ScalarEvent):
            nodes, size = nodes + 1, size + len(event.value)
            if anchor:
                sizes[anchor] = 1, len(event.value), 0
        if nodes > values or size > characters or deepest > levels:
            raise UnsafeShape(excess)
