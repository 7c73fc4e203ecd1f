"""Checks the files in etc/integrations against schemas and messages. Started by scripts/check-integrations."""

import json
import pathlib
import re
import subprocess
import sys

import yaml

try:
    import tomllib
except ImportError:  # Python before 3.11
    tomllib = None

FOLDER = pathlib.Path("etc/integrations")
SCHEMAS = pathlib.Path("docs/schemas")
problems = []


def expect(condition, problem):
    if not condition:
        problems.append(problem)


# --- Schemas ---------------------------------------------------------------------------------------------------------


def resolved(schema, root):
    """The schema itself, where it is only a name of another one."""
    while "$ref" in schema:
        target = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        schema = target
    return schema


def is_known(kind, path):
    """Whether a message of that kind can have a key, named with the keys around it."""
    root = json.loads((SCHEMAS / f"{kind}.json").read_text())
    schema = root
    for step in path:
        schema = resolved(schema, root).get("properties", {}).get(step)
        if schema is None:
            return False
    return True


# --- Node-RED --------------------------------------------------------------------------------------------------------


def node_red():
    flow = json.loads((FOLDER / "node-red/flow.json").read_text())
    ids = [node["id"] for node in flow]
    nodes = {node["id"]: node for node in flow}
    expect(len(ids) == len(nodes), "node-red: an id stands twice")
    kinds = {"tab", "mqtt-broker", "comment", "mqtt in", "mqtt out", "function", "inject", "debug"}
    for node in flow:
        name = f"node-red: {node.get('name') or node['id']}"
        expect(node["type"] in kinds, f"{name}: {node['type']} is no node that comes with Node-RED")
        if node["type"] in ("tab", "mqtt-broker"):
            continue
        expect(nodes.get(node["z"], {}).get("type") == "tab", f"{name}: is on no tab")
        outputs = node["wires"]
        for target in (target for wires in outputs for target in wires):
            expect(target in nodes, f"{name}: a wire leads to {target}, which does not exist")
        if node["type"] == "function":
            expect(len(outputs) == node["outputs"], f"{name}: {len(outputs)} wires for {node['outputs']} outputs")
        if node["type"].startswith("mqtt "):
            expect(nodes.get(node["broker"], {}).get("type") == "mqtt-broker", f"{name}: has no broker")
        if node["type"] == "mqtt in":
            check_filter(name, node["topic"])
            expect(node["qos"] == "1", f"{name}: is not subscribed with QoS 1")
    reached = {target for node in flow for wires in node.get("wires", []) for target in wires}
    for node in flow:
        if node["type"] in ("function", "debug", "mqtt out"):
            expect(node["id"] in reached, f"node-red: nothing leads to {node['name']}")
    broker = next(node for node in flow if node["type"] == "mqtt-broker")
    expect(broker["clientid"] and not broker["cleansession"], "node-red: readings are lost while it is away")


def check_filter(name, topic):
    kinds = r"(reading|gap|anomaly|state|availability|summary/(hour|day)|problem/\+|command/result)"
    expect(re.fullmatch(rf"obisd/\+/\+/{kinds}", topic), f"{name}: there is no topic {topic}")


# --- Telegraf --------------------------------------------------------------------------------------------------------


def telegraf(points, messages):
    """The names of all fields; nothing where the file cannot be read here."""
    if tomllib is None:
        print("telegraf: skipped, since this Python reads no TOML")
        return set()
    config = tomllib.loads((FOLDER / "telegraf/obisd.conf").read_text())
    inputs = config["inputs"]["mqtt_consumer"]
    made = set()
    for source in inputs:
        (topic,) = source["topics"]
        check_filter("telegraf", topic)
        kind = topic.rsplit("/", 1)[1]
        for parser in source["json_v2"]:
            made.add(parser["measurement_name"])
            for part in parser["field"] + parser["tag"] + [{"path": parser["timestamp_path"]}]:
                expect(is_known(kind, part["path"].split(".")), f"telegraf: {kind} has no {part['path']}")
            if kind == "reading":
                readings = parser
    taken = {name for kind in config["outputs"].values() for output in kind for name in output["namepass"]}
    expect(made == taken, f"telegraf: {made} is made and {taken} is taken")
    same = 0
    for reading in messages:
        point = telegraf_point(readings, reading)
        key = (reading["meter"], reading["seq"])
        if key in points:
            expect(point == points[key], f"telegraf: {point} is not {points[key]}")
            same += point == points[key]
    if points:
        expect(same > 0, "telegraf: no reading has a point")
        print(f"telegraf: {same} of {len(points)} readings are the points of the export")
    return {field["rename"] for field in readings["field"]}


