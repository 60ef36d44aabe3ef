/** Sending what a plain XADD cannot: delays, deduplication, resends, "only if somebody asks"; and moving what is due. */

/**
 * ARGV[1]: JSON list of {id, due?, key?, window?, ask?, again?}; ARGV[i + 1]: the packed message. Returns a list: 'ok', 'unrouted',
 * 'nogroup', or '=' and the id that is kept instead.
 */
export const sendScript = `
local list = cjson.decode(ARGV[1])
local out = {}
if call('EXISTS', K) == 0 then
  for i = 1, #list do out[i] = 'unrouted' end
  return out
end
-- Resent ids that are stored already, looked for from the end: a resend follows its first try closely.
local wanted, stored, left = {}, {}, 0
for _, e in ipairs(list) do
  if e.again and not wanted[e.id] then
    wanted[e.id] = true
    left = left + 1
  end
end
local at, seen = '+', 0
while left > 0 and seen < 20000 do
  local some = call('XREVRANGE', K, at, '-', 'COUNT', 500)
  for _, entry in ipairs(some) do
    local f = entry[2]
    for i = 1, #f, 2 do
      if f[i] == 'ce_id' then
        if wanted[f[i + 1]] and not stored[f[i + 1]] then
          stored[f[i + 1]] = true
          left = left - 1
        end
        break
      end
    end
  end
  seen = seen + #some
  if #some < 500 then break end
  at = '(' .. some[#some][1]
end
local t = now()
local groups = call('SCARD', K .. ':groups')
for i, e in ipairs(list) do
  local kept
  if e.again and (stored[e.id] or call('HEXISTS', K .. ':delayed:id', e.id) == 1) then
    -- A write, so that a WAIT behind it waits for what another connection had written, too.
    call('HSET', K .. ':meta', 'resent', t)
    out[i] = 'ok'
  elseif e.ask and groups == 0 then out[i] = 'nogroup'
  else
    if e.key then
      local key = K .. ':dedup:' .. e.key
      kept = call('GET', key)
      if not kept then call('SET', key, e.id, 'PX', e.window) end
    end
    if kept then out[i] = '=' .. kept
    else
      if e.due and e.due > t then
        local member = string.format('%012d|%s', call('HINCRBY', K .. ':meta', 'delayed', 1), e.id)
        local first = call('ZRANGE', K .. ':delayed', 0, 0, 'WITHSCORES')
        call('ZADD', K .. ':delayed', e.due, member)
        call('HSET', K .. ':delayed:body', member, ARGV[i + 1])
        call('HSET', K .. ':delayed:id', e.id, member)
        if e.key then call('HSET', K .. ':delayed:key', e.id, e.key) end
        if not first[2] or e.due < tonumber(first[2]) then ring('due') end
      else append(ARGV[i + 1]) end
      out[i] = 'ok'
    end
  end
end
return out
`

/** Moves what is due to the log. Returns {how many, when the next is due or -1, now}. */
export const dueScript = `
local t = now()
local due = call('ZRANGEBYSCORE', K .. ':delayed', '-inf', t, 'LIMIT', 0, 200)
for _, member in ipairs(due) do
  local body = call('HGET', K .. ':delayed:body', member)
  if body then append(body) end
  call('ZREM', K .. ':delayed', member)
  call('HDEL', K .. ':delayed:body', member)
  local id = string.sub(member, 14)
  if call('HGET', K .. ':delayed:id', id) == member then
    call('HDEL', K .. ':delayed:id', id)
    call('HDEL', K .. ':delayed:key', id)
  end
end
local first = call('ZRANGE', K .. ':delayed', 0, 0, 'WITHSCORES')
return {#due, first[2] or '-1', t}
`

