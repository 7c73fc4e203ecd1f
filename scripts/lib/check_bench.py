"""Checks the parts of scripts/bench that measure nothing. Started by scripts/check-bench."""

import json
import pathlib
import random
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent / "bench"))

import figures
import frames
import micro
import mqtt
import options

done = []
problems = []


def check(sentence, is_right):
    done.append(sentence)
    if not is_right:
        problems.append(sentence)


def refuses(work, *arguments):
    try:
        work(*arguments)
    except (Exception, SystemExit):
        return True
    return False


# --- Files of meters -------------------------------------------------------------------------------------------------


def check_frames():
    check("the checksum of a known text is right", frames.x25(b"123456789") == bytes.fromhex("6e90"))
    chance = random.Random(1)
    numbers = [0, 1, 255, 256, 65535, 65536, frames.NUMBERS - 1]
    numbers += [chance.randrange(frames.NUMBERS) for _ in range(200)]
    made = frames.Frames(60)
    pairs = [(chance.randrange(60), number) for number in numbers]
    check("a file has its length", all(len(frames.build(*pair)) == frames.LENGTH for pair in pairs))
    check("files made cheaply are those made plainly", all(made.file(*pair) == frames.build(*pair) for pair in pairs))
    block = b"".join(frames.build(7, number) for number in range(250, 290))
    check("so are blocks of them, across a byte of the number", made.block(7, 250, 40) == block)
    check("a block of other files is not the same one", made.block(7, 251, 40) != block)
    check("the counter tells the number", frames.number_of(b"8388608.0") == 0 and frames.number_of(b"8388633.7") == 257)
    check("and does so without tenths", frames.number_of(b"8388609") == 10)


def check_decoder(program):
    """The daemon's own decoder has the last word on files."""
    numbers = [0, 1, 12345, 0x1B1B1B, frames.NUMBERS - 1]
    made = frames.Frames(3)
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(b"".join(made.file(2, number) for number in numbers))
        file.flush()
        ended = subprocess.run(
            [program, "decode", "--protocol", "sml", "--format", "json", "--input", "raw", file.name],
            capture_output=True,
            text=True,
        )
    # Numbers as they stand there, with every digit.
    messages = [json.loads(line, parse_float=str) for line in ended.stdout.splitlines()]
    check("the decoder accepts every file", ended.returncode == 0 and all(message["ok"] for message in messages))
    check("and finds nothing beside them", len(messages) == len(numbers) and not ended.stderr)
    check("without a warning", not any(message["warnings"] for message in messages))
    check("of the same meter", {message["meter"]["id"] for message in messages} == {"1BNC0010000002"})
    registers = [{entry["obis"]: entry for entry in message["registers"]} for message in messages]
    counters = [entries["1-0:1.8.0*255"]["value"] for entries in registers]
    check("their counters tell the numbers", [frames.number_of(value.encode()) for value in counters] == numbers)
    powers = [int(entries["1-0:16.7.0*255"]["value"]) for entries in registers]
    check("their powers are plausible", all(1024 <= power < 1280 for power in powers))
    voltages = [float(entries[f"1-0:{code}.7.0*255"]["value"]) for entries in registers for code in (32, 52, 72)]
    check("so are their voltages", len(voltages) == 15 and all(230.4 <= voltage < 232 for voltage in voltages))


# --- Arithmetic ------------------------------------------------------------------------------------------------------


def figure(samples, name="cpu", unit="ms", wanted=None):
    found = figures.Figures()
    for sample in samples:
        found.add("cpu", name, unit, sample, wanted)
    return found.of(["cpu"])[0].json()


def check_statistics():
    ordered = list(range(1, 101))
    quantiles = [figures.quantile(ordered, share) for share in (0, 0.5, 0.99, 1)]
    check("quantiles are values that were seen", quantiles == [1, 50, 99, 100])
    check("also of a single one", figures.quantile([7], 0.5) == figures.quantile([7], 0.99) == 7)
    one = figure([3, 1, 2])
    check("a figure has its samples in their order", one["samples"] == [3, 1, 2])
    check("and their median and spread", (one["median"], one["min"], one["max"]) == (2, 1, 3))
    less, more = figures.Wanted(300), figures.Wanted(12000, at_least=True)
    check("a limit from above", (less.verdict(300), less.verdict(300.1)) == ("reached", "not reached"))
    check("a limit from below", (more.verdict(12000), more.verdict(11999)) == ("reached", "not reached"))
    check("no limit, no verdict", figures.Wanted().verdict(1) is None)
    texts = [figures.amount(value) for value in (0.123, 9.999, 12.34, 100.4, 12345.6, 0, None)]
    check("amounts have the digits that count", texts == ["0.12", "10", "12.3", "100", "12 346", "0", "–"])


