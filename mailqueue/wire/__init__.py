"""What travels: messages as data (codec), signed text (envelope), and the keys for it.

Nothing in this room sends, publishes or logs; only `keys` reads settings.
"""
