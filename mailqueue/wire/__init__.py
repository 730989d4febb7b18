"""Data to signed text and back: all that travels on the broker goes through here.

envelope     a mail with what the queue knows about it, packed and read again
attachments  large contents, kept in a storage while their mail travels
signature    keys, from settings, and what they sign
encryption   AES-256-GCM
fields       reading JSON objects strictly

Nothing here sends, publishes or logs; `signature` and `attachments` read settings.
"""
