"""An emulator of the requests to Google Cloud Storage with which Arrow lists objects."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit


@contextmanager
def google_store(bucket: str, objects: dict[str, bytes]) -> Iterator[str]:
    """Serve the objects of a bucket; yields the address for ``CLOUD_STORAGE_EMULATOR_ENDPOINT``."""

    def described(name: str) -> dict[str, str]:
        size = str(len(objects[name]))
        return {"kind": "storage#object", "bucket": bucket, "name": name, "size": size, "generation": "1"}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            query = parse_qs(address.query)
            path = unquote(address.path)
            listing = f"/storage/v1/b/{bucket}/o"
            name = path.removeprefix(f"{listing}/")
            if path == listing:
                prefix = query.get("prefix", [""])[0]
                items = [described(name) for name in sorted(objects) if name.startswith(prefix)]
                self._answer(json.dumps({"kind": "storage#objects", "items": items}).encode())
            elif name not in objects:
                self._answer(b'{"error": {"code": 404, "message": "Not Found"}}', 404)
            else:
                self._answer(json.dumps(described(name)).encode())

        def _answer(self, body: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("x-goog-generation", "1")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
