"""STARTTLS by imaplib and STLS by poplib, then a login and an authenticated PLAIN exchange.

Usage: starttls.py IMAP_PORT POP3_PORT USER PASSWORD CERTIFICATE
"""

import imaplib
import poplib
import ssl
import sys

imap_port, pop3_port, user, password, certificate = sys.argv[1:]
context = ssl.create_default_context(cafile=certificate)

with imaplib.IMAP4("localhost", int(imap_port)) as client:
    assert "STARTTLS" in client.capabilities
    client.starttls(context)
    assert "STARTTLS" not in client.capabilities
    status, _ = client.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
    assert status == "OK"
    assert client.select()[0] == "OK"

client = poplib.POP3("localhost", int(pop3_port))
assert "STLS" in client.capa()
client.stls(context)
client.user(user)
client.pass_(password)
client.stat()
client.quit()
print("starttls.py is content")
