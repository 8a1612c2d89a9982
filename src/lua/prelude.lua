-- What is easier said in Lua: calls that must hand on a script's own errors untouched, and that
-- must not swallow the order to stop. It runs once, before any script, and gets what it needs
-- from its host; nothing of that is reachable afterwards.
local host = ...
-- Kept here, so that a script that replaces one of them changes nothing in this file.
local error, type, unpack, select = error, type, unpack, select
local sub, concat = string.sub, table.concat
local raw_pcall, raw_xpcall, raw_resume = pcall, xpcall, coroutine.resume
local raw_loadstring = loadstring
local check, stopping, text_of, state = host.check, host.stopping, host.text_of, host.state
local collect = collectgarbage
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

-- Compiled code could do what no source can: only text is loaded.
local function is_text(code)
  return type(code) ~= "string" or sub(code, 1, 1) ~= "\27"
end

local function load_text(code, name)
  if not is_text(code) then
    return nil, "compiled code cannot be loaded here, only source text"
  end
  return raw_loadstring(code, name)
end
loadstring = load_text

function load(source, name)
  if type(source) == "string" then
    return load_text(source, name)
  end
  local pieces = {}
  while true do
    local piece = source()
    if piece == nil or piece == "" then
      break
    end
    pieces[#pieces + 1] = piece
  end
  return load_text(concat(pieces), name or "=(load)")
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
