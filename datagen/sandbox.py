"""
The sandbox of templates: Jinja's, with limits on loops, calls and sizes.

Only `datagen.template` imports this module, when it compiles the first template: Jinja is slow to import.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, TypeAlias, TypeVar

from jinja2 import StrictUndefined, TemplateError, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

__all__ = ["COUNTER", "Environment", "SecurityError", "TemplateError", "environment"]

T = TypeVar("T")
Finalize: TypeAlias = Callable[[object], object]  # applied to each inserted value

STEPS = 1_000_000  # loop iterations plus calls in one rendering
LARGEST = 10_000_000  # maximum characters of a string, or items of a list, that a template computes
LARGEST_NUMBER = 10**18
COUNTER = "steps taken"  # name of the counter among the values; has a blank, so templates cannot use it
PADDING = ("ljust", "rjust", "center", "zfill", "expandtabs")  # methods whose argument sets the output size
WIDE = re.compile(r"\d{4}|\{[^{}]*\{|\*")  # a width of four digits or more, or one taken from a value


class Environment(SandboxedEnvironment):
    """The sandbox, with limits."""

    intercepted_binops = frozenset(SandboxedEnvironment.default_binop_table)

    def __init__(self, *, autoescape: bool, finalize: Finalize | None) -> None:
        super().__init__(
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
            autoescape=autoescape,
            finalize=finalize,
        )
        self.filters["counted"] = _counted
        self.filters["format"] = lambda text, *args, **named: _narrow(text) % (named or args)
        for name in ("center", "indent", "batch", "slice"):  # their argument sets the output size
            del self.filters[name]
        del self.globals["lipsum"]

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, "counted", [], [], None, None)
        return tree

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
        """Refuse what Jinja refuses, and padding methods."""
        sized = (isinstance(obj, str) and attr in PADDING) or attr == "to_bytes"
        return not sized and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Format as Jinja does, unless the width is too large."""
        inner = super().wrap_str_format(value)
        if inner is not None:
            _narrow(value.__self__)
        return inner

    def call(self, context: Context, obj: object, *args: object, **kwargs: object) -> object:
        """Count and make a call."""
        _step(context)
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Context, operator_: str, left: object, right: object) -> object:
        """Evaluate an operator, unless the result would be too large."""
        if operator_ == "**":
            raise SecurityError("templates may not use **")
        if operator_ == "%" and isinstance(left, str):
            _narrow(left)
        if _size(operator_, left, right) > LARGEST:
            raise SecurityError(f"{operator_} gives more than {LARGEST:,}")
        return super().call_binop(context, operator_, left, right)


def _narrow(text: T) -> T:
    """Return a format string, or refuse it if its width is too large or unknown."""
    if WIDE.search(str(text)):
        raise SecurityError(f"the format {str(text)[:80]!r} is too wide")
    return text


def _size(operator_: str, left: Any, right: Any) -> float:
    """Return the size of a sum or product before it is computed."""
    combine: Callable[[Any, Any], Any] | None = {"*": operator.mul, "+": operator.add}.get(operator_)
    if combine is None:
        return 0
    if isinstance(left, int | float) and isinstance(right, int | float):
        return 0 if abs(combine(left, right)) < LARGEST_NUMBER else float("inf")
    lengths = (abs(value) if isinstance(value, int | float) else len(value) for value in (left, right))
    try:
        return float(combine(*lengths))
    except TypeError:  # let the operator raise its own error
        return 0


@pass_context
def _counted(context: Context, items: Iterable[T]) -> Iterator[T]:
    """Count a loop's items while yielding them."""
    for item in items:
        _step(context)
        yield item


def _step(context: Context) -> None:
    if next(context.parent[COUNTER]) >= STEPS:
        raise SecurityError(f"more than {STEPS:,} loop iterations and calls")


@cache
def environment(html: bool, finalize: Finalize | None) -> Environment:
    """Return the environment for HTML or plain text; `finalize` is applied to each inserted value."""
    return Environment(autoescape=html, finalize=finalize)
