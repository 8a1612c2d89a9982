-- What is easier said in Lua: calls that must hand on a script's own errors untouched, and that
-- must not swallow the order to stop. It runs once, before any script, and gets what it needs
-- from its host; nothing of that is reachable afterwards.
local host = ...
-- Kept here, so that a script that replaces one of them changes nothing in this file.
local error, type, unpack, select = error, type, unpack, select
local match = string.match
local next, rawget, setmetatable, tostring_at = next, rawget, setmetatable, tostring
local raw_pcall, raw_xpcall, raw_resume = pcall, xpcall, coroutine.resume
local check, stopping, text_of, state = host.check, host.stopping, host.text_of, host.state
local collect, sorted_keys = collectgarbage, host.sorted_keys
local variants = host.variants
-- The host's halves call the function, undo what they set up, and answer as pcall does.
local with_lock, transaction = state.with_lock, state.transaction

-- An error of a function of ours is text for a script, as any other error is.
local function caught(ok, ...)
  check()
  if ok then
    return true, ...
  end
  local problem = text_of((...))
  if problem == "not enough memory" then
    -- This Lua collects by its own pace, however little is left.
    collect()
  end
  return false, problem
end

function pcall(f, ...)
  return caught(raw_pcall(f, ...))
end

function xpcall(f, handler, ...)
  local arguments, count = { ... }, select("#", ...)
  local function called()
    return f(unpack(arguments, 1, count))
  end
  local function handled(problem)
    -- The order to stop reaches us where no limit is looked at.
    if stopping() then
      return problem
    end
    return handler(text_of(problem))
  end
  return caught(raw_xpcall(called, handled))
end

function coroutine.resume(thread, ...)
  return caught(raw_resume(thread, ...))
end

local function hand_on(ok, ...)
  if not ok then
    error((...), 0)
  end
  return ...
end

function state.with_lock(...)
  return hand_on(with_lock(...))
end

function state.transaction(...)
  return hand_on(transaction(...))
end

-- Nothing that a script sees may depend on where something lies in memory: a replay would part
-- from its recording there.
local has_place = { table = true, ["function"] = true, thread = true, userdata = true }
local weak = { __mode = "k" }

-- What has no text of its own is numbered in the order in which scripts ask.
local numbers, count = setmetatable({}, weak), 0
function tostring(...)
  local value = ...
  local text = tostring_at(...)
  local kind = type(value)
  if not has_place[kind] or not match(text, "^" .. kind .. ": 0x%x+$") then
    return text
  end
  if not numbers[value] then
    count = count + 1
    numbers[value] = count
  end
  return kind .. ": " .. numbers[value]
end

-- Whether the order in which Lua goes through a table may depend on where its keys lie. Up to format 4 of
-- recordings every key is looked at, which takes as many steps as happen to come before the first object.
local kind_of_keys, has_places = host.kind_of_keys, nil
if not kind_of_keys then
  function has_places(t)
    for key in next, t do
      if has_place[type(key)] then
        return true
      end
    end
    return false
  end
else
  local with_objects = setmetatable({}, weak)
  function has_places(t)
    if with_objects[t] then
      return true
    end
    local kind = kind_of_keys(t)
    if kind == 2 then
      -- An object leaves its mark on the order of what comes after it.
      with_objects[t] = true
    end
    return kind > 0
  end

  -- When something is collected depends on the memory that is in use, which is not the same in a replay: a
  -- table keeps its entries.
  local raw_setmetatable, getmetatable, rawset = setmetatable, getmetatable, rawset
  function _G.setmetatable(t, meta)
    if type(t) ~= "table" then
      error("bad argument #1 to 'setmetatable' (table expected, got " .. (t == nil and "no value" or type(t)) .. ")", 2)
    end
    if meta ~= nil and type(meta) ~= "table" then
      error("bad argument #2 to 'setmetatable' (nil or table expected)", 2)
    end
    local own = getmetatable(t)
    if own ~= nil and (type(own) ~= "table" or rawget(own, "__metatable") ~= nil) then
      error("cannot change a protected metatable", 2)
    end
    if meta and rawget(meta, "__mode") ~= nil then
      rawset(meta, "__mode", nil)
    end
    return raw_setmetatable(t, meta)
  end
end

local function need_table(t, name)
  if type(t) ~= "table" then
    error("bad argument #1 to '" .. name .. "' (table expected, got " .. type(t) .. ")", 3)
  end
end

-- From the key at `place` on, those that are still there.
local function step(t, keys, place)
  while keys[place] ~= nil do
    local value = rawget(t, keys[place])
    if value ~= nil then
      return place, keys[place], value
    end
    place = place + 1
  end
end

function pairs(t)
  need_table(t, "pairs")
  if not has_places(t) then
    return next, t, nil
  end
  local keys, place = sorted_keys(t), 0
  return function()
    local key, value
    place, key, value = step(t, keys, place + 1)
    if place == nil then
      place = #keys
    end
    return key, value
  end, t, nil
end

-- Which tables are being gone through in an order of ours, and where each key is in it.
local orders = setmetatable({}, weak)
local raw_next, pairs = next, pairs
function _G.next(t, key)
  need_table(t, "next")
  if key == nil then
    orders[t] = nil
    if raw_next(t) ~= nil and has_places(t) then
      local keys, places = sorted_keys(t), {}
      for place = 1, #keys do
        places[keys[place]] = place
      end
      orders[t] = { keys, places }
    end
  end
  local order = orders[t]
  if not order then
    return raw_next(t, key)
  end
  local _, following, value = step(t, order[1], (key == nil and 0 or order[2][key] or #order[1]) + 1)
  return following, value
end

-- Where a source only tests whether a table is empty, any key will do.
variants[_G.next] = {
  test = function(t)
    need_table(t, "next")
    return raw_next(t)
  end,
}

function table.foreach(t, f)
  for key, value in pairs(t) do
    local answer = f(key, value)
    if answer ~= nil then
      return answer
    end
  end
end

-- What is called in the place of `f` where a source says what it wants of it: the variant of that
-- name, if `f` has variants, or `f` itself. `name` is the field that `f` was found in.
function host.variant_of(f, variant, name)
  local of_f = variants[f]
  if of_f then
    return of_f[variant] or f
  end
  local kind = type(f)
  if kind == "nil" or kind == "boolean" or kind == "number" or kind == "string" then
    return function()
      error("attempt to call field '" .. name .. "' (a " .. kind .. " value)", 2)
    end
  end
  return f
end