def telegraf_point(parser, reading):
    """What the parser json_v2 makes of a message: tags, fields with their types, the time."""

    def value(path):
        found = reading
        for step in path.split("."):
            found = found.get(step) if isinstance(found, dict) else None
        return found

    kinds = {"int": int, "float": float, "string": str}
    fields = {}
    for field in parser["field"]:
        found = value(field["path"])
        if found is not None:
            fields[field["rename"]] = kinds[field["type"]](found)
    return {tag["path"]: value(tag["path"]) for tag in parser["tag"]}, fields, value(parser["timestamp_path"])


def exported(path):
    """Points of `obisd readings --format influx`, by meter and seq. Names there have nothing to escape."""
    points = {}
    for line in path.read_text().splitlines():
        head, fields, time = re.fullmatch(r'(\S+) ((?:[^" ]|"(?:[^"\\]|\\.)*")+) (-?\d+)', line).groups()
        tags = dict(pair.split("=") for pair in head.split(",")[1:])
        values = {}
        for name, text in re.findall(r'([^=,]+)=("(?:[^"\\]|\\.)*"|[^,]+)', fields):
            if text.startswith('"'):
                values[name] = re.sub(r"\\(.)", r"\1", text[1:-1])
            else:
                values[name] = int(text[:-1]) if text.endswith("i") else float(text)
        points[tags["meter"], values["seq"]] = (tags, values, int(time))
    return points


