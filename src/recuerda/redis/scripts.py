r"""The scripts that run inside the server. Redis runs a script to its end, without any other command in between.

A script that the server refuses (because it is out of memory, or a replica) must not leave a half-finished change.
Redis refuses a script at its first write that needs memory. So every script reads first, and its first write is the
write that adds data. The scripts run unchanged on Redis 6.2 and later.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from recuerda.redis.lua import HEAD, LISTINGS, STEP


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the hash by which the server knows it."""

    source: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest())


# The reply is one string: a MessagePack array, joined from parts that are already MessagePack. A client receives one
# string much faster than a nested list. `wire.Look` is its counterpart in Python.
_LOOK = """
local function put(parts, text)
  local n = #parts
  if text then
    parts[n + 1], parts[n + 2], parts[n + 3] = '\\198', struct.pack('>I4', #text), text
  else
    parts[n + 1] = '\\192'
  end
end

-- `got` has the head, the title and the metadata. The caller appends the records to the returned parts.
local function start_look(got, found, summary, has_draft)
  local parts = {'\\152', got[1]}
  put(parts, got[2])
  put(parts, got[3])
  put(parts, found)
  put(parts, summary)
  parts[#parts + 1] = has_draft and '\\195' or '\\194'
  return parts, #parts + 1
end

local function end_look(parts, at, start, count)
  parts[at] = cmsgpack.pack(start) .. '\\221' .. struct.pack('>I4', count)
  return table.concat(parts)
end
"""

_APPEND = """
-- Returns the new number, the old entry and the new entry. Or, without writing, one value: for a conflict the number
-- -1 - revision, and for an id that the thread already has, the bytes of its record.
local function append(place, record, data)
  local id, expected, created, count, kind, target, keep, user, title, incarnation = unpack(record, 1, 10)
  local thread = KEYS[1]
  local got = redis.call('HMGET', thread, 'head', 'i:' .. id)
  if got[2] then
    local first = redis.call('HGET', KEYS[2], '1')
    if first and turn_of(first) == id then redis.call('DEL', KEYS[2]) end
    return redis.call('HGET', thread, got[2])
  end
  local head = open_head(got[1], created, incarnation)
  if expected and expected ~= head[REVISION] then return -1 - head[REVISION] end

  local old = got[1] and entry_of(head, place[2]) or ''
  local number = head[REVISION] + 1
  local added = {tostring(number), struct.pack('>I4', number) .. data, 'i:' .. id, tostring(number)}
  if number == 1 then
    head[USER] = head[USER] or user or false
    if title and redis.call('HEXISTS', thread, 'title') == 0 then
      added[5], added[6] = 'title', title
    end
  end
  head[REVISION], head[UPDATED] = number, created
  if count > 0 then head[TURNS], head[MESSAGES] = head[TURNS] + 1, head[MESSAGES] + count end

  local gone = {}
  local function drop(old)
    local value = redis.call('HGET', thread, tostring(old))
    if not value then return end
    local messages = struct.unpack('>I4', value, 5)
    local length = struct.unpack('>I2', value, LENGTH_AT)
    gone[#gone + 1] = tostring(old)
    gone[#gone + 1] = 'i:' .. string.sub(value, 24, 23 + length)
    if string.byte(value, KIND_AT) == SUMMARY_KIND then gone[#gone + 1] = 's:' .. tostring(old) end
    if messages > 0 then head[TURNS], head[MESSAGES] = head[TURNS] - 1, head[MESSAGES] - messages end
  end
  local function drop_first()
    drop(head[FIRST])
    head[FIRST] = head[FIRST] + 1
  end
  local newer
  local function chain(summary)
    if newer then
      added[#added + 1], added[#added + 2] = 's:' .. tostring(newer), tostring(summary)
    else
      head[SUMMARY] = summary
    end
    newer = summary
  end
  local older = head[SUMMARY]
  if kind == 'summary' then
    chain(number)
    chain(older)
  end
  if kind == 'undo' then
    drop(target)
    -- A summary is newer than the turns it covers, so the summaries that cover this turn come first in the chain.
    while older > target do
      local at, value = older, redis.call('HGET', thread, tostring(older))
      older = tonumber(redis.call('HGET', thread, 's:' .. tostring(at)) or 0)
      if value and struct.unpack('>I4', value, TARGET_AT) < target then chain(at) elseif value then drop(at) end
    end
    chain(older)
  end
  if kind == 'trim' then
    while head[FIRST] < target do drop_first() end
  end
  if keep then
    while head[MESSAGES] > math.max(keep, count) do drop_first() end
  end

  local packed = cmsgpack.pack(head)
  redis.call('HSET', thread, 'head', packed, unpack(added))
  for i = 1, #gone, 1000 do redis.call('HDEL', thread, unpack(gone, i, math.min(i + 999, #gone))) end
  if kind == 'turn' then redis.call('DEL', KEYS[2]) end
  local new = entry_of(head, place[2])
  moved(place, old, new)
  if place[3] then keep_alive(place[3]) end
  return number, old, new
end
"""

