-- How long searches take, in seconds for some number of calls: those of short texts, which C answers, then those of
-- texts over 1 KB. It runs in bare Lua as well.
local line = "2026-12-01 04:05:06 host=web7 level=info took=15ms path=/api/v1/items status=200"
local words = ("the quick brown fox, 42 times; "):rep(8)
local text = (line .. "\n"):rep(50)

local cases = {
  function() return line:find("level=", 1, true) end,
  function() return line:match("^(%d+)-(%d+)-(%d+)") end,
  function() return ("  key = value "):match("^%s*(.-)%s*$") end,
  function() return words:sub(1, 60):gsub("%d", "#") end,
  function()
    local count = 0
    for _ in words:gmatch("%a+") do count = count + 1 end
    return count
  end,
  -- Over 1 KB.
  function()
    local count = 0
    for _ in text:gmatch("(%w+)=(%w+)") do count = count + 1 end
    return count
  end,
  function() return text:gsub("%d+", "#") end,
  function() return text:gsub("[%s,;]+", " ") end,
  function() return text:find("status=(%d+)%s+$") end,
  function() return text:match("^%s*(.-)%s*$") end,
  function() return text:match("level=(%a-) took=([^ ]*) path") end,
}
local times = { 20000, 20000, 20000, 20000, 2000, 40, 40, 40, 40, 100, 20000 }

return function(clock)
  local best = {}
  for round = 1, 5 do
    for number, call in ipairs(cases) do
      local start = clock()
      for _ = 1, times[number] do
        call()
      end
      best[number] = math.min(best[number] or math.huge, clock() - start)
    end
  end
  for number, seconds in ipairs(best) do
    best[number] = string.format("%.6f", seconds)
  end
  return table.concat(best, " ")
end
