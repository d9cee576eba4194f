"""Two clones of this repository beside each other, each with an embedded AWS of its own (ten seconds)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.clones import TYPED_SIDE_BY_SIDE, clone_into, is_open, port_of

pytestmark = pytest.mark.aws


def test_two_clones_stand_side_by_side(tmp_path: Path) -> None:
    clones = [clone_into(tmp_path / name) for name in ("one", "two")]
    try:
        ports = []
        for clone in clones:
            code, printed = clone.types("local-up")
            assert code == 0, printed
            ports.append(port_of(printed))
        assert ports[0] != ports[1]
        for clone, port in zip(clones, ports, strict=True):
            assert clone.evaluates("env", 'echo "$AWS_ENDPOINT_URL"') == f"http://127.0.0.1:{port}"
        assert clones[0].types("local-down")[0] == 0
        assert [is_open(port) for port in ports] == [False, True]
        clones[0].assert_nothing_runs()
        assert f":{ports[1]}, process" in clones[1].types("local-status")[1]
        assert clones[0].typed | clones[1].typed == TYPED_SIDE_BY_SIDE
    finally:
        for clone in clones:
            clone.types("local-down", timeout=300)
    assert not is_open(ports[1])
