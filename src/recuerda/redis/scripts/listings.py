r"""The scripts for the listings and the indexes of threads, and the Lua code with which other scripts change these.

An entry of a listing is `{updated, 18 digits}:{thread id}\0{user id}`, with the score 0. A sorted set orders entries
with the same score by their bytes, so the entries are ordered by time and then by id. Beside the listing there is an
index of thread ids, in the order in which the threads were created. An id keeps its place while the thread is used,
so a walk over all threads follows the index.

Without a cluster, the script that changes a thread also changes the listings and the indexes. In a cluster they are on
other nodes. Then the script returns the old and the new entry, and the client changes the listings (`listing.py`).
"""

from __future__ import annotations

from recuerda.redis.scripts.script import Script

# Gives an id a place at the end of an index, unless the index has the id.
ENTER = """
local function enter(key, id)
  if redis.call('ZSCORE', key, id) then return end
  local last = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2]
  redis.call('ZADD', key, (tonumber(last) or 0) + 1, id)
end
"""

# The functions for the indexes are made only where they are used, because each function makes a turn slower.
_INDEXES = (
    ENTER
    + """
-- Brings the indexes from the old entry's user to the new entry's user; '' is no entry.
local function in_indexes(prefix, id, old, new)
  local before, after = user_of(old), user_of(new)
  if new == '' then redis.call('ZREM', prefix .. '/ids', id) end
  if before ~= '' and before ~= after then redis.call('ZREM', prefix .. '/ids:' .. quoted(before), id) end
  if old == '' then enter(prefix .. '/ids', id) end
  if after ~= '' and before ~= after then enter(prefix .. '/ids:' .. quoted(after), id) end
end
"""
)

# `place` is {prefix, thread id, ttl in ms or nil, true if the indexes have the id already}. The listing's key is passed
# as the third key, so that a server which has it on another node refuses the call before anything is written. Without
# this key, the old and the new entry follow the answer, and the client moves them. The client enters the id of a new
# thread in the indexes before it makes the thread. So a client that dies in between leaves no thread that a walk
# misses. For this, a script that would make a thread, or give it to a user, first answers {false, user, ''}.
LISTINGS = (
    """
local function quoted(text)
  return (string.gsub(text, '[^A-Za-z0-9_.~-]', function(c) return string.format('%%%02X', string.byte(c)) end))
end

local function user_of(entry)
  return string.match(entry, '%z(.*)$') or ''
end

local function in_listings(command, prefix, entry)
  local function call(key)
    if command == 'ZADD' then redis.call('ZADD', key, 0, entry) else redis.call('ZREM', key, entry) end
  end
  call(prefix .. '/threads')
  local user = user_of(entry)
  if user ~= '' then call(prefix .. '/user:' .. quoted(user)) end
end

-- When a thread expires, its entries stay in the listings. So each change of a thread checks two random entries, and
-- removes those whose thread is gone.
local function sweep(prefix)
"""
    + _INDEXES
    + """
  for _, entry in ipairs(redis.call('ZRANDMEMBER', prefix .. '/threads', 2)) do
    local id = string.match(entry, '^%d+:(.-)%z')
    if redis.call('EXISTS', prefix .. ':{' .. quoted(id) .. '}') == 0 then
      in_listings('ZREM', prefix, entry)
      in_indexes(prefix, id, entry, '')
    end
  end
end

local function keep_alive(ttl)
  redis.call('PEXPIRE', KEYS[1], ttl)
  redis.call('PEXPIRE', KEYS[2], ttl)
end

local function must_enter(place, is_made, old_user, new_user)
  return not KEYS[3] and not place[4] and (not is_made or (new_user and new_user ~= old_user))
end

local function answer(reply, old, new)
  if KEYS[3] then return reply end
  return {reply, old or '', new or ''}
end

-- `is_entered` is true if the thread has been created or deleted, or has another user than before.
local function moved(place, old, new, is_entered)
  local prefix, ttl = place[1], place[3]
  if not KEYS[3] or old == new then return end
  if new ~= '' then in_listings('ZADD', prefix, new) end
  if old ~= '' then in_listings('ZREM', prefix, old) end
  if is_entered then
"""
    + _INDEXES
    + """
    in_indexes(prefix, place[2], old, new)
  end
  if ttl then sweep(prefix) end
end
"""
)

MOVE = Script("""
if ARGV[1] ~= '' then redis.call('ZREM', KEYS[1], ARGV[1]) end
if ARGV[2] ~= '' then redis.call('ZADD', KEYS[1], 0, ARGV[2]) end
return 1
""")
"""Replace an entry in one listing."""

ENTER_ID = Script(
    ENTER
    + """
enter(KEYS[1], ARGV[1])
return 1
"""
)
"""Give an id a place at the end of an index, unless the index has the id."""

NEXT_IDS = Script("""
return redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
""")
"""Return the next ids of an index and their places, in turn. From a script, every client gets a flat list."""
