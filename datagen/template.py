"""
Templates: compile and fill them in the sandbox (`datagen.sandbox`).

A recipe and its prompts may come from a third party, so every template runs without access to Python
internals. Loop iterations plus calls, the size of values and the size of the output are limited too. Jinja is
imported when the first template is compiled.
"""

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from itertools import count
from typing import TYPE_CHECKING

from datagen.control_tokens import defuse
from datagen.errors import UserError

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

    from datagen.sandbox import Finalize

MAX_OUTPUT = 100_000_000  # characters of output of one rendering


@lru_cache(maxsize=1024)
def compiled(
    source: str, where: str, *, html: bool = False, finalize: "Finalize | None" = None
) -> "Template":
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
    from datagen.sandbox import TemplateError, environment

    try:
        return environment(html, finalize).from_string(source)
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


def render(template: "Template", where: str, values: Mapping[str, object]) -> str:
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


def _fill(template: "Template", values: Mapping[str, object]) -> str:
    from datagen.sandbox import COUNTER, SecurityError

    written, pieces = 0, []
    for piece in template.generate(**values, **{COUNTER: count(1)}):
        written += len(piece)
        if written > MAX_OUTPUT:
            raise SecurityError(f"more than {MAX_OUTPUT:,} characters")
        pieces.append(piece)
    return "".join(pieces)


def content(package: str, file: str) -> "Markup":
    """Read a style sheet or script of a package, for inclusion in a page."""
    from markupsafe import Markup

    return Markup(resources.files(package).joinpath(file).read_text(encoding="utf-8"))


def render_file(package: str, file: str, *, html: bool = False, **values: object) -> str:
    """Fill a template file of a package. Errors are not turned into `UserError`: they are bugs."""
    source = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    return _fill(compiled(source, file, html=html), values)


def _mistake(where: str, error: Exception) -> UserError:
    from datagen.sandbox import SecurityError

    line = getattr(error, "lineno", None)
    at = f"{where}, line {line}" if line else where
    if isinstance(error, SecurityError):
        return UserError(
            f"{at}: the template is refused: {error}. Templates may insert their stage's values, with "
            "conditions, loops and filters; see docs/security.md"
        )
    return UserError(f"{at}: {error}. Fix the template and run again")
