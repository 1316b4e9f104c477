"""
Classify a server's failures to answer a request.

A *rejected request* is stored with the server's message, and retried only when its possible causes have
changed. Other failures are *transient*: they are retried and never stored. A request that keeps failing while
others are answered ends as `Unanswered`.
"""

import re

BUSY = {425, 429, 503, 529}
AWAY = {502, 504, 520, 521, 522, 523, 524, 530}  # from a proxy: the server behind it is unavailable
AT_FAULT = {400, 406, 411, 413, 414, 415, 416, 418, 422, 451}  # the request itself
ADVICE = {  # for statuses that usually affect every request
    **dict.fromkeys(
        (301, 302, 303, 307, 308),
        "if you trust that address with your documents, make it the recipe's base_url",
    ),
    401: "set the key in the environment variable {key}",
    402: "the account of the key in {key} has no credit left",
    403: "the key in {key} may not use this model",
    404: "check the recipe's base_url, which often ends in /v1, and model",
    405: "check the recipe's base_url, which often ends in /v1",
}
CODES = ("code", "status", "status_code", "statusCode")
_BUSY_WORDS = re.compile(
    r"rate.?limit|too many requests|overload|over.?capacity|at capacity|throttl|try again|temporar"
    r"|unavailable|resource.?exhausted|server busy|queue (?:is )?full|slow.?down|timed? ?out"
    r"|too many concurrent|(?:currently|still) loading",
    re.IGNORECASE,
)
_NO_MONEY = re.compile(
    r"insufficient.?(?:quota|balance|credit|funds)|exceeded your current quota|billing", re.IGNORECASE
)
_KEY_WORDS = re.compile(r"api.?key|authenticat|unauthori[sz]ed|permission", re.IGNORECASE)
_FAULT_WORDS = re.compile(
    r"context.?length|maximum.{0,30}(?:context|length|tokens)|too long|content.?(?:filter|policy|management)"
    r"|invalid.?(?:request|parameter|argument|value)|unsupported|not supported|moderation|bad.?request",
    re.IGNORECASE,
)


class Failure(Exception):
    """Any failure; the message is the server's, or describes what came instead of a reply."""


class Rejected(Failure):
    """The server rejects this request permanently."""


class Transient(Failure):
    """A retry may succeed."""


class Busy(Transient):
    """The server is up and asks for fewer requests; `retry_after` is in seconds, 0 if not given."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Away(Transient):
    """No server answers."""


class Faulty(Transient):
    """The server failed on the request, did not reply, or sent something other than a completion."""


class Lost(Faulty):
    """The connection broke or timed out, because of the request or because the server is going down."""


class Refused(Failure):
    """A refusal that usually affects every request, such as a wrong key; `advice` states what to do."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status, self.advice = status, ADVICE.get(status, "check the recipe's base_url, model and key")


class Hopeless(Failure):
    """No connection is possible, for example because of the certificate: waiting does not help."""


def of_status(status: int, message: str, retry_after: float = 0.0, body: str = "") -> Failure:
    """
    Classify an unsuccessful reply by its HTTP status, and by its body where the status is ambiguous.

    Some servers return 429 for an account without credit, and 400 or 500 for a rate limit.
    """
    body = body or message
    if status in BUSY or (status >= 400 and _code(body) in BUSY):
        return Refused(message, 402) if _NO_MONEY.search(body) else Busy(message, retry_after)
    if status in AWAY:
        return Away(message)
    if status >= 500 or status < 300 or status in (408, 409, 423, 424, 499):
        return Faulty(message)
    return Rejected(message) if status in AT_FAULT else Refused(message, status)


def of_error(error: object, message: str) -> Failure:
    """Classify an error in the body of a reply with status 200: by its code, else by its wording."""
    fields = error if isinstance(error, dict) else {}
    codes = (_number(code) for code in (error, *map(fields.get, CODES)))
    if code := next(filter(None, codes), 0):
        return of_status(code, message)
    if _NO_MONEY.search(message):
        return Refused(message, 402)
    if _KEY_WORDS.search(message):
        return Refused(message, 401)
    if _BUSY_WORDS.search(message):
        return Busy(message)
    return Rejected(message) if _FAULT_WORDS.search(message) else Faulty(message)


def why_unreachable(failure: Failure, key: str, patience: float, down: float, tries: int) -> str:
    """
    Describe why a run cannot go on with a server, and what to do.

    Parameters
    ----------
    failure
        That of the check, or of a request.
    key
        The environment variable of the API key.
    patience, down
        Seconds that the run may wait, and since the last answer.
    tries
        Attempts at one request.
    """
    if isinstance(failure, Refused):
        return f"refuses every request ({failure}): {failure.advice.format(key=key)}"
    if isinstance(failure, Hopeless):
        return f"cannot be reached: {failure}. Check the recipe's base_url"
    if isinstance(failure, Busy) and failure.retry_after > patience:
        return (
            f"asks to wait for {failure.retry_after:,.0f} seconds, longer than the model's patience of "
            f"{patience:,.0f}: {failure}. Run again later, or raise the patience"
        )
    duration = f"for {down:,.0f} seconds ({tries} attempts at one request)"
    if isinstance(failure, Busy):
        return (
            f"is up but overloaded; it answered nothing {duration}. The last error: {failure}. Run again "
            "when it has capacity; the model's patience sets how long to wait"
        )
    if isinstance(failure, Faulty) and not isinstance(failure, Lost):
        return (
            "is up but returns no chat completion, not even to a minimal request. Last error (attempts: "
            f"{tries}): {failure}. Check the recipe's base_url, which often ends in /v1, and the model's "
            "options"
        )
    return (
        f"gave no answer {duration}. The last error: {failure}. Check that the server is up and that the "
        "recipe's base_url is right"
    )


def none_answered(stage: str, requests: int, message: str) -> str:
    """Describe that a server answered none of a stage's requests: the settings are at fault, not the rows."""
    return (
        f"stages.{stage}: none of its {requests:,} requests was answered. The server's message: {message}. "
        "Change the request fields with the model's options in the recipe; null removes a field"
    )


def _number(code: object) -> int:
    """Parse an HTTP error status, which may be a string; 0 if it is not one."""
    if not isinstance(code, str | int | float):
        return 0
    try:
        number = int(code)
    except (ValueError, OverflowError):
        return 0
    return number if 400 <= number < 600 else 0


def _code(message: str) -> int:
    match = re.search(r'"(?:code|status)"\s*:\s*"?(\d{3})\b', message)
    return int(match[1]) if match else 0
