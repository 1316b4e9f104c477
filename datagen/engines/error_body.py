"""Find the error and its message in the body of a reply, in any common shape."""

import json

SHOWN = 300  # characters to quote of an error
LONGEST = 100_000  # characters of a body that is searched for a message
ENVELOPES = ("fault", "base_resp")  # of errors: gateways, MiniMax


def error_in(value: object) -> object:
    """Return a reply's error in any common shape; None if it has choices and no error."""
    if isinstance(value, list) and len(value) == 1:  # Google's servers wrap an error in a list
        value = value[0]
    if not isinstance(value, dict):
        return None
    if error := value.get("error"):
        while isinstance(error, dict) and isinstance(inner := error.get("error"), dict):  # of a server behind
            error = inner
        return error
    if value.get("choices"):
        return None
    if error := next(filter(None, map(value.get, ENVELOPES)), None):
        return error
    named = (value.get(name) for name in ("detail", "message", "msg", "errors", "code", "title"))
    return value if any(part and not isinstance(part, dict) for part in named) else None


def error_text(error: object) -> str:
    """Return an error as text to quote."""
    return error if isinstance(error, str) else json.dumps(error, ensure_ascii=False)[:SHOWN]


def message_in(text: str) -> str:
    """Extract the message from a server's error JSON of any common shape; else return the text."""
    if len(text) > LONGEST:
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    while isinstance(value, dict):
        value = next((value[name] for name in ("error", "message", "detail", "msg") if value.get(name)), None)
    return value if isinstance(value, str) else text
