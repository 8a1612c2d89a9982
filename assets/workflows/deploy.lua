-- Deploys a version of a service, and only if it is not the one that runs already. The lock
-- keeps two deployments apart; whoever comes second finds the work done.
--
--   slothstate run deploy.lua --param version=1.4.0
--
-- Parameters: version (default: what deploy:wanted_version says), pace (seconds a step takes,
-- default 0.05).

local function step(params, text)
  log.info(text)
  sleep(tonumber(params.pace) or 0.05)
end

-- Stands for the people who release versions: one in 20 seconds at most.
local release = task("release")
  :description("Say which version is wanted")
  :command(function(params)
    if params.version then
      state.set("deploy:wanted_version", params.version)
    elseif state.rate_limit("deploy:releases", 1, 20) then
      state.update("deploy:wanted_version", function(version)
        if not version then
          return "1.0.0"
        end
        local head, patch = version:match("^(.-)(%d+)$")
        return patch and head .. patch + 1 or version .. ".1"
      end)
    end
    return true, "wanted is " .. state.get("deploy:wanted_version", "none")
  end)
  :build()

local check = task("check")
  :description("See whether there is anything to do")
  :depends_on({ release })
  :command(function()
    local wanted = state.get("deploy:wanted_version", "1.0.0")
    local running = state.get("deploy:last_version", "none")
    if running == wanted then
      return true, "version " .. wanted .. " runs already", { needed = false, version = wanted }
    end
    return true, running .. " -> " .. wanted, { needed = true, version = wanted }
  end)
  :build()

local deploy = task("deploy")
  :description("Roll the version out, one deployment at a time")
  :depends_on({ check })
  :timeout("2m")
  :retries(2, "exponential")
  :command(function(params, deps)
    if not deps.check.needed then
      return true, "nothing to do", { deployed = false }
    end
    local version = deps.check.version
    return state.with_lock("deploy", function()
      -- Somebody may have deployed it while we waited for the lock.
      if state.get("deploy:last_version") == version then
        return true, "deployed by somebody else meanwhile", { deployed = false }
      end
      local started = os.time()
      state.set("deploy:status", "running")
      step(params, "fetching " .. version)
      step(params, "switching over")
      step(params, "checking health")
      state.set("deploy:last_version", version)
      state.set("deploy:last_time", os.time())
      state.set("deploy:status", "done")
      state.increment("deploy:count")
      state.list_push("deploy:history", { version = version, seconds = os.time() - started })
      return true, "deployed " .. version, { deployed = true }
    end, 60)
  end)
  :on_failure(function(_, reason)
    state.set("deploy:status", "failed")
    log.error("the deployment failed:", reason)
  end)
  :build()

-- A history that only grows is of no use to anybody: keep the last ten.
local tidy = task("tidy")
  :description("Keep the history short")
  :depends_on({ deploy })
  :run_if(function(_, deps)
    return deps.deploy.deployed
  end)
  :command(function()
    local kept = state.update("deploy:history", function(history)
      while #history > 10 do
        table.remove(history, 1)
      end
      return history
    end)
    return true, #kept .. " deployments on record"
  end)
  :build()

workflow.define("deploy")
  :description("Deploy a version if it is not the one that runs")
  :version("1.0.0")
  :tasks({ release, check, deploy, tidy })
