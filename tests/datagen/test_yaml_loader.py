"""YAML from any source is loaded or rejected; it exhausts neither memory nor the stack."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from datagen.yaml_loader import FILE, SLOW, FastLoader, Loader, UnsafeShape, check_shape, load

DEEP = 50_000  # levels that crash libyaml's loader
GROWING = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))


@pytest.mark.parametrize("loader", [Loader, FastLoader])
@pytest.mark.parametrize(
    "text",
    [
        "[" * DEEP + "]" * DEEP,
        "{a: " * DEEP + "}" * DEEP,
        "- " * DEEP + "x",
        "a: &a [*a]",
        "a: &a {b: {c: *a}}",
        "a: *nobody",
        GROWING,
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, FILE["levels"] + 1)),
        "when: 2024-02-30",
        "number: !!int x",
        "number: 9223372036854775808",
        "number: 0x" + "f" * 10_000,
        "number: !!python/object/apply:os.getpid []",
        "\0",
        "a: [",
    ],
    ids=lambda text: text[:12] if isinstance(text, str) else "",
)
def test_unsafe_content_raises_one_type_of_error(text, loader):
    with pytest.raises(yaml.YAMLError):
        load(text, loader)


@pytest.mark.parametrize("loader", [Loader, FastLoader])
@pytest.mark.parametrize("text", ["x: " + "y" * FILE["characters"], "# x\n" * (FILE["characters"] // 4 + 1)])
def test_a_text_longer_than_the_limit_is_rejected_before_it_is_parsed(loader, text, monkeypatch):
    monkeypatch.setattr(yaml, "parse", None)
    with pytest.raises(UnsafeShape):
        load(text, loader)


def test_a_long_text_is_never_parsed_in_python(monkeypatch):
    """Python's parser takes seconds for each million characters."""
    monkeypatch.setattr(yaml.parser.Parser, "get_event", None)
    assert load("x: " + "y" * SLOW) == {"x": "y" * SLOW}
    with pytest.raises(TypeError):
        load("x: y")


NESTED = st.recursive(
    st.integers(0, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
)


def depth(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def count(value):
    parts = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return 1 + sum(map(count, parts))


@given(NESTED, NESTED)
def test_depth_and_values_are_counted_as_they_are_loaded(value, shared):
    """Aliases count as the nodes that they refer to, also in depth."""
    document = [shared, [[shared], value]]
    text = yaml.dump(document, Dumper=yaml.SafeDumper)
    assert load(text) == document
    limits = {"values": count(document), "characters": 10_000, "levels": depth(document)}
    check_shape(text, Loader, **limits)
    for name in ("values", "levels"):
        with pytest.raises(UnsafeShape):
            check_shape(text, Loader, **limits | {name: limits[name] - 1})
