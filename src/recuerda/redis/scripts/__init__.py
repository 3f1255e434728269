"""The scripts that run inside the server. Redis runs a script to its end, without any other command in between.

A script that the server refuses (because it is out of memory, or a replica) must not leave a half-finished change.
Redis refuses a script only at its first write; and it refuses a script for lack of memory only if this write needs
memory. So every script reads first. The first write of a script that adds data is the write that adds it. The first
write of a script that frees memory is a removal, which a full server carries out together with the rest of the script.
The scripts run unchanged on Redis 6.2 and later.

Each module has the scripts for one subject, and the Lua code that only these need. `layout.py` has the code that most
scripts share: a thread's head, the guard of an operation, and the bytes of a record. Other scripts change the listings
with the code of `listings.py`, and look at a draft with that of `drafts.py`.
"""

from recuerda.redis.scripts.drafts import DROP, LOAD, SAVE
from recuerda.redis.scripts.leases import LEASE, RELEASE
from recuerda.redis.scripts.listings import ENTER_ID, MOVE, NEXT_IDS
from recuerda.redis.scripts.reading import READ
from recuerda.redis.scripts.rewriting import REPLACE_BLOB, REWRITE
from recuerda.redis.scripts.script import Script
from recuerda.redis.scripts.threads import DELETE, UPDATE
from recuerda.redis.scripts.turns import APPEND, APPEND_ALL

__all__ = [
    "APPEND",
    "APPEND_ALL",
    "DELETE",
    "DROP",
    "ENTER_ID",
    "LEASE",
    "LOAD",
    "MOVE",
    "NEXT_IDS",
    "READ",
    "RELEASE",
    "REPLACE_BLOB",
    "REWRITE",
    "SAVE",
    "UPDATE",
    "Script",
]
