r"""Lua code that scripts share: for a thread's head, for the steps of a draft, and for the entries of listings.

An entry of a listing is `{updated, 18 digits}:{thread id}\0{user id}`, with the score 0. A sorted set orders entries
with the same score by their bytes, so the entries are ordered by time and then by id. Without a cluster, the script
that changes a thread also moves its entries. In a cluster the listings are on other nodes: the script returns the old
and the new entry instead, and the client moves them (`listing.py`).
"""

from __future__ import annotations

# The fields of a head, which is a MessagePack array. `wire.Head` is its counterpart in Python.
HEAD = """
local REVISION, INCARNATION, FIRST, TURNS, MESSAGES, USER, CREATED, UPDATED, SUMMARY = 1, 2, 3, 4, 5, 6, 7, 8, 9

-- Positions of fields in a record's bytes; `wire.py` describes the header.
local KIND_AT, TARGET_AT, LENGTH_AT, SUMMARY_KIND = 17, 18, 22, 3

local function open_head(packed, now, incarnation)
  if packed then return cmsgpack.unpack(packed) end
  return {0, incarnation, 1, 0, 0, false, now, now, 0}
end

local function entry_of(head, id)
  return head[UPDATED] .. ':' .. id .. '\\0' .. (head[USER] or '')
end
"""

# A step of a draft consists of the length of its head (two bytes), the head and the body. The head is a MessagePack
# array: {turn id, revision, number, time}. `wire.pack_step_head` writes it.
STEP = """
local TURN_OF_STEP, REVISION_OF_STEP = 1, 2

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

local function says(step, revision, body)
  local head, saved_body = open_step(step)
  return head[REVISION_OF_STEP] == revision and saved_body == body
end
"""

# `place` is {prefix, thread id, ttl in ms or nil}. The listing's key is passed as the third key, so that a server which
# has it on another node refuses the call before anything is written. Without this key, the old and the new entry follow
# the answer, and the client moves them.
LISTINGS = """
local function quoted(text)
  return (string.gsub(text, '[^A-Za-z0-9_.~-]', function(c) return string.format('%%%02X', string.byte(c)) end))
end

local function in_listings(command, prefix, entry)
  local function call(key)
    if command == 'ZADD' then redis.call('ZADD', key, 0, entry) else redis.call('ZREM', key, entry) end
  end
  call(prefix .. '/threads')
  local user = string.match(entry, '%z(.*)$')
  if user ~= '' then call(prefix .. '/user:' .. quoted(user)) end
end

-- When a thread expires, its entries stay in the listings. So each change of a thread checks two random entries, and
-- removes those whose thread is gone.
local function sweep(prefix)
  for _, entry in ipairs(redis.call('ZRANDMEMBER', prefix .. '/threads', 2)) do
    local id = string.match(entry, '^%d+:(.-)%z')
    if redis.call('EXISTS', prefix .. ':{' .. quoted(id) .. '}') == 0 then in_listings('ZREM', prefix, entry) end
  end
end

local function keep_alive(ttl)
  redis.call('PEXPIRE', KEYS[1], ttl)
  redis.call('PEXPIRE', KEYS[2], ttl)
end

local function answer(reply, old, new)
  if KEYS[3] then return reply end
  return {reply, old or '', new or ''}
end

local function moved(place, old, new)
  local prefix, ttl = place[1], place[3]
  if not KEYS[3] or old == new then return end
  if new ~= '' then in_listings('ZADD', prefix, new) end
  if old ~= '' then in_listings('ZREM', prefix, old) end
  if ttl then sweep(prefix) end
end
"""
