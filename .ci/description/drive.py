"""Has schemathesis try a real server with whatever its own description allows and forbids, without keys and with them.

drive.py SERVER: the path of the program. Python's folder holds schemathesis' command. Anything that the server answers
against its description ends it with status 1.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

PATIENCE_SECONDS = 60
READ_KEY, ADMIN_KEY = "read-key-of-this-campaign", "admin-key-of-this-campaign"
COMMANDS = pathlib.Path(sys.executable).parent
HOOKS = pathlib.Path(__file__).resolve().parent
# As callers.py sends it.
CALLER_HEADER = "X-Caller-Address"

# A cron expression, and that it excludes a frequency, are more than a schema can say: what fits the description may be
# refused all the same, with a sentence.
UNCHECKED = "positive_data_acceptance"


def start(program, folder, keys):
    """The server with a folder of its own, and where it is."""
    environment = {**os.environ, "OVERDUE_LISTEN": "127.0.0.1:0", "RUST_LOG": "warn", **keys}
    environment["OVERDUE_CLIENT_IP_HEADER"] = CALLER_HEADER
    process = subprocess.Popen(
        [program, "serve"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    first = process.stdout.readline()
    return process, "http://" + first.strip().rsplit("http://", 1)[1]


def ask(base, method, target, headers, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + target, data=data, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        assert answer.status in (200, 201), answer.status


def furnish(base, headers):
    """Something to find: services, signals, an outage."""
    for name in ("0", "a", "backup"):
        ask(base, "PUT", f"/api/v1/services/{name}", headers, {"frequency": "1h", "grace": "5m"})
        for signal in ("/start", "/3", "", "/log"):
            ask(base, "POST", f"/ping/{name}{signal}", headers)


def drive(program, keys, headers):
    with tempfile.TemporaryDirectory() as folder:
        process, base = start(program, folder, keys)
        try:
            furnish(base, headers)
            command = [COMMANDS / "st", "run", f"{base}/openapi.json"]
            command += ["--exclude-checks", UNCHECKED, "--max-examples", "50", "--continue-on-failure"]
            command += ["--no-color", "--warnings", "off"]
            for name, value in headers.items():
                command += ["--header", f"{name}: {value}"]
            hooks = {"SCHEMATHESIS_HOOKS": "callers", "PYTHONPATH": str(HOOKS)}
            environment = {**os.environ, **hooks}
            status = subprocess.run(command, cwd=folder, env=environment, timeout=3600).returncode
            ask(base, "GET", "/healthz", headers)
        finally:
            process.terminate()
            assert process.wait(PATIENCE_SECONDS) == 0
    return status


def main():
    program = os.path.abspath(sys.argv[1])
    print("without keys", flush=True)
    statuses = [drive(program, {}, {})]
    print("with keys", flush=True)
    keys = {"OVERDUE_READ_KEY": READ_KEY, "OVERDUE_ADMIN_KEY": ADMIN_KEY}
    statuses.append(drive(program, keys, {"Authorization": f"Bearer {ADMIN_KEY}"}))
    if any(statuses):
        sys.exit(1)


main()
