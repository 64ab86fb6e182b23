"""What a request must be, before the page's own code sees it.

The server listens on the loopback interface, yet any page in the same browser
can send it requests. So the Host must be this machine's (a name that is
rebound to 127.0.0.1 is refused), and a request must not come from another
page. Answers carry headers that forbid foreign content, framing and caching.
"""

import json

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "connect-src 'self'; img-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    # Patients' images are not for the browser's disk.
    "cache-control": "no-store",
}


class Guard:
    """ASGI middleware.

    Args:
        app: The application behind it.
        port: The port that the server listens on.
    """

    def __init__(self, app, port):
        self.app = app
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        if port == 80:  # Browsers leave it out.
            self.hosts |= {"127.0.0.1", "localhost"}
        self.origins = {f"http://{host}" for host in self.hosts}

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return

        async def with_headers(message):
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    *((k.encode(), v.encode()) for k, v in HEADERS.items()),
                ]
            await send(message)

        reason = self._refusal(scope["headers"])
        if reason is None:
            await self.app(scope, receive, with_headers)
            return
        body = json.dumps({"error": reason}).encode()
        await with_headers(
            {
                "type": "http.response.start",
                "status": 403,
                "headers": [(b"content-type", b"application/json")],
            }
        )
        await with_headers({"type": "http.response.body", "body": body})

    def _refusal(self, headers):
        """Why a request is refused, or None."""
        found = {}
        for name, value in headers:
            found.setdefault(name.decode("latin-1"), []).append(
                value.decode("latin-1")
            )
        hosts = found.get("host", [])
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            return "This page is for this machine only: open it by its address."
        foreign = set(found.get("origin", [])) - self.origins
        site = set(found.get("sec-fetch-site", []))
        if foreign or site - {"same-origin", "none"}:
            return "Refused: the request comes from another page."
        return None
