/**
 * All that a member writes about its partitions, in one step, fenced by owner and epoch. ARGV[1] is JSON:
 * g group · m member · n number of this write (sent again after a broken connection, it is done once) · a number of the last one that was answered ·
 * p [[name, epoch, cursor, done, newly done, claimed, free?, type wanted]] · need [names that must be ours, else nothing is done] ·
 * fin [positions whose attempts are forgotten] · rec [[position, JSON]] · lrec [[lot position, JSON, partition]] · back [lot positions that are not in hand any more] · out [[lane, position]] ·
 * dead [{lane, hash, park, json, body}] · moves [{lane, hash, state, due, entries: [[position, JSON, body]]}] · dues [[lane, ms]] · leave · ring.
 * Bodies are indexes of ARGV. Returns {'ok'|'fenced'|'again'|'back', fenced names, lanes that went with their last message}.
 */
export const settleScript = `
local p = cjson.decode(ARGV[1])
local S = G(p.g)
local P = S .. ':parts'
local last = call('HGET', S .. ':seq', p.m)
local written = 0
if last then
  local n, fenced = string.match(last, '^(%d+)|(.*)$')
  if tonumber(n) == p.n then return {'again', fenced, {}} end
  written = tonumber(n)
end
-- A write that was answered is not here: this server went back to an earlier state. What cursors say on top of it would bury
-- the dead letters and parked messages that went with it, so that everything counts as another's.
local back = written < p.a
local isFenced, fenced, mine = {}, {}, {}
for _, w in ipairs(p.p) do
  local v = call('HMGET', P, w[1] .. ':o', w[1] .. ':e', w[1] .. ':s')
  if not back and v[1] == p.m and tonumber(v[2]) == w[2] then
    mine[#mine + 1] = w
    w.s = v[3]
  else
    isFenced[w[1]] = true
    fenced[#fenced + 1] = w[1]
  end
end
local names = table.concat(fenced, ',')
for _, name in ipairs(p.need or {}) do
  if isFenced[name] then return {'fenced', names, {}} end
end
local done = 0
for _, w in ipairs(mine) do
  local name = w[1]
  call('HSET', P, name .. ':c', w[3], name .. ':d', w[4], name .. ':k', w[6])
  if w[3] >= w.s then call('HSET', P, name .. ':n', 0, name .. ':s', '') end
  done = done + w[5]
  if w[7] == 1 then
    call('HSET', P, name .. ':o', '')
    forgetReads(p.g, name)
    if w[8] ~= '' then call('HSET', P, name .. ':w', w[8]) end
  end
end
if done > 0 then call('HINCRBY', S, 'done', done) end
for _, pos in ipairs(p.fin or {}) do call('HDEL', S .. ':att', pos) end
for _, r in ipairs(p.rec or {}) do call('HSET', S .. ':att', r[1], r[2]) end
for _, r in ipairs(p.lrec or {}) do
  if call('HEXISTS', S .. ':lot:meta', r[1]) == 1 then
    call('HSET', S .. ':lot:meta', r[1], r[2])
    call('HSET', S .. ':lot:read', r[1], r[3])
  end
end
for _, pos in ipairs(p.back or {}) do
  if call('HGET', S .. ':lot:read', pos) ~= 'dead' then call('HDEL', S .. ':lot:read', pos) end
end
local function lane(name)
  local text = call('HGET', S .. ':lanes', name)
  return text and cjson.decode(text)
end
local function put(name, l) call('HSET', S .. ':lanes', name, cjson.encode(l)) end
for _, d in ipairs(p.dead or {}) do
  local id = string.format('%012d', call('HINCRBY', S, 'dead', 1))
  call('ZADD', S .. ':dead', 0, id)
  call('HSET', S .. ':dead:meta', id, d.json)
  call('HSET', S .. ':dead:body', id, ARGV[d.body])
  if d.park == 1 then
    local l = lane(d.lane) or {h = d.hash, d = 0, n = 0}
    l.s = 'parked'
    l.b = id
    put(d.lane, l)
  end
end
local gone = {}
for _, o in ipairs(p.out or {}) do
  if not isFenced[o[3]] and call('ZREM', S .. ':lane:' .. o[1], o[2]) == 1 then
    call('HDEL', S .. ':lot', o[2])
    call('HDEL', S .. ':lot:meta', o[2])
    call('HDEL', S .. ':lot:read', o[2])
    call('HINCRBY', S, 'lot', -1)
    if call('ZCARD', S .. ':lane:' .. o[1]) == 0 then
      local l = lane(o[1])
      if l and l.s == 'suspended' then
        call('HDEL', S .. ':lanes', o[1])
        gone[#gone + 1] = o[1]
      end
    end
  end
end
for _, v in ipairs(p.moves or {}) do
  if not lane(v.lane) then put(v.lane, {h = v.hash, s = v.state, d = v.due, b = '', n = 0}) end
  for _, e in ipairs(v.entries) do
    if call('ZADD', S .. ':lane:' .. v.lane, 0, e[1]) == 1 then call('HINCRBY', S, 'lot', 1) end
    call('HSET', S .. ':lot', e[1], ARGV[e[3]])
    call('HSET', S .. ':lot:meta', e[1], e[2])
  end
end
for _, v in ipairs(p.dues or {}) do
  local l = lane(v[1])
  if l then
    l.d = v[2]
    put(v[1], l)
  end
end
if not back then call('HSET', S .. ':seq', p.m, string.format('%d|%s', p.n, names)) end
if p.leave then
  removeMember(p.g, p.m)
  ring('members')
  dropIfAbandoned(p.g)
elseif p.ring then ring('partitions') end
return {back and 'back' or 'ok', names, gone}
`

/** ARGV: group, member, partition, epoch, lane, count. Returns 'lost', 'parked', or {position, body, JSON, 1 if somebody died with it in hand, …}, oldest first. */
export const readLaneScript = `
local S = G(ARGV[1])
local v = call('HMGET', S .. ':parts', ARGV[3] .. ':o', ARGV[3] .. ':e')
if v[1] ~= ARGV[2] or v[2] ~= ARGV[4] then return 'lost' end
local text = call('HGET', S .. ':lanes', ARGV[5])
if not text then return {} end
if cjson.decode(text).s == 'parked' then return 'parked' end
local out = {}
for _, pos in ipairs(call('ZRANGE', S .. ':lane:' .. ARGV[5], 0, ARGV[6] - 1)) do
  local read = call('HGET', S .. ':lot:read', pos)
  if not read then call('HSET', S .. ':lot:read', pos, ARGV[3]) end
  out[#out + 1] = pos
  out[#out + 1] = call('HGET', S .. ':lot', pos)
  out[#out + 1] = call('HGET', S .. ':lot:meta', pos)
  out[#out + 1] = read == 'dead' and 1 or 0
end
return out
`
