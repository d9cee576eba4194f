"""What Python takes for a number and nobody means as one is refused, wherever a number is given."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from fruits.command_line import parse
from fruits.errors import FruitsError, UsageError
from fruits.executors import read_limit
from fruits.request import MEANINGS, Request, parse_decimal, parse_share, parse_whole

from localaws.settings import SettingError, Settings
from ops.cli import main as cli
from ops.cli.commands import TAKES
from ops.cli.options import OPTIONS
from ops.cli.values import read_fields, read_number, read_whole_number
from ops.core.errors import OperatorError
from ops.cost.money import read_currency

NO_NUMBERS = [
    "nan",
    "NaN",
    "inf",
    "-inf",
    "Infinity",
    "1e400",
    "1_000",
    "１２",
    "٣",
    "²",
    "0x10",
    "1,5",
    "5 5",
    "9" * 5000,
]
NO_AMOUNTS = [*NO_NUMBERS, "-5", "-0.5"]
FIELDS = [name for name, meaning in MEANINGS.items() if meaning.kind in ("whole", "share")]
COUNTS = [name for name, option in OPTIONS.items() if option.count]
AMOUNTS = [name for name, option in OPTIONS.items() if option.amount]


def test_python_takes_them_for_numbers() -> None:
    """Otherwise nothing below would say anything."""
    assert math.isnan(float("nan"))
    assert (float("1e400"), int("1_000"), int("１２"), int("٣")) == (math.inf, 1000, 12, 3)


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_no_reader_takes_one(text: str) -> None:
    for read in (parse_whole, parse_decimal, parse_share):
        with pytest.raises(ValueError, match="is not a"):
            read(text)
        with pytest.raises(ValueError, match="is not a"):
            read(f"{text} %")


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_field_of_a_run(name: str, text: str) -> None:
    if MEANINGS[name].typed:
        with pytest.raises(UsageError, match=f"{name.upper()}=.* is not a (whole )?number. Fix: for example"):
            read_fields({name.upper(): text})
    with pytest.raises(UsageError, match=f"argument --{name.replace('_', '-')}: .* is not a"):
        parse(["--input", "i", "--output", "o", f"--{name.replace('_', '-')}={text}"])


@pytest.mark.parametrize("name", [name for name in FIELDS if MEANINGS[name].typed])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -5, 10**400, "12", True])
def test_a_field_of_a_request_file(name: str, value: Any) -> None:
    with pytest.raises(FruitsError, match=r"Fix: |cannot be"):
        Request.from_json(json.loads(json.dumps({"input": "i", "output": "o", name: value})))


@pytest.mark.parametrize("name", [*COUNTS, *AMOUNTS])
@pytest.mark.parametrize("text", NO_AMOUNTS)
def test_an_option_of_every_command_that_takes_it(name: str, text: str) -> None:
    for command in [command for command, takes in TAKES.items() if name in takes]:
        with pytest.raises(
            OperatorError, match=f"{name}=.* is not a (whole )?number from [01]. Fix: for example {name}="
        ):
            cli.make_environment(command, {name: text}, {})
    with pytest.raises(OperatorError, match=f"{name}=.* is not a number. Fix: for example"):
        read_number({name: text}, name)


@pytest.mark.parametrize("text", NO_AMOUNTS)
def test_other_numbers(text: str) -> None:
    with pytest.raises(UsageError, match=r"SEED=.* is not a whole number from 0. Fix: for example SEED=0"):
        read_whole_number({"SEED": text}, "SEED", 0, least=0)
    with pytest.raises(OperatorError, match=r"is not a rate\. Fix: "):
        read_currency(f"EUR:{text}")
    with pytest.raises(UsageError, match=r"is not a number of seconds\. Fix: 0 or more"):
        read_limit(text)
    for name in ("CLOCK_RATE", "EXECUTORS", "VCPU_QUOTA"):
        with pytest.raises(SettingError, match=f"LOCALAWS_{name}=.* is not a (whole )?number from [01.]+ Fix: "):
            Settings.from_environment({f"LOCALAWS_{name}": text})


@pytest.mark.parametrize(
    ("name", "least", "example"),
    [
        ("CLOCK_RATE", "0.001", "1.0"),
        ("EXECUTORS", "1", "2"),
        ("EXECUTOR_CORES", "1", "1"),
        ("EXECUTOR_MEMORY_MB", "512", "1536"),
        ("DRIVER_MEMORY_MB", "512", "1536"),
        ("YARN_NODES", "1", "3"),
    ],
)
def test_a_setting_that_nothing_works_with(name: str, least: str, example: str) -> None:
    assert Settings.from_environment({f"LOCALAWS_{name}": least})
    for text in ("0", "0.0"):
        with pytest.raises(SettingError, match=rf"number from {least}\. Fix: for example LOCALAWS_{name}={example}\."):
            Settings.from_environment({f"LOCALAWS_{name}": text})
    for name in ("VCPU_QUOTA", "STARTING_SECONDS", "LOG_DELAY_SECONDS", "API_DELAY_SECONDS"):
        assert Settings.from_environment({f"LOCALAWS_{name}": "0"})


def test_what_is_empty_is_not_given() -> None:
    assert read_number({"MAX_USD_PER_HOUR": ""}, "MAX_USD_PER_HOUR") is None
    assert read_fields({name.upper(): "" for name in FIELDS}) == {}
    assert cli.make_environment("plan", {"MAX_USD_PER_HOUR": ""}, {})["MAX_USD_PER_HOUR"] == ""


def test_numbers_are_numbers() -> None:
    assert read_number({"MAX_USD_PER_HOUR": "0"}, "MAX_USD_PER_HOUR") == 0
    assert read_number({"MAX_USD_PER_HOUR": " 3.20 "}, "MAX_USD_PER_HOUR") == 3.2
    assert [parse_decimal(text) for text in ("2", "2.", ".5", "1e3", "1E-3", "-1")] == [2, 2, 0.5, 1000, 0.001, -1]
    assert [parse_share(text) for text in ("95%", "95 %", "0.95", " .5 ")] == [0.95, 0.95, 0.95, 0.5]
    assert (parse_whole("0"), parse_whole("999999999999999"), read_limit("0")) == (0, 10**15 - 1, 0)
