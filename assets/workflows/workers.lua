-- Workers that take jobs from a list in the state, and a master that waits until every job is
-- done. Run it in several terminals at once: the jobs of a batch are shared among all of them,
-- and each job is done by one worker only.
--
--   slothstate run workers.lua
--
-- Parameters: jobs (how many a batch has, default 6), pace (seconds a job takes, default 0.05).

local enqueue = task("enqueue")
  :description("Put a batch of jobs on the list, unless one is being worked on")
  :command(function(params)
    local jobs = tonumber(params.jobs) or 6
    return state.with_lock("workers", function()
      local open = state.get("workers:batch")
      if open then
        return true, "helping with batch " .. open
      end
      local batch = state.increment("workers:batches")
      state.set("workers:batch", batch, 300)
      state.set("workers:wanted", jobs, 300)
      state.set("workers:done", 0, 300)
      for number = 1, jobs do
        state.list_push("workers:jobs", { batch = batch, number = number })
      end
      return true, "batch " .. batch .. " has " .. jobs .. " jobs"
    end)
  end)

local work = task("work")
  :description("Do jobs until none is left")
  :depends_on(enqueue)
  :timeout("5m")
  :command(function(params)
    local pace = tonumber(params.pace) or 0.05
    local me = "workers:busy:" .. os.getenv("HOSTNAME") .. ":" .. math.random(100000, 999999)
    local count = 0
    -- Taking a job off the list is one step: nobody else gets the same one.
    local job = state.list_pop("workers:jobs")
    while job do
      -- A sign of life that goes away by itself if we die.
      state.set_with_ttl(me, "job " .. job.number, 10 + pace * 2)
      sleep(pace)
      count = count + 1
      state.increment("workers:total")
      if state.get("workers:batch") == job.batch then
        state.increment("workers:done")
      end
      job = state.list_pop("workers:jobs")
    end
    state.delete(me)
    return true, count .. " jobs done", { count = count }
  end)

local gather = task("gather")
  :description("Wait for the jobs that others still work on, and close the batch")
  :depends_on(work)
  :timeout("5m")
  :command(function(params)
    local pace = tonumber(params.pace) or 0.05
    local batch, wanted = state.get("workers:batch"), state.get("workers:wanted", 0)
    if not batch then
      return true, "the batch is closed already"
    end
    -- No count means that another master has closed the batch.
    local _, problem = state.wait("workers:done", function(done)
      return done == nil or done >= wanted
    end, 5 + wanted * pace)
    return state.with_lock("workers", function()
      if state.get("workers:batch") ~= batch then
        return true, "closed by another master"
      end
      local done = state.get("workers:done", 0)
      state.delete("workers:batch")
      state.delete("workers:done")
      state.delete("workers:wanted")
      if problem then
        -- A worker died with a job in its hands.
        return false, "only " .. done .. " of " .. wanted .. " jobs were done in time"
      end
      state.set("workers:last_finished", os.time())
      return true, "batch " .. batch .. " is complete"
    end)
  end)

workflow.define("workers", {
  description = "Workers share jobs, a master waits for them",
  version = "1.0.0",
  tasks = { enqueue, work, gather },
})
