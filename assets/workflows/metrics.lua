-- Collects measurements and keeps their moving average, as a monitor would.
--
--   slothstate run metrics.lua --param samples=20
--
-- Parameters: samples (default 10), pace (seconds between two of them, default 0.05).

local WINDOW = 20 -- measurements that the average goes over
local WEIGHT = 0.2 -- of the newest measurement in the smoothed average

-- Stands for a real measurement: milliseconds that drift about.
local function measure(last)
  return math.max(5, math.floor((last or 50) + math.random(-12, 12)))
end

local collect = task("collect")
  :description("Measure, and keep the last measurements")
  :timeout("5m")
  :command(function(params)
    local samples = tonumber(params.samples) or 10
    local latest = state.get("metrics:latency:last")
    for _ = 1, samples do
      latest = measure(latest)
      state.set("metrics:latency:last", latest)
      state.increment("metrics:samples")
      -- Several collectors may add to the window at the same time: none gets lost.
      state.update("metrics:latency:window", function(window)
        window = window or {}
        window[#window + 1] = latest
        while #window > WINDOW do
          table.remove(window, 1)
        end
        return window
      end)
      state.update("metrics:latency:smoothed", function(smoothed)
        return smoothed and smoothed + WEIGHT * (latest - smoothed) or latest
      end)
      -- A bucket for each minute, kept for two hours, is what a chart is drawn from.
      local bucket = "metrics:requests:" .. os.date("%Y%m%d%H%M")
      state.increment(bucket, math.random(1, 5))
      state.set_ttl(bucket, 7200)
      sleep(tonumber(params.pace) or 0.05)
    end
    return true, samples .. " measurements"
  end)

local summarise = task("summarise")
  :description("Average, least and most of the window")
  :depends_on({ collect })
  :command(function()
    local window = state.get("metrics:latency:window", {})
    local sum, least, most = 0, math.huge, 0
    for _, value in ipairs(window) do
      sum = sum + value
      least, most = math.min(least, value), math.max(most, value)
    end
    local average = sum / #window
    state.set("metrics:latency:average", average)
    state.set("metrics:latency:summary", { average = average, least = least, most = most, count = #window })
    if average > 80 then
      log.warn("latency is high:", string.format("%.1f ms", average))
      state.set("metrics:latency:alarm", true, 60)
    end
    return true, string.format("average %.1f ms over %d", average, #window)
  end)

workflow.define("metrics", { tasks = { collect, summarise } })
