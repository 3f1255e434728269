"""Encryption at rest for any storage.

`EncryptedStorage` wraps a storage and encrypts the bodies of turns, summaries and drafts, titles and metadata. Ids,
user ids, numbers, times and counts stay readable, because storages search and count by them. Each value is encrypted
with AES-GCM (NIST SP 800-38D) and a random nonce. It is bound to the thread's id and the record's kind and number, so a
value that was moved to another place cannot be opened. Each value starts with the id of its key. So several keys can be
in use while one key replaces another, and deleting a user's only key erases the user's threads.
"""

from recuerda.encryption.keys import KeyRing, Keys, UserKeys
from recuerda.encryption.storage import EncryptedStorage

__all__ = ["EncryptedStorage", "KeyRing", "Keys", "UserKeys"]
