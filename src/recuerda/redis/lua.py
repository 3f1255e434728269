r"""Lua code that scripts share: for a thread's head, a guard, a walk over records, the steps of a draft, and listings.

An entry of a listing is `{updated, 18 digits}:{thread id}\0{user id}`, with the score 0. A sorted set orders entries
with the same score by their bytes, so the entries are ordered by time and then by id. Beside the listing there is an
index of thread ids, in the order in which the threads were created. An id keeps its place while the thread is used,
so a walk over all threads follows the index.

Without a cluster, the script that changes a thread also changes the listings and the indexes. In a cluster they are on
other nodes. Then the script returns the old and the new entry, and the client changes the listings (`listing.py`).
"""

from __future__ import annotations

# The fields of a head, which is a MessagePack array. `wire.Head` is its counterpart in Python.
HEAD = """
local REVISION, INCARNATION, FIRST, TURNS, MESSAGES, USER, CREATED, UPDATED, SUMMARY = 1, 2, 3, 4, 5, 6, 7, 8, 9
local RECORD_ID, EDITS, REWRITTEN, TITLE_TURN, ARCHIVED, TAGS = 10, 11, 12, 13, 14, 15

-- Positions of fields in a record's bytes; `wire.py` describes the header. `WITH_TIME` and `WITH_CALL` each
-- stand for eight more bytes before the body, and `WITH_BLOBS` for a count of digests and the digests.
local KIND_AT, TARGET_AT, LENGTH_AT, ID_AT, WITH_TIME, WITH_CALL, WITH_BLOBS = 17, 18, 22, 24, 128, 64, 32
local UNDO_KIND, SUMMARY_KIND = 1, 3

local function open_head(packed, now, incarnation)
  if packed then return cmsgpack.unpack(packed) end
  return {0, incarnation, 1, 0, 0, false, now, now, 0, '', 0, 0, false, false, false}
end

-- `recuerda.storage.rules.edits_after` is its counterpart in Python.
local function edits_after(head, now)
  return math.max(head[EDITS] + 1, tonumber(now))
end

local function entry_of(head, id)
  return head[UPDATED] .. ':' .. id .. '\\0' .. (head[USER] or '')
end
"""

# A guard is {user, revision, incarnation, record id, edits, last step}; nil accepts everything. A refusal is {reason,
# number}. `wire.Refusal` is its counterpart in Python. The rules are those of `check_user` and `check_state`.
GUARD = """
local STRANGER, CONFLICT, DROPPED, NO_STEP, GONE = 1, 2, 3, 4, 5

local function is_strangers(head, guard)
  return guard[1] and head[USER] and guard[1] ~= head[USER]
end

local function is_in_state(head, guard, is_made)
  return (not guard[2] or guard[2] == head[REVISION])
    and (not guard[3] or (is_made and guard[3] == head[INCARNATION]))
    and (not guard[4] or guard[4] == head[RECORD_ID])
    and (not guard[5] or guard[5] == head[EDITS])
end

-- A thread without a record and without a user becomes the guard's user's.
local function user_for(head, guard)
  return head[USER] or (head[REVISION] == 0 and guard[1]) or false
end
"""

BLOBS = """
-- Calls `visit` with the digest of each blob that a record names, and its position in the record's bytes.
local function each_digest(value, visit)
  local kind = string.byte(value, KIND_AT)
  if bit.band(kind, WITH_BLOBS) == 0 then return end
  local at = ID_AT + struct.unpack('>I2', value, LENGTH_AT)
  if bit.band(kind, WITH_TIME) > 0 then at = at + 8 end
  if bit.band(kind, WITH_CALL) > 0 then at = at + 8 end
  for i = 0, struct.unpack('>I2', value, at) - 1 do
    visit(string.sub(value, at + 2 + 32 * i, at + 33 + 32 * i), at + 2 + 32 * i)
  end
end
"""

