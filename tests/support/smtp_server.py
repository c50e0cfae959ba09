#!/usr/bin/python3
"""A mail server for the tests: aiosmtpd, a certificate, one login. Every mail becomes a file of JSON in its directory.

What it does to a mail depends on the receiver, `refused@…` and `later@…`, and on files that come and go in its directory:
`busy` refuses every mail for now; `stall` keeps a mail and says nothing more until the file is gone.
"""

import argparse
import asyncio
import email
import email.policy
import json
import os
import pathlib
import ssl

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self, place):
        self.place, self.count = place, len(list(place.glob("*.json")))

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused@"):
            return "550 5.1.1 nobody of that name here"
        if address.startswith("later@") or (self.place / "busy").exists():
            return "451 4.3.0 come back later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"

    async def handle_DATA(self, server, session, envelope):
        self.keep(session, envelope, server.transport.get_extra_info("ssl_object") is not None)
        while (self.place / "stall").exists():
            await asyncio.sleep(0.02)
        return "250 2.0.0 kept"

    def keep(self, session, envelope, encrypted):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        part = lambda kind: (body := message.get_body((kind,))) and body.get_content()
        self.count += 1
        name = self.place / f"{self.count:04}.json"
        kept = {
            "sender": envelope.mail_from,
            "receivers": envelope.rcpt_tos,
            "login": session.auth_data,
            "encrypted": encrypted,
            "headers": [[name, str(value)] for name, value in message.items()],
            "text": (part("plain") or "").replace("\r\n", "\n"),
            "html": (part("html") or "").replace("\r\n", "\n"),
            "raw": envelope.content.decode("ascii", "backslashreplace"),
        }
        half = name.with_suffix(".half")
        half.write_text(json.dumps(kept))
        os.rename(half, name)


def authenticator(user, password):
    def check(server, session, envelope, mechanism, data):
        right = (data.login.decode(), data.password.decode()) == (user, password)
        return AuthResult(success=right, auth_data=f"{mechanism} {user}", handled=right)

    return check


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--security", choices=["none", "starttls", "tls"], required=True)
    parser.add_argument("--mechanism", choices=["PLAIN", "LOGIN"])
    arguments = parser.parse_args()
    tls = None
    if arguments.security != "none":
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(arguments.dir / "server.crt", arguments.dir / "server.key")
    options = {"hostname": "localhost", "enable_SMTPUTF8": True}
    if arguments.security == "starttls":
        options |= {"tls_context": tls, "require_starttls": True}
    if arguments.mechanism:
        other = "LOGIN" if arguments.mechanism == "PLAIN" else "PLAIN"
        options |= {
            "authenticator": authenticator("gatepass", "correct horse battery staple"),
            "auth_required": True,
            "auth_require_tls": arguments.security == "starttls",
            "auth_exclude_mechanism": [other],
        }
    handler = Handler(arguments.dir)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(handler, **options),
        "127.0.0.1",
        arguments.port,
        ssl=tls if arguments.security == "tls" else None,
    )
    print(f"listening on {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


asyncio.run(main())
