"""The scripts that change a thread's settings, and that delete a thread."""

from __future__ import annotations

from recuerda.redis.scripts.layout import GUARD, HEAD, LOOK
from recuerda.redis.scripts.listings import LISTINGS
from recuerda.redis.scripts.script import Script

UPDATE = Script(
    HEAD
    + GUARD
    + LISTINGS
    + LOOK
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
