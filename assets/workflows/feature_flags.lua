-- Feature flags that change what a running program does. Flip one while it runs and see the next
-- request take another way:
--
--   slothstate run feature_flags.lua --param requests=100 --param pace=0.5
--   slothstate toggle feature:new_checkout
--
-- Parameters: requests (default 10), pace (seconds a request takes, default 0.05).

-- What a flag is until somebody sets it. A flag that exists is never overwritten.
local DEFAULTS = {
  { "feature:new_checkout", false },
  { "feature:dark_mode", true },
  { "feature:beta_search", false },
  { "feature:maintenance", false },
}

local declare = task("declare")
  :description("Create the flags that are missing")
  :command(function()
    local created = 0
    for _, flag in ipairs(DEFAULTS) do
      if state.compare_swap(flag[1], nil, flag[2]) then
        created = created + 1
      end
    end
    return true, created .. " created"
  end)

-- A flag that somebody wrote by hand may be the text "true".
local function enabled(name)
  local value = state.get("feature:" .. name, false)
  return value == true or value == "true" or value == 1 or value == "1"
end

local serve = task("serve")
  :description("Serve requests, each the way that the flags say")
  :depends_on({ declare })
  :timeout("10m")
  :command(function(params)
    local served, way = 0, nil
    for _ = 1, tonumber(params.requests) or 10 do
      if enabled("maintenance") then
        state.increment("shop:turned_away")
      else
        -- Asked for every request: no restart is needed to change it.
        local now = enabled("new_checkout") and "new" or "old"
        if way and now ~= way then
          log.info("the checkout is the", now, "one from here on")
        end
        way = now
        state.increment("shop:checkout:" .. now)
        if enabled("beta_search") and math.random(10) <= 3 then
          state.increment("shop:beta_searches")
        end
        served = served + 1
      end
      sleep(tonumber(params.pace) or 0.05)
    end
    state.set("shop:last_served", os.time())
    return true, served .. " requests served", { served = served }
  end)

workflow.define("feature_flags", {
  description = "Flags switch behaviour at run time",
  tasks = { declare, serve },
})
