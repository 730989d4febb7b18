"""The fault matrix: real workers, brokers, databases and a relay; a fault; a count of the mails.

rows      what goes wrong, and which second copies it may cause
strikes   how it comes and goes
excuses   which window each second copy fell into
systems   who is asked: mailqueue at both levels, and two that are known to be bad
servers   brokers and databases of one's own, that can be killed and started
project   the project of a cell: settings, a sender, workers
mails, sender, look   run in the project's own processes
relay     the mail server: what it took is on disk before it says so
cell      one row of one column for one system, from start to end
oracle    what must be so at the end
table     the result, for docs/explanation/guarantees.md
"""
