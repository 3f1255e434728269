"""The scripts for leases."""

from __future__ import annotations

from recuerda.redis.scripts.layout import GUARD, HEAD
from recuerda.redis.scripts.script import Script

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
