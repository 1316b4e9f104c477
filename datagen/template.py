"""
Templates: the one place where Jinja runs.

Prompts come with recipes that others may have written, so every template runs in Jinja's sandbox: it sees
the values that it is given and none of Python behind them. What it may take is bounded too: turns of its
loops and calls together, the size of a value, and the size of what it writes.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from itertools import count
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from datagen.control_tokens import defuse
from datagen.errors import UserError

STEPS = 1_000_000  # turns of loops and calls in one rendering
LARGEST = 10_000_000  # a number, the letters of a text or the items of a list that a template makes
LARGEST_NUMBER = 10**18
WRITTEN = 100_000_000  # letters of one rendering
COUNTER = "steps taken"  # among the values; no template can write this name
PADDING = (
    "ljust",
    "rjust",
    "center",
    "zfill",
    "expandtabs",
)  # methods that write as much as is said
WIDE = re.compile(r"\d{4}|\{[^{}]*\{|\*")  # a format with a width of thousands, or one that a value says


class _Environment(SandboxedEnvironment):
    """The sandbox, with bounds."""

    intercepted_binops = frozenset(SandboxedEnvironment.default_binop_table)

    def __init__(self, **options: Any) -> None:
        super().__init__(
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
            **options,
        )
        self.filters["counted"] = _counted
        self.filters["format"] = lambda text, *args, **named: _narrow(text) % (named or args)
        for name in ("center", "indent", "batch", "slice"):  # they write as much as is said
            del self.filters[name]
        del self.globals["lipsum"]

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, "counted", [], [], None, None)
        return tree

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Refuse what Jinja does, and padding."""
        sized = (isinstance(obj, str) and attr in PADDING) or attr == "to_bytes"
        return not sized and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Format as Jinja does, unless it would be wide."""
        inner = super().wrap_str_format(value)
        if inner is not None:
            _narrow(value.__self__)
        return inner

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call what a template calls, so many times."""
        _step(context)
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Context, operator_: str, left: Any, right: Any) -> Any:
        """Compute, unless the result would be too large."""
        if operator_ == "**":
            raise SecurityError("** is not for templates")
        if operator_ == "%" and isinstance(left, str):
            _narrow(left)
        if _size(operator_, left, right) > LARGEST:
            raise SecurityError(f"{operator_} gives more than {LARGEST:,}")
        return super().call_binop(context, operator_, left, right)


def _narrow(text: Any) -> Any:
    """Refuse a format that writes as much as a number says; else give it back."""
    if WIDE.search(str(text)):
        raise SecurityError(f"the format {str(text)[:80]!r} is too wide")
    return text


def _size(operator_: str, left: Any, right: Any) -> float:
    """Measure what a sum or a product would be, before it is made."""
    combine: Callable[[Any, Any], Any] | None = {"*": operator.mul, "+": operator.add}.get(operator_)
    if combine is None:
        return 0
    if isinstance(left, int | float) and isinstance(right, int | float):  # a figure
        return 0 if abs(combine(left, right)) < LARGEST_NUMBER else float("inf")
    lengths = (abs(value) if isinstance(value, int | float) else len(value) for value in (left, right))
    try:
        return float(combine(*lengths))
    except TypeError:  # the operator itself says what is wrong
        return 0


@pass_context
def _counted(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    """Pass a loop's items on, counting."""
    for item in items:
        _step(context)
        yield item


def _step(context: Context) -> None:
    if next(context.parent[COUNTER]) >= STEPS:
        raise SecurityError(f"more than {STEPS:,} turns of loops and calls")


@cache
def _environment(html: bool, finalize: Callable[[Any], Any] | None) -> _Environment:
    return _Environment(autoescape=html, finalize=finalize)


def compiled(
    source: str, where: str, *, html: bool = False, finalize: Callable[[Any], Any] | None = None
) -> Template:
    """
    Compile a template.

    Parameters
    ----------
    source
        Its text.
    where
        What the user knows it by.
    html
        Whether inserted text is escaped for HTML.
    finalize
        Applied to each inserted value.

    Raises
    ------
    UserError
        When it is no template.
    """
    try:
        return _environment(html, finalize).from_string(source)
    except (TemplateError, RecursionError) as error:
        raise _mistake(where, error) from error


def fill(source: str, where: str, /, **values: Any) -> str:
    """
    Compile and fill a short template of a prompt file.

    Raises
    ------
    UserError
        As `compiled` and `render` do.
    """
    return render(compiled(source, where, finalize=defuse), where, values)


def render(template: Template, where: str, values: Mapping[str, Any]) -> str:
    """
    Fill a template with values.

    Raises
    ------
    UserError
        When it names a value that is not given, reaches for what it must not, or would not end.
    """
    try:
        return _fill(template, values)
    except Exception as error:  # whatever a template does wrong, it is the template
        raise _mistake(where, error) from error


def _fill(template: Template, values: Mapping[str, Any]) -> str:
    written, pieces = 0, []
    for piece in template.generate(**values, **{COUNTER: count(1)}):
        written += len(piece)
        if written > WRITTEN:
            raise SecurityError(f"more than {WRITTEN:,} letters")
        pieces.append(piece)
    return "".join(pieces)


def render_file(package: str, file: str, *, html: bool = False, **values: Any) -> str:
    """Fill a template that is a file of a package; its mistakes are ours, not the user's."""
    source = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    return _fill(compiled(source, file, html=html), values)


def _mistake(where: str, error: Exception) -> UserError:
    line = getattr(error, "lineno", None)
    at = f"{where}, line {line}" if line else where
    if isinstance(error, SecurityError):
        return UserError(
            f"{at}: the template is refused: {error}. Templates may insert what their stage gives, with "
            "conditions, loops and filters; see docs/security.md"
        )
    return UserError(f"{at}: {error}. Mend the template and run again")
