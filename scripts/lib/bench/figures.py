"""What was measured: samples of named figures, their spread, what is wanted of them, and two runs beside each other."""

import math
import statistics


def median(samples):
    return statistics.median(samples) if samples else None


def quantile(ordered, share):
    """Of sorted samples: the smallest that so large a share does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Wanted:
    """A limit of one figure, and what the best existing collector has. Both are written as they are printed."""

    def __init__(self, limit=None, existing=None, at_least=False):
        self.limit, self.existing, self.at_least = limit, existing, at_least

    @property
    def text(self):
        if self.limit is None:
            return "–"
        return f"{'≥' if self.at_least else '≤'} {amount(self.limit)}"

    def verdict(self, value):
        if self.limit is None or value is None:
            return None
        is_reached = value >= self.limit if self.at_least else value <= self.limit
        return "reached" if is_reached else "not reached"


class Figure:
    """Samples of one quantity, one for each repeat unless said otherwise."""

    def __init__(self, row, name, unit, wanted=None):
        self.row, self.name, self.unit = row, name, unit
        self.wanted = wanted or Wanted()
        self.samples = []
        self.notes = []

    median = property(lambda self: median(self.samples))

    @property
    def verdict(self):
        return self.wanted.verdict(self.median)

    def json(self):
        return {
            "row": self.row,
            "name": self.name,
            "unit": self.unit,
            "existing": self.wanted.existing,
            "wanted": self.wanted.limit,
            "better": "more" if self.wanted.at_least else "less",
            "samples": self.samples,
            "median": self.median,
            "min": min(self.samples, default=None),
            "max": max(self.samples, default=None),
            "verdict": self.verdict,
            "notes": self.notes,
        }


class Figures:
    """In the order in which they were first heard of."""

    def __init__(self):
        self._figures = {}

    def add(self, row, name, unit, sample, wanted=None, note=None):
        figure = self._figures.setdefault((row, name), Figure(row, name, unit, wanted))
        figure.samples.append(round(sample, 6))
        if note is not None:
            figure.notes.append(note)

    def median(self, row, name):
        return self._figures[row, name].median

    def of(self, rows):
        """Row after row as they are listed there; those of growth as curves, by what stands in front of the colon."""
        found = [figure for row in rows for figure in self._figures.values() if figure.row == row]
        curves = list(dict.fromkeys(_curve(figure) for figure in found))
        return sorted(found, key=lambda figure: curves.index(_curve(figure)))


def _curve(figure):
    return (figure.row, figure.name.split(":")[0]) if figure.row == "growth" else (figure.row, None)


# --- Printing --------------------------------------------------------------------------------------------------------


def amount(value):
    """With three digits that count; thousands in groups."""
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def spread(low, high):
    return amount(low) if low == high else f"{amount(low)}–{amount(high)}"


def table(rows, numbers=()):
    """Lines of columns; those whose places are in `numbers` stand to the right. The first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]

    def line(row):
        cells = (
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        )
        return "  ".join(cells).rstrip()

    return [line(rows[0]), "  ".join("-" * width for width in widths)] + [line(row) for row in rows[1:]]


def report(figures):
    """The one table of a run, from figures as JSON has them."""
    rows = [("work", "unit", "best existing", "wanted", "median", "min–max", "verdict")]
    for figure in figures:
        wanted = Wanted(figure["wanted"], at_least=figure["better"] == "more")
        rows.append(
            (
                figure["name"],
                figure["unit"],
                figure["existing"] or "–",
                wanted.text,
                amount(figure["median"]),
                spread(figure["min"], figure["max"]),
                _verdict(figure),
            )
        )
    return table(rows, numbers=(3, 4))


def _verdict(figure):
    """With how many times as much as is wanted it is."""
    return f"{figure['verdict']} ({figure['median'] / figure['wanted']:.2f} ×)" if figure["verdict"] else ""


# --- Two runs --------------------------------------------------------------------------------------------------------


def compare(before, after):
    """Figures of both runs: (name, unit, before, after, ratio of the medians, whether the spreads are apart)."""
    known = {(figure["row"], figure["name"]): figure for figure in before}
    result = []
    for figure in after:
        old = known.get((figure["row"], figure["name"]))
        if old is None or old["median"] is None or figure["median"] is None:
            continue
        ratio = figure["median"] / old["median"] if old["median"] else None
        are_apart = figure["min"] > old["max"] or figure["max"] < old["min"]
        result.append((figure["name"], figure["unit"], old, figure, ratio, are_apart))
    return result


def comparison(before, after):
    rows = [("work", "unit", "A", "A min–max", "B", "B min–max", "B/A", "")]
    for name, unit, old, new, ratio, are_apart in compare(before, after):
        rows.append(
            (
                name,
                unit,
                amount(old["median"]),
                spread(old["min"], old["max"]),
                amount(new["median"]),
                spread(new["min"], new["max"]),
                "–" if ratio is None else f"{ratio:.3f}",
                _judgement(ratio, are_apart, new["better"], len(old["samples"]), len(new["samples"])),
            )
        )
    return table(rows, numbers=(2, 4, 6))


def _judgement(ratio, are_apart, better, *counts):
    """One sample on either side has no spread to be apart from."""
    if ratio is None or ratio == 1 or not are_apart or min(counts) < 2:
        return ""
    return "better" if (ratio > 1) == (better == "more") else "worse"
