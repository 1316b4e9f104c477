"""Whether the processor computes in bfloat16."""

import pytest

from datagen.cluster.hardware import has_bfloat16


@pytest.mark.parametrize(
    ("cpuinfo", "native"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_bf16\n", True),
        ("flags\t\t: avx512f amx_bf16 amx_tile\n", True),
        ("Features\t: fp asimd bf16\n", True),
        ("flags\t\t: fpu avx2 fma avx512f\n", False),
        ("processor\t: 0\n", False),
        ("model name\t: avx512_bf16\nflags\t\t: avx2\n", False),
    ],
)
def test_bfloat16_is_native_where_the_processor_lists_it(tmp_path, cpuinfo, native):
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert has_bfloat16(tmp_path / "cpuinfo") is native
