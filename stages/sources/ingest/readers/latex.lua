-- A filter of pandoc: keeps the words in the arguments of macros, and in environments, that pandoc does not
-- know. Drawings are left out, since only a picture shows them.

local DRAWINGS = {
  "picture", "tikz", "diagram", "circuit", "quantikz", "axis", "chart", "graph", "plot", "forest", "prooftree",
}
-- Macros whose arguments are not words of the text.
local SETTINGS = {
  "set", "style", "color", "font", "size", "space", "skip", "width", "height", "length", "counter", "def",
  "page", "use", "load", "input", "include", "require", "provide", "new", "renew", "declare", "label", "index",
  "bib", "draw", "node", "path", "pgf", "tikz", "put", "rule", "box", "line", "graphics", "ref", "cite",
}
-- Macros that many documents define for the term that a sentence defines.
local TERMS = {define = true, defn = true, defined = true, definiendum = true, defterm = true, deftext = true}
-- Macros whose last argument is words, after colours and sizes; not those that only define a box or a colour.
local LAST = {"color", "box"}
local DEFINITIONS = {"use", "save", "new", "def", "set", "let"}
local TABLES = {"tab", "tblr"}
local CODE = {"code", "listing", "verb", "program", "source", "lst", "minted", "dispexample"}
local NUMBERED = {"enum", "part", "step", "question", "exercise", "problem", "answer"}
local MAX_DEPTH = 8
local MAX_TITLE = 200  -- bytes of a section's title that references repeat

local depth = 0
local filter, blocks_of_macros
local titles = {}  -- label of a section -> its title

-- What a reference names: a section by its title; a figure, table or equation by its label, as a citation by
-- its key, because pandoc does not number them.
local function reference(name, labels)
  if not name:find("ref$") or not labels then return nil end
  local found = {}
  for label in labels:gmatch("[^,%s]+") do
    table.insert(found, titles[label] and "“" .. titles[label] .. "”" or "[" .. label .. "]")
  end
  return #found > 0 and {pandoc.Str(table.concat(found, ", "))} or nil
end

local function names_one_of(words, name)
  name = name:lower()
  for _, word in ipairs(words) do
    if name:find(word, 1, true) then return true end
  end
  return false
end

local function is_setting(name)
  return not TERMS[name] and names_one_of(SETTINGS, name)
end

-- The words of a text without its markup, where it is too deep or not understood.
local function plain(text)
  local words = text:gsub("\\%a+%*?", " "):gsub("[{}\\$&~]", " "):gsub("%s+", " ")
  return pandoc.Blocks {pandoc.Para {pandoc.Str(words)}}
end

local function read(text)
  if depth >= MAX_DEPTH then return plain(text) end
  depth = depth + 1
  local understood, blocks = pcall(function()
    local parsed = pandoc.read(text, "latex+raw_tex").blocks
    return pandoc.walk_block(pandoc.walk_block(pandoc.Div(parsed), blocks_of_macros), filter).content
  end)
  depth = depth - 1
  return understood and blocks or plain(text)
end

-- A table of a package that pandoc does not know, as one that it knows: without the widths and formats.
local function as_tabular(inner)
  local rows, columns = inner:gsub("^%s*to%s+[^%s{]+", ""):gsub("^%s*spread%s+[^%s{]+", ""), 1
  while rows:find("^%s*%b{}") or rows:find("^%s*%b[]") do
    rows = rows:gsub("^%s*%b{}", "", 1):gsub("^%s*%b[]", "", 1)
  end
  for row in (rows:gsub("\\&", "") .. "\\\\"):gmatch("(.-)\\\\") do
    local _, signs = row:gsub("&", "")
    columns = math.max(columns, signs + 1)
  end
  return "\\begin{tabular}{" .. ("l"):rep(columns) .. "}" .. rows .. "\\end{tabular}"
end

-- A macro without arguments: \BibTeX and \pgfname are words, \medskip is none.
local function word(name)
  if name:find("name$") and #name > 4 then return {pandoc.Str((name:gsub("name$", "")))} end
  if name:find("TeX$") then return {pandoc.Str(name)} end
  return #name > 2 and name:find("%u") and not is_setting(name) and {pandoc.Str(name)} or {}
end

-- Report a macro without its arguments, which pandoc loses in the cells of tables; `latex.py` defines it then.
local reported = {}
local function report(name)
  if not reported[name] and not is_setting(name) and not names_one_of(LAST, name) then
    reported[name] = true
    io.stderr:write("without arguments: " .. name .. "\n")
  end
end

-- A macro that shows a picture by its size and its file, which are no words.
local function is_picture(name, groups)
  return name:lower():find("^fig") and not table.concat(groups):find("%s")
end

