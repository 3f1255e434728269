"""The scripts for drafts, and the Lua code that reads the steps of a draft."""

from __future__ import annotations

from recuerda.redis.scripts.layout import GUARD, HEAD, KNOWN
from recuerda.redis.scripts.listings import LISTINGS
from recuerda.redis.scripts.script import Script

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

# The rule is that of `check_history`.
_HISTORY = """
local function is_history(head, guard, is_made)
  return (not guard[2] or guard[2] <= head[REVISION])
    and (not guard[3] or (is_made and guard[3] == head[INCARNATION]))
    and (not guard[4] or guard[4] == (guard[2] == 0 and '' or id_at(head, guard[2])))
end
"""

SAVE = Script(
    HEAD
    + GUARD
    + KNOWN
    + _HISTORY
    + STEP
    + LISTINGS
    + """
local place, guard, step = cmsgpack.unpack(ARGV[1]), cmsgpack.unpack(ARGV[2]), cmsgpack.unpack(ARGV[3])
local number, turn, revision, created, incarnation, previous = unpack(step, 1, 6)
local thread, draft, field = KEYS[1], KEYS[2], tostring(number)
local packed = redis.call('HGET', thread, 'head')
local head = open_head(packed, created, incarnation)
if is_strangers(head, guard) then return answer({STRANGER, 0}) end
if not is_history(head, guard, packed) then return answer({CONFLICT, head[REVISION]}) end
-- A draft without its thread belongs to nobody: the server has evicted the thread.
local got = packed and redis.call('HMGET', draft, '1', field, tostring(number - 1)) or {}
local is_same_turn = got[1] and turn_of(got[1]) == turn
local begins = number == 1 and not is_same_turn
local old, new = '', ''
if begins then
  local now = head[REVISION]
  if now ~= revision then return answer({CONFLICT, now}) end
  if got[1] and revision_of(got[1]) == now then return answer({NO_STEP, 0}) end
  if not is_at_step({nil, nil, nil, nil, nil, previous}, packed) then return answer({NO_STEP, 0}) end
  if not is_in_state(head, guard, packed) then return answer({CONFLICT, now}) end
  local user = user_for(head, guard)
  if must_enter(place, packed, head[USER], user) then return answer(false, user or '', '') end
  old = packed and entry_of(head, place[2]) or ''
  local is_changed = not packed or user ~= head[USER]
  head[USER] = user
  new = entry_of(head, place[2])
  redis.call('HSET', draft, field, ARGV[4] .. ARGV[5])
  for _, other in ipairs(redis.call('HKEYS', draft)) do
    if other ~= '1' then redis.call('HDEL', draft, other) end
  end
  if is_changed then redis.call('HSET', thread, 'head', cmsgpack.pack(head)) end
  moved(place, old, new, is_changed)
elseif is_same_turn and got[2] then
  return answer(says(got[2], revision, ARGV[5]) and head[INCARNATION] or {NO_STEP, 0}, nil, entry_of(head, place[2]))
elseif not is_same_turn or not got[3] or (previous and previous ~= id_of(got[3])) then
  return answer({NO_STEP, 0})
else
  redis.call('HSET', draft, field, ARGV[4] .. ARGV[5])
end
if place[3] then keep_alive(place[3]) end
return answer(head[INCARNATION], old, new)
"""
)
"""Save a step of a draft. The answer is the thread's incarnation, or a refusal."""

LOAD = Script(
    HEAD
    + GUARD
    + """
local packed = redis.call('HGET', KEYS[1], 'head')
if not packed then return {} end
if is_strangers(cmsgpack.unpack(packed), cmsgpack.unpack(ARGV[1])) then return {STRANGER, 0} end
return redis.call('HVALS', KEYS[2])
"""
)
"""Return the steps of a draft in any order, or a refusal."""

DROP = Script(
    HEAD
    + GUARD
    + STEP
    + """
local guard, turn, packed = cmsgpack.unpack(ARGV[1]), ARGV[2], redis.call('HGET', KEYS[1], 'head')
if not packed then
  redis.call('DEL', KEYS[2])
  return 0
end
local head = cmsgpack.unpack(packed)
if is_strangers(head, guard) then return {STRANGER, 0} end
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
if turn ~= '' and turn_of(redis.call('HGET', KEYS[2], '1')) ~= turn then return 0 end
if not is_in_state(head, guard, true) then return {CONFLICT, head[REVISION]} end
if not is_at_step(guard, true) then return {NO_STEP, 0} end
return redis.call('DEL', KEYS[2])
"""
)
"""Delete the draft of a turn, or of any turn ('').

Returns 1, 0 if there was no such draft, or a refusal.
"""
