"""Makes the commands of ``benchmarks/`` importable: they are no package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parents[2] / "benchmarks"), str(Path(__file__).parent)]

from ec_cases import write_table


@pytest.fixture
def small(tmp_path, monkeypatch) -> Path:
    """Folder with a look-up set of two proteins of the real one's kind, and a set of queries."""
    alcohol = "MSIPETQKGVIFYESHGKLEYKDIPVPKPKANELLINVKYSGVCHTDLHAWHGDWPLPVKLPLVGGHEGAGVVVGMGENVKGWKIGDYAGIKWLNGSCMACEYCELGNESNCPHADLSGYTHDGSFQQYATADAVQAAHIPQGTDLAQVAPILCAGITVYKALKSANLMAGHW"
    kinase = "MVHLGPKKPQARKGSMADVPKELMDEIHQLEDMFTVDSETLRKVVKHFIDELNKGLTKKGGNIPMIPGWVMEFPTGKESGNYLAIDLGGTNLRVVLVKLSGNHTFDTTQSKYKLPHDMRTTKHQEELWSFIADSLKDFMVEQELLNTKDTLPLGFTFSYPASQNKINEGILQRWTKGFDIPNVEGHDVVPLLQNEISKRELPIEIVALINDTVGTLIASYYTDPETKMGVIFGTGVNGAFYDVVSDIEKLEGKLADDIPSNSPMAINCEYGSFDNEHLVLPRTKYDVAVDEQSPRPGQQAFEKMTSGYYLGELLRLVLLELNEKGLMLKDQDLSKLKQPYIMDTSYPARIEDDPFENLEDTDDIFQKDFGVKTTLPERKLIRRLCELIGTRAARLAVCGIAAICQKRGYKTGHIAADGSVYNKYPGFKEAAAKGLRDIYGWTGDASKDPITIVPAEDGSGAGAAVIAALSEKRIAEGKSLGIIGA"
    (tmp_path / "data" / "ec").mkdir(parents=True)
    write_table(tmp_path / "data" / "ec", "train", [("ADH", "1.1.1.1", alcohol), ("HXK", "2.7.1.1;2.7.1.2", kinase)])
    write_table(
        tmp_path / "data" / "ec",
        "price149",
        [("q1", "2.7.1.1", kinase[20:300]), ("q2", "", "MKKLLPTAAAGLLLLAAQPAMA"), ("q3", "1.1.1.1", alcohol[5:160])],
    )
    monkeypatch.setenv("PHOTOPHORE_SHARED", str(tmp_path))
    return tmp_path
