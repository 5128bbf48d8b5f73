#!lua
-- id, owner, token. Returns 1, or 0 where the claim is lost.
local _, id, owner, token = unpack(ARGV)
if not held(id, owner, token) then return 0 end
hand_back(id)
return 1
