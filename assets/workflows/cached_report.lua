-- A report that is expensive to make is kept for 24 hours. Of many processes that want it at the
-- same time only one makes it; the others wait, and take what it made.
--
--   slothstate run cached_report.lua
--   slothstate run cached_report.lua --param refresh=yes
--
-- Parameters: refresh (make it anew), pace (seconds a part of the work takes, default 0.05).

local DAY = 24 * 60 * 60
local KEY = "cache:report:daily"

-- Stands for hours of queries.
local function make(params)
  local report = { made_at = os.time(), regions = {} }
  for _, region in ipairs({ "north", "east", "south", "west" }) do
    log.info("adding up", region)
    sleep(tonumber(params.pace) or 0.05)
    report.regions[#report.regions + 1] = { name = region, orders = math.random(100, 999) }
  end
  return report
end

local forget = task("forget")
  :description("Drop the report that is kept")
  :run_if(function(params)
    return params.refresh == "yes"
  end)
  :command(function()
    return true, state.delete(KEY) and "dropped" or "there was none"
  end)

local fetch = task("fetch")
  :description("Take the report from the cache, or make it")
  :depends_on({ forget })
  :timeout("5m")
  :command(function(params)
    local report = state.get(KEY)
    if report then
      state.increment("cache:report:hits")
      return true, "kept for " .. state.get_ttl(KEY) .. " more seconds", { report = report }
    end
    return state.with_lock("report", function()
      -- Whoever had the lock before may have made it.
      report = state.get(KEY)
      if report then
        state.increment("cache:report:hits")
        return true, "made by another process meanwhile", { report = report }
      end
      state.increment("cache:report:misses")
      report = make(params)
      state.set(KEY, report, DAY)
      return true, "made anew", { report = report }
    end, 120)
  end)

task("publish")
  :description("Use the report")
  :depends_on({ fetch })
  :command(function(_, deps)
    local orders = 0
    for _, region in ipairs(deps.fetch.report.regions) do
      orders = orders + region.orders
    end
    state.set("report:orders", orders)
    return true, orders .. " orders in " .. #deps.fetch.report.regions .. " regions"
  end)
