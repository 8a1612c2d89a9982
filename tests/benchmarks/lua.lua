-- How many times a second each call of the state module can be made. The parameter is how often.

-- What `pairs` hands out for a table without objects is the `next` of Lua itself.
local bare_next = pairs({})

-- How many times as long a loop with `pairs` takes over a table of so many keys.
local function pairs_against_next(count, key)
  local t, repeats = {}, 400000 / count
  for number = 1, count do
    t[key(number * 7919)] = number
  end
  local bare, ours = math.huge, math.huge
  for _ = 1, 7 do
    local start, sum = os.clock(), 0
    for _ = 1, repeats do
      for _, value in bare_next, t do
        sum = sum + value
      end
    end
    bare = math.min(bare, os.clock() - start)
    start = os.clock()
    for _ = 1, repeats do
      for _, value in pairs(t) do
        sum = sum + value
      end
    end
    ours = math.min(ours, os.clock() - start)
  end
  return ours / bare
end

task("rates"):command(function(params)
  local times = tonumber(params.times)
  local function rate(call)
    local start = os.clock()
    for number = 1, times do
      call(number)
    end
    return times / (os.clock() - start)
  end
  local best = { get = 0, hinted = 0, set = 0, increment = 0 }
  for _ = 1, 7 do
    best.get = math.max(best.get, rate(function(number)
      return state.get(string.format("bench:key:%05d", number % 1000))
    end))
    -- The same with a word about the type that is meant.
    best.hinted = math.max(best.hinted, rate(function(number)
      return state.get(string.format("bench:key:%05d", number % 1000)) or ""
    end))
    best.set = math.max(best.set, rate(function(number)
      return state.set(string.format("bench:key:%05d", number % 1000), "some value " .. number)
    end))
    best.increment = math.max(best.increment, rate(function()
      return state.increment("bench:counter")
    end))
  end
  -- A table of 1 MB, of which one field is changed.
  local rows = {}
  for number = 1, 8000 do
    rows[number] = { name = "worker-" .. number, state = "running", load = number / 7, host = "web" .. number % 64,
      tags = { "a", "b" }, tries = number % 5, since = 1796001296 + number, note = "a line of text for it" }
  end
  state.set("bench:table", { version = 1, rows = rows })
  best.get_table, best.update_table = 0, 0
  for _ = 1, 7 do
    local start = os.clock()
    state.get("bench:table")
    best.get_table = math.max(best.get_table, 1 / (os.clock() - start))
    start = os.clock()
    state.update("bench:table", function(value)
      value.version = value.version + 1
      return value
    end)
    best.update_table = math.max(best.update_table, 1 / (os.clock() - start))
  end
  return true, string.format("%.0f %.0f %.0f %.0f %.3f %.3f %.3f %.3f %.3f", best.get, best.set, best.increment, best.hinted,
    best.get_table, best.update_table, pairs_against_next(10, tostring), pairs_against_next(1000, tostring),
    pairs_against_next(1000, function() return {} end))
end)
