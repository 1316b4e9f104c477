"""Read the body of a reply: decompress and decode it, within a size limit."""

import json
import zlib
from contextlib import suppress

import aiohttp

from datagen.engines.failures import Faulty

MAX_MEMBERS = 1_000  # of a compressed reply; each costs a copy of the data behind it
SHOWN = 300  # bytes to quote of a reply that is not text
ENCODINGS = {
    "": 0,
    "identity": 0,
    "gzip": 47,
    "x-gzip": 47,
    "deflate": 47,
}  # zlib's wbits; 47 detects the format from the header


async def read_body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Read and decompress a body, both within `most` bytes."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ENCODINGS:
        raise Faulty(f"the reply has the encoding {encoding[:40]!r}, which was not requested")
    unpack = _Members(ENCODINGS[encoding]) if ENCODINGS[encoding] else None
    body, received = bytearray(), 0
    while data := await response.content.readany():
        received += len(data)
        if unpack:
            unpack.add(data, body, most + 1)
        else:
            body += data
        if max(len(body), received) > most:  # compressed data may be endless and give nothing
            response.close()
            raise Faulty(f"the reply is larger than {most / 2**20:.3g} MB, the limit for this request")
    if unpack and not unpack.complete:
        raise Faulty("the compressed reply is truncated")
    return bytes(body)


class _Members:
    """Decompresses a body, which may be several gzip members (RFC 1952, 2.2)."""

    def __init__(self, format: int) -> None:
        self._format, self._current, self._count = format, zlib.decompressobj(format), 1

    @property
    def complete(self) -> bool:
        """Whether the last member is complete."""
        return self._current.eof

    def add(self, data: bytes, body: bytearray, limit: int) -> None:
        """
        Decompress the next data and append them to a body, up to a limit in bytes.

        Raises
        ------
        Faulty
            If they are corrupt, have too many members, or continue with anything but a member.
        """
        while data and len(body) < limit:
            if self._current.eof:
                self._count += 1
                if self._count > MAX_MEMBERS:
                    raise Faulty(f"the compressed reply has over {MAX_MEMBERS:,} members")
                self._current = zlib.decompressobj(self._format)
            try:
                body += self._current.decompress(data, limit - len(body))
            except zlib.error as error:
                what = "the data after its end" if self._count > 1 else "it"
                raise Faulty(f"the reply cannot be decompressed: {what}: {error}") from None
            data = self._current.unused_data


def decoded(data: bytes, charset: str | None) -> str:
    """Decode JSON by the detected Unicode encoding, else by the declared charset."""
    for encoding in (json.detect_encoding(data), charset):
        with suppress(LookupError, ValueError):  # an unknown or wrong charset
            text = data.decode(encoding or "utf-8").removeprefix("\ufeff")
            text.encode()  # charsets such as unicode_escape decode to unpaired surrogates
            return text
    raise Faulty(f"the reply is not UTF-8: {data[:SHOWN].decode('utf-8', 'replace')}")
