"""Writes points into a private InfluxDB and asks for them. Started by scripts/check-influx."""

import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

INTEGERS = {"seq", "epoch"}
TEXTS = {"quality", "device"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, folder):
        self.port = free_port()
        config = pathlib.Path(folder, "influxdb.conf")
        config.write_text(f"""
            reporting-disabled = true
            bind-address = "127.0.0.1:{free_port()}"
            [meta]
              dir = "{folder}/meta"
            [data]
              dir = "{folder}/data"
              wal-dir = "{folder}/wal"
            [http]
              bind-address = "127.0.0.1:{self.port}"
              log-enabled = false
            """)
        self.log = open(pathlib.Path(folder, "log"), "w+")
        self.process = subprocess.Popen(["influxd", "-config", str(config)], stdout=self.log, stderr=self.log)

    def call(self, path, data=None, **parameters):
        url = f"http://127.0.0.1:{self.port}/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as answer:
            return answer.status, answer.read().decode()

    def wait(self):
        for _ in range(300):
            try:
                return self.call("ping")
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        self.log.seek(0)
        sys.exit(f"InfluxDB does not start:\n{self.log.read()}")

    def ask(self, query):
        """The rows of all series, each with its columns and tags."""
        _, text = self.call("query", b"", db="obisd", q=query)
        (result,) = json.loads(text)["results"]
        if "error" in result:
            raise ValueError(result["error"])
        return [
            dict(zip(series["columns"], row)) | series.get("tags", {})
            for series in result.get("series", [])
            for row in series["values"]
        ]


def check(server, points):
    problems = []
    server.ask("CREATE DATABASE obisd")
    for _ in range(2):
        status, _ = server.call("write", points, db="obisd")
        if status != 204:
            problems.append(f"the points are answered with {status}")
    lines = points.decode().splitlines()
    (found,) = server.ask('SELECT count("seq") AS seq FROM "obisd"')
    print(f"points: {found['seq']} of {len(lines)}")
    if found["seq"] != len(lines):
        problems.append("not every point is there once")
    types = {row["fieldKey"]: row["fieldType"] for row in server.ask('SHOW FIELD KEYS FROM "obisd"')}
    for name, kind in types.items():
        expected = "integer" if name in INTEGERS else "string" if name in TEXTS else "float"
        if kind != expected:
            problems.append(f"{name} is of the type {kind}, not {expected}")
    print(f"fields: {', '.join(sorted(types))}")
    return problems + ask_as_dashboard(server, types)


def ask_as_dashboard(server, types):
    problems, answered, queries = [], 0, dashboard_queries()
    for title, query in queries:
        try:
            rows = server.ask(query)
        except (ValueError, urllib.error.HTTPError) as error:
            problems.append(f"{title}: {error}: {query}")
            continue
        fields = set(re.findall(r'\("([a-z0-9_]+)"\)', query))
        # The rise from one day to the next needs two days.
        if fields <= set(types) and "difference" not in query and not rows:
            problems.append(f"{title}: finds nothing: {query}")
        else:
            answered += 1
    print(f"queries of the dashboard: {answered} of {len(queries)}")
    return problems


def dashboard_queries():
    dashboard = json.loads(pathlib.Path("etc/integrations/grafana/obisd.json").read_text())
    variables = [
        ("$timeFilter", "time > now() - 30d"), ("$__interval", "1m"), ("$zone", "Europe/Zurich"), ("$node", ".*"),
        ("$meter", ".*"),
    ]
    queries = [(panel["title"], target["query"]) for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [
        (variable["label"], variable["query"])
        for variable in dashboard["templating"]["list"]
        if variable["type"] == "query"
    ]
    for name, value in variables:
        queries = [(title, query.replace(name, value)) for title, query in queries]
    return queries


def main(path):
    points = pathlib.Path(path).read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder)
        try:
            server.wait()
            problems = check(server, points)
        except urllib.error.HTTPError as error:
            problems = [f"{error}: {error.read().decode()[:500]}"]
        finally:
            server.process.terminate()
            server.process.wait()
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


sys.exit(main(sys.argv[1]))
