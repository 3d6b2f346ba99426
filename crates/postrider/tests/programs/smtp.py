"""smtplib against the server under test: reception, submission in TLS and by STARTTLS, and refusals.

Usage: smtp.py SMTP_PORT SUBMISSION_PORT SUBMISSIONS_PORT USER PASSWORD RECIPIENT CERTIFICATE
"""

import smtplib
import ssl
import sys

smtp_port, submission_port, submissions_port = map(int, sys.argv[1:4])
user, password, recipient, certificate = sys.argv[4:]
context = ssl.create_default_context(cafile=certificate)


def message(number):
    # Lines that begin with dots, and one that is only a dot, must arrive as they are.
    return (
        f"From: {user}\r\nTo: {recipient}\r\nMessage-ID: <smtp-{number}@corpus.example>\r\n"
        f"Subject: message {number}\r\n\r\n.\r\n..two\r\n.one\r\nend\r\n"
    )


with smtplib.SMTP("localhost", smtp_port) as client:
    client.ehlo("client.example")
    for name in ("pipelining", "size", "8bitmime", "enhancedstatuscodes", "starttls"):
        assert client.has_extn(name), (name, client.esmtp_features)
    assert client.sendmail("someone@corpus.example", [recipient], message(1)) == {}
    refused = client.sendmail("someone@corpus.example", [recipient, "nobody@example.test"], message(2))
    assert refused["nobody@example.test"][0] == 550, refused
    try:
        client.sendmail("someone@corpus.example", ["someone@elsewhere.example"], message(9))
        raise AssertionError("an open relay")
    except smtplib.SMTPRecipientsRefused:
        pass

with smtplib.SMTP("localhost", smtp_port) as client:
    client.starttls(context=context)
    client.ehlo("client.example")
    assert not client.has_extn("starttls")
    assert client.sendmail("someone@corpus.example", [recipient], message(3)) == {}

with smtplib.SMTP("localhost", submission_port) as client:
    client.starttls(context=context)
    try:
        client.sendmail(user, [recipient], message(9))
        raise AssertionError("submission without a login")
    except (smtplib.SMTPSenderRefused, smtplib.SMTPRecipientsRefused):
        pass
    client.rset()
    try:
        client.login(user, "wrong")
        raise AssertionError("a wrong password was taken")
    except smtplib.SMTPAuthenticationError:
        pass
    client.login(user, password)
    assert client.sendmail(user, [recipient], message(4)) == {}

with smtplib.SMTP_SSL("localhost", submissions_port, context=context) as client:
    client.login(user, password)
    assert client.sendmail(user, [recipient], message(5)) == {}
print("smtp.py is content")
