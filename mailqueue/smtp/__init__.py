"""The SMTP client: smtplib connects, and starts TLS and AUTH; the transactions are our own.

batch           many messages: connect, render, send, and once more what was never started
client          one connection: its age, its health, and how it runs transactions
bounded         how it connects and reads, in bounds of time, lines and bytes
authentication  AUTH, by what both sides can
oauth           AUTH with an access token
pipelining      answer by answer, or as many commands at once as may be (RFC 2920)
chunking        many mails on their way at once, by BDAT (RFC 3030)
dialogue        commands out, answers in, and which answer belongs to which command
incoming        the answers that come
deadline        how long each mail may take
extensions      what a server offers
transaction     one message: its commands, and what the answers mean for each recipient
reply           answers, from bytes
rendering       a message as the bytes that SMTP carries
assembly        common mail written directly, with the same bytes
encodings       quoted-printable and base64 for that
policy          Python's email policy for that, with a memory for headers that repeat
addresses       the address of a recipient as SMTP wants it
options         options of a connection that Django's backend does not have
"""
