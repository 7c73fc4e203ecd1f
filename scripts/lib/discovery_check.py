"""Checks discovery messages against the MQTT schemas of an installed Home Assistant.

Reads a folder with one file for each message, named by its topic with | for /. Prints what is refused, then
"home assistant VERSION accepts: N of N" entities. Exit code 1 if anything is refused.
"""

import asyncio
import importlib
import json
import logging
import pathlib
import sys
import tempfile

import voluptuous
from homeassistant.core import HomeAssistant
from homeassistant.components.sensor.const import DEVICE_CLASS_STATE_CLASSES, DEVICE_CLASS_UNITS
from homeassistant.const import __version__ as version
from homeassistant.helpers import frame, template

try:
    from homeassistant.components.mqtt.schemas import DEVICE_DISCOVERY_SCHEMA
except ImportError:
    # Versions before 2024.11 do not know the form.
    DEVICE_DISCOVERY_SCHEMA = None

# Classes that came later than the version that checks: the entity is checked without it.
LATER = {"reactive_energy": (2025, 6)}

problems = []
accepted = 0
checked = 0


def later(name):
    return name in LATER and tuple(int(part) for part in version.split(".")[:2]) < LATER[name]


def check_sensor(config):
    """What Home Assistant says of a sensor only once it runs."""
    name, unit, state_class = (config.get(key) for key in ("device_class", "unit_of_measurement", "state_class"))
    if name in DEVICE_CLASS_UNITS and unit not in DEVICE_CLASS_UNITS[name]:
        raise ValueError(f"the unit {unit} is none of {name}")
    if state_class and name in DEVICE_CLASS_STATE_CLASSES and state_class not in DEVICE_CLASS_STATE_CLASSES[name]:
        raise ValueError(f"the state class {state_class} is none of {name}")


class Warnings(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def check_templates(hass, config):
    """A message without the key, and one that is empty, are no error."""
    environment = template.TemplateEnvironment(hass)
    warnings = Warnings()
    logging.getLogger().addHandler(warnings)
    try:
        for key in ("value_template", "json_attributes_template", "command_template"):
            source = config.get(key)
            text = getattr(source, "template", source)
            if not text:
                continue
            for variables in ({"value": "{}", "value_json": {}}, {"value": ""}):
                environment.from_string(text).render(**variables)
        if warnings.lines:
            raise ValueError(warnings.lines[0])
    finally:
        logging.getLogger().removeHandler(warnings)


def check_entity(hass, place, platform, payload):
    global accepted, checked
    checked += 1
    if later(payload.get("device_class")):
        payload = {key: value for key, value in payload.items() if key != "device_class"}
    try:
        module = importlib.import_module(f"homeassistant.components.mqtt.{platform}")
        config = module.DISCOVERY_SCHEMA(dict(payload))
        check_templates(hass, config)
        if platform == "sensor":
            check_sensor(config)
        accepted += 1
    except (voluptuous.Invalid, ValueError, ImportError) as error:
        problems.append(f"{place}: {error}")
    except Exception as error:  # whatever a template raises
        problems.append(f"{place}: {type(error).__name__}: {error}")


def check_device(hass, topic, payload):
    if DEVICE_DISCOVERY_SCHEMA is None:
        return
    for component in payload["components"].values():
        if later(component.get("device_class")):
            del component["device_class"]
    try:
        DEVICE_DISCOVERY_SCHEMA(json.loads(json.dumps(payload)))
    except voluptuous.Invalid as error:
        problems.append(f"{topic}: {error}")
        return
    shared = {key: payload[key] for key in ("device", "origin")}
    for key, component in payload["components"].items():
        if list(component) != ["platform"]:
            settings = {name: value for name, value in component.items() if name != "platform"}
            check_entity(hass, f"{topic} {key}", component["platform"], settings | shared)


async def main(folder):
    with tempfile.TemporaryDirectory() as settings:
        hass = HomeAssistant(settings)
        if hasattr(frame, "async_setup"):
            frame.async_setup(hass)
        for file in sorted(pathlib.Path(folder).iterdir()):
            topic = file.name.replace("|", "/")
            message = json.loads(file.read_text())
            kind = topic.split("/")[1]
            if kind == "device":
                check_device(hass, topic, message)
            else:
                check_entity(hass, topic, kind, message)
        await hass.async_stop(force=True)


asyncio.run(main(sys.argv[1]))
for problem in problems:
    print(problem)
print(f"home assistant {version} accepts: {accepted} of {checked}")
sys.exit(1 if problems or not checked else 0)
