"""The report counts the corpus's files, read and not read."""

from datagen.report.files import files_by_ending


def test_files_are_grouped_by_ending():
    figures = {
        "files/.txt/read": 2,
        "files/.pdf/needs datagen[documents]": 5,
        "files/.pdf/read": 1,
        "files/.pdf/encrypted": 1,
        "files//unknown format": 1,
        "corpus/0/documents": 3,
    }
    assert files_by_ending(figures) == {
        ".pdf": (1, {"needs datagen[documents]": 5, "encrypted": 1}),
        ".txt": (2, {}),
        "none": (0, {"unknown format": 1}),
    }
    assert list(files_by_ending(figures)) == [".pdf", ".txt", "none"]
