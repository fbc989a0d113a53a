"""python -m pyconv info | demo | bench | explain | plan; each command is loaded when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import sys

from pyconv._cli import PROBLEM_STRING

_EPILOG = """examples:
  python -m pyconv info                                what this build found on this machine
  python -m pyconv demo                                the example, a photograph and a table of real layers
  python -m pyconv plan n1c64h56w56_k64r3s3p1_bias     which algorithm would run, and why not the others
  python -m pyconv explain n1c2h5w5_k1r3s3p1           where one output element comes from, term by term
  python -m pyconv bench quick                         measure against PyTorch, two minutes
  python -m pyconv bench n1c64h56w56_k64r3s3p1         measure your own layer

python -m pyconv COMMAND --help says more, with examples.

"""

# Every command's module offers add_arguments(subparsers), which adds its parser and its `run`.
_COMMANDS = {
    "info": "pyconv._info",
    "demo": "pyconv._demo",
    "bench": "pyconv.bench.cli",
    "explain": "pyconv._explain.cli",
    "plan": "pyconv._info",
}


def parse(arguments: list[str]) -> argparse.Namespace:
    """The arguments of a command, its function among them; ends the process where they are wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m pyconv",
        description="Convolution and pooling on NumPy arrays: look inside, try it, measure it.",
        epilog=_EPILOG + PROBLEM_STRING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="|".join(_COMMANDS))
    asked_for = arguments[0] if arguments and arguments[0] in _COMMANDS else None
    for module in dict.fromkeys(_COMMANDS.values()) if asked_for is None else [_COMMANDS[asked_for]]:
        importlib.import_module(module).add_arguments(subparsers)
    return parser.parse_args(arguments or ["--help"])


def main(arguments: list[str] | None = None) -> int:
    parsed = parse(sys.argv[1:] if arguments is None else arguments)
    try:
        return int(parsed.run(parsed) or 0)
    except (ValueError, TypeError) as error:  # the user's input: the message says the rule, no traceback
        print(f"python -m pyconv {parsed.command}: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except BrokenPipeError:  # `| head` has read enough
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    sys.exit(main())
