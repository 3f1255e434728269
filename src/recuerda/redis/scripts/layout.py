"""Lua code that scripts share: for a thread's head, a guard, the bytes of a record, and the reply to a read.

`wire.py` is the counterpart in Python. A script cannot call another script, so each script contains the code that it
uses. It contains no other code, because each function makes its calls slower.
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

# The reply is one string: a MessagePack array, joined from parts that are already MessagePack. A client receives one
# string much faster than a nested list. `wire.Look` is its counterpart in Python.
LOOK = """
local function put(parts, text)
  local n = #parts
  if text then
    parts[n + 1], parts[n + 2], parts[n + 3] = '\\198', struct.pack('>I4', #text), text
  else
    parts[n + 1] = '\\192'
  end
end

-- `got` has the head, the title, the metadata and the parent. The caller appends the records to the returned parts.
local function start_look(got, found, dropped, summary, has_draft, is_continued)
  local parts = {'\\155', got[1]}
  put(parts, got[2])
  put(parts, got[3])
  put(parts, got[4])
  put(parts, found)
  parts[#parts + 1] = cmsgpack.pack(dropped or 0)
  put(parts, summary)
  parts[#parts + 1] = has_draft and '\\195' or '\\194'
  parts[#parts + 1] = is_continued and '\\195' or '\\194'
  return parts, #parts + 1
end

local function end_look(parts, at, start, count)
  parts[at] = cmsgpack.pack(start) .. '\\221' .. struct.pack('>I4', count)
  return table.concat(parts)
end
"""
