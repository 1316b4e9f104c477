"""
Replace personal data and secrets by placeholders, before a document leaves the process that reads it.

Detection is by rule: known prefixes, shapes and check digits. Names of people and postal addresses have none
of these, so they are not detected. A value has the same placeholder (``[EMAIL_1]``) in a document's title,
text and metadata; the value itself is not stored anywhere.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from datagen.stages.sources.ingest.redact.codes import find_codes
from datagen.stages.sources.ingest.redact.columns import find_in_columns
from datagen.stages.sources.ingest.redact.commands import find_in_commands
from datagen.stages.sources.ingest.redact.contacts import find_emails, find_ips, find_phones
from datagen.stages.sources.ingest.redact.identifiers import find_cards, find_ibans, find_national_ids
from datagen.stages.sources.ingest.redact.secrets import find_secrets


def _secrets(text: str) -> Iterator[tuple[int, int, str]]:
    for find in (find_secrets, find_in_commands, find_codes, find_in_columns):
        yield from find(text)


# A span and the value in normal form. Where spans overlap, the earlier kind wins.
DETECTORS: dict[str, Callable[[str], Iterator[tuple[int, int, str]]]] = {
    "secret": _secrets,
    "email": find_emails,
    "iban": find_ibans,
    "card": find_cards,
    "national_id": find_national_ids,
    "phone": find_phones,
    "ip": find_ips,
}
KINDS = tuple(DETECTORS)
LONG_NUMBER = 10**11  # a larger integer may be a card or account number
LABELS = {kind: kind.upper() for kind in KINDS} | {"national_id": "ID"}


@dataclass(frozen=True, slots=True)
class Finding:
    """
    A value to replace.

    Parameters
    ----------
    start, end
        Its span in code points.
    kind
        One of `KINDS`.
    value
        Its normal form, such as a card number without spaces: equal values share a placeholder.
    """

    start: int
    end: int
    kind: str
    value: str


def detect(text: str, kinds: Collection[str] = KINDS) -> list[Finding]:
    """Find the values of these kinds in a text, in order and disjoint."""
    candidates = [
        Finding(start, end, kind, value)
        for kind in KINDS
        if kind in kinds
        for start, end, value in DETECTORS[kind](text)
    ]
    findings: list[Finding] = []
    for candidate in sorted(candidates, key=lambda finding: finding.start):
        if not findings or candidate.start >= findings[-1].end:
            findings.append(candidate)
        elif KINDS.index(candidate.kind) < KINDS.index(findings[-1].kind):
            findings[-1] = candidate
    return findings


class Redaction:
    """
    Replaces the values of one document.

    Parameters
    ----------
    kinds
        Which of `KINDS` to replace.
    """

    def __init__(self, kinds: Collection[str]) -> None:
        self.kinds = kinds
        self._placeholders: dict[tuple[str, str], str] = {}
        self._values: Counter[str] = Counter()  # distinct values by kind
        self.counts: Counter[str] = Counter()  # replacements by kind

    def text(self, text: str) -> str:
        """Replace the values in a text."""
        if not self.kinds or not text:
            return text
        parts, end = [], 0
        for finding in detect(text, self.kinds):
            parts += [text[end : finding.start], self._placeholder(finding)]
            end = finding.end
            self.counts[finding.kind] += 1
        return "".join([*parts, text[end:]]) if parts else text

    def value(self, value: object) -> object:
        """Replace the values in all texts of nested metadata, but not in its keys."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return self.fields(value)
        if isinstance(value, list):
            return [self.value(part) for part in value]
        if isinstance(value, int) and abs(value) >= LONG_NUMBER:
            return value if (redacted := self.text(str(value))) == str(value) else redacted
        return value

    def fields(self, fields: Mapping[str, object]) -> dict[str, object]:
        """Replace the values in all texts of metadata, but not in its keys."""
        return {key: self._named(key, part) for key, part in fields.items()}

    def _named(self, name: str, value: object) -> object:
        """Replace a value that its key identifies: ``{"password": ...}`` reads as "password: ..."."""
        if not isinstance(value, str):
            return self.value(value)
        label = f"{name}: "
        redacted = self.text(label + value)
        return redacted.removeprefix(label) if redacted.startswith(label) else self.text(value)

    def _placeholder(self, finding: Finding) -> str:
        key = finding.kind, finding.value
        if key not in self._placeholders:
            self._values[finding.kind] += 1
            self._placeholders[key] = f"[{LABELS[finding.kind]}_{self._values[finding.kind]}]"
        return self._placeholders[key]
