#!/usr/bin/env python3
"""Prints the message that gives Home Assistant the hours which it missed (docs/home-assistant.md, "Statistics").

    obisd readings --format json --meter main --since 2d | statistics.py sensor.main_energy_import --zero 15271.25
"""

import argparse
import datetime
import decimal
import json
import sys

NAMES = {
    "active_import": ("energies", "kWh", "energy"), "active_export": ("energies", "kWh", "energy"),
    "reactive_import": ("energies", "kvarh", "reactive_energy"), "reactive_export": ("energies", "kvarh", "reactive_energy"),
    "volume": ("volumes", "m³", "volume"), "energy": ("heat", "kWh", "energy"), "energy_gj": ("heat", "GJ", "energy"),
}
HOUR = datetime.timedelta(hours=1)


def hours(lines, value, offset):
    """The total at the end of each hour that is over, where there was a reading in it. Epochs join as totals do: an
    exchanged meter, or one that began anew, goes on where the total stood. The newest counter and `offset` are the total."""
    ends, shift, before = {}, decimal.Decimal(0), None
    for line in lines:
        reading = json.loads(line, parse_float=decimal.Decimal, parse_int=decimal.Decimal)
        number = value(reading)
        if number is None or reading["source"] != "live":
            continue
        number = decimal.Decimal(number)
        if before and (before[0] != reading["epoch"] or number < before[1]):
            shift += before[1] - number
        before = (reading["epoch"], number)
        time = datetime.datetime.fromisoformat(reading["time"].replace("Z", "+00:00")).astimezone(datetime.timezone.utc)
        ends[time.replace(minute=0, second=0, microsecond=0)] = number + shift
    return [(start, total + offset - shift) for start, total in sorted(ends.items())[:-1]]


def main():
    parser = argparse.ArgumentParser(description="Readings come in as `obisd readings --format json` prints them.")
    parser.add_argument("statistic", help="an entity (sensor.…) or a statistic of your own (obisd:…)")
    parser.add_argument("--value", choices=NAMES, default="active_import")
    parser.add_argument("--zero", type=decimal.Decimal, default=0, help="state less sum in any row that is there")
    parser.add_argument("--offset", type=decimal.Decimal, default=0, help="total less counter now, of an exchanged meter")
    parser.add_argument("--name", help="of a statistic of your own")
    parser.add_argument("--old", action="store_true", help="for Home Assistant before 2025.11")
    options = parser.parse_args()
    group, unit, kind = NAMES[options.value]
    rows = hours(sys.stdin, lambda reading: reading.get(group, {}).get(options.value), options.offset)
    domain, _, own = options.statistic.partition(":")
    metadata = {"statistic_id": options.statistic, "source": domain if own else "recorder", "name": options.name,
                "unit_of_measurement": unit, "has_sum": True}
    metadata.update({"has_mean": False} if options.old else {"mean_type": 0, "unit_class": kind})
    stats = [{"start": start.isoformat(), "state": float(total), "sum": float(total - options.zero)} for start, total in rows]
    print(json.dumps({"type": "recorder/import_statistics", "metadata": metadata, "stats": stats}, ensure_ascii=False))


main()
