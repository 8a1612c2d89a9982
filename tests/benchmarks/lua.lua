-- How many times a second each call of the state module can be made. The parameter is how often.
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
  return true, string.format("%.0f %.0f %.0f %.0f %.3f %.3f", best.get, best.set, best.increment, best.hinted, best.get_table,
    best.update_table)
end)
