/** Changing groups from outside the message flow. Owners are fenced off, or told by the bell. */

/** ARGV: group, '1' or '0'. 0: no such group. */
export const pauseScript = `
local S = G(ARGV[1])
if call('EXISTS', S) == 0 then return 0 end
call('HSET', S, 'paused', ARGV[2])
ring('paused')
return 1
`

/** ARGV: group. -1: no such group; n > 0: it has n live members; 0: removed. */
export const removeGroupScript = `
if call('EXISTS', G(ARGV[1])) == 0 then return -1 end
reap(ARGV[1], '')
if call('EXISTS', G(ARGV[1])) == 0 then return 0 end
local members = call('ZCARD', G(ARGV[1]) .. ':members')
if members == 0 then dropGroup(ARGV[1]) end
return members
`

/** ARGV: group. Drops backlog and lot, not the dead letters. -1: no such group; else how many were dropped. */
export const purgeScript = `
local S = G(ARGV[1])
if call('EXISTS', S) == 0 then return -1 end
local info = stream()
local cursor = after(info['last-generated-id'])
local h, names = parts(ARGV[1])
for _, n in ipairs(names) do
  call('HSET', S .. ':parts', n .. ':o', '', n .. ':e', h[n .. ':e'] + 1, n .. ':c', cursor, n .. ':d', '', n .. ':k', cursor, n .. ':s', '', n .. ':n', 0)
end
local v = call('HMGET', S, 'base', 'done', 'lot')
local left = info['entries-added'] - v[1] - v[2]
dropLot(ARGV[1])
call('HSET', S, 'done', info['entries-added'] - v[1], 'lot', 0)
call('HINCRBY', S, 'news', 1)
ring('purged')
return left + v[3]
`

/** ARGV: group, ids … Puts dead letters back to the head of their lanes. -1: no such group; else how many. */
export const redriveScript = `
local S = G(ARGV[1])
if call('EXISTS', S) == 0 then return -1 end
local count = 0
for i = 2, #ARGV do
  local body = call('HGET', S .. ':dead:body', ARGV[i])
  local dead = body and forgetDead(ARGV[1], ARGV[i])
  if dead then
    local known = call('HGET', S .. ':lanes', dead.lane)
    local l = known and cjson.decode(known) or {h = dead.hash, s = 'suspended', d = 0, b = ''}
    if call('ZADD', S .. ':lane:' .. dead.lane, 0, dead.position) == 1 then call('HINCRBY', S, 'lot', 1) end
    call('HSET', S .. ':lot', dead.position, body)
    call('HSET', S .. ':lot:meta', dead.position, cjson.encode({redrives = dead.redrives + 1}))
    if l.s == 'suspended' then l.d = 0 end
    l.n = call('HINCRBY', S, 'news', 1)
    call('HSET', S .. ':lanes', dead.lane, cjson.encode(l))
    count = count + 1
  end
end
if count > 0 then ring('lot') end
return count
`

/** ARGV: group, ids … Forgets dead letters; lanes that waited for them go on. -1: no such group; else how many. */
export const discardScript = `
if call('EXISTS', G(ARGV[1])) == 0 then return -1 end
local count = 0
for i = 2, #ARGV do
  local dead = forgetDead(ARGV[1], ARGV[i])
  if dead then
    dropEmptyLane(ARGV[1], dead.lane)
    count = count + 1
  end
end
if count > 0 then ring('lot') end
return count
`

/** ARGV: group, first position, position after the last. Fences all owners off for a replay. {'none'} | {'lot', n} | {'ok', parts}. */
export const replayBeginScript = `
local S = G(ARGV[1])
if call('EXISTS', S) == 0 then return {'none'} end
local inLot = 0
for _, pos in ipairs(call('HKEYS', S .. ':lot')) do
  if pos >= ARGV[2] and pos < ARGV[3] then inLot = inLot + 1 end
end
-- What waits behind a dead letter of that time would come before it.
local lanes = call('HGETALL', S .. ':lanes')
for i = 1, #lanes, 2 do
  local b = cjson.decode(lanes[i + 1]).b
  local text = b and b ~= '' and call('HGET', S .. ':dead:meta', b)
  local pos = text and cjson.decode(text).position
  if pos and pos >= ARGV[2] and pos < ARGV[3] then inLot = inLot + call('ZCARD', S .. ':lane:' .. lanes[i]) end
end
if inLot > 0 then return {'lot', inLot} end
call('HSET', S, 'hold', now() + 10000)
local h, names = parts(ARGV[1])
for _, n in ipairs(names) do call('HSET', S .. ':parts', n .. ':o', '', n .. ':e', h[n .. ':e'] + 1) end
return {'ok', call('HGETALL', S .. ':parts')}
`

/** ARGV: group, [[name, epoch, cursor, done]] as JSON, how many fewer are done, ids of the dead letters that come again. 1: done. */
export const replayEndScript = `
local S = G(ARGV[1])
local list = cjson.decode(ARGV[2])
for _, w in ipairs(list) do
  if call('HGET', S .. ':parts', w[1] .. ':e') ~= tostring(w[2]) then return 0 end
end
for i = 4, #ARGV do
  -- Redriven meanwhile, it would come twice.
  if not call('ZSCORE', S .. ':dead', ARGV[i]) then return 0 end
end
for i = 4, #ARGV do dropEmptyLane(ARGV[1], forgetDead(ARGV[1], ARGV[i]).lane) end
for _, w in ipairs(list) do call('HSET', S .. ':parts', w[1] .. ':c', w[3], w[1] .. ':d', w[4]) end
call('HINCRBY', S, 'done', -ARGV[3])
call('HDEL', S, 'hold')
ring('replay')
return 1
`

/** ARGV: from, to (exclusive), entries at most. Counts entries: {how many, where to go on or ''}. */
export const countScript = `
local n, at, most = 0, ARGV[1], tonumber(ARGV[3])
while n < most do
  local some = call('XRANGE', K, at, '(' .. ARGV[2], 'COUNT', 500)
  n = n + #some
  if #some < 500 then return {n, ''} end
  at = after(some[#some][1])
end
return {n, at}
`
