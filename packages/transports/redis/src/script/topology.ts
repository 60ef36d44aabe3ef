/** Creating channels and groups. */

/** ARGV: kind, partitions wanted or '', partitions by default, retention as JSON or ''. Returns the kind that it has. */
export const channelScript = `
local meta = K .. ':meta'
local kind = call('HGET', meta, 'kind')
if call('EXISTS', K) == 0 then
  call('XGROUP', 'CREATE', K, '-', '$', 'MKSTREAM')
  call('XGROUP', 'DESTROY', K, '-')
  -- A person deleted the stream alone: its entries are counted from zero again, and what groups had done is none of them.
  for _, g in ipairs(call('SMEMBERS', K .. ':groups')) do call('HSET', G(g), 'base', -call('HGET', G(g), 'done')) end
end
if not kind then
  call('HSET', meta, 'kind', ARGV[1], 'partitions', ARGV[2] == '' and ARGV[3] or ARGV[2], 'unrouted', 0, 'emptySince', 0)
elseif kind ~= ARGV[1] then return kind
elseif ARGV[2] ~= '' and tonumber(ARGV[2]) > tonumber(call('HGET', meta, 'partitions')) then
  call('HSET', meta, 'partitions', ARGV[2])
  ring('partitions')
end
if ARGV[4] ~= '' then
  local r = cjson.decode(ARGV[4])
  call('HSET', meta, 'age', r.age, 'bytes', r.bytes, 'keep', r.keep)
end
return ARGV[1]
`

/**
 * ARGV: the declaration as JSON: g, order, conc (0: none), eph, prov, from ('start', 'end' or a position), counted: entries
 * from `from` up to the position `to` (exclusive), counted before. Returns what the group has: {'ok'|'none'|'conflict', order, conc}.
 */
export const groupScript = `
local d = cjson.decode(ARGV[1])
local S, meta = G(d.g), K .. ':meta'
local kind = call('HGET', meta, 'kind')
if not kind then return {'none'} end
local function make(modulus, cursor)
  for r = 0, modulus - 1 do
    local n = string.format('%d/%d', r, modulus)
    call('HSET', S .. ':parts', n .. ':o', '', n .. ':e', 0, n .. ':c', cursor, n .. ':d', '', n .. ':k', cursor, n .. ':s', '', n .. ':n', 0, n .. ':w', '')
  end
end
local function modulus()
  if d.order == 'channel' then return 1 end
  if d.conc > 0 then return d.conc end
  return tonumber(call('HGET', meta, 'partitions'))
end
reap(d.g, '')
local known = call('HMGET', S, 'order', 'conc', 'provisional')
if known[1] then
  if d.prov == 1 then return {'ok'} end
  if known[1] == d.order and tonumber(known[2]) == d.conc then
    call('HSET', S, 'provisional', 0)
    return {'ok'}
  end
  -- Cut anew only while nobody consumes and all partitions stand at one position: nothing is half done.
  local h, names = parts(d.g)
  local cursor = h[names[1] .. ':c']
  local free = call('ZCARD', S .. ':members') == 0 and call('HLEN', S .. ':lanes') == 0
  for _, n in ipairs(names) do
    if h[n .. ':c'] ~= cursor or h[n .. ':d'] ~= '' then free = false end
  end
  if not free then return {'conflict', known[1], known[2]} end
  call('DEL', S .. ':parts')
  make(modulus(), cursor)
  call('HSET', S, 'order', d.order, 'conc', d.conc, 'provisional', 0)
  return {'ok'}
end
local info = stream()
local added, length = info['entries-added'], info['length']
local cursor, base
if d.from == 'start' then cursor, base = pad('0-0'), added - length
elseif d.from == 'end' then cursor, base = after(info['last-generated-id']), added
else
  cursor = d.from
  local n = d.counted
  local at = d.to
  while true do
    local some = call('XRANGE', K, at, '+', 'COUNT', 500)
    n = n + #some
    if #some < 500 then break end
    at = after(some[#some][1])
  end
  base = added - n
end
if call('SCARD', K .. ':groups') == 0 then
  local since = call('HGET', meta, 'emptySince')
  if since then call('HINCRBY', meta, 'unrouted', added - since) end
  call('HDEL', meta, 'emptySince')
end
call('SADD', K .. ':groups', d.g)
call('HSET', S, 'order', d.order, 'conc', d.conc, 'ephemeral', d.eph, 'provisional', d.prov, 'paused', 0, 'base', base, 'done', 0, 'lot', 0, 'news', 0, 'dead', 0)
make(modulus(), cursor)
ring('group')
return {'ok'}
`
