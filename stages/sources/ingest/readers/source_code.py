"""Source code: the file is a document with one code block."""

from collections.abc import Iterator

from datagen.stages.sources.ingest.decoding import normalise, unusual
from datagen.stages.sources.ingest.record import File, Record

# Language, as named in a code fence -> endings.
LANGUAGES = {
    "python": (".py", ".pyi"),
    "javascript": (".js", ".mjs", ".cjs", ".jsx"),
    "typescript": (".ts", ".tsx"),
    "java": (".java",),
    "kotlin": (".kt", ".kts"),
    "scala": (".scala",),
    "c": (".c", ".h"),
    "cpp": (".cc", ".cpp", ".cxx", ".hh", ".hpp"),
    "csharp": (".cs",),
    "go": (".go",),
    "rust": (".rs",),
    "swift": (".swift",),
    "ruby": (".rb",),
    "php": (".php",),
    "perl": (".pl", ".pm"),
    "r": (".r",),
    "julia": (".jl",),
    "lua": (".lua",),
    "haskell": (".hs",),
    "ocaml": (".ml", ".mli"),
    "elixir": (".ex", ".exs"),
    "erlang": (".erl",),
    "clojure": (".clj",),
    "lisp": (".lisp", ".el"),
    "fortran": (".f", ".f90", ".f95"),
    "matlab": (".m",),
    "sql": (".sql",),
    "bash": (".sh", ".bash", ".zsh"),
    "powershell": (".ps1",),
    "css": (".css", ".scss"),
    "protobuf": (".proto",),
    "hcl": (".tf",),
    "dart": (".dart",),
    "groovy": (".groovy", ".gradle"),
    "zig": (".zig",),
    "cmake": (".cmake",),
    "yaml": (".yaml", ".yml"),
    "toml": (".toml",),
    "ini": (".ini", ".cfg", ".conf"),
    "properties": (".properties",),
    "batch": (".bat", ".cmd"),
    "vb": (".vb", ".bas"),
    "pascal": (".pas",),
    "tcl": (".tcl",),
    "awk": (".awk",),
    "vue": (".vue",),
    "diff": (".diff", ".patch"),
}
NAMES = {"makefile": "make", "dockerfile": "dockerfile", "cmakelists.txt": "cmake"}
BY_ENDING = {ending: language for language, endings in LANGUAGES.items() for ending in endings}


def read(file: File) -> Iterator[Record]:
    """Read the file."""
    text, encoding = file.text()
    name = file.basename.lower()
    language = NAMES.get(name) or BY_ENDING.get("." + name.rpartition(".")[2], "")
    metadata = {"programming_language": language} | unusual(encoding)
    code = normalise(text)
    yield Record(fenced(code, language) if code.strip() else "", file.basename, metadata=metadata)


def fenced(code: str, language: str) -> str:
    """Write code as a fenced block; the fence is longer than any in the code."""
    fence = "```"
    while fence in code:
        fence += "`"
    return f"{fence}{language}\n{code.strip(chr(10))}\n{fence}"
