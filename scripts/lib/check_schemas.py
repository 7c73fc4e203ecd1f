"""Validates messages and examples against docs/schemas. Started by scripts/check-schemas."""

import collections
import json
import pathlib
import re
import sys

import jsonschema

SCHEMAS = pathlib.Path("docs/schemas")
EXAMPLES = ["README.md", "docs/mqtt.md"]
# What each topic below `<base>/<node>` holds: the name of a schema, or the words of a plain text.
TOPICS = [
    (r"[^/]+/command/result", "command-result"),
    (r"[^/]+/command", "command"),
    (r"[^/]+/problem/[a-z_]+", "problem"),
    (r"[^/]+/summary/(hour|day)", "summary"),
    (r"[^/]+/(reading|state|anomaly|gap)", None),
    (r"[^/]+/availability", ("online", "offline")),
    (r"status", ("online", "offline")),
    (r"info", "info"),
]
# Messages of which Home Assistant says what they are.
FOREIGN = re.compile(r"homeassistant/.*")
# By what an example is known: keys that no other message has.
SHAPES = [
    ("anomaly", {"event_type"}),
    ("command-result", {"id", "ok", "error"}),
    ("command", {"id", "verb"}),
    ("gap", {"from_seq", "to_seq"}),
    ("info", {"meters", "journal", "broker"}),
    ("problem", {"state", "phases"}),
    ("state", {"totals"}),
    ("summary", {"period"}),
    ("reading", {"captured_at", "registers"}),
    ("issue", {"level", "code"}),
]


def object_once(pairs):
    """An object in which no key stands twice."""
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("a key stands twice")
    return dict(pairs)


def no_constant(name):
    raise ValueError(f"{name} is no JSON")


def parse(text):
    return json.loads(text, object_pairs_hook=object_once, parse_constant=no_constant)


def closed(schema, root):
    """The schema without room for keys that it does not name. Subscribers must allow for new ones; we must name them."""
    if isinstance(schema, list):
        return [closed(item, root) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = merged(schema, root)
    result = {name: closed(value, root) for name, value in schema.items() if name != "properties"}
    if "properties" in schema:
        result["properties"] = {name: closed(value, root) for name, value in schema["properties"].items()}
        result.setdefault("additionalProperties", False)
    return result


def merged(schema, root):
    """The schema with what it takes over from others of the same file: closed one by one, they would exclude each other."""
    result = {name: value for name, value in schema.items() if name != "allOf"}
    for part in schema.get("allOf", []):
        part = root["$defs"][part["$ref"].removeprefix("#/$defs/")]
        result["properties"] = part["properties"] | result.get("properties", {})
        result["required"] = part.get("required", []) + result.get("required", [])
    return result


def validator(schema):
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(closed(schema, schema))


class Check:
    def __init__(self):
        schemas = {path.stem: parse(path.read_text()) for path in sorted(SCHEMAS.glob("*.json"))}
        self.validators = {name: validator(schema) for name, schema in schemas.items()}
        self.validators["issue"] = validator({"$defs": schemas["reading"]["$defs"], "$ref": "#/$defs/issue"})
        self.names = list(schemas)
        self.right = collections.Counter()
        self.total = collections.Counter()
        self.problems = []

    def judge(self, count, kind, text, place):
        """Counts a text as one of its kind, and says what is wrong with it."""
        self.total[count] += 1
        try:
            value = parse(text)
        except ValueError as error:
            self.problems.append(f"{place}: {error}: {text[:200]}")
            return
        error = jsonschema.exceptions.best_match(self.validators[kind].iter_errors(value))
        if error is None:
            self.right[count] += 1
        else:
            where = "/".join(str(step) for step in error.absolute_path) or "the message"
            self.problems.append(f"{place}: {kind}: {where}: {error.message[:300]}")

    # Messages

    def message(self, line, place, is_complete):
        _, topic, payload = (line.split(" ", 2) + ["", ""])[:3]
        if FOREIGN.fullmatch(topic):
            return
        kind = kind_of(topic)
        # What is retained is cleared by an empty message; what a client sends as a command may be anything.
        if kind == "command" and not is_complete or payload == "" and kind is not None:
            return
        if kind is None:
            self.problems.append(f"{place}: no schema for {topic}")
        elif isinstance(kind, tuple):
            name = topic.rsplit("/", 1)[1]
            self.total[name] += 1
            if payload in kind:
                self.right[name] += 1
            else:
                self.problems.append(f"{place}: {topic} is {payload[:80]!r}, which is none of {', '.join(kind)}")
        else:
            self.judge(kind, kind, payload, f"{place}: {topic}")

    def messages(self, place, is_complete):
        for path in sorted(place.iterdir()) if place.is_dir() else [place]:
            with open(path, encoding="utf-8") as lines:
                for number, line in enumerate(lines, 1):
                    # Whoever prints may have been ended within a line.
                    if line.endswith("\n"):
                        self.message(line[:-1], f"{path.name}:{number}", is_complete)
        if is_complete:
            self.problems += [f"no message for {name}.json" for name in self.names if not self.total[name]]

    # Examples

    def examples(self):
        for path in EXAMPLES:
            for number, text in blocks(path):
                kind = shape_of(text)
                if kind is not None:
                    self.judge(f"example {kind}", kind, text, f"{path}:{number}")
        self.problems += [
            f"{EXAMPLES[-1]} has no example of {name}.json" for name in self.names if not self.total[f"example {name}"]
        ]


def kind_of(topic):
    levels = topic.split("/")
    # The base topic may have several levels, so that the end decides.
    for start in range(2, len(levels)):
        rest = "/".join(levels[start:])
        for pattern, kind in TOPICS:
            if re.fullmatch(pattern, rest):
                return kind or levels[-1]
    return None


def shape_of(text):
    try:
        keys = set(json.loads(text))
    except (ValueError, TypeError):
        # A name in quotes that is followed by a colon, where it is no JSON: said when it is judged.
        keys = set(re.findall(r'"([a-z_]+)"\s*:', text))
    return next((kind for kind, shape in SHAPES if shape <= keys), None)


def blocks(path):
    """The examples of a page: fenced as `json`, or indented lines that begin with a brace, each one by itself."""
    fenced = None
    for number, line in enumerate(pathlib.Path(path).read_text().split("\n"), 1):
        if fenced is not None:
            if line.startswith("```"):
                yield fenced[0], "\n".join(fenced[1])
                fenced = None
            else:
                fenced[1].append(line)
        elif line == "```json":
            fenced = (number + 1, [])
        elif line.startswith("    {"):
            yield number, line


def main(arguments):
    is_complete = "--complete" in arguments
    places = [pathlib.Path(argument) for argument in arguments if argument != "--complete"]
    check = Check()
    check.examples()
    for place in places:
        check.messages(place, is_complete)
    for name in sorted(check.total):
        print(f"schema {name}: {check.right[name]} of {check.total[name]}")
    for problem in check.problems[:50]:
        print(problem, file=sys.stderr)
    if len(check.problems) > 50:
        print(f"and {len(check.problems) - 50} more", file=sys.stderr)
    return 1 if check.problems else 0


sys.exit(main(sys.argv[1:]))
