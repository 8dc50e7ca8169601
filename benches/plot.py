#!/usr/bin/env python3
"""Makes of the benchmarks' figures what people look at: the tables of benches/README.md and two plots.

plot.py RAW                     writes the tables between the markers of README.md beside this file, and the plots
plot.py --part PART TAKEN RAW   puts the figures of TAKEN into RAW, in place of those that PART had there
plot.py --criterion FOLDER      prints criterion's results as figures

A figure is a line of JSON. Nothing but Python's own library is needed.
"""

import json
import math
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
REQUESTS = {
    "healthz": "`GET /healthz`",
    "any": "`GET /ping`, any service",
    "one": "`GET /ping`, one service",
    "new": "`GET /ping`, a new service",
    "delete": "`DELETE /ping/{name}`",
}
# Told apart without colour, too: each has a mark of its own.
LOOKS = {
    "healthz": ("c0", "circle"),
    "any": ("c1", "square"),
    "one": ("c2", "diamond"),
    "new": ("c4", "down"),
    "delete": ("c3", "triangle"),
}
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f; }
.title { font-weight: 600; }
.axis { stroke: #8c959f; }
.grid { stroke: #8c959f; stroke-opacity: .25; }
.c0 { --c: #57606a; } .c1 { --c: #0969da; } .c2 { --c: #bc4c00; } .c3 { --c: #1a7f37; } .c4 { --c: #8250df; }
polyline { fill: none; stroke: var(--c); stroke-width: 2; }
.mark { fill: var(--c); }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .c0 { --c: #9198a1; } .c1 { --c: #58a6ff; } .c2 { --c: #f0883e; } .c3 { --c: #56d364; } .c4 { --c: #d2a8ff; }
}
"""


def read(path):
    path = pathlib.Path(path)
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def merge(part, taken, raw):
    """The figures of one part in place of those that were there."""
    kept = [figure for figure in read(raw) if figure.get("part") != part]
    new = [{"part": part, **figure} for figure in read(taken)]
    pathlib.Path(raw).write_text("".join(json.dumps(figure) + "\n" for figure in kept + new))


def criterion(folder):
    for estimates in sorted(pathlib.Path(folder).glob("**/new/estimates.json")):
        about = json.loads((estimates.parent / "benchmark.json").read_text())
        median = json.loads(estimates.read_text())["median"]
        figure = {"bench": "criterion", "name": about["full_id"], "median_ns": median["point_estimate"]}
        interval = median["confidence_interval"]
        figure |= {"low_ns": interval["lower_bound"], "high_ns": interval["upper_bound"]}
        if about.get("throughput"):
            figure["elements"] = about["throughput"].get("Elements")
        print(json.dumps(figure))


def number(value, digits=0):
    return f"{value:,.{digits}f}"


def time(nanoseconds):
    for unit, size in (("ns", 1), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)):
        if nanoseconds < 1000 * size or unit == "s":
            value = nanoseconds / size
            return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"
    return ""


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(["---"] + ["---:"] * (len(head) - 1)) + "|"]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]


class Figures:
    def __init__(self, figures):
        self.figures = figures

    def of(self, part, bench, **wanted):
        return [
            one for one in self.figures
            if one["part"] == part and one["bench"] == bench
            and all(one.get(key) == value for key, value in wanted.items())
        ]

    def one(self, part, bench, **wanted):
        found = self.of(part, bench, **wanted)
        return found[-1] if found else None


def requests_table(figures, part, of):
    rows = [
        [
            REQUESTS[one["request"]], number(one[of]), number(one["rate"]), f"{one['ratio']:.2f}",
            number(one["p50_us"]), number(one["p99_us"]), number(one["p999_us"]), number(one["max_us"]),
            f"{one['server_cpu_us']:.1f}", one["errors"],
        ]
        for one in figures.of(part, "ping")
    ]
    head = ["request", of, "requests/s", "of `/healthz`", "p50 µs", "p99 µs", "p99.9 µs", "max µs", "CPU µs", "errors"]
    return table(head, rows)


def endpoints_table(figures):
    """As the earlier server's README had it: an endpoint by its average response time."""
    connections = sorted({one["connections"] for one in figures.of("connections", "ping")})
    average = lambda request, count: figures.one("connections", "ping", request=request, connections=count)
    cell = lambda one: f"{one['mean_us'] / 1000:.2f} ms" if one else "-"
    rows = [
        [name, count, cell(average(get, count)), cell(average("delete", count) if get == "any" else None)]
        for name, get in (("`/ping`", "any"), ("`/ping`, a new service", "new"), ("`/healthz`", "healthz"))
        for count in connections
    ]
    return table(["endpoint", "connections", "GET", "DELETE"], rows)


def single(figures, part):
    """What one ping takes beyond its parts, where there is one connection."""
    bare = figures.one(part, "bare")
    ping = figures.one(part, "ping", request="any", connections=1)
    healthz = figures.one(part, "ping", request="healthz", connections=1)
    if not (bare and ping and healthz):
        return []
    commit = bare["p50_us"] - bare["trip_p50_us"] if ping["durability"] == "full" else 0
    beyond = ping["p50_us"] - healthz["p50_us"] - commit
    disk = f", {commit} µs of the bare commit" if commit else ""
    return [
        f"One connection, `{ping['durability']}`: the median ping takes {ping['p50_us']} µs: {healthz['p50_us']} µs as "
        f"`/healthz`{disk}, and {beyond} µs more. (A bare one-row commit in WAL mode with `synchronous=FULL`, by one "
        f"statement: p50 {bare['p50_us']} µs, p99 {bare['p99_us']} µs; of these {bare['trip_p50_us']} µs are the way to the "
        "library's thread and back.)",
        "",
    ]


def pages_table(figures):
    rows = [
        [one["page"], f"`{one['target']}`", time(one["first_us"] * 1e3), time(one["p50_us"] * 1e3),
         time(one["max_us"] * 1e3), number(one["bytes"])]
        for one in figures.of("million", "pages")
    ]
    return table(["asked for", "path", "first", "p50", "longest", "bytes"], rows)


def storm_table(figures):
    rows = [
        [f"{number(one['silent'])} of {number(one['services'])}", one["when"], number(one["pings"]),
         number(one["p50_us"]), number(one["p99_us"]), number(one["max_us"]), f"{one['ratio']:.1f}",
         f"{one['first_alert_s']:.1f} s", f"{one['last_alert_s']:.1f} s"]
        for one in figures.of("storm", "storm")
    ]
    return table(
        ["silent", "pings", "number", "p50 µs", "p99 µs", "max µs", "p99 to usual", "first alert", "last alert"], rows
    )


def facts(figures):
    lines = []
    million, start, idle = (
        figures.one("million", "million"), figures.one("rest", "start"), figures.one("rest", "idle")
    )
    if million:
        lines.append(
            f"- {number(million['services'])} services: ready {million['ready_ms']} ms after its start; resident "
            f"{million['at_start_kb'] / 1000:.0f} MB then, {million['after_pings_kb'] / 1000:.0f} MB after five seconds of "
            f"pings at random, {million['at_end_kb'] / 1000:.0f} MB after all pages below."
        )
    if start:
        lines.append(
            f"- The program: {start['bytes'] / 1e6:.1f} MB. From its start to the first answer {start['fresh_ms']:.0f} ms on a "
            f"new database (at most {start['fresh_max_ms']:.0f}), {start['known_ms']:.0f} ms on one that is there (at most "
            f"{start['known_max_ms']:.0f})."
        )
    if idle:
        lines.append(
            f"- Idle for {idle['seconds']} s with {idle['services']} services: {idle['resident_kb'] / 1000:.1f} MB resident, "
            f"{idle['cpu_percent']:.2f}% of a core, {idle['writes']} writes of any kind, {number(idle['written_bytes'])} bytes "
            "to the disk."
        )
    return lines


def peers_table(figures):
    ours = figures.one("connections", "ping", request="any", connections=64)
    rows = [
        ["overdue, on disk, history on", number(ours["rate"]) if ours else "-", "the machine above"],
        ["the earlier Elixir server, in memory", "10,600", "theirs"],
        ["Healthchecks on SQLite", "120", "theirs"],
        ["Uptime Kuma", "85", "theirs"],
    ]
    return table(["monitor", "pings/s, 64 connections", "machine"], rows)


def criterion_table(figures):
    rows = []
    for one in figures.of("criterion", "criterion"):
        each = time(one["median_ns"] / one["elements"]) if one.get("elements") else ""
        rows.append([one["name"], time(one["median_ns"]), f"{time(one['low_ns'])} to {time(one['high_ns'])}", each])
    return table(["what", "median", "95% sure", "each"], rows)


def picture(figures, part):
    if not figures.of(part, "ping"):
        return []
    return [f"![Requests a second and their 99th percentile by {part}]({part}.svg)", ""]


def relaxed(figures):
    if not figures.of("relaxed", "ping"):
        return []
    table = requests_table(figures, "relaxed", "connections")
    return ["With `durability = relaxed`:", "", *table, "", *single(figures, "relaxed")]


def by_services(figures):
    if not figures.of("services", "ping"):
        return []
    return [
        "### By services", "", *picture(figures, "services"), "64 connections, pings at random.", "",
        *requests_table(figures, "services", "services"), "",
    ]


def parts(figures):
    return ["### Parts", "", *criterion_table(figures), ""] if figures.of("criterion", "criterion") else []


def tables(figures):
    machine = figures.one("connections", "machine") or {}
    lines = [
        f"Machine: {machine.get('cores')} cores of {machine.get('processor')}, {machine.get('memory')} of memory, Linux "
        f"{machine.get('kernel')}. Client and server share it.",
        "", "### By connections", "",
        *picture(figures, "connections"),
        "5,000 services, `durability = full`, 100 signals of history.", "",
        *requests_table(figures, "connections", "connections"), "",
        *single(figures, "connections"),
        *relaxed(figures),
        "### Average response time", "", *endpoints_table(figures), "",
        *by_services(figures),
        "### A million, the program, and nothing to do", "", *facts(figures), "",
        *pages_table(figures), "",
        "### While many fall silent", "",
        "All have one deadline, each alert goes to a receiver that answers at once; meanwhile 16 callers ping every 50 ms.",
        "", *storm_table(figures), "",
        *parts(figures),
        "### Beside others", "", *peers_table(figures), "",
    ]
    return lines


def put_into_readme(lines):
    path = HERE / "README.md"
    begin, end = "<!-- made by plot.py: begin -->\n", "<!-- made by plot.py: end -->\n"
    before, rest = path.read_text().split(begin)
    path.write_text(before + begin + "\n" + "\n".join(lines) + "\n" + end + rest.split(end)[1])


class Panel:
    """One plot of a picture: x logarithmic, y from nothing or logarithmic."""

    WIDTH, HEIGHT, LEFT, TOP = 340, 220, 64, 56

    def __init__(self, at, title, x_name, series, y_log):
        self.at, self.title, self.x_name, self.series, self.y_log = at, title, x_name, series, y_log
        points = [point for line in series.values() for point in line]
        self.xs = sorted({x for x, _ in points})
        ys = [y for _, y in points]
        if y_log:
            self.low, self.high = 10 ** math.floor(math.log10(min(ys))), 10 ** math.ceil(math.log10(max(ys)))
            self.ticks = [10**power for power in range(int(math.log10(self.low)), int(math.log10(self.high)) + 1)]
        else:
            step = 10 ** math.floor(math.log10(max(ys)))
            step = next(step * part for part in (0.2, 0.5, 1, 2) if max(ys) / (step * part) <= 7)
            self.low, self.high = 0, math.ceil(max(ys) / step) * step
            self.ticks = [step * count for count in range(round(self.high / step) + 1)]

    def x(self, value):
        low, high = math.log(self.xs[0]), math.log(self.xs[-1])
        part = (math.log(value) - low) / (high - low) if high > low else 0.5
        return self.at + self.LEFT + 14 + part * (self.WIDTH - 28)

    def y(self, value):
        if self.y_log:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = value / self.high
        return self.TOP + self.HEIGHT * (1 - part)

    def svg(self):
        left, right, bottom = self.at + self.LEFT, self.at + self.LEFT + self.WIDTH, self.TOP + self.HEIGHT
        yield f'<text class="title" x="{left}" y="{self.TOP - 12}">{self.title}</text>'
        for tick in self.ticks:
            y = self.y(tick)
            yield f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{label(tick)}</text>'
        yield f'<line class="axis" x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
        for x in self.xs:
            yield f'<text x="{self.x(x):.1f}" y="{bottom + 18}" text-anchor="middle">{label(x)}</text>'
        yield f'<text x="{(left + right) / 2}" y="{bottom + 38}" text-anchor="middle">{self.x_name}</text>'
        for request, line in self.series.items():
            colour, shape = LOOKS[request]
            points = [(self.x(x), self.y(y)) for x, y in line]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            yield f'<g class="{colour}"><polyline points="{path}"/>'
            yield from (mark(shape, x, y) for x, y in points)
            yield "</g>"


def label(value):
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}"


def mark(shape, x, y):
    if shape == "circle":
        return f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    corners = {
        "square": [(-3.5, -3.5), (3.5, -3.5), (3.5, 3.5), (-3.5, 3.5)],
        "diamond": [(0, -5), (5, 0), (0, 5), (-5, 0)],
        "triangle": [(0, -5), (5, 4), (-5, 4)],
        "down": [(0, 5), (5, -4), (-5, -4)],
    }[shape]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon class="mark" points="{points}"/>'


def legend_of(requests, width, y):
    """What the lines are, in as many rows from y on as they take, and where those end."""
    out, at = [], Panel.LEFT
    for request in requests:
        colour, shape = LOOKS[request]
        name = REQUESTS[request].replace("`", "")
        takes = 46 + 7 * len(name)
        if at + takes > width and at > Panel.LEFT:
            at, y = Panel.LEFT, y + 20
        out.append(f'<g class="{colour}">{mark(shape, at + 5, y)}</g>')
        out.append(f'<text x="{at + 16}" y="{y + 4}">{name}</text>')
        at += takes
    return out, y + 16


def plot(figures, part, by, x_name, path):
    found = figures.of(part, "ping")
    if not found:
        return
    lines = lambda key, scale: {
        request: sorted((one[by], one[key] * scale) for one in found if one["request"] == request)
        for request in REQUESTS if any(one["request"] == request for one in found)
    }
    width = 2 * (Panel.WIDTH + Panel.LEFT) + 40
    panels = [
        Panel(0, "Requests a second", x_name, lines("rate", 1), False),
        Panel(Panel.WIDTH + Panel.LEFT + 20, "99 of 100 take at most, ms", x_name, lines("p99_us", 1e-3), True),
    ]
    legend, height = legend_of(panels[0].series, width, Panel.TOP + Panel.HEIGHT + 68)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>Requests a second and their 99th percentile by {x_name}</title>",
        f"<style>{STYLE}</style>",
    ]
    for panel in panels:
        out += panel.svg()
    path.write_text("\n".join([*out, *legend, "</svg>", ""]))


def main(words):
    if words[:1] == ["--part"] and len(words) == 4:
        merge(*words[1:])
    elif words[:1] == ["--criterion"] and len(words) == 2:
        criterion(words[1])
    elif len(words) == 1 and not words[0].startswith("-"):
        figures = Figures(read(words[0]))
        put_into_readme(tables(figures))
        plot(figures, "connections", "connections", "connections", HERE / "connections.svg")
        plot(figures, "services", "services", "services", HERE / "services.svg")
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
