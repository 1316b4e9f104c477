"""The page of ``datagen browse``: one HTML file with its style sheet, script and facts about the run."""

from datagen.json_types import JsonObject
from datagen.template import content, render_file

# The script, in parts that share their names; the last one starts the page.
SCRIPTS = ("elements.js", "requests.js", "list.js", "row.js", "labels.js", "threshold.js", "views.js")


def render(about: JsonObject, nonce: str) -> str:
    """
    Render the page.

    Parameters
    ----------
    about
        Facts about the run, which the script reads.
    nonce
        Allows the style sheet and the script in the content security policy.
    """
    return render_file(
        __package__,
        "page.html.j2",
        html=True,
        about=about,
        nonce=nonce,
        styles=[content("datagen.report", "theme.css"), content(__package__, "page.css")],
        scripts=[content(__package__, name) for name in SCRIPTS],
    )
