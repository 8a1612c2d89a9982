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
  local best = { get = 0, set = 0, increment = 0 }
  for _ = 1, 7 do
    best.get = math.max(best.get, rate(function(number)
      return state.get(string.format("bench:key:%05d", number % 1000))
    end))
    best.set = math.max(best.set, rate(function(number)
      return state.set(string.format("bench:key:%05d", number % 1000), "some value " .. number)
    end))
    best.increment = math.max(best.increment, rate(function()
      return state.increment("bench:counter")
    end))
  end
  return true, string.format("%.0f %.0f %.0f", best.get, best.set, best.increment)
end)
