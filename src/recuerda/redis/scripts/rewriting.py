"""The scripts that replace the bodies of records, and a blob."""

from __future__ import annotations

from recuerda.redis.scripts.layout import BLOBS, GUARD, HEAD, WALK
from recuerda.redis.scripts.script import Script

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
-- A change that frees memory starts with a removal; see `__init__.py`.
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
