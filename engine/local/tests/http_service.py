# SPDX-License-Identifier: Apache-2.0
"""A small HTTP service on loopback for flows: POST /THING books one (201, its id), DELETE /THING/ID
gives it back, GET /health is well. It remembers every request."""
import http.server
import json
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        service = self.server.service
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        status, document = service.answer(self.command, self.path, self.headers["Idempotency-Key"], body)
        data = json.dumps(document).encode() if document is not None else b""
        self.send_response(status)
        if data:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *args):
        pass


class Service:
    """`refuse` maps a thing to the statuses of its next bookings; the last one stays."""

    def __init__(self, **refuse):
        self.refuse = {thing: list(statuses) for thing, statuses in refuse.items()}
        self.requests, self.booked = [], {}
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.service = self
        self.base = "http://127.0.0.1:%d" % self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def answer(self, method, path, key, body):
        thing = path.split("/")[1]
        status = 200
        if method == "POST" and thing in self.refuse:
            statuses = self.refuse[thing]
            status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        self.requests.append((method, path, key, body))
        if status >= 400:
            return status, {"error": "no %s" % thing}
        if method == "DELETE":
            return (204, None) if self.booked.pop(path.strip("/"), None) else (404, None)
        if method == "GET":
            return 200, {"well": True}
        number = next((n for n, known in self.booked.items() if known == key), None)
        if not number:
            number = "%s/%d" % (thing, len(self.booked) + 1)
            self.booked[number] = key
        return 201, {"id": number.split("/")[1], "arrival": "noon"}

    def keys(self, method, thing):
        return [key for had, path, key, _ in self.requests
                if had == method and path.split("/")[1] == thing]
