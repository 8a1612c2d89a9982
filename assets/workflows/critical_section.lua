-- Moves money between two accounts, which takes several steps that nobody may see half done or
-- mix with their own: a critical section under a lock. The sum of both never changes.
--
--   slothstate run critical_section.lua
--
-- Parameters: transfers (default 5), pace (seconds that a transfer takes, default 0.05).

local OPENING = 1000

local open = task("open")
  :description("Open the accounts, if they are not")
  :command(function()
    -- "Only if there is none" in one step: two processes cannot both give an opening balance.
    for _, account in ipairs({ "account:alice", "account:bob" }) do
      state.compare_swap(account, nil, OPENING)
    end
    return true, "accounts are open"
  end)

local transfer = task("transfer")
  :description("Transfer small sums back and forth")
  :depends_on({ open })
  :timeout("1m")
  :command(function(params)
    local transfers = tonumber(params.transfers) or 5
    for _ = 1, transfers do
      local amount = math.random(1, 20)
      local from, to = "account:alice", "account:bob"
      if math.random(2) == 1 then
        from, to = to, from
      end
      state.with_lock("accounts", function()
        local left = state.get(from)
        if left < amount then
          log.info(from, "has only", left)
          return
        end
        -- Without the lock somebody could write between these lines.
        sleep(tonumber(params.pace) or 0.05)
        state.set(from, left - amount)
        state.set(to, state.get(to) + amount)
        state.increment("accounts:transfers")
      end, 30)
    end
    return true, transfers .. " transfers"
  end)

local audit = task("audit")
  :description("The sum must be what was paid in")
  :depends_on({ transfer })
  :command(function()
    return state.with_lock("accounts", function()
      local sum = state.get("account:alice") + state.get("account:bob")
      state.set("accounts:audit", { sum = sum, correct = sum == 2 * OPENING, at = os.time() })
      if sum ~= 2 * OPENING then
        return false, "the accounts hold " .. sum .. " instead of " .. 2 * OPENING
      end
      return true, "the accounts hold " .. sum
    end)
  end)

workflow.define("critical_section", { tasks = { open, transfer, audit } })
