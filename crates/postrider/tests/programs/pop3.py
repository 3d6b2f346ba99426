"""poplib against the server under test, which holds three messages for the account.

Usage: pop3.py PORT USER PASSWORD CERTIFICATE
"""

import poplib
import ssl
import sys

port, user, password, certificate = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
context = ssl.create_default_context(cafile=certificate)


def login():
    client = poplib.POP3_SSL("localhost", port, context=context)
    client.user(user)
    client.pass_(password)
    return client


client = poplib.POP3_SSL("localhost", port, context=context)
try:
    client.user(user)
    client.pass_("wrong")
    raise AssertionError("a wrong password was taken")
except poplib.error_proto:
    client.close()

client = login()
capabilities = client.capa()
for name in ("TOP", "UIDL", "PIPELINING", "RESP-CODES"):
    assert name in capabilities, capabilities
count, total = client.stat()
assert count == 3
sizes = [int(line.split()[1]) for line in client.list()[1]]
assert sum(sizes) == total
names = [line.split()[1] for line in client.uidl()[1]]
assert len(set(names)) == 3
for number in (1, 2, 3):
    _, lines, octets = client.retr(number)
    assert sum(len(line) + 2 for line in lines) == sizes[number - 1], number
    _, top, _ = client.top(number, 1)
    assert top == lines[: len(top)] and len(top) <= len(lines)
client.dele(2)
try:
    client.retr(2)
    raise AssertionError("a deleted message was given")
except poplib.error_proto:
    pass
client.rset()
assert client.stat() == (3, total)
client.dele(1)
client.noop()
# Without QUIT nothing is deleted (RFC 1939 §6).
client.close()

client = login()
assert client.stat() == (3, total)
assert [line.split()[1] for line in client.uidl()[1]] == names
client.dele(1)
client.quit()

client = login()
assert [line.split()[1] for line in client.uidl()[1]] == names[1:]
client.quit()
print("pop3.py is content")