def in_nanoseconds(points):
    """The same with the time as messages write it."""
    import datetime

    def text(nanoseconds):
        moment = datetime.datetime.fromtimestamp(nanoseconds // 10**9, datetime.timezone.utc)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{nanoseconds // 10**6 % 1000:03d}Z"

    return {key: (tags, values, text(time)) for key, (tags, values, time) in points.items()}


# --- Grafana ---------------------------------------------------------------------------------------------------------


def grafana(fields):
    dashboard = json.loads((FOLDER / "grafana/obisd.json").read_text())
    panels = dashboard["panels"]
    expect(len({panel["id"] for panel in panels}) == len(panels), "grafana: an id stands twice")
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    asked = 0
    for panel in panels:
        expect(panel["targets"], f"grafana: {panel['title']} asks nothing")
        for target in panel["targets"]:
            query = target["query"]
            asked += 1
            names = set(re.findall(r'"([^"]+)"', query)) - {"obisd", "node", "meter"}
            expect(names and names <= fields, f"grafana: {panel['title']}: there is no field {names - fields}")
            used = set(re.findall(r"\$([A-Za-z_]+)", query)) - {"timeFilter", "__interval"}
            expect(used <= variables, f"grafana: {panel['title']}: there is no variable {used - variables}")
    print(f"grafana: {asked} queries, {len(panels)} panels")


# --- Home Assistant --------------------------------------------------------------------------------------------------


class Input(str):
    """The name of an input of a blueprint."""


class BlueprintLoader(yaml.SafeLoader):
    """Knows Home Assistant's own tag."""


BlueprintLoader.add_constructor("!input", lambda loader, node: Input(loader.construct_scalar(node)))


def home_assistant():
    folder = FOLDER / "home-assistant"
    blueprint = yaml.load((folder / "anomaly-notification.yaml").read_text(), BlueprintLoader)
    inputs = blueprint["blueprint"]["input"]
    expect(set(used_inputs(blueprint)) == set(inputs), "home-assistant: not every input is used, or one is missing")
    check_filter("home-assistant", inputs["topic"]["default"])
    schema = json.loads((SCHEMAS / "anomaly.json").read_text())
    for name, key in (("events", "event_type"), ("severities", "severity")):
        known = resolved(schema["properties"][key], schema)["enum"]
        options = inputs[name]["selector"]["select"]["options"]
        expect(sorted(options) == sorted(known), f"home-assistant: {name} are {options}, not {known}")
        expect(set(inputs[name]["default"]) <= set(options), f"home-assistant: {name} begin with one that is none")
    variables = blueprint["variables"]
    text = json.dumps(variables)
    for key in re.findall(r"anomaly\.get\('([^']+)'\)", text):
        expect(is_known("anomaly", [key]), f"home-assistant: an anomaly has no {key}")
    for name in re.findall(r"\{\{ ([a-z_]+) \}\}", json.dumps(inputs["actions"]["default"])):
        expect(name in variables, f"home-assistant: there is no variable {name}")
    dashboard = yaml.safe_load((folder / "energy-dashboard.yaml").read_text())
    cards = [card["type"] for view in dashboard["views"] for card in view["cards"]]
    expect(all(card.startswith("energy-") for card in cards), "home-assistant: a card needs an entity of somebody's")
    print(f"home-assistant: {len(inputs)} inputs, {len(cards)} cards")


def statistics():
    """What is printed for Home Assistant of a meter that is exchanged."""
    given = [
        ("10:59:58", 1, "100.001"), ("11:30:00", 1, "100.050"), ("11:59:58", 1, "100.101"), ("12:20:00", 1, None),
        ("14:10:00", 2, "0.010"), ("14:59:58", 2, "0.210"), ("15:00:05", 2, "0.300"),
    ]
    lines = "".join(
        f'{{"source":"live","epoch":{epoch},"time":"2026-01-15T{time}.000Z","energies":{{"active_import":{value or "null"}}}}}\n'
        for time, epoch, value in given
    )
    command = [sys.executable, str(FOLDER / "home-assistant/statistics.py"), "sensor.x", "--zero", "99", "--offset", "100.091"]
    for old in ([], ["--old"]):
        done = subprocess.run(command + old, input=lines, capture_output=True, text=True, check=False)
        message = json.loads(done.stdout or "{}")
        rows = [(row["start"][11:16], row["state"], row["sum"]) for row in message.get("stats", [])]
        right = [("10:00", 100.001, 1.001), ("11:00", 100.101, 1.101), ("14:00", 100.301, 1.301)]
        expect(rows == right, f"statistics: {rows} {done.stderr}")
        keys = set(message.get("metadata", {})) & {"has_mean", "mean_type", "unit_class"}
        expect(keys == ({"has_mean"} if old else {"mean_type", "unit_class"}), f"statistics: {old} has {keys}")
    print("home-assistant: the statistics of an exchanged meter")


def used_inputs(value):
    """The names behind every !input."""
    if isinstance(value, Input):
        yield str(value)
    elif isinstance(value, dict):
        for member in value.values():
            yield from used_inputs(member)
    elif isinstance(value, list):
        for member in value:
            yield from used_inputs(member)


def main(arguments):
    points, messages = {}, []
    if arguments:
        folder = pathlib.Path(arguments[0])
        points = in_nanoseconds(exported(folder / "points"))
        for line in (folder / "messages").read_text().splitlines():
            _, topic, payload = (line.split(" ", 2) + ["", ""])[:3]
            if topic.endswith("/reading"):
                messages.append(json.loads(payload))
    node_red()
    fields = telegraf(points, messages)
    if fields:
        grafana(fields)
    home_assistant()
    statistics()
    for problem in problems[:50]:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


sys.exit(main(sys.argv[1:]))
