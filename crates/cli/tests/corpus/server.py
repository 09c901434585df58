"""The HTTP server the corpus talks to: stateless, loopback only, standard library only.

Run as `python3 server.py`: prints `127.0.0.1:PORT` on one line, then serves until its standard
input is closed, so that it never outlives whoever started it.
"""

import contextlib
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

EXPERIMENT = {
    "title": "fetched",
    "description": "from the server",
    "method": [
        {
            "type": "action",
            "name": "act",
            "provider": {"type": "process", "path": "true"},
        }
    ],
}
YAML = """title: fetched
description: from the server
method: []
"""
FIXED = {
    "/json": ("application/json", json.dumps({"status": "up", "count": 3, "items": [{"id": 1}, {"id": 2}]})),
    "/json-charset": ("application/json; charset=utf-8", '{"status": "up"}'),
    "/number": ("application/json", "7"),
    "/text": ("text/plain", "hello"),
    "/unicode": ("text/plain; charset=utf-8", "caf\u00e9"),
    "/latin": ("text/plain; charset=iso-8859-1", "caf\u00e9"),
    "/broken": ("application/json", "not json"),
    "/experiment.json": ("application/json", json.dumps(EXPERIMENT)),
    "/experiment.yaml": ("application/x-yaml", YAML),
    "/experiment-text.yaml": ("text/yaml; charset=utf-8", YAML),
    "/experiment-plain.json": ("text/plain", json.dumps(EXPERIMENT)),
    "/experiment-plain.yaml": ("text/plain", YAML),
    "/experiment-plain.broken": ("text/plain", "title: [unclosed"),
    "/experiment.html": ("text/html", "<p>no experiment</p>"),
    "/experiment-broken.json": ("application/json", "{broken"),
}
ECHOED_HEADERS = ("accept", "authorization", "content-type")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body, content_type="text/plain", headers=()):
        body = body.encode("latin-1" if "8859" in content_type else "utf-8")
        # Neither Date nor Server: the answer is the same every time.
        self.send_response_only(status)
        self.send_header("Content-Type", content_type)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            # Who asked may have given up by now.
            with contextlib.suppress(BrokenPipeError):
                self.wfile.write(body)

    def serve(self):
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if url.path in FIXED:
            content_type, text = FIXED[url.path]
            self.reply(200, text, content_type)
        elif url.path.startswith("/status/"):
            self.reply(int(url.path.rsplit("/", 1)[1]), "answer")
        elif url.path == "/empty":
            self.send_response_only(204)
            self.end_headers()
        elif url.path == "/headers":
            self.reply(200, "ok", headers=[("X-Custom", "one"), ("x-lower", "two")])
        elif url.path == "/redirect":
            self.reply(302, "", headers=[("Location", "/json")])
        elif url.path == "/redirect-post":
            self.reply(307, "", headers=[("Location", "/echo")])
        elif url.path == "/redirect-forever":
            self.reply(302, "", headers=[("Location", "/redirect-forever")])
        elif url.path == "/slow":
            time.sleep(float(query["seconds"][0]))
            self.reply(200, "late")
        elif url.path == "/private":
            if self.headers.get("Authorization") == query["expect"][0]:
                self.reply(200, json.dumps(EXPERIMENT), "application/json")
            else:
                self.reply(401, "who are you")
        elif url.path == "/record":
            # A notification: remembered in a file of the case.
            with open(query["file"][0], "a", encoding="utf-8") as file:
                line = {"method": self.command, "header": self.headers.get("X-Channel")}
                line["body"] = json.loads(body) if body else None
                file.write(json.dumps(line) + "\n")
            self.reply(200, "")
        elif url.path == "/echo":
            headers = {
                name.lower(): value
                for name, value in sorted(self.headers.items())
                if name.lower() in ECHOED_HEADERS or name.lower().startswith("x-")
            }
            seen = {
                "method": self.command,
                "query": url.query,
                "headers": headers,
                "body": body,
            }
            self.reply(200, json.dumps(seen), "application/json")
        else:
            self.reply(404, "nothing here")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = serve


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("127.0.0.1:%d" % server.server_address[1], flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
