#!lua flags=no-writes
-- id. Returns how many jobs are claimed before it and their audio, or nothing where it is not queued.
-- A caller's n-th job is claimed when its work has grown by the audio of those before it.
local caller, cost, status = unpack(call('HMGET', key('job', ARGV[2]), 'caller', 'cost', 'status'))
if status ~= 'queued' then return false end
local work, _, own = standing(caller)
local rank = call('ZRANK', key('queue', caller), entry(ARGV[2], cost))
local mine, position, ahead = {work}, rank, 0
for _, name in ipairs(rank > 0 and call('ZRANGE', key('queue', caller), 0, rank - 1) or {}) do
  ahead = ahead + entry_cost(name)
  mine[#mine + 1] = work + ahead
end

-- Whether the last of `theirs` comes before the last of `mine`: with less work, or among equals of whom the job before
-- was claimed earlier, or who stands first now.
local function before(theirs, earlier)
  local a, b = #theirs, #mine
  while theirs[a] == mine[b] do
    if a == 1 and b == 1 then return earlier end
    if a == 1 or b == 1 then return a == 1 end
    a, b = a - 1, b - 1
  end
  return theirs[a] < mine[b]
end

local function add(other, other_work, earlier)
  local queue = key('queue', other:sub(17))
  local theirs, from, most = {other_work}, 0, 1000
  while true do
    local names = call('ZRANGE', queue, from, from + most - 1)
    for _, name in ipairs(names) do
      if not before(theirs, earlier) then return end
      local cost = entry_cost(name)
      position, ahead = position + 1, ahead + cost
      theirs[#theirs + 1] = theirs[#theirs] + cost
    end
    if #names < most then return end
    from = from + most
  end
end

local others = call('ZRANGEBYSCORE', key('turns'), '-inf', exact(mine[#mine]), 'WITHSCORES')
local earlier = true
for at = 1, #others, 2 do
  if others[at] == own then
    earlier = false
  else
    add(others[at], tonumber(others[at + 1]), earlier)
  end
end
return {position, ahead}
