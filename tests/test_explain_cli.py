"""python -m pyconv explain: from files or a problem string, to the terminal or a file."""

import numpy as np
import pytest

import pyconv
from pyconv.__main__ import main


def test_problem_strings_of_every_kind(capsys):
    for problem in (
        "n1c2w11_k3s4",
        "n1c3h5w5_k2r3s3p1u2_bias",
        "n1c1d4h4w4_k1t2r2s2",
        "n1c2h6w6_maxr2s2",
        "n1c1w9_avgs3p1",
    ):
        assert main(["explain", "--shape", problem, "--check"]) == 0
        out = capsys.readouterr().out
        assert main(["explain", problem, "--check"]) == 0
        assert capsys.readouterr().out == out
        assert "output[0, 0" in out
        assert "pyconv " in out
        assert "TOO FAR" not in out
    assert main(["explain", "--shape", "n1c2w11_k3s4", "--at=-1,-1,-1"]) == 0
    assert "output[0, 2, 7]" in capsys.readouterr().out


def test_files_in_picture_out(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((1, 2, 6, 6)), rng.standard_normal((3, 2, 3, 3)), rng.standard_normal(3)
    for name, array in {"x": x, "w": w, "b": b}.items():
        np.save(tmp_path / f"{name}.npy", array)
    files = ["--input", f"{tmp_path}/x.npy", "--weight", f"{tmp_path}/w.npy", "--bias", f"{tmp_path}/b.npy"]
    target = tmp_path / "out.svg"
    assert (
        main(["explain", *files, "--padding", "1", "--stride", "2,1", "--at", "0,2,1,-1", "-o", str(target)])
        == 0
    )
    expected = pyconv.explain(x, w, b, padding=1, stride=(2, 1), at=(0, 2, 1, -1))
    assert target.read_text(encoding="utf-8") == expected.to_svg()
    assert main(["explain", *files, "--padding", "same"]) == 0
    assert str(pyconv.explain(x, w, b, padding="same")) in capsys.readouterr().out
    assert main(["explain", *files[:2], "--pool", "max", "--kernel", "2"]) == 0
    assert str(pyconv.explain_pool(x, 2)) in capsys.readouterr().out


def test_sizes_and_labels(tmp_path, capsys):
    assert main(["explain", "--shape", "n1c3h225w224_k64r7s7p3u2", "--sizes"]) == 0
    assert "floor(223 / 2) + 1 = 112" in capsys.readouterr().out
    np.save(tmp_path / "x.npy", np.ones((1, 1, 3)))
    np.save(tmp_path / "w.npy", np.ones((1, 1, 2)))
    files = ["--input", f"{tmp_path}/x.npy", "--weight", f"{tmp_path}/w.npy"]
    assert main(["explain", *files, "--labels", "the cat sat"]) == 0
    assert "cat" in capsys.readouterr().out


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["explain", "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    for word in ("examples:", "explain n1c2w11_k3s4", "-o page.html", "a problem string reads", "--labels"):
        assert word in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "a problem string or --input"),
        (["n1c2w11_k3s4", "--input", "x.npy"], "not both"),
        (["n1c2w11_k3s4", "--padding", "1"], "--padding belongs to --input"),
        (["n1c2w11_k3s4", "--shape", "n1c2w11_k3s4"], "give one problem string"),
        (["--input", __file__, "--weight", "w.npy"], "no .npy file"),
        (["--input", "absent.npy", "--weight", "w.npy"], "cannot read absent.npy"),
        (["--shape", "n1c2w11_k3s4", "--at", "0,0,99"], "must lie in the output"),
        (["--shape", "n1c2w11_k3s4", "-o", "x.gif"], ".svg"),
        (["--shape", "n1c2w11_k3s4", "-o", "absent/x.svg"], "cannot write absent/x.svg"),
    ],
)
def test_mistakes_are_told_without_a_traceback(arguments, words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["explain", *arguments])
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


def test_a_plan_of_files_is_that_of_the_arrays(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((1, 4, 8, 9)), rng.standard_normal((4, 1, 3, 3))
    for name, array in {"x": x, "w": w}.items():
        np.save(tmp_path / f"{name}.npy", array)
    arguments = f"plan --input {tmp_path}/x.npy --weight {tmp_path}/w.npy --padding 1 --stride 2,1 --groups 4"
    assert main([*arguments.split(), "--padding-mode", "circular", "--threads", "2"]) == 0
    with pyconv.options(num_threads=2):
        expected = pyconv.plan(x, w, padding=1, stride=(2, 1), groups=4, padding_mode="circular")
    assert expected.problem == "n1c4h8w9_k4r3s3p1u2x1g4_f64_circular"
    assert capsys.readouterr().out == f"{expected}\n"
    target = tmp_path / "plan.txt"
    assert main(["plan", "c3w9_k2s3", "--shape", "c3w9_k2s4", "-o", str(target)]) == 0
    written = target.read_text(encoding="utf-8")
    assert written == f"{pyconv.plan('c3w9_k2s3')}\n{pyconv.plan('c3w9_k2s4')}\n"


def test_without_a_command_the_help_is_shown(capsys):
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    for command in ("info", "demo", "bench", "explain", "plan"):
        assert f"python -m pyconv {command}" in out