def check_comparison():
    slow, fast = figure([100, 110, 120]), figure([50, 55, 60])
    ((_, _, old, new, ratio, are_apart),) = figures.compare([slow], [fast])
    check("the ratio is that of the medians", ratio == 0.5 and (old, new) == (slow, fast))
    check("spreads that do not meet are apart", are_apart)
    check("those that meet are not", not figures.compare([slow], [figure([90, 100, 105])])[0][5])
    check("less is better where less is wanted", figures.comparison([slow], [fast])[2].endswith("better"))
    rate = figures.Wanted(at_least=True)
    lines = figures.comparison([figure([100, 110], wanted=rate)], [figure([50, 55], wanted=rate)])
    check("and worse where more is", lines[2].endswith("worse"))
    check("a single sample decides nothing", "worse" not in figures.comparison([figure([1])], [figure([2])])[2])
    check("figures of one side alone are left out", not figures.compare([slow], [figure([1], name="other")]))
    check("a figure that was zero has no ratio", figures.compare([figure([0])], [fast])[0][4] is None)
    lines = figures.report([slow, figure([1], name="longer than the other", wanted=figures.Wanted(2, "3"))])
    check("the table has a line for each figure", len(lines) == 4 and lines[3].endswith("reached (0.50 ×)"))


def check_micro():
    found = figures.Figures()
    count = micro.add('Building…\n{"name":"a","unit":"frames","per_second":[3,1,2]}\n', found)
    (result,) = found.of(["micro"])
    check("lines that are figures are taken from what a program prints", count == 1 and result.median == 2)
    check("they have their unit, and more is better", result.unit == "frames/s" and result.json()["better"] == "more")


# --- Packets ---------------------------------------------------------------------------------------------------------


def received(*pieces):
    """What a connection makes of bytes that arrive in pieces."""
    near, far = socket.socketpair()
    connection = mqtt.Connection.__new__(mqtt.Connection)
    connection.socket, connection._buffer = near, b""
    packets = []
    with near, far:
        for piece in pieces:
            far.sendall(piece)
            packets += connection.receive()
    return packets


def check_packets():
    small, large = mqtt.publish("a/b", 7, b"x" * 20), mqtt.publish("a/b", 8, b"y" * 300)
    check("a packet begins with its kind and length", small[:2] == b"\x32\x1b" and large[:3] == b"\x32\xb3\x02")
    whole = received(small + large)
    check("packets that arrive together are taken apart", [len(content) for _, content in whole] == [27, 307])
    data = small + large
    dripped = received(*(data[place : place + 1] for place in range(len(data))))
    check("and put together where they arrive in pieces", dripped == whole)
    check("an acknowledgement has the number", mqtt.puback(b"\x00\x07") == bytes.fromhex("40020007"))


def check_options():
    full, quick = options.parse([]), options.parse(["--quick", "--seconds", "7"])
    check("everything is measured", full.only == options.ROWS)
    check("what is given goes before the short form", (quick.seconds, quick.repeat) == (7, 1))
    check("rows stand in their order", options.parse(["--only", "fleet,cpu"]).only == ["cpu", "fleet"])
    sys.stderr = open("/dev/null", "w")
    check("rows that there are not are refused", refuses(options.parse, ["--only", "speed"]))
    check("so are sizes that are none", refuses(options.parse, ["--rows", "1000,0"]))
    sys.stderr = sys.__stderr__


def main(arguments):
    check_frames()
    if arguments:
        check_decoder(arguments[0])
    else:
        print("No obisd is given: the files were not decoded.")
    for part in (check_statistics, check_comparison, check_micro, check_packets, check_options):
        part()
    for sentence in problems:
        print(f"not so: {sentence}")
    print(f"benchmark: {len(done) - len(problems)} of {len(done)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
