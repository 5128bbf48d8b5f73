-- What stands before every script. KEYS[1]: the prefix of all keys. ARGV[1]: the time; empty for the server's own.
local call = redis.call
local statuses = {'queued', 'running', 'succeeded', 'failed', 'cancelled'}

local function key(...) return KEYS[1] .. table.concat({...}, ':') end

-- Lua itself writes only 14 digits of a number.
local function exact(number) return string.format('%.17g', number) end

local function now()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end

local function count(name, by)
  if by ~= 0 then call('HINCRBY', key('numbers'), name, by) end -- never -0, which is no number to Redis
end

-- What Python makes a job of.
local function document(id) return call('HMGET', key('job', id), 'doc', 'status', 'attempts', 'lost', 'version') end

-- A queue holds jobs by priority, then id; their audio is part of the name, so that a look at the queue needs no job.
local function entry(id, cost) return id .. '\0' .. cost end
local function entry_id(name) return name:sub(1, name:find('\0', 1, true) - 1) end
local function entry_cost(name) return tonumber(name:sub(name:find('\0', 1, true) + 1)) end

local function become(id, caller, before, after)
  if before then
    call('ZREM', key('ids', before), id)
    call('ZREM', key('ids', before, caller), id)
  end
  if after then
    call('ZADD', key('ids', after), 0, id)
    call('ZADD', key('ids', after, caller), 0, id)
    call('HSET', key('job', id), 'status', after)
  end
end

-- Callers that have queued jobs are in `turns`, those that have only running ones in `working`, both by audio that was
-- worked on, then by turn. Others are forgotten.
local function standing(caller)
  local turn = call('HGET', key('callers'), caller)
  if not turn then return nil end
  local name = string.format('%016.0f', turn) .. caller
  local work = call('ZSCORE', key('turns'), name) or call('ZSCORE', key('working'), name)
  return tonumber(work), tonumber(turn), name
end

-- Work and turn of a caller that may come anew: then it has the least work of those that are there.
local function standing_or_new(caller)
  local work, turn = standing(caller)
  if work then return work, turn end
  local least
  for _, name in ipairs({'turns', 'working'}) do
    local score = tonumber(call('ZRANGE', key(name), 0, 0, 'WITHSCORES')[2])
    if score and (not least or score < least) then least = score end
  end
  return least or 0, 0
end

local function settle(caller, work, turn)
  local _, _, old = standing(caller)
  if old then
    call('ZREM', key('turns'), old)
    call('ZREM', key('working'), old)
  end
  local queued = call('EXISTS', key('queue', caller)) == 1
  if not queued and call('EXISTS', key('ids', 'running', caller)) == 0 then
    call('HDEL', key('callers'), caller)
    return
  end
  call('ZADD', key(queued and 'turns' or 'working'), exact(work), string.format('%016.0f', turn) .. caller)
  call('HSET', key('callers'), caller, string.format('%.0f', turn))
end

local function enqueue(id, work, turn)
  local caller, priority, cost = unpack(call('HMGET', key('job', id), 'caller', 'priority', 'cost'))
  call('ZADD', key('queue', caller), priority, entry(id, cost))
  count('queued_ms', tonumber(cost))
  settle(caller, work, turn)
end

-- Out of the queue, or from its worker.
local function withdraw(id)
  local caller, cost, status = unpack(call('HMGET', key('job', id), 'caller', 'cost', 'status'))
  if status ~= 'queued' and status ~= 'running' then return end
  local work, turn = standing(caller)
  become(id, caller, status, nil)
  call('ZREM', key('queue', caller), entry(id, cost))
  call('ZREM', key('running'), id)
  call('HDEL', key('job', id), 'owner', 'charged')
  if status == 'queued' then count('queued_ms', -tonumber(cost)) end
  if work then settle(caller, work, turn) end
end

-- Whether a worker's claim stands.
local function held(id, owner, token)
  local found = call('HMGET', key('job', id), 'status', 'owner', 'token')
  return found[1] == 'running' and found[2] == owner and found[3] == token
end

-- From a worker back to the queue, with what its caller was charged; the caller's turn is not over, either.
local function hand_back(id)
  local found = call('HMGET', key('job', id), 'caller', 'charged', 'token', 'turn_before')
  local caller, charged, taken, before = unpack(found)
  local work, turn = standing(caller)
  if turn == tonumber(taken) then turn = tonumber(before) end
  call('ZREM', key('running'), id)
  call('HDEL', key('job', id), 'owner', 'charged')
  call('HINCRBY', key('job', id), 'version', 1)
  become(id, caller, 'running', 'queued')
  enqueue(id, work - tonumber(charged), turn)
end

local function add_event(id, event)
  call('RPUSH', key('events', id), event)
  count('events', 1)
end

-- Where there is a webhook at all.
local function add_delivery(job, id, doc, due)
  if id == '' then return end
  call('HSET', key('outbox'), id, doc)
  call('ZADD', key('due'), due, id)
  call('SADD', key('webhooks', job), id)
end

local function delivery(id)
  local doc = call('HGET', key('outbox'), id)
  return doc and cjson.decode(doc).value
end

local function forget_delivery(id)
  local found = delivery(id)
  if not found then return end
  call('HDEL', key('outbox'), id)
  call('ZREM', key('due'), id)
  call('ZREM', key('given_up'), id)
  call('SREM', key('webhooks', found.job), id)
end

local function orphan_sources(id)
  local sources = call('HGET', key('job', id), 'sources')
  if not sources then return end
  for _, source in ipairs(cjson.decode(sources)) do call('SADD', key('orphans'), source) end
  call('HDEL', key('job', id), 'sources')
end

local function forget_windows(id)
  for file = 0, tonumber(call('HGET', key('job', id), 'files')) - 1 do
    local name = key('windows', id, file)
    count('windows', -call('HLEN', name))
    call('UNLINK', name)
  end
end

local function forget_results(id)
  count('results', -call('HLEN', key('results', id)))
  call('UNLINK', key('results', id))
end

local function forget_key(name)
  call('HDEL', key('keys'), name)
  call('ZREM', key('keys_until'), name)
end

local function forget(id)
  withdraw(id)
  orphan_sources(id)
  forget_windows(id)
  forget_results(id)
  for _, webhook in ipairs(call('SMEMBERS', key('webhooks', id))) do forget_delivery(webhook) end
  count('events', -call('LLEN', key('events', id)))
  local caller, status, idempotency = unpack(call('HMGET', key('job', id), 'caller', 'status', 'key'))
  if idempotency and call('HGET', key('keys'), idempotency) == id then forget_key(idempotency) end
  become(id, caller, status, nil)
  call('ZREM', key('expiry'), id)
  call('UNLINK', key('events', id), key('job', id))
end
