"""The patterns that are written for speed match what their simple forms match."""

import re
from re import _parser as parser  # type: ignore[attr-defined]

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datagen.stages.sources.ingest.redact import contacts, identifiers, keys, prefilters, secrets, values

SEPARATED = r"(?:[ ().\u00a0/-]{0,3}\d){6}"
SIMPLE = {
    "international": (
        contacts.INTERNATIONAL,
        r"(?<![\w+])(?:\+|00(?=[1-9]))\(?\d(?:[\s().\u00a0/-]{0,3}\d){6,14}(?!\d)",
    ),
    "phone": (contacts.BEGINS, rf"(?<![\w.,/§+-])(?=\(?\d{SEPARATED})"),
    "ipv4": (contacts.IPV4, r"(?<![\w.-])((?:\d{1,3}\.){3}\d{1,3})(?![\w-]|\.\d)(?:/(\d{1,3})(?!\d))?"),
    "ipv6": (
        contacts.IPV6,
        r"(?<![\w:.])([23][0-9a-fA-F]{3}:(?:[0-9a-fA-F]{0,4}:){1,6}[0-9a-fA-F]{1,4})(?![\w:])(?:/(\d{1,3})(?!\d))?",
    ),
    "card": (
        identifiers.CARD,
        r"(?<![\w./-])(?<!\b\d,)\d(?:[ \u00a0\u202f-]?\d){12,18}(?![\w/-]|\.\d|,\d{1,2}(?![\d/,]))",
    ),
    "national id": (
        identifiers.START,
        r"(?<![\w.-])(?=(?:[A-Z]{1,6} ?)?\d(?:[ .A-Z+-]{0,2}\d){4}|[A-Z]{5}\d{4}[A-Z])",
    ),
}
PIECES = st.sampled_from(
    [*"0012345789(+-. ,/:;§\n\u00a0\u202f٣éAaBfZ", "00", "2001", "1.2.3.4", "4242", "ABCDE", "0049"]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=40).map("".join), st.text("0123(+-. ,/:Aa\n", max_size=60))


@pytest.mark.parametrize("name", SIMPLE)
@given(text=TEXTS)
@example(text="ABCDE1234F")
@example(text="0 0000000 (0000000 ABCDE1234F 4242 4242 4242 4242, 1,4242424242424242 8.8.8.8/24 2001:db8::1")
def test_a_pattern_matches_what_its_simple_form_matches(name, text):
    fast, simple = SIMPLE[name]
    slow = re.compile(simple)
    only_starts = slow.pattern.endswith(")") and not any(match[0] for match in slow.finditer(text))
    found, expected = list(fast.finditer(text)), list(slow.finditer(text))
    assert [match.start() for match in found] == [match.start() for match in expected]
    assert only_starts or [(*match.regs, match[0]) for match in found] == [
        (*match.regs, match[0]) for match in expected
    ]


LOOKED_FOR_FIRST = {
    "international": prefilters.has_long_number,
    "phone": prefilters.has_long_number,
    "card": prefilters.has_long_number,
    "national id": prefilters.has_long_number,
    "ipv4": contacts.has_dotted_number,
    "ipv6": contacts.has_colons,
}


@pytest.mark.parametrize("name", SIMPLE)
@given(data=st.data())
def test_what_is_looked_for_first_is_in_every_text_with_a_match(name, data):
    text = data.draw(st.one_of(st.just("ABCDE1234F"), TEXTS, st.from_regex(SIMPLE[name][0])))
    assert LOOKED_FOR_FIRST[name](text) or not SIMPLE[name][0].search(text)


@given(text=st.text("İIiıKksS dotDOT.,\n", max_size=40))
def test_a_text_in_lower_case_keeps_its_places(text):
    low = prefilters.lowered(text)
    assert len(low) == len(text)
    assert (" dot " in low) == bool(re.search(" dot ", text, re.IGNORECASE))


@given(text=TEXTS)
@example(text="DE89 3704 0044 0532 0130 00")
def test_every_bank_account_has_the_digits_that_are_looked_for_first(text):
    assert identifiers.IBAN_DIGITS.search(text) or not identifiers.IBAN.search(text)


def test_no_key_is_shorter_than_the_words_that_are_searched():
    shortest = {mark: parser.parse(key).getwidth()[0] for mark, key in keys.KEYS.items()}
    for mark, key in keys.PREFIXED.items():
        prefix = len(mark) if key.pattern.startswith("(?<=") else 0
        assert shortest[mark] + prefix >= keys.MIN_KEY or mark in keys.SPACED, mark
    assert parser.parse(keys.RUN.pattern).getwidth()[0] >= keys.MIN_KEY


@pytest.mark.parametrize("mark", keys.KEYS)
@settings(max_examples=10)
@given(data=st.data())
def test_a_key_is_found_wherever_its_pattern_matches(mark, data):
    key = keys.PREFIXED[mark]
    before, after = (data.draw(st.sampled_from(["", " ", "\n", "= ", '("', "\u00a0"])) for _ in range(2))
    lead = mark if key.pattern.startswith("(?<=") else ""
    body = re.compile(keys.KEYS[mark].removeprefix(f"(?<={mark})"))
    text = before + lead + data.draw(st.from_regex(body, fullmatch=True)) + after
    for match in key.finditer(text):
        if mark != "sk-" or values.is_random(match[0][3:]):
            assert (*match.span(), match[0]) in list(secrets.find_secrets(text))
