"""
Templates: the only module that runs Jinja.

A recipe and its prompts may come from a third party, so every template runs in Jinja's sandbox, without
access to Python internals. Loop iterations plus calls, the size of values and the size of the output are
limited too.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from importlib import resources
from itertools import count
from typing import Any, TypeAlias, TypeVar

from jinja2 import StrictUndefined, Template, TemplateError, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from datagen.control_tokens import defuse
from datagen.errors import UserError

T = TypeVar("T")
Finalize: TypeAlias = Callable[[object], object]  # applied to each inserted value

STEPS = 1_000_000  # loop iterations plus calls in one rendering
LARGEST = 10_000_000  # maximum characters of a string, or items of a list, that a template computes
LARGEST_NUMBER = 10**18
MAX_OUTPUT = 100_000_000  # characters of output of one rendering
COUNTER = "steps taken"  # name of the counter among the values; has a blank, so templates cannot use it
PADDING = ("ljust", "rjust", "center", "zfill", "expandtabs")  # methods whose argument sets the output size
WIDE = re.compile(r"\d{4}|\{[^{}]*\{|\*")  # a width of four digits or more, or one taken from a value


class _Environment(SandboxedEnvironment):
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
def _environment(html: bool, finalize: Finalize | None) -> _Environment:
    return _Environment(autoescape=html, finalize=finalize)


@lru_cache(maxsize=1024)
def compiled(source: str, where: str, *, html: bool = False, finalize: Finalize | None = None) -> Template:
    """
    Compile a template, or return it from the cache.

    Parameters
    ----------
    source
        The template's text.
    where
        Its location, for error messages.
    html
        Whether inserted text is escaped for HTML.
    finalize
        Applied to each inserted value.

    Raises
    ------
    UserError
        If the template is invalid.
    """
    try:
        return _environment(html, finalize).from_string(source)
    except (TemplateError, RecursionError) as error:
        raise _mistake(where, error) from error


def fill(source: str, where: str, /, **values: object) -> str:
    """
    Compile and fill a short template of a prompt file.

    Raises
    ------
    UserError
        As `compiled` and `render` do.
    """
    return render(compiled(source, where, finalize=defuse), where, values)


def render(template: Template, where: str, values: Mapping[str, object]) -> str:
    """
    Fill a template with values.

    Raises
    ------
    UserError
        If it uses an undefined value, breaks the sandbox's rules, or exceeds a limit.
    """
    try:
        return _fill(template, values)
    except Exception as error:  # any error is the template's
        raise _mistake(where, error) from error


def _fill(template: Template, values: Mapping[str, object]) -> str:
    written, pieces = 0, []
    for piece in template.generate(**values, **{COUNTER: count(1)}):
        written += len(piece)
        if written > MAX_OUTPUT:
            raise SecurityError(f"more than {MAX_OUTPUT:,} characters")
        pieces.append(piece)
    return "".join(pieces)


def render_file(package: str, file: str, *, html: bool = False, **values: object) -> str:
    """Fill a template file of a package. Errors are not turned into `UserError`: they are bugs."""
    source = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    return _fill(compiled(source, file, html=html), values)


def _mistake(where: str, error: Exception) -> UserError:
    line = getattr(error, "lineno", None)
    at = f"{where}, line {line}" if line else where
    if isinstance(error, SecurityError):
        return UserError(
            f"{at}: the template is refused: {error}. Templates may insert their stage's values, with "
            "conditions, loops and filters; see docs/security.md"
        )
    return UserError(f"{at}: {error}. Fix the template and run again")
