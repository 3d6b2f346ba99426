"""imaplib against the server under test: folders, APPEND, SEARCH, FETCH, STORE, COPY, MOVE, EXPUNGE, IDLE-free NOOP.

Usage: imap.py PORT USER PASSWORD CERTIFICATE
"""

import email
import email.policy
import imaplib
import ssl
import sys
import time

port, user, password, certificate = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
context = ssl.create_default_context(cafile=certificate)


def ok(answer):
    status, data = answer
    assert status == "OK", answer
    return data


def message(number):
    made = email.message.EmailMessage(policy=email.policy.SMTP)
    made["From"] = "Jörg <joerg@corpus.example>"
    made["To"] = user
    made["Subject"] = f"Nummer {number} – Grüße"
    made["Message-ID"] = f"<python-{number}@corpus.example>"
    made.set_content(f"Text {number} mit Umlaut ü\n")
    made.add_attachment(bytes(range(256)) * number, maintype="application", subtype="octet-stream", filename="a.bin")
    return made.as_bytes()


with imaplib.IMAP4_SSL("localhost", port, ssl_context=context) as client:
    assert "IMAP4REV1" in client.capabilities
    ok(client.login(user, password))
    ok(client.create("Python"))
    ok(client.create("Python/Sub"))
    names = [line.decode() for line in ok(client.list())]
    assert any(name.endswith("Python/Sub") or name.endswith('"Python/Sub"') for name in names), names
    ok(client.subscribe("Python"))
    assert any("Python" in line.decode() for line in ok(client.lsub()))
    for number in range(1, 6):
        date = imaplib.Time2Internaldate(time.gmtime(1_700_000_000 + number))
        ok(client.append("Python", r"(\Seen)" if number % 2 else "", date, message(number)))

    assert ok(client.select("Python")) == [b"5"]
    assert ok(client.search(None, "UNSEEN")) == [b"2 4"]
    assert ok(client.search(None, "SUBJECT", '"Nummer 3"')) == [b"3"]
    assert ok(client.search("UTF-8", "BODY", '"Text 4"')) == [b"4"]
    for number in range(1, 6):
        data = ok(client.fetch(str(number), "(RFC822 INTERNALDATE)"))
        assert data[0][1] == message(number) or b"boundary" in data[0][1]
        parsed = email.message_from_bytes(data[0][1], policy=email.policy.default)
        assert parsed["Subject"] == f"Nummer {number} – Grüße"
        assert list(parsed.iter_attachments())[0].get_content() == bytes(range(256)) * number
    assert ok(client.search(None, "UNSEEN")) == [b""], "RFC822 sets \\Seen"
    assert ok(client.sort("(REVERSE ARRIVAL)", "UTF-8", "ALL")) == [b"5 4 3 2 1"]
    assert ok(client.sort("(REVERSE SUBJECT SIZE)", "UTF-8", "SUBJECT", "Nummer", "NOT", "2")) == [b"5 4 3 1"]
    assert ok(client.uid("SORT", "(SIZE)", "UTF-8", "1:3")) == [b"1 2 3"]
    for algorithm in "REFERENCES", "ORDEREDSUBJECT":
        assert ok(client.thread(algorithm, "UTF-8", "ALL")) == [b"(1)(2)(3)(4)(5)"]
    assert ok(client.uid("THREAD", "REFERENCES", "UTF-8", "ANSWERED")) == [b""]
    structure = ok(client.fetch("1", "(BODYSTRUCTURE ENVELOPE RFC822.SIZE)"))[0]
    structure = structure if isinstance(structure, bytes) else b"".join(structure)
    assert b'"application" "octet-stream"' in structure.lower(), structure

    ok(client.store("1:2", "+FLAGS", r"(\Flagged $Later)"))
    assert ok(client.search(None, "KEYWORD", "$Later")) == [b"1 2"]
    ok(client.copy("1:3", "Python/Sub"))
    ok(client.uid("MOVE", "4", "Python/Sub"))
    ok(client.store("1", "+FLAGS", r"(\Deleted)"))
    # imaplib still holds the EXPUNGE that came with MOVE.
    assert ok(client.expunge())[-1] == b"1"
    assert ok(client.uid("SEARCH", None, "ALL")) == [b"2 3 5"]
    ok(client.status("Python/Sub", "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN)"))
    ok(client.close())
    assert ok(client.select("Python/Sub", readonly=True)) == [b"4"]
    ok(client.unselect())
    ok(client.rename("Python/Sub", "Python/Other"))
    assert ok(client.select("Python/Other")) == [b"4"]
    ok(client.close())
    ok(client.delete("Python/Other"))

print("imap.py is content")
