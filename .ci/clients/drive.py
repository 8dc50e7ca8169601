"""Drives clients that others wrote against a real server, and looks into its database for what has arrived.

drive.py SERVER: the path of the program. Python's folder holds the clients' commands. Prints what it saw; anything that
is not as it should be ends it with status 1.
"""

import asyncio
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import urllib.request

import apykuma
import healthchecks_io
from healthchecks_io.client.exceptions import CheckNotFoundError

PATIENCE_SECONDS = 60
PING_KEY, ADMIN_KEY = "ping-key-of-this-campaign", "admin-key-of-this-campaign"
COMMANDS = pathlib.Path(sys.executable).parent

# Answers to `borg --version`, and else ends as it is told: the backup itself is not what is tried here.
BORG = """#!/bin/sh
case "$*" in
*--version*) echo "borg 1.4.1" ;;
*) echo "a word of the backup" >&2; exit "${BORG_STATUS:-0}" ;;
esac
"""


class House:
    """The server with a folder of its own."""

    def __init__(self, program, folder):
        self.folder = folder
        environment = {
            **os.environ,
            "OVERDUE_LISTEN": "127.0.0.1:0",
            "OVERDUE_PING_KEY": PING_KEY,
            "OVERDUE_ADMIN_KEY": ADMIN_KEY,
        }
        self.process = subprocess.Popen(
            [program, "serve"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
        )
        first = self.process.stdout.readline()
        self.base = "http://" + first.strip().rsplit("http://", 1)[1]
        self.seen = 0

    def declare(self, name, uuid):
        """A service with a UUID, as one that has moved here."""
        body = {"frequency": "1D", "grace": "1h", "aliases": [uuid]}
        request = urllib.request.Request(
            f"{self.base}/api/v1/services/{name}",
            data=json.dumps(body).encode(),
            method="PUT",
            headers={"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            assert answer.status == 201, answer.status

    def heard(self):
        """What has arrived since this was last asked: service, signal, and whether there is a run or a log."""
        database = sqlite3.connect(self.folder / "overdue.db", timeout=PATIENCE_SECONDS)
        rows = database.execute(
            "SELECT p.id, p.service, p.signal, p.exit_status, p.duration_ms, p.key, l.log"
            " FROM pings AS p LEFT JOIN logs AS l ON l.ping = p.id WHERE p.id > ? ORDER BY p.id",
            (self.seen,),
        ).fetchall()
        database.close()
        self.seen = max([self.seen] + [row[0] for row in rows])
        return [dict(zip(("service", "signal", "exit_status", "duration_ms", "key", "log"), row[1:])) for row in rows]

    def stop(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE_SECONDS) == 0


def check(client, heard, expected):
    """Holds what was heard against (service, signal, exit status), and prints it."""
    print(f"\n{client}")
    for ping in heard:
        log = None if ping["log"] is None else ping["log"][:60]
        print("  heard", ping["service"], ping["signal"], ping["exit_status"], "key:", ping["key"], "log:", repr(log))
    short = [(ping["service"], ping["signal"], ping["exit_status"]) for ping in heard]
    if short != expected:
        sys.exit(f"{client}: expected {expected}, and heard {short}")


def with_healthchecks_io(house):
    uuid = "11111111-8da9-4729-8ff3-aaa71d56b701"
    house.declare("hcio", uuid)
    client = healthchecks_io.Client(ping_key=PING_KEY, ping_url=f"{house.base}/hc/")
    assert client.start_ping(uuid=uuid) == (True, "OK")
    assert client.success_ping(uuid=uuid, data="by its uuid") == (True, "OK")
    assert client.fail_ping(slug="hcio", data="by its slug") == (True, "OK")
    assert client.exit_code_ping(7, slug="hcio") == (True, "OK")
    with healthchecks_io.CheckTrap(client, slug="hcio") as trap:
        trap.add_log("in a block")
    try:
        client.success_ping(slug="nobody-knows-it")
        sys.exit("healthchecks-io: an unknown slug was accepted")
    except CheckNotFoundError as error:
        print("an unknown slug:", error)
    heard = house.heard()
    check(
        "healthchecks-io",
        heard,
        [
            ("hcio", "start", None),
            ("hcio", "success", None),
            ("hcio", "fail", None),
            ("hcio", "fail", 7),
            ("hcio", "start", None),
            ("hcio", "success", None),
        ],
    )
    assert [ping["log"] for ping in heard] == [None, "by its uuid", "by its slug", None, None, "in a block"]
    assert [ping["key"] for ping in heard] == [None, None, "ping", "ping", "ping", "ping"]
    assert heard[1]["duration_ms"] is not None


async def with_healthchecks_io_async(house):
    async with healthchecks_io.AsyncClient(ping_key=PING_KEY, ping_url=f"{house.base}/hc") as client:
        try:
            async with healthchecks_io.CheckTrap(client, slug="hcio") as trap:
                trap.add_log("before it broke")
                raise ValueError("it broke")
        except ValueError:
            pass
    heard = house.heard()
    check("healthchecks-io, async", heard, [("hcio", "start", None), ("hcio", "fail", None)])
    assert heard[1]["log"].startswith("before it broke\nit broke")


def with_cronalive(house):
    uuid = "22222222-8da9-4729-8ff3-aaa71d56b702"
    house.declare("alive", uuid)
    environment = {**os.environ, "CRONALIVE_PING_DOMAIN": f"{house.base}/hc"}
    run = [COMMANDS / "cronalive", "run", "--id"]
    assert subprocess.run([*run, uuid, "--", "true"], env=environment).returncode == 0
    assert subprocess.run([*run, f"{PING_KEY}/alive", "--", "sh", "-c", "exit 3"], env=environment).returncode == 3
    heard = house.heard()
    check(
        "cronalive",
        heard,
        [("alive", "start", None), ("alive", "success", 0), ("alive", "start", None), ("alive", "fail", 3)],
    )
    assert all(ping["duration_ms"] is not None for ping in heard if ping["signal"] != "start")


async def with_apykuma(house):
    uuid = "33333333-8da9-4729-8ff3-aaa71d56b703"
    house.declare("kuma", uuid)
    failures = []
    task = await apykuma.start(
        f"{house.base}/api/push/{uuid}?status=up&msg=OK&ping=", interval=1, handle_exception=failures.append
    )
    heard = []
    for _ in range(PATIENCE_SECONDS * 10):
        heard += house.heard()
        if len(heard) >= 2:
            break
        await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not failures, failures
    check("apykuma", heard, [("kuma", "success", None)] * 2)
    house.heard()


def with_borgmatic(house):
    uuid = "44444444-8da9-4729-8ff3-aaa71d56b704"
    house.declare("borg-kuma", uuid)
    borg = house.folder / "borg"
    borg.write_text(BORG)
    borg.chmod(0o755)
    settings = house.folder / "borgmatic.yaml"
    settings.write_text(
        json.dumps(
            {
                "source_directories": [str(house.folder)],
                "repositories": [{"path": str(house.folder / "repository")}],
                "local_path": str(borg),
                "user_state_directory": str(house.folder / "state"),
                "user_runtime_directory": str(house.folder / "runtime"),
                "healthchecks": {
                    "ping_url": f"{house.base}/hc/{PING_KEY}/borg",
                    "create_slug": True,
                    "send_logs": True,
                },
                "uptime_kuma": {"push_url": f"{house.base}/api/push/{uuid}"},
            }
        )
    )
    (house.folder / "repository").mkdir()
    command = [COMMANDS / "borgmatic", "--config", settings, "prune"]
    environment = {**os.environ, "HOME": str(house.folder)}
    for status, ended in [("0", 0), ("2", 1)]:
        run = subprocess.run(command, env={**environment, "BORG_STATUS": status}, capture_output=True, text=True)
        said = run.stdout + run.stderr
        assert run.returncode == ended, said
        # What a monitor refuses is only a warning there.
        assert "Healthchecks error" not in said and "Uptime Kuma error" not in said, said
    heard = house.heard()
    check(
        "borgmatic",
        sorted(heard, key=lambda ping: ping["service"]),
        [
            ("borg", "start", None),
            ("borg", "log", None),
            ("borg", "success", None),
            ("borg", "start", None),
            ("borg", "log", None),
            ("borg", "fail", None),
            ("borg-kuma", "success", None),
            ("borg-kuma", "success", None),
            ("borg-kuma", "success", None),
            ("borg-kuma", "fail", None),
        ],
    )


def main():
    with tempfile.TemporaryDirectory() as folder:
        house = House(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(folder))
        try:
            with_healthchecks_io(house)
            asyncio.run(with_healthchecks_io_async(house))
            with_cronalive(house)
            asyncio.run(with_apykuma(house))
            with_borgmatic(house)
        finally:
            house.stop()
    print("\nevery client was heard")


main()
