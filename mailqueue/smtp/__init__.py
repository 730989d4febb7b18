"""The SMTP client: smtplib connects, and starts TLS and AUTH; the transactions are our own.

batch         many messages: connect, render, send, and once more what was never started
client        one connection: its age, its health, and how it runs transactions
bounded, authentication    how it connects, reads, and says who it is
lockstep, pipelining, chunking    three ways to talk, by what the server offers
dialogue      commands out, answers in, and which answer belongs to which command
incoming, deadline    the answers that come, and how long each mail may take
extensions    what a server offers. Pure
transaction   one message: its commands, and what the answers mean for each recipient. Pure
reply         answers, from bytes. Pure
"""
