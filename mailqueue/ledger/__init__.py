"""The ledger: mails as rows, who may deliver one now, and what became of it.

It is the Django app ``mailqueue.ledger``. Where it is not installed, the broker alone keeps mail.

database     record, claim, finish: each a method of `DatabaseLedger`
claims       what a worker holds
opening      a row that was taken as a claim
transitions  what a row says after each step
taking       rows so that no two workers get the same one
noting       what became of them
pauses       mailers of which nobody claims mail
clock        the database's time
watching     whether mail waits too long
table        whether the table is as this version needs it
selection    which ledger a mailer has
"""