APPEND = Script(
    HEAD
    + STEP
    + LISTINGS
    + _APPEND
    + """
local reply, old, new = append(cmsgpack.unpack(ARGV[1]), cmsgpack.unpack(ARGV[2]), ARGV[3])
return answer(reply, old, new)
"""
)
"""Append a record. The answer is the first value that `append` returns."""

APPEND_ALL = Script(
    HEAD
    + STEP
    + LISTINGS
    + _APPEND
    + """
local place, replies, first, last = cmsgpack.unpack(ARGV[1]), {}, nil, nil
for i = 2, #ARGV, 2 do
  local reply, old, new = append(place, cmsgpack.unpack(ARGV[i]), ARGV[i + 1])
  replies[#replies + 1] = reply
  if type(reply) == 'number' and reply < 0 then break end
  first, last = first or old, new or last
end
return answer(replies, first, last)
"""
)
"""Append several records, up to the first conflict. The answer is a list with the first value of each `append`."""

READ = Script(
    HEAD
    + _LOOK
    + """
local after, incarnation, last_messages, last_turns, turn_id, ttl, with_summary = unpack(cmsgpack.unpack(ARGV[1]), 1, 7)
local thread = KEYS[1]
local got = redis.call('HMGET', thread, 'head', 'title', 'metadata', 'i:' .. (turn_id or ''))
local has_draft = redis.call('EXISTS', KEYS[2])
if not got[1] then return has_draft end
local head = cmsgpack.unpack(got[1])
local revision = head[REVISION]
if ttl then
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ttl) end
end
if incarnation and incarnation ~= head[INCARNATION] then after = 0 end
local found = got[4] and redis.call('HGET', thread, got[4])
-- A trim does not reset the number of a summary that it removes.
local summary, covered = false, 0
if with_summary and after == 0 and head[SUMMARY] >= head[FIRST] then
  summary = redis.call('HGET', thread, tostring(head[SUMMARY]))
  covered = summary and struct.unpack('>I4', summary, TARGET_AT) or 0
end
local parts, at = start_look(got, found, summary, has_draft == 1)
if last_turns == 0 or after >= revision then return end_look(parts, at, math.max(after, revision) + 1, 0) end

parts[at] = ''
local lowest = math.max(after + 1, head[FIRST], covered + 1)
local turns, messages, put_in = 0, 0, 0
local step = math.min(500, last_turns or 500, math.ceil((last_messages or 1000) / 2) + 1)
local number = revision
while number >= lowest do
  local numbers = {}
  for i = number, math.max(lowest, number - step + 1), -1 do numbers[#numbers + 1] = tostring(i) end
  for i, value in ipairs(redis.call('HMGET', thread, unpack(numbers))) do
    local count = value and struct.unpack('>I4', value, 5)
    if value and (count > 0 or after > 0) then
      if count > 0 then turns, messages = turns + 1, messages + count end
      local is_enough = last_turns and turns > last_turns
      if is_enough or (last_messages and messages > last_messages and turns > 1) then
        return end_look(parts, at, number - i + 2, put_in)
      end
      put(parts, value)
      put_in = put_in + 1
    end
  end
  number = number - #numbers
  step = math.min(500, step * 2)
end
return end_look(parts, at, lowest, put_in)
"""
)
"""Read a window, walking back from the newest record.

Returns a `Look` with the newest record first. If there is no thread, it returns 1 if there is a draft, and 0 otherwise.
"""

