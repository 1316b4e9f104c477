"""What to do with files of common formats that are not read: ending -> advice."""

# What to do with common formats that are not read.
REMEDIES = {
    **dict.fromkeys((".doc", ".dot"), "save it as .docx (soffice --headless --convert-to docx *.doc)"),
    **dict.fromkeys((".ppt", ".pps"), "save it as .pptx (soffice --headless --convert-to pptx *.ppt)"),
    **dict.fromkeys((".wpd", ".wps", ".pub", ".sxw", ".fodt"), "open it in LibreOffice and save it as .odt"),
    **dict.fromkeys((".fodp", ".sxi", ".fods", ".sxc"), "open it in LibreOffice and save it as .odp or .ods"),
    **dict.fromkeys((".pages", ".numbers", ".key"), "export it as PDF or as an Office file"),
    **dict.fromkeys((".vsd", ".vsdx", ".odg", ".one", ".indd", ".ai"), "export it as PDF"),
    **dict.fromkeys((".msg", ".oft", ".pst", ".ost", ".emlx"), "export it as .eml or .mbox"),
    **dict.fromkeys((".mobi", ".azw", ".azw3", ".fb2"), "convert it to .epub"),
    **dict.fromkeys((".ps", ".eps", ".djvu", ".dvi", ".xps"), "convert it to .pdf"),
    **dict.fromkeys((".lyx", ".rnw"), "export it as .tex or .pdf"),
    **dict.fromkeys(
        (
            *(".org", ".opml", ".adoc", ".asciidoc", ".asc", ".texi", ".texinfo", ".textile", ".typ"),
            *(".pod", ".rdoc", ".creole"),
        ),
        "convert it to .md or .html",
    ),
    **dict.fromkeys((".chm", ".warc"), "extract its pages as .html"),
    **dict.fromkeys((".ttml", ".ass", ".ssa", ".sub"), "convert it to .srt"),
    **dict.fromkeys(
        (
            *(".sqlite", ".sqlite3", ".db", ".mdb", ".accdb", ".dbf"),
            *(".sav", ".dta", ".rds", ".rda", ".orc", ".avro", ".h5", ".hdf5", ".pkl"),
        ),
        "export its tables as .parquet or .csv",
    ),
    **dict.fromkeys(
        (".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".webp", ".heic", ".bmp", ".psd"),
        "an image: run OCR on it",
    ),
    **dict.fromkeys(
        (
            *(".mp3", ".wav", ".m4a", ".ogg", ".flac", ".opus"),
            *(".mp4", ".mov", ".mkv", ".avi", ".webm", ".wmv"),
        ),
        "transcribe it to .srt or .txt",
    ),
    **dict.fromkeys(
        (".rar", ".7z", ".cab", ".iso", ".dmg", ".deb", ".rpm", ".jar", ".whl"),
        "unpack it, or pack it as .zip or .tar",
    ),
    **dict.fromkeys((".lz4", ".lz", ".lzma", ".z", ".br"), "unpack it, or compress it as .gz, .xz or .zst"),
    **dict.fromkeys((".gpg", ".pgp"), "decrypt it"),
}
