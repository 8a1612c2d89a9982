-- Moves money between two accounts. Reading, thinking and writing take several steps that nobody
-- may mix with their own: a critical section under a lock. The sum of both never changes, however
-- many processes do this at once.
--
--   slothstate run critical_section.lua
--
-- Parameters: transfers (default 5), pace (seconds that a transfer takes, default 0.05).

local OPENING = 1000

local open = task("open")
  :description("Open the accounts, if they are not")
  :command(function()
    -- "Only if there is none" in one step: two processes cannot both give an opening balance.
    state.compare_swap("accounts:balances", nil, { alice = OPENING, bob = OPENING })
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
      local from, to = "alice", "bob"
      if math.random(2) == 1 then
        from, to = to, from
      end
      state.with_lock("accounts", function()
        local balances = state.get("accounts:balances")
        if balances[from] < amount then
          log.info(from, "has only", balances[from])
          return
        end
        -- Without the lock another could write between reading and writing.
        sleep(tonumber(params.pace) or 0.05)
        balances[from] = balances[from] - amount
        balances[to] = balances[to] + amount
        -- One write for both: whoever dies here leaves the sum as it was.
        state.set("accounts:balances", balances)
        state.increment("accounts:transfers")
      end, 60)
    end
    return true, transfers .. " transfers"
  end)

local audit = task("audit")
  :description("The sum must be what was paid in")
  :depends_on({ transfer })
  :command(function()
    return state.with_lock("accounts", function()
      local balances = state.get("accounts:balances")
      local sum = balances.alice + balances.bob
      state.set("accounts:audit", { sum = sum, correct = sum == 2 * OPENING, at = os.time() })
      if sum ~= 2 * OPENING then
        return false, "the accounts hold " .. sum .. " instead of " .. 2 * OPENING
      end
      return true, "the accounts hold " .. sum
    end)
  end)

workflow.define("critical_section", { tasks = { open, transfer, audit } })