/** ARGV: id. 1 if it was there and is not any more; its deduplication key is free then. */
export const cancelScript = `
local member = call('HGET', K .. ':delayed:id', ARGV[1])
if not member then return 0 end
local key = call('HGET', K .. ':delayed:key', ARGV[1])
if key and call('GET', K .. ':dedup:' .. key) == ARGV[1] then call('DEL', K .. ':dedup:' .. key) end
call('HDEL', K .. ':delayed:key', ARGV[1])
call('HDEL', K .. ':delayed:id', ARGV[1])
call('HDEL', K .. ':delayed:body', member)
return call('ZREM', K .. ':delayed', member)
`

/** ARGV: name, JSON, next ms, packed message, cron and zone. Returns when it is due next. */
export const putScheduleScript = `
local known = call('HMGET', K .. ':schedules:next', ARGV[1], ARGV[1] .. '\\n')
local next = ARGV[3]
if known[1] and known[2] == ARGV[5] then next = known[1] end
call('HSET', K .. ':schedules', ARGV[1], ARGV[2])
call('HSET', K .. ':schedules:body', ARGV[1], ARGV[4])
call('HSET', K .. ':schedules:next', ARGV[1], next, ARGV[1] .. '\\n', ARGV[5])
return next
`

/** ARGV: name. */
export const removeScheduleScript = `
call('HDEL', K .. ':schedules:body', ARGV[1])
call('HDEL', K .. ':schedules:next', ARGV[1], ARGV[1] .. '\\n')
return call('HDEL', K .. ':schedules', ARGV[1])
`

/** ARGV: name, expected ms, packed message, next ms. 1: fired. */
export const fireScheduleScript = `
if call('HGET', K .. ':schedules:next', ARGV[1]) ~= ARGV[2] then return 0 end
if call('EXISTS', K) == 0 then return redis.error_reply('UNROUTED the channel is gone') end
append(ARGV[3])
call('HSET', K .. ':schedules:next', ARGV[1], ARGV[4])
return 1
`

/** Drops accepted messages beyond the retention, never what a group waits for (unless keep is 0). ARGV: age ms and bytes by default. */
export const trimScript = `
local meta = call('HMGET', K .. ':meta', 'age', 'bytes', 'keep', 'kind')
if not meta[4] then return 0 end
local age, bytes = tonumber(meta[1] or ARGV[1]), tonumber(meta[2] or ARGV[2])
if age < 0 then age = tonumber(ARGV[1]) end
if bytes < 0 then bytes = tonumber(ARGV[2]) end
local groups = call('SMEMBERS', K .. ':groups')
if #groups == 0 then return 0 end
local floor = '9999999999999-0000000000'
if meta[3] ~= '0' then
  for _, g in ipairs(groups) do
    local h, names = parts(g)
    for _, n in ipairs(names) do
      if h[n .. ':c'] < floor then floor = h[n .. ':c'] end
    end
  end
end
local trimmed = 0
local function below(position)
  if position > floor then position = floor end
  trimmed = trimmed + call('XTRIM', K, 'MINID', position)
end
below(string.format('%013.0f-0000000000', math.max(0, now() - age)))
-- Step by step, by time between the oldest and the floor: nobody counts how many lie before an id.
for _ = 1, 16 do
  local used = call('MEMORY', 'USAGE', K) or 0
  if used <= bytes then break end
  local oldest = call('XRANGE', K, '-', '+', 'COUNT', 1)[1]
  if not oldest or pad(oldest[1]) >= floor then break end
  local last = stream()['last-generated-id']
  local upto = pad(last) < floor and pad(last) or floor
  local from, to = tonumber(string.sub(pad(oldest[1]), 1, 13)), tonumber(string.sub(upto, 1, 13))
  local step = math.floor((to - from) * (used - bytes) / used / 2)
  local before = trimmed
  if step >= 1 then below(string.format('%013.0f-0000000000', from + step)) end
  if trimmed == before then
    -- Many in one millisecond: by the entry.
    local some = call('XRANGE', K, '-', '+', 'COUNT', 101)
    below(pad(some[#some][1]))
    if trimmed == before then break end
  end
end
return trimmed
`