UPDATE = Script(
    HEAD
    + LISTINGS
    + _LOOK
    + """
local place, changes = cmsgpack.unpack(ARGV[1]), cmsgpack.unpack(ARGV[2])
local now, incarnation, user, title, metadata = unpack(changes, 1, 5)
local thread = KEYS[1]
local before = redis.call('HGET', thread, 'head')
local head = open_head(before, now, incarnation)
local old = before and entry_of(head, place[2]) or ''
head[UPDATED] = now
if user ~= nil then head[USER] = user end
local packed = cmsgpack.pack(head)
local added = {'head', packed}
if title then added[#added + 1] = 'title'; added[#added + 1] = title end
if metadata then added[#added + 1] = 'metadata'; added[#added + 1] = metadata end
redis.call('HSET', thread, unpack(added))
if title == false then redis.call('HDEL', thread, 'title') end
local new = entry_of(head, place[2])
moved(place, old, new)
if place[3] then keep_alive(place[3]) end
local parts, at = start_look(redis.call('HMGET', thread, 'head', 'title', 'metadata'))
return answer(end_look(parts, at, 1, 0), old, new)
"""
)
"""Change a thread's settings: nil leaves a setting unchanged, false clears it. The answer is a `Look`."""

DELETE = Script(
    HEAD
    + LISTINGS
    + """
local place = cmsgpack.unpack(ARGV[1])
local packed = redis.call('HGET', KEYS[1], 'head')
local old = packed and entry_of(cmsgpack.unpack(packed), place[2]) or ''
redis.call('UNLINK', KEYS[1], KEYS[2])
moved({place[1], place[2]}, old, '')
return answer(packed and 1 or 0, old, '')
"""
)
"""Delete a thread and its draft. The answer is 1 if there was a thread, and 0 otherwise."""

REWRITE = Script("""
for i = 1, #ARGV, 2 do
  local value = redis.call('HGET', KEYS[1], ARGV[i])
  if value then
    local length = struct.unpack('>I2', value, 22)
    redis.call('HSET', KEYS[1], ARGV[i], string.sub(value, 1, 23 + length) .. ARGV[i + 1])
  end
end
return 1
""")
"""Replace the bodies of records. The arguments alternate: number, body, number, body …"""

LEASE = Script("""
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
""")
"""Take or extend a lease. Returns 0 if another holder has it."""

RELEASE = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")
"""Release a lease if this holder has it."""

SAVE = Script(
    HEAD
    + STEP
    + """
local number, turn, revision, ttl = unpack(cmsgpack.unpack(ARGV[1]), 1, 4)
local thread, draft, field = KEYS[1], KEYS[2], tostring(number)
local got = redis.call('HMGET', draft, '1', field)
local is_same_turn = got[1] and turn_of(got[1]) == turn
local begins = number == 1 and not is_same_turn
if begins then
  local packed = redis.call('HGET', thread, 'head')
  local now = packed and cmsgpack.unpack(packed)[REVISION] or 0
  if now ~= revision then return -1 - now end
  if got[1] and revision_of(got[1]) == now then return 0 end
elseif is_same_turn and got[2] then
  return says(got[2], revision, ARGV[3]) and 1 or 0
elseif not is_same_turn or redis.call('HEXISTS', draft, tostring(number - 1)) == 0 then
  return 0
end
redis.call('HSET', draft, field, ARGV[2] .. ARGV[3])
if begins then
  for _, other in ipairs(redis.call('HKEYS', draft)) do
    if other ~= '1' then redis.call('HDEL', draft, other) end
  end
end
if ttl then
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ttl) end
end
return 1
"""
)
"""Save a step of a draft.

Returns 1 if the step is saved. Returns 0 if another draft is valid, so that the step neither continues the draft nor
may begin one. Returns -1 - revision if the step begins a draft on another revision than the thread has.
"""

MOVE = Script("""
if ARGV[2] ~= '' then redis.call('ZADD', KEYS[1], 0, ARGV[2]) end
if ARGV[1] ~= '' then redis.call('ZREM', KEYS[1], ARGV[1]) end
return 1
""")
"""Replace an entry in one listing."""
