-- A run of many state calls: three reads to two writes. The parameter is how many calls.
task("calls"):command(function(params)
  for number = 1, tonumber(params.calls) / 5 do
    local key = string.format("bench:key:%05d", number % 1000)
    local before = state.get(key)
    state.set(key, "some value " .. number)
    state.get("bench:flag", true)
    state.increment("bench:counter")
    state.exists(key)
  end
  return true
end)
