/**
 * What all scripts share. All keys of a channel have one hash tag, `{channel}`, so that a script finds them on one node of
 * a cluster; KEYS[1] is the channel's stream, K below, and every other name is made from it:
 *
 * | key | type | what |
 * | --- | --- | --- |
 * | K | stream | the log |
 * | K:meta | hash | kind, partitions, retention (age, bytes, keep), unrouted, emptySince (entries added when the last group went) |
 * | K:groups | set | names of groups |
 * | K:bell | stream, 1 entry | rung when members, partitions, pauses, lots or delays changed |
 * | K:delayed, :delayed:body, :delayed:id, :delayed:key | zset, hashes | delayed messages by due time; `<number>\|<id>` → packed; id → member; id → its deduplication key |
 * | K:dedup:<key> | string with expiry | id that is kept for a deduplication key |
 * | K:schedules, :next, :body | hashes | recurring schedules |
 * | G = K:g:<group> | hash | order, concurrency, ephemeral, provisional, paused, base, done, lot, news, dead, hold |
 * | G:parts | hash | per partition `<r>/<m>:` o owner · e epoch · c cursor · d done ranges · k claimed · s suspect before · n deaths · w type wanted |
 * | G:members, :info, :held, :seq, :types | zset (lease ends, server ms), hashes | who is there; :seq has each one's last write |
 * | G:att | hash | position → attempts of a message that waits in its lane |
 * | G:lanes, :lane:<lane>, :lot, :lot:meta, :lot:read | hashes, zset of positions | the parking lot; :lot:read has who has what in hand |
 * | G:dead, :dead:meta, :dead:body | zset by id, hashes | dead letters |
 */
export const prelude = `
local K = KEYS[1]
local call = redis.call
-- A cluster that moves the slot key by key refuses each key that is not here: a script would end in its middle. Nobody has this
-- key, so that it is refused as long as that lasts, before anything was done.
local probe = redis.pcall('EXISTS', K .. ':moving')
if type(probe) == 'table' and probe.err then return redis.error_reply('TRYAGAIN the slot is being moved') end
local function now()
  local t = call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function G(group) return K .. ':g:' .. group end
local function ring(what) call('XADD', K .. ':bell', 'MAXLEN', '1', '*', 'n', what) end
local function pad(id)
  local ms, n = string.match(id, '^(%d+)%-(%d+)$')
  return string.rep('0', 13 - #ms) .. ms .. '-' .. string.rep('0', 10 - #n) .. n
end
local function after(id)
  local ms, n = string.match(id, '^(%d+)%-(%d+)$')
  return pad(ms .. '-' .. string.format('%.0f', tonumber(n) + 1))
end
local function flat(list)
  local h = {}
  for i = 1, #list, 2 do h[list[i]] = list[i + 1] end
  return h
end
local function stream() return flat(call('XINFO', 'STREAM', K)) end
local function parts(group)
  local h = flat(call('HGETALL', G(group) .. ':parts'))
  local names = {}
  for f in pairs(h) do
    if string.sub(f, -2) == ':e' then names[#names + 1] = string.sub(f, 1, -3) end
  end
  return h, names
end
-- Who read what of the lot: given back in good order it is forgotten, after a death it stays as 'dead'.
local function forgetReads(group, partition, to)
  local reads = call('HGETALL', G(group) .. ':lot:read')
  for i = 1, #reads, 2 do
    if reads[i + 1] == partition then
      if to then call('HSET', G(group) .. ':lot:read', reads[i], to) else call('HDEL', G(group) .. ':lot:read', reads[i]) end
    end
  end
end
local function dropLot(group)
  local S = G(group)
  for _, lane in ipairs(call('HKEYS', S .. ':lanes')) do call('DEL', S .. ':lane:' .. lane) end
  call('DEL', S .. ':lanes', S .. ':lot', S .. ':lot:meta', S .. ':lot:read', S .. ':att')
end
local function dropGroup(group)
  local S = G(group)
  dropLot(group)
  call('DEL', S, S .. ':parts', S .. ':members', S .. ':info', S .. ':held', S .. ':seq', S .. ':types')
  call('DEL', S .. ':dead', S .. ':dead:meta', S .. ':dead:body')
  call('SREM', K .. ':groups', group)
  if call('SCARD', K .. ':groups') == 0 then
    if call('HGET', K .. ':meta', 'kind') == 'reply' then
      call('DEL', K, K .. ':meta', K .. ':bell', K .. ':delayed', K .. ':delayed:body', K .. ':delayed:id', K .. ':delayed:key')
      return
    end
    call('HSET', K .. ':meta', 'emptySince', stream()['entries-added'])
  end
  ring('group')
end
local function dropIfAbandoned(group)
  if call('HGET', G(group), 'ephemeral') == '1' and call('ZCARD', G(group) .. ':members') == 0 then dropGroup(group) end
end
local function removeMember(group, member)
  local S = G(group)
  call('ZREM', S .. ':members', member)
  call('HDEL', S .. ':info', member)
  call('HDEL', S .. ':held', member)
  call('HDEL', S .. ':seq', member)
end
-- Members whose lease ran out: what they may have begun becomes suspect, their partitions free.
local function reap(group, except)
  local S = G(group)
  local gone = {}
  for _, id in ipairs(call('ZRANGEBYSCORE', S .. ':members', '-inf', now())) do
    if id ~= except then gone[#gone + 1] = id end
  end
  if #gone == 0 then return end
  local h, names = parts(group)
  for _, id in ipairs(gone) do
    removeMember(group, id)
    for _, name in ipairs(names) do
      if h[name .. ':o'] == id then
        local k, s = h[name .. ':k'] or '', h[name .. ':s'] or ''
        forgetReads(group, name, 'dead')
        call('HSET', S .. ':parts', name .. ':o', '', name .. ':e', h[name .. ':e'] + 1, name .. ':s', k > s and k or s, name .. ':n', (h[name .. ':n'] or 0) + 1)
      end
    end
  end
  ring('members')
  dropIfAbandoned(group)
end
-- A dead letter that is none any more; nil: there is no such one. Its lane goes on if it was parked by it.
local function forgetDead(group, id)
  local S = G(group)
  local text = call('HGET', S .. ':dead:meta', id)
  if not text then return nil end
  call('ZREM', S .. ':dead', id)
  call('HDEL', S .. ':dead:meta', id)
  call('HDEL', S .. ':dead:body', id)
  local dead = cjson.decode(text)
  local known = call('HGET', S .. ':lanes', dead.lane)
  local l = known and cjson.decode(known)
  if l and l.b == id then
    l.s = 'suspended'
    l.d = 0
    l.b = ''
    l.n = call('HINCRBY', S, 'news', 1)
    call('HSET', S .. ':lanes', dead.lane, cjson.encode(l))
  end
  return dead
end
local function dropEmptyLane(group, lane)
  if call('ZCARD', G(group) .. ':lane:' .. lane) == 0 then call('HDEL', G(group) .. ':lanes', lane) end
end
local function append(body) return call('XADD', K, '*', unpack(cmsgpack.unpack(body))) end
local function laneList(group)
  local S = G(group)
  local lanes = call('HGETALL', S .. ':lanes')
  local out = {}
  for i = 1, #lanes, 2 do
    out[#out + 1] = lanes[i]
    out[#out + 1] = lanes[i + 1]
    out[#out + 1] = call('ZCARD', S .. ':lane:' .. lanes[i])
  end
  return out
end
`