KNOWN = """
-- Returns the id of a record that the thread holds or remembers, by its number.
local function id_at(head, number)
  if number == head[REVISION] then return head[RECORD_ID] end
  local held = redis.call('HMGET', KEYS[1], tostring(number), 'r:' .. number)
  local value = held[1]
  if value then return string.sub(value, ID_AT, ID_AT + struct.unpack('>I2', value, LENGTH_AT) - 1) end
  return held[2]
end
"""

# The rule is that of `check_history`.
HISTORY = """
local function is_history(head, guard, is_made)
  return (not guard[2] or guard[2] <= head[REVISION])
    and (not guard[3] or (is_made and guard[3] == head[INCARNATION]))
    and (not guard[4] or guard[4] == (guard[2] == 0 and '' or id_at(head, guard[2])))
end
"""

# The numbers of undone turns are missing in a thread. If very many are missing, a number in the head may be wrong. Then
# the walk continues with the numbers that the thread really holds, so a wrong number costs no more than the thread.
WALK = """
local function numbers_held(low, high)
  local numbers = {}
  for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
    local number = tonumber(name)
    if number and number >= low and number <= high then numbers[#numbers + 1] = number end
  end
  table.sort(numbers)
  return numbers
end

local function is_wrong(missing)
  return missing > 1000 and missing > redis.call('HLEN', KEYS[1])
end
"""

CUT = """
-- Calls `visit` with the number and the bytes of each record from `low` to `high`, until `visit` returns true.
local function each_record(low, high, visit)
  local missing = 0
  for number = math.max(1, low), high do
    local value = redis.call('HGET', KEYS[1], tostring(number))
    if value then
      missing = 0
      if visit(number, value) then return end
    else
      missing = missing + 1
      if missing % 1000 == 1 and is_wrong(missing) then
        for _, held in ipairs(numbers_held(number, high)) do
          if visit(held, redis.call('HGET', KEYS[1], tostring(held))) then return end
        end
        return
      end
    end
  end
end
"""

FORGET = """
-- Adds to `gone` the fields of ids that are too old to be remembered. Each sweep looks at the next numbers.
local function forget_old_ids(revision, gone)
  local fields, ids, names = {}, {}, {}
  for number = revision - REMEMBERED - SWEEP + 1, revision - REMEMBERED do fields[#fields + 1] = 'r:' .. number end
  for i, id in ipairs(redis.call('HMGET', KEYS[1], unpack(fields))) do
    if id then
      ids[#ids + 1], names[#names + 1] = 'i:' .. id, fields[i]
    end
  end
  if #ids == 0 then return end
  for i, number in ipairs(redis.call('HMGET', KEYS[1], unpack(ids))) do
    gone[#gone + 1] = names[i]
    if number and 'r:' .. number == names[i] then gone[#gone + 1] = ids[i] end
  end
end
"""

# A step of a draft consists of the length of its head (two bytes), the head and the body. The head is a MessagePack
# array: {turn id, revision, number, time, id}. `wire.pack_step_head` writes it.
STEP = """
local TURN_OF_STEP, REVISION_OF_STEP, ID_OF_STEP = 1, 2, 5

local function open_step(step)
  local length = struct.unpack('>I2', step)
  return cmsgpack.unpack(string.sub(step, 3, 2 + length)), string.sub(step, 3 + length)
end

local function turn_of(step)
  return open_step(step)[TURN_OF_STEP]
end

local function revision_of(step)
  return open_step(step)[REVISION_OF_STEP]
end

local function id_of(step)
  return open_step(step)[ID_OF_STEP]
end

-- The rule is that of `check_last_step`. A draft without its thread belongs to nobody.
local function is_at_step(guard, is_made)
  if not guard[6] then return true end
  local count = is_made and redis.call('HLEN', KEYS[2]) or 0
  return guard[6] == (count > 0 and id_of(redis.call('HGET', KEYS[2], tostring(count))) or '')
end

local function says(step, revision, body)
  local head, saved_body = open_step(step)
  return head[REVISION_OF_STEP] == revision and saved_body == body
end
"""

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
