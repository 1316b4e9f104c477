"""Keys of services: those with a known prefix, and others by their form."""

import re
from collections.abc import Iterator

from datagen.stages.sources.ingest.redact.values import STAND_IN, is_random

# A text in the key -> pattern of the whole key. The text is searched first, because that is fast.
KEYS = {
    "AKIA": r"AKIA[A-Z0-9]{16}",
    "ASIA": r"ASIA[A-Z0-9]{16}",
    **{f"gh{kind}_": rf"gh{kind}_[A-Za-z0-9]{{36,255}}" for kind in "pousr"},
    "github_pat_": r"github_pat_\w{22,255}",
    "gl": r"gl(?:pat|rt|ptt|dt|cbt|ft|imt|agent|soat|oas)-[\w-]{20,}",
    "xox": r"xox[abeoprs](?:\.xox[bp])?-[\w-]{10,}",
    "xapp-": r"xapp-[\w-]{20,}",
    "hooks.slack.com": r"hooks\.slack\.com/services/[\w/]{20,}",
    "k_live_": r"[rps]k_live_\w{10,}",
    "k_test_": r"[rps]k_test_\w{10,}",
    "whsec_": r"whsec_[\w+/=]{20,}",
    "sk-": r"sk-[\w-]{20,}",
    "AIza": r"AIza[\w-]{35}",
    "GOCSPX-": r"GOCSPX-[\w-]{20,}",
    "ya29.": r"ya29\.[\w-]{20,}",
    "hf_": r"hf_[A-Za-z0-9]{30,}",
    "npm_": r"npm_[A-Za-z0-9]{36}",
    "pypi-": r"pypi-[\w-]{40,}",
    "SG.": r"SG\.[\w-]{16,}\.[\w-]{16,}",
    "key-": r"key-[0-9a-f]{32}",
    "SK": r"SK[0-9a-f]{32}",
    "sq0": r"sq0(?:atp|csp)-[\w-]{20,}",
    "shp": r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",
    "_v1_": r"do[opr]_v1_[0-9a-f]{64}",
    "dapi": r"dapi[0-9a-f]{32}(?:-\d)?",
    "glsa_": r"glsa_\w{32,}",
    **{f"hv{kind}.": rf"hv{kind}\.[\w-]{{24,}}" for kind in "sb"},
    "lin_api_": r"lin_api_\w{30,}",
    "PMAK-": r"PMAK-[\w-]{30,}",
    "NRAK-": r"NRAK-[A-Z0-9]{20,}",
    "xai-": r"xai-\w{40,}",
    "gsk_": r"gsk_\w{40,}",
    "r8_": r"r8_\w{30,}",
    "AGE-SECRET-KEY-": r"AGE-SECRET-KEY-1[A-Z0-9]{50,}",
    "eyJ": r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    "AccountKey=": r"(?<=AccountKey=)[\w+/]{40,}={0,2}",
    "SharedAccessKey=": r"(?<=SharedAccessKey=)[\w+/]{40,}={0,2}",
    ":AA": r"\d{8,10}:AA[\w-]{30,}",
    "TT3xFf": r"AT[AC]TT3xFf[\w=-]{20,}",
    "EAA": r"EAA[A-Za-z0-9]{80,}",
    "LTAI": r"LTAI[A-Za-z0-9]{16,24}",
    "AKID": r"AKID[A-Za-z0-9]{32,}",
    "dp.": r"dp\.(?:pt|st|ct|sa)\.[\w.]{40,}",
    "$production$": r"access_token\$production\$[a-z0-9]{12,}\$[0-9a-f]{32}",
    "pat-": r"pat-[a-z]{2}\d-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "HRKU-": r"HRKU-[\w-]{36,}",
    "access-": r"access-(?:production|sandbox|development)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "pul-": r"pul-[0-9a-f]{40}",
    "amzn.mws.": r"amzn\.mws\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "v1.0-": r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}",  # Cloudflare
    "eyJrIjoi": r"eyJrIjoi[\w+/=-]{40,}",
    "Private-Lines:": r"Private-Lines: \d+(?:\s+[\w+/=]{20,})+",  # PuTTY
}
PREFIXED = {mark: re.compile(rf"(?<![\w-]){key}(?![\w])") for mark, key in KEYS.items()}
PREFIXED |= {mark: re.compile(KEYS[mark]) for mark in ("AccountKey=", "SharedAccessKey=")}
MIN_KEY = 15  # characters of the shortest key, xoxb-[\w-]{10}; a shorter word needs no search
SPACED = frozenset(("Private-Lines:",))  # keys with blanks
# A prefix that is in no list, and a long random value: tfp_..., vercel_blob_rw_..., xkeysib-...
PREFIX = re.compile(r"(?<![\w./+=-])[A-Za-z][A-Za-z0-9]{1,11}(?:[_-][A-Za-z0-9]{1,12}){0,2}[_-]\Z")
LONGEST_PREFIX = 32  # characters
ANY_KEY = re.compile(r"[\w-]{2,32}?[_-][A-Za-z0-9]{24,}(?:[_-][A-Za-z0-9]{6,})*(?![\w./+])")
HASHES = re.compile(r"sha|md\d|blake|uuid|hash|crc|commit|rev|digest|image|build|id[_-]", re.IGNORECASE)
# A bot's token: its id in base64, a time, a signature.
BOT = re.compile(r"(?<![\w.])[MNO][A-Za-z0-9]{22,27}\.[\w-]{6}\.[\w-]{27,40}(?![\w.])")
RUN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{22,}")  # looked for first, which is faster


def known_keys(text: str, long: str) -> Iterator[tuple[int, int, str]]:
    """Find keys with a known prefix; `long` is the text's long words, as most keys have no blanks."""
    for mark in [mark for mark in PREFIXED if mark in (text if mark in SPACED else long)]:
        for match in PREFIXED[mark].finditer(text):
            if (mark != "sk-" or is_random(match[0][3:])) and not STAND_IN.fullmatch(match[0]):
                yield *match.span(), match[0]


def unknown_keys(text: str) -> Iterator[tuple[int, int, str]]:
    """Find keys by their form: a prefix and a long random value with letters and digits, but no hash."""
    for run in RUN.finditer(text):
        if (bot := BOT.match(text, run.start())) and is_random(bot[0]):
            yield *bot.span(), bot[0]
        prefix = PREFIX.search(text, max(0, run.start() - LONGEST_PREFIX), run.start())
        match = ANY_KEY.match(text, prefix.start()) if prefix else None
        if match is None or HASHES.match(match[0]) or not is_random(run[0]):
            continue
        if len(re.findall(r"\d+", run[0])) < 2:
            continue  # a long identifier, such as ripemd160WithRSAEncryption
        is_mixed = re.search(r"[a-z]", run[0]) and re.search(r"[A-Z]", run[0])
        if len(run[0]) < (24 if is_mixed and "_" in match[0] else 32):
            continue
        if is_mixed or "_" in match[0] or len(run[0]) >= 60:
            yield *match.span(), match[0]
