"""The script that reads a thread: its settings, and a window of its records with their blobs."""

from __future__ import annotations

from recuerda.redis.scripts.layout import BLOBS, HEAD, KNOWN, LOOK, WALK
from recuerda.redis.scripts.script import Script

READ = Script(
    HEAD
    + KNOWN
    + WALK
    + BLOBS
    + LOOK
    + """
local query = cmsgpack.unpack(ARGV[1])
local after, incarnation, record_id, edits, last_messages, last_turns, turn_id, ttl, with_summary = unpack(query, 1, 9)
local thread, before, most_shown = KEYS[1], query[10], query[11]
local got = redis.call('HMGET', thread, 'head', 'title', 'metadata', 'parent', 'i:' .. (turn_id or ''))
local has_draft = redis.call('EXISTS', KEYS[2])
if not got[1] then return 0 end
local head = cmsgpack.unpack(got[1])
local revision = head[REVISION]
if ttl then
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ttl) end
end

if (incarnation and incarnation ~= head[INCARNATION])
  or (edits and (head[REWRITTEN] > edits or edits > head[EDITS]))
  or (record_id and after > 0 and record_id ~= id_at(head, after)) then
  after = 0
end

local found = got[5] and redis.call('HGET', thread, got[5])
local dropped = got[5] and not found and tonumber(got[5])
-- A trim does not reset the number of a summary that it removes.
local summary, covered = false, 0
if with_summary and after == 0 and head[SUMMARY] >= head[FIRST] then
  summary = redis.call('HGET', thread, tostring(head[SUMMARY]))
  covered = summary and struct.unpack('>I4', summary, TARGET_AT) or 0
end
local parts, at = start_look(got, found, dropped, summary, has_draft == 1, after > 0)
local shown = {}
for i = 2, #ARGV do shown[#shown + 1] = ARGV[i] end
local function show(digest) shown[#shown + 1] = digest end

-- Appends the blobs that were asked for, each after its digest, to the end of the answer.
local function end_read(start, count)
  local put_in, is_put = 0, {}
  if #shown > 0 then
    parts[1], parts[at] = '\\156', parts[at] or ''
    parts[#parts + 1] = ''
    local count_at = #parts
    for _, digest in ipairs(shown) do
      local data = not is_put[digest] and redis.call('HGET', thread, 'b:' .. digest)
      if data then
        put(parts, digest)
        put(parts, data)
        put_in, is_put[digest] = put_in + 2, true
      end
    end
    parts[count_at] = '\\221' .. struct.pack('>I4', put_in)
  end
  return end_look(parts, at, start, count)
end

if last_turns == 0 or after >= revision then return end_read(math.max(after, revision) + 1, 0) end

parts[at] = ''
local lowest = math.max(after + 1, head[FIRST], covered + 1)
local turns, messages, put_in = 0, 0, 0
local step = math.min(500, last_turns or 500, math.ceil((last_messages or 1000) / 2) + 1)
local number, missing, held = math.min(revision, (before or revision + 1) - 1), 0, nil

-- Returns the next numbers, newest first.
local function next_numbers()
  local numbers = {}
  if not held and is_wrong(missing) then held = numbers_held(lowest, number) end
  if held then
    while #held > 0 and #numbers < step do numbers[#numbers + 1] = table.remove(held) end
  else
    for i = number, math.max(lowest, number - step + 1), -1 do numbers[#numbers + 1] = i end
    number = number - #numbers
  end
  return numbers
end

local numbers = next_numbers()
while #numbers > 0 do
  local fields = {}
  for i, one in ipairs(numbers) do fields[i] = tostring(one) end
  missing = missing + #numbers
  for i, value in ipairs(redis.call('HMGET', thread, unpack(fields))) do
    local count = value and struct.unpack('>I4', value, 5)
    if value then missing = 0 end
    if value and (count > 0 or after > 0) then
      if count > 0 then turns, messages = turns + 1, messages + count end
      local is_enough = last_turns and turns > last_turns
      if is_enough or (last_messages and messages > last_messages and turns > 1) then
        return end_read(numbers[i] + 1, put_in)
      end
      if most_shown == nil or turns <= most_shown then
        each_digest(value, show)
      end
      put(parts, value)
      put_in = put_in + 1
    end
  end
  step = math.min(500, step * 2)
  numbers = next_numbers()
end
return end_read(lowest, put_in)
"""
)
"""Read a window, walking back from the newest record, or from the newest one before a number.

Returns a `Look` with the newest record first, or 0 if there is no thread.
"""