-- A macro's name and those of its arguments that are words.
local function arguments(macro)
  local name = macro:match("^%s*\\([%a@]+)")
  local groups = {}
  for group in macro:gsub("%b[]", ""):gmatch("%b{}") do
    if group:find("[^{}%s]") then table.insert(groups, group:sub(2, -2)) end
  end
  if not name or #groups == 0 then return name, groups end
  if names_one_of(LAST, name) and not names_one_of(DEFINITIONS, name) then
    if name:find("color$") and #groups < 2 then return name, nil end
    return name, {groups[#groups]}
  end
  if is_setting(name) or is_picture(name, groups) then return name, nil end
  return name, groups
end

-- The words of a macro's arguments; the name of another macro among them is code.
local function inlines(macro)
  local name, groups = arguments(macro)
  if not name or name == "begin" or name == "end" then return {} end
  local referred = reference(name, macro:match("^%s*\\%a+%*?%s*{([^{}]*)}%s*$"))
  if referred then return referred end
  if not groups then return {} end
  if #groups == 0 then
    if macro:find("^%s*\\%a+%*?%s*$") then report(name) end
    return word(name)
  end
  local found = pandoc.Inlines {}
  for at, group in ipairs(groups) do
    if at > 1 then found:insert(pandoc.Space()) end
    if group:find("^%s*\\[%a@]+%*?%s*$") then
      if not is_setting(group) then found:insert(pandoc.Code((group:gsub("%s", "")))) end
    elseif name == "cs" then
      found:insert(pandoc.Code("\\" .. group))
    elseif not group:find("[^%w%s.,;:!?()]") then  -- plain words need no parser, which is slow
      found:insert(pandoc.Str((group:gsub("%s+", " "))))
    else
      found:extend(pandoc.utils.blocks_to_inlines(read(group), {pandoc.Space()}))
    end
  end
  return found
end

local function has_blocks(text)
  return text:find("\\begin%s*{") or text:find("\n[ \t]*\n")
end

-- The paragraphs, lists and tables in a macro's arguments, such as an exercise; nil if it has but words.
local function blocks(macro)
  local name, groups = arguments(macro)
  if not name or not groups or not has_blocks(table.concat(groups, " ")) then return nil end
  local found = pandoc.Blocks {}
  for _, group in ipairs(groups) do found:extend(read(group)) end
  return found
end

-- Macros that hold blocks are blocks, between the words before and after them.
blocks_of_macros = {
  Para = function(para)
    local found, words = pandoc.Blocks {}, pandoc.Inlines {}
    local function flush()
      if #words > 0 then found:insert(pandoc.Para(words)) end
      words = pandoc.Inlines {}
    end
    for _, part in ipairs(para.content) do
      if part.t == "RawInline" and part.format == "latex" and has_blocks(part.text) then
        flush()
        found:insert(pandoc.RawBlock("latex", part.text))
      elseif #words > 0 or (part.t ~= "Space" and part.t ~= "SoftBreak") then
        words:insert(part)
      end
    end
    if #found == 0 then return nil end
    flush()
    return found
  end,
}

filter = {
  RawInline = function(raw)
    if raw.format ~= "latex" and raw.format ~= "tex" then return nil end
    return inlines(raw.text)
  end,
  RawBlock = function(raw)
    if raw.format ~= "latex" and raw.format ~= "tex" then return nil end
    local name, inner = raw.text:match("^%s*\\begin%s*{([^}]*)}(.*)\\end%s*%b{}%s*$")
    if not name then
      local inner = blocks(raw.text)
      if inner then return inner end
      local found = inlines(raw.text)
      return #found > 0 and {pandoc.Para(found)} or {}
    end
    if names_one_of(DRAWINGS, name) then return {} end
    inner = inner:gsub("^%s*%b[]", "", 1)
    if names_one_of(TABLES, name) and inner:find("&") then return read(as_tabular(inner)) end
    local first = inner:match("^%s*(%b{})")
    if first and (first:find("=") or names_one_of(CODE, name)) then
      inner = inner:gsub("^%s*%b{}", "", 1)
    end
    if names_one_of(CODE, name) then
      return {pandoc.CodeBlock((inner:gsub("^%s*\n", ""):gsub("%s+$", "")))}
    end
    if inner:find("^%s*\\item%A") then  -- a list of a package or of the document
      local list = names_one_of(NUMBERED, name) and "enumerate" or "itemize"
      inner = "\\begin{" .. list .. "}" .. inner .. "\\end{" .. list .. "}"
    end
    return read(inner)
  end,
}

local collect = {
  Header = function(header)
    if header.identifier ~= "" then 
      titles[header.identifier] = pandoc.utils.stringify(header.content):sub(1, MAX_TITLE)
    end
  end,
}

return {collect, blocks_of_macros, filter}
