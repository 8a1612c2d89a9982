-- Calls a payment service that often fails, without making it worse: a circuit breaker stops
-- calling after too many failures in a row, and a rate limit keeps the calls to so many a
-- second. Both live in the state, so that all processes together keep to them.
--
--   slothstate run circuit_breaker.lua
--   slothstate run circuit_breaker.lua --param failing=100
--
-- Parameters: calls (default 8), failing (how many of a hundred calls fail, default 40), pace
-- (seconds a call takes, default 0.05).

local LIMIT = 20 -- calls a second, by everybody together
local PATIENCE = 3 -- failures in a row that open the circuit
local REST = 2 -- seconds that an open circuit rests

-- Stands for the real service.
local function charge(params)
  sleep(tonumber(params.pace) or 0.05)
  if math.random(100) <= (tonumber(params.failing) or 40) then
    error("the payment service does not answer", 0)
  end
end

local function note(name)
  state.increment("api:" .. name)
  -- One key a minute, which goes after an hour.
  local bucket = "api:" .. name .. ":" .. os.date("%Y%m%d%H%M")
  state.increment(bucket)
  state.set_ttl(bucket, 3600)
end

local function guarded(params)
  if state.get("circuit:payments:state", "closed") == "open" then
    -- The rest is over once this key has expired: one call may try again.
    if state.exists("circuit:payments:resting") then
      note("refused")
      return "refused"
    end
    state.compare_swap("circuit:payments:state", "open", "half_open")
    log.info("the circuit is half open: trying one call")
  end
  if not state.rate_limit("api:payments:rate", LIMIT, 1) then
    note("limited")
    return "limited"
  end
  note("calls")
  local ok, problem = pcall(charge, params)
  if ok then
    state.set("circuit:payments:failures", 0)
    state.set("circuit:payments:state", "closed")
    return "ok"
  end
  note("failures")
  local failures = state.increment("circuit:payments:failures")
  if failures >= PATIENCE or state.get("circuit:payments:state") == "half_open" then
    state.set("circuit:payments:resting", problem, REST)
    if state.get("circuit:payments:state") ~= "open" then
      log.warn("the circuit opens for", REST, "seconds:", problem)
      state.set("circuit:payments:state", "open")
      state.increment("circuit:payments:opened")
    end
  end
  return "failed"
end

task("payments")
  :description("Charge customers through the circuit breaker")
  :timeout("1m")
  :command(function(params)
    local counts = { ok = 0, failed = 0, refused = 0, limited = 0 }
    for _ = 1, tonumber(params.calls) or 8 do
      local result = guarded(params)
      counts[result] = counts[result] + 1
    end
    local format = "%d ok, %d failed, %d refused, %d limited"
    return true, format:format(counts.ok, counts.failed, counts.refused, counts.limited), counts
  end)
  :on_success(function(_, counts)
    state.set("circuit:payments:last_run", counts)
  end)
