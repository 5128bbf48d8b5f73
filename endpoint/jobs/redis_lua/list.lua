#!lua flags=no-writes
-- '1' for one caller only, caller, status or nothing, id of the last job of the page before or nothing, limit, order.
local _, one, caller, status, after, limit, order = unpack(ARGV)
local command, low, high = 'ZRANGEBYLEX', after == '' and '-' or '(' .. after, '+'
if order == 'desc' then command, low, high = 'ZREVRANGEBYLEX', after == '' and '+' or '(' .. after, '-' end

local function less(a, b) -- by bytes: `<` follows the server's language
  for at = 1, math.min(#a, #b) do
    local x, y = a:byte(at), b:byte(at)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local ids = {}
for _, each in ipairs(status == '' and statuses or {status}) do
  local name = one == '1' and key('ids', each, caller) or key('ids', each)
  for _, id in ipairs(call(command, name, low, high, 'LIMIT', 0, limit)) do ids[#ids + 1] = id end
end
table.sort(ids, function(a, b)
  if order == 'desc' then return less(b, a) end
  return less(a, b)
end)
local jobs = {}
for at = 1, math.min(#ids, tonumber(limit)) do jobs[at] = document(ids[at]) end
return jobs
