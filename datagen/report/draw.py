"""
Draw Vega-Lite specifications as SVG, in a child process.

The drawing library contains a JavaScript engine, which can crash its process on invalid input, and a report
must not end a run. Run as a module, this file reads a JSON list of specifications and writes a JSON list of
drawings.
"""

import json
import logging
import re
import subprocess
import sys
from collections.abc import Sequence

SECONDS = 120  # time limit for all drawings of a report
ILLEGAL = re.compile(
    "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)  # characters not allowed in XML

log = logging.getLogger(__name__)


def draw(specifications: Sequence[object]) -> list[str]:
    """Draw specifications; on failure, log a warning and return an empty list."""
    if not specifications:
        return []
    try:
        process = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps(legal(specifications)),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=SECONDS,
            check=True,
        )
        drawings: list[str] = json.loads(process.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        log.warning(f"the charts of the report could not be drawn: {error}. Its tables have the numbers")
        return []
    return drawings


def legal(value: object) -> object:
    """Replace characters not allowed in XML, in all strings of a JSON value."""
    if isinstance(value, str):
        return ILLEGAL.sub("�", value)
    if isinstance(value, dict):
        return {legal(name): legal(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [legal(part) for part in value]
    return value


def main() -> None:
    """Read specifications from standard input and write drawings to standard output."""
    import vl_convert

    json.dump(
        [vl_convert.vegalite_to_svg(specification) for specification in json.load(sys.stdin)], sys.stdout
    )


if __name__ == "__main__":
    main()
