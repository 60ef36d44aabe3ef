/** Joining, leases, taking partitions. */

/**
 * ARGV: group, member, lease ms, mode ('join', 'renew', 'look'), types as JSON, deliveries in hand, '1' to announce types, number
 * of the member's last write that was answered. Returns {'ok', now, group, parts, members, info, types, partitions of the channel}
 * or {'none'} (no such group), {'gone'} (no such member) or {'back'} (the server knows less than it had answered).
 */
export const tickScript = `
local g, m, mode = ARGV[1], ARGV[2], ARGV[4]
local S = G(g)
if call('EXISTS', S) == 0 then return {'none'} end
local t = now()
if mode ~= 'join' and call('ZSCORE', S .. ':members', m) then
  local last = call('HGET', S .. ':seq', m)
  if tonumber(last and string.match(last, '^%d+') or 0) < tonumber(ARGV[8]) then return {'back'} end
end
if mode == 'join' then
  call('ZADD', S .. ':members', t + ARGV[3], m)
  call('HSET', S .. ':info', m, ARGV[5])
  ring('members')
elseif mode == 'renew' then
  if not call('ZSCORE', S .. ':members', m) then return {'gone'} end
  call('ZADD', S .. ':members', t + ARGV[3], m)
end
if mode ~= 'look' then call('HSET', S .. ':held', m, ARGV[6]) end
if ARGV[7] == '1' then
  for _, type in ipairs(cjson.decode(ARGV[5])) do call('HSET', S .. ':types', type, t) end
  local all = call('HGETALL', S .. ':types')
  for i = 1, #all, 2 do
    if t - all[i + 1] > 86400000 then call('HDEL', S .. ':types', all[i]) end
  end
end
reap(g, m)
return {'ok', t, call('HGETALL', S), call('HGETALL', S .. ':parts'), call('ZRANGE', S .. ':members', 0, -1), call('HGETALL', S .. ':info'),
  call('HKEYS', S .. ':types'), call('HGET', K .. ':meta', 'partitions') or '1'}
`

/** ARGV: group, member, [[name, epoch]] to take, [[r, m, epoch]] to split, both as JSON. Returns {[name, epoch, cursor, done, claimed, suspect, deaths]…}, attempts, lanes. */
export const takeScript = `
local g, m = ARGV[1], ARGV[2]
local S = G(g)
local P = S .. ':parts'
if not call('ZSCORE', S .. ':members', m) then return {{}, {}, {}} end
local hold = call('HGET', S, 'hold')
if hold and tonumber(hold) > now() then return {{}, {}, {}} end
-- Nobody's, or of a member that left.
local function isFree(owner) return owner == '' or (owner and not call('ZSCORE', S .. ':members', owner)) end
for _, w in ipairs(cjson.decode(ARGV[4])) do
  local name = string.format('%d/%d', w[1], w[2])
  local v = call('HMGET', P, name .. ':o', name .. ':e', name .. ':c', name .. ':d', name .. ':k', name .. ':s', name .. ':n', name .. ':w')
  if isFree(v[1]) and tonumber(v[2]) == w[3] then
    for _, f in ipairs({'o', 'e', 'c', 'd', 'k', 's', 'n', 'w'}) do call('HDEL', P, name .. ':' .. f) end
    for half = 0, 1 do
      local n = string.format('%d/%d', w[1] + half * w[2], w[2] * 2)
      call('HSET', P, n .. ':o', '', n .. ':e', v[2] + 1, n .. ':c', v[3], n .. ':d', v[4], n .. ':k', v[5], n .. ':s', v[6], n .. ':n', v[7], n .. ':w', v[8])
    end
    ring('partitions')
  end
end
local taken = {}
for _, w in ipairs(cjson.decode(ARGV[3])) do
  local name = w[1]
  local v = call('HMGET', P, name .. ':o', name .. ':e', name .. ':c', name .. ':d', name .. ':k', name .. ':s', name .. ':n')
  if (v[1] == m or isFree(v[1])) and tonumber(v[2]) == w[2] then
    call('HSET', P, name .. ':o', m, name .. ':e', v[2] + 1)
    taken[#taken + 1] = {name, v[2] + 1, v[3], v[4], v[5], v[6], tonumber(v[7])}
  end
end
if #taken == 0 then return {{}, {}, {}} end
return {taken, call('HGETALL', S .. ':att'), laneList(g)}
`

/** ARGV: group. The lot's lanes: name, JSON, count, … */
export const lanesScript = 'return laneList(ARGV[1])'
