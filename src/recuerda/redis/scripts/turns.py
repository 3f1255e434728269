"""The scripts that append records: turns, undos, trims and summaries. Each of these may remove other records."""

from __future__ import annotations

from recuerda.redis.scripts.drafts import STEP
from recuerda.redis.scripts.layout import BLOBS, GUARD, HEAD, WALK
from recuerda.redis.scripts.listings import LISTINGS
from recuerda.redis.scripts.script import Script
from recuerda.storage.records import REMEMBERED

_CUT = """
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

_FORGET = """
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
    + _CUT
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
    + _FORGET
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
