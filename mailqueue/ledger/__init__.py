"""The ledger: who may deliver a mail now, and what became of it.

Two levels stand behind one interface (`interface.Ledger`). ``"cache"`` suppresses repeats;
``"database"`` is the Django app ``mailqueue.ledger`` and keeps the mails themselves.
"""
