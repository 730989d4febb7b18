"""The sender's half: messages become envelopes, and go to ledger and broker.

accept  all of a call or none, when its transaction commits
freeze  a message as an envelope
"""
