r"""The scripts that run inside the server. Redis runs a script to its end, without any other command in between.

A script that the server refuses (because it is out of memory, or a replica) must not leave a half-finished change.
Redis refuses a script only at its first write; and it refuses a script for lack of memory only if this write needs
memory. So every script reads first. The first write of a script that adds data is the write that adds it. The first
write of a script that frees memory is a removal, which a full server carries out together with the rest of the script.
The scripts run unchanged on Redis 6.2 and later.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from recuerda.redis.lua import BLOBS, CUT, ENTER, FORGET, GUARD, HEAD, HISTORY, KNOWN, LISTINGS, STEP, WALK
from recuerda.storage.records import REMEMBERED


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

_APPEND = (
    f"""
local REMEMBERED, SWEEP = {REMEMBERED}, 100
"""
    """
local function remove(fields)
  for i = 1, #fields, 1000 do redis.call('HDEL', KEYS[1], unpack(fields, i, math.min(i + 999, #fields))) end
end

local function add(fields)
  for i = 1, #fields, 1000 do redis.call('HSET', KEYS[1], unpack(fields, i, math.min(i + 999, #fields))) end
end

-- Returns the new number, the old entry and the new entry. Or, without writing: a refusal; the bytes of the record that
-- has the id already, nil and the entry; or false and the user if the id must be entered in the indexes first.
-- A digest and the bytes of each of the record's blobs stand in ARGV from `blobs_at` on.
local function append(place, record, data, guard, blobs_at)
  local id, created, is_past, count, kind, target, keep, title, incarnation, undo_id, blobs = unpack(record, 1, 11)
  local thread = KEYS[1]
  local got = redis.call('HMGET', thread, 'head', 'i:' .. id)
  local head = open_head(got[1], created, incarnation)
  if is_strangers(head, guard) then return {STRANGER, 0} end
  if got[2] then
    local held = redis.call('HGET', thread, got[2])
    if not held then return {DROPPED, tonumber(got[2])} end
    local first = redis.call('HGET', KEYS[2], '1')
    if first and turn_of(first) == id then redis.call('DEL', KEYS[2]) end
    -- If this call wrote the record and its answer was lost, the client has not entered the thread in the listings.
    return held, nil, entry_of(head, place[2])
  end
  if not is_in_state(head, guard, got[1]) then return {CONFLICT, head[REVISION]} end
  if not is_at_step(guard, got[1]) then return {NO_STEP, 0} end
  local is_replacement = kind == 'turn' and target
  if is_replacement then
    local held = redis.call('HGET', thread, tostring(target))
    if not held or struct.unpack('>I4', held, 5) == 0 then return {GONE, head[REVISION]} end
  end
  local user = user_for(head, guard)
  if must_enter(place, got[1], head[USER], user) then return false, user or '', '' end

  local old = got[1] and entry_of(head, place[2]) or ''
  local number, is_entered = head[REVISION] + (is_replacement and 2 or 1), not got[1] or user ~= head[USER]
  head[REVISION], head[RECORD_ID], head[USER] = number, id, user
  if not is_past or created > head[UPDATED] then head[UPDATED] = created end
  if count > 0 then head[TURNS], head[MESSAGES] = head[TURNS] + 1, head[MESSAGES] + count end

  local added = {'head', '', tostring(number), struct.pack('>I4', number) .. data, 'i:' .. id, tostring(number)}
  local gone, is_title_gone, uses = {}, false, nil
  if blobs then
    uses = {}
    for i = blobs_at, blobs_at + 2 * blobs - 2, 2 do
      local digest = ARGV[i]
      uses[digest] = tonumber(redis.call('HGET', thread, 'u:' .. digest) or 0) + 1
      if uses[digest] == 1 then added[#added + 1], added[#added + 2] = 'b:' .. digest, ARGV[i + 1] end
    end
  end
  if kind == 'summary' then
    if head[SUMMARY] > 0 then added[#added + 1], added[#added + 2] = 's:' .. number, tostring(head[SUMMARY]) end
    head[SUMMARY] = number
  end
  -- The functions of a cut are made only for a cut, because each of them makes an append slower.
  local undone = (kind == 'undo' or is_replacement) and target
  if undone or kind == 'trim' or (keep and head[MESSAGES] > keep) then
"""
    + WALK
    + CUT
    + BLOBS
    + """
    local is_gone = {}
    local function release(digest)
      uses = uses or {}
      uses[digest] = (uses[digest] or tonumber(redis.call('HGET', thread, 'u:' .. digest) or 1)) - 1
    end
    local function drop(old, value)
      if is_gone[old] then return end
      is_gone[old] = true
      local messages = struct.unpack('>I4', value, 5)
      local length = struct.unpack('>I2', value, LENGTH_AT)
      local name = string.sub(value, ID_AT, ID_AT + length - 1)
      local is_remembered = old > number - REMEMBERED
      gone[#gone + 1] = tostring(old)
      if is_remembered then added[#added + 1], added[#added + 2] = 'r:' .. old, name end
      -- The id of a dropped turn stays, so that a retry of the turn is refused.
      if not is_remembered or messages == 0 or old == undone then gone[#gone + 1] = 'i:' .. name end
      if string.byte(value, KIND_AT) == SUMMARY_KIND then gone[#gone + 1] = 's:' .. old end
      if messages > 0 then head[TURNS], head[MESSAGES] = head[TURNS] - 1, head[MESSAGES] - messages end
      if head[TITLE_TURN] == old then head[TITLE_TURN], is_title_gone = 0, true end
      each_digest(value, release)
    end
    if is_replacement then
      -- The undo has the time of the turn, which comes after the count in its bytes.
      local undo = struct.pack('>I4I4', number - 1, 0) .. string.sub(data, 5, 12)
        .. struct.pack('>BI4I2', UNDO_KIND, target, #undo_id) .. undo_id
      for _, field in ipairs({tostring(number - 1), undo, 'i:' .. undo_id, tostring(number - 1)}) do
        added[#added + 1] = field
      end
    end
    if undone then
      local value = redis.call('HGET', thread, tostring(undone))
      if value then drop(undone, value) end
      -- A summary is newer than the turns it covers, so the summaries that cover this turn come first in the chain.
      local newer, at, has_gap = nil, head[SUMMARY], false
      local function link()
        if not has_gap then return end
        if not newer then
          head[SUMMARY] = at
        elseif at > 0 then
          added[#added + 1], added[#added + 2] = 's:' .. newer, tostring(at)
        else
          gone[#gone + 1] = 's:' .. newer
        end
        has_gap = false
      end
      while at > undone do
        local value = redis.call('HGET', thread, tostring(at))
        if value and struct.unpack('>I4', value, TARGET_AT) < undone then
          link()
          newer = at
        else
          if value then drop(at, value) end
          has_gap = true
        end
        local older = tonumber(redis.call('HGET', thread, 's:' .. at) or 0)
        at = older < at and older or 0
      end
      link()
    end
    if kind == 'trim' then
      each_record(head[FIRST], math.min(target, number) - 1, drop)
      head[FIRST] = math.max(head[FIRST], target)
    end
    if keep then
      local enough = math.max(keep, count)
      local function drop_oldest(old, value)
        if head[MESSAGES] <= enough then return true end
        drop(old, value)
        head[FIRST] = old + 1
        return head[MESSAGES] <= enough
      end
      each_record(head[FIRST], number - 1, drop_oldest)
      -- If the older records were not enough, the counts were wrong. Now they are known: the new turn is alone.
      if head[MESSAGES] > enough then head[FIRST], head[TURNS], head[MESSAGES] = number, 1, count end
    end
  end
  local sweeps_to = is_replacement and number % SWEEP == 1 and number - 1 or number
  if sweeps_to % SWEEP == 0 and sweeps_to > REMEMBERED then
"""
    + FORGET
    + """
    forget_old_ids(sweeps_to, gone)
  end
  if title and (head[TITLE_TURN] == 0 or (number == 1 and redis.call('HEXISTS', thread, 'title') == 0)) then
    head[TITLE_TURN] = number
    added[#added + 1], added[#added + 2] = 'title', title
  elseif is_title_gone then
    gone[#gone + 1] = 'title'
  end

  for digest, count in pairs(uses or {}) do
    if count > 0 then
      added[#added + 1], added[#added + 2] = 'u:' .. digest, tostring(count)
    else
      gone[#gone + 1], gone[#gone + 2] = 'u:' .. digest, 'b:' .. digest
    end
  end
  added[2] = cmsgpack.pack(head)
  if kind == 'undo' or kind == 'trim' then
    remove(gone)
    add(added)
  else
    add(added)
    remove(gone)
  end
  if kind == 'turn' then redis.call('DEL', KEYS[2]) end
  local new = entry_of(head, place[2])
  moved(place, old, new, is_entered)
  if place[3] then keep_alive(place[3]) end
  return number, old, new
end
"""
)

APPEND = Script(
    HEAD
    + GUARD
    + STEP
    + LISTINGS
    + _APPEND
    + """
local place, guard = cmsgpack.unpack(ARGV[1]), cmsgpack.unpack(ARGV[2])
return answer(append(place, cmsgpack.unpack(ARGV[3]), ARGV[4], guard, 5))
"""
)
"""Append a record. The answer is the first value that `append` returns."""

APPEND_ALL = Script(
    HEAD
    + GUARD
    + STEP
    + LISTINGS
    + _APPEND
    + """
local place, guard, replies, first, last = cmsgpack.unpack(ARGV[1]), cmsgpack.unpack(ARGV[2]), {}, nil, nil
local i = 3
while i < #ARGV do
  local record = cmsgpack.unpack(ARGV[i])
  local reply, old, new = append(place, record, ARGV[i + 1], guard, i + 2)
  if not reply then return answer(reply, old, new) end
  replies[#replies + 1] = reply
  if type(reply) == 'table' then break end
  first, last = first or old, new or last
  guard = {guard[1]}
  place[4] = true
  i = i + 2 + 2 * (record[11] or 0)
end
return answer(replies, first, last)
"""
)
"""Append several records, up to the first refusal. The answer is a list with the first value of each `append`."""

READ = Script(
    HEAD
    + KNOWN
    + WALK
    + BLOBS
    + _LOOK
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

UPDATE = Script(
    HEAD
    + GUARD
    + LISTINGS
    + _LOOK
    + """
local place, guard, changes = cmsgpack.unpack(ARGV[1]), cmsgpack.unpack(ARGV[2]), cmsgpack.unpack(ARGV[3])
local now, incarnation, edit, user, title, title_turn, metadata = unpack(changes, 1, 7)
local parent, archived, tags, changed = unpack(changes, 8, 11)
local thread = KEYS[1]

local function look()
  local parts, at = start_look(redis.call('HMGET', thread, 'head', 'title', 'metadata', 'parent'))
  return end_look(parts, at, 1, 0)
end

-- Returns the pairs of keys and values after the change, in the order in which the keys were set.
local function merged(packed)
  local changed, pairs_now = {}, {}
  for i = 1, #metadata, 2 do changed[metadata[i]] = metadata[i + 1] end
  local old = packed and cmsgpack.unpack(packed) or {}
  for _, source in ipairs({old, metadata}) do
    for i = 1, #source, 2 do
      local key, value = source[i], source[i + 1]
      if changed[key] ~= nil then value = changed[key] end
      if changed[key] ~= true and value then
        pairs_now[#pairs_now + 1], pairs_now[#pairs_now + 2] = key, value
      end
      if changed[key] ~= nil then changed[key] = true end
    end
  end
  return pairs_now
end

local got = redis.call('HMGET', thread, 'head', 'edit', 'metadata')
local head = open_head(got[1], changed or now, incarnation)
if got[2] == edit then return answer(look(), nil, entry_of(head, place[2])) end
if is_strangers(head, guard) then return answer({STRANGER, 0}) end
if not is_in_state(head, guard, got[1]) then return answer({CONFLICT, head[REVISION]}) end
local old_user = head[USER]
local new_user = user_for(head, guard)
if user ~= nil then new_user = user end
if must_enter(place, got[1], old_user, new_user) then return answer(false, new_user or '', '') end

local old = got[1] and entry_of(head, place[2]) or ''
head[USER], head[EDITS] = new_user, edits_after(head, now)
if not changed or changed > head[UPDATED] then head[UPDATED] = changed or now end
local added, gone = {'edit', edit}, {}
if title ~= nil then
  head[TITLE_TURN] = title_turn or false
  if title then added[3], added[4] = 'title', title else gone[1] = 'title' end
end
if metadata then
  local pairs_now = merged(got[3])
  if #pairs_now > 0 then
    added[#added + 1], added[#added + 2] = 'metadata', cmsgpack.pack(pairs_now)
  else
    gone[#gone + 1] = 'metadata'
  end
end
if archived ~= nil then head[ARCHIVED] = archived end
if tags ~= nil then head[TAGS] = tags end
-- A thread that is taken from its user forgets its parent.
if parent == nil and user ~= nil and old_user and old_user ~= new_user then parent = false end
if parent then
  added[#added + 1], added[#added + 2] = 'parent', parent
elseif parent == false then
  gone[#gone + 1] = 'parent'
end
added[#added + 1], added[#added + 2] = 'head', cmsgpack.pack(head)
if not got[1] then redis.call('DEL', KEYS[2]) end
if #gone > 0 then redis.call('HDEL', thread, unpack(gone)) end
redis.call('HSET', thread, unpack(added))
local new = entry_of(head, place[2])
moved(place, old, new, not got[1] or new_user ~= old_user)
if place[3] then keep_alive(place[3]) end
return answer(look(), old, new)
"""
)
"""Change a thread's settings: nil leaves a setting unchanged, false clears it. The answer is a `Look` or a refusal.

A repeated call recognizes its own change by the random id `edit`.
"""

DELETE = Script(
    HEAD
    + GUARD
    + LISTINGS
    + """
local place, guard = cmsgpack.unpack(ARGV[1]), cmsgpack.unpack(ARGV[2])
local packed = redis.call('HGET', KEYS[1], 'head')
local old = ''
if packed then
  local head = cmsgpack.unpack(packed)
  if is_strangers(head, guard) then return answer({STRANGER, 0}) end
  if not is_in_state(head, guard, true) then return answer({CONFLICT, head[REVISION]}) end
  old = entry_of(head, place[2])
end
redis.call('UNLINK', KEYS[1], KEYS[2])
moved({place[1], place[2]}, old, '', true)
return answer(packed and 1 or 0, old, '')
"""
)
"""Delete a thread and its draft. The answer is 1 if there was a thread, 0 if there was none, or a refusal."""

REWRITE = Script(
    HEAD
    + GUARD
    + BLOBS
    + """
local guard, edit = cmsgpack.unpack(ARGV[1]), ARGV[2]
local got = redis.call('HMGET', KEYS[1], 'head', 'edit')
local head = open_head(got[1], '', '')
if is_strangers(head, guard) then return {STRANGER, 0} end
if got[2] == edit then return head[EDITS] end
if not is_in_state(head, guard, got[1]) then return {CONFLICT, head[REVISION]} end
if not got[1] then return 0 end

local added, gone, growth, uses = {}, {}, 0, {}
for i = 4, #ARGV, 3 do
  local value = redis.call('HGET', KEYS[1], ARGV[i])
  if value then
    local start = ID_AT + struct.unpack('>I2', value, LENGTH_AT)
    local kind = string.byte(value, KIND_AT)
    if bit.band(kind, WITH_TIME) > 0 then start = start + 8 end
    if bit.band(kind, WITH_CALL) > 0 then start = start + 8 end
    local names = ''
    if bit.band(kind, WITH_BLOBS) > 0 then
      local is_released, left = {}, {}
      for at = 1, #ARGV[i + 2], 32 do is_released[string.sub(ARGV[i + 2], at, at + 31)] = true end
      each_digest(value, function(digest)
        if is_released[digest] then
          uses[digest] = (uses[digest] or tonumber(redis.call('HGET', KEYS[1], 'u:' .. digest) or 1)) - 1
        else
          left[#left + 1] = digest
        end
      end)
      names = struct.pack('>I2', #left) .. table.concat(left)
    end
    local new = string.sub(value, 1, start - 1) .. names .. ARGV[i + 1]
    gone[#gone + 1] = ARGV[i]
    added[#added + 1], added[#added + 2] = ARGV[i], new
    growth = growth + #new - #value
  end
end
head[EDITS] = edits_after(head, ARGV[3])
head[REWRITTEN] = head[EDITS]
local unused = {}
for digest, count in pairs(uses) do
  if count > 0 then
    added[#added + 1], added[#added + 2] = 'u:' .. digest, tostring(count)
  else
    unused[#unused + 1], unused[#unused + 2] = 'u:' .. digest, 'b:' .. digest
  end
end
-- A change that frees memory starts with a removal; see the top of this file.
for i = 1, #unused do redis.call('HDEL', KEYS[1], unused[i]) end
if growth < 0 then redis.call('HDEL', KEYS[1], gone[1]) end
redis.call('HSET', KEYS[1], 'edit', edit, 'head', cmsgpack.pack(head))
for i = 1, #added, 2 do redis.call('HSET', KEYS[1], added[i], added[i + 1]) end
return head[EDITS]
"""
)
"""Replace the bodies of records. The arguments are a guard, a random id and the time, and then for each record: its
number, its body, and the joined digests of the blobs that it no longer names.

Returns the thread's `edits`, 0 if there is no thread, or a refusal.
"""

REPLACE_BLOB = Script(
    HEAD
    + GUARD
    + WALK
    + BLOBS
    + """
local guard, old, new, data = cmsgpack.unpack(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local thread = KEYS[1]
local packed = redis.call('HGET', thread, 'head')
local head = open_head(packed, '', '')
if is_strangers(head, guard) then return {STRANGER, 0} end
if not is_in_state(head, guard, packed) then return {CONFLICT, head[REVISION]} end
if redis.call('HEXISTS', thread, 'b:' .. old) == 0 then return 0 end

local added, uses = {'b:' .. new, data}, 0
for _, number in ipairs(numbers_held(head[FIRST], head[REVISION])) do
  local value = redis.call('HGET', thread, tostring(number))
  local is_named, names, at = false, {}, nil
  each_digest(value, function(digest, digest_at)
    at = at or digest_at
    is_named = is_named or digest == old or digest == new
    names[#names + 1] = digest
  end)
  if is_named then
    local renamed, is_put = {}, false
    for _, digest in ipairs(names) do
      local name = digest == old and new or digest
      if name ~= new or not is_put then renamed[#renamed + 1] = name end
      is_put = is_put or name == new
    end
    uses = uses + 1
    added[#added + 1] = tostring(number)
    added[#added + 1] = string.sub(value, 1, at - 3) .. struct.pack('>I2', #renamed) .. table.concat(renamed)
      .. string.sub(value, at + 32 * #names)
  end
end
if old ~= new then redis.call('HDEL', thread, 'b:' .. old, 'u:' .. old) end
redis.call('HSET', thread, 'u:' .. new, tostring(uses))
for i = 1, #added, 2 do redis.call('HSET', thread, added[i], added[i + 1]) end
return 1
"""
)
"""Put a blob in the place of another one. Returns 0 if the thread does not hold it, or a refusal."""

LEASE = Script(
    HEAD
    + GUARD
    + """
local lease, guard, holder, ttl = KEYS[1], cmsgpack.unpack(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local packed = redis.call('HGET', KEYS[2], 'head')
if packed and is_strangers(cmsgpack.unpack(packed), guard) then return {STRANGER, 0} end
local held = redis.call('GET', lease)
local other, granted = string.match(held or '', '^(.*):(%d+)$')
if other and other ~= holder then
  -- A lease that lasts longer than it was given for was given before the server's clock was put back.
  if redis.call('PTTL', lease) > tonumber(granted) then redis.call('PEXPIRE', lease, granted) end
  return 0
end
redis.call('SET', lease, holder .. ':' .. ARGV[3], 'PX', ttl)
return 1
"""
)
"""Take or extend a lease. Returns 0 if another holder has it, or a refusal. The value is `{holder}:{ttl in ms}`."""

RELEASE = Script("""
local holder = string.match(redis.call('GET', KEYS[1]) or '', '^(.*):%d+$')
if holder == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")
"""Release a lease if this holder has it."""

SAVE = Script(
    HEAD
    + GUARD
    + KNOWN
    + HISTORY
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
