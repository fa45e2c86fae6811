"""What was measured, as a table and as JSON."""

import json
import os
import platform
import statistics
import time

from goals import goals

COLUMNS = ["peer", "CPU µs", "min–max", "× nginx", "Redis µs", "store", "calls/s", "p50 ms", "p99 ms", "MiB"]


def middle(rounds, key):
    return statistics.median(one[key] for one in rounds)


class Report:
    """Rows by scenario and peer, a list of rounds each."""

    def __init__(self, options):
        self.begun, self.load = time.time(), os.getloadavg()[0]
        self.rounds, self.single, self.missing = {}, {}, {}
        self.options, self.versions = vars(options), {}

    def add(self, scenario, peer, figures):
        self.rounds.setdefault(scenario, {}).setdefault(peer, []).append(figures)

    def rows(self, scenario):
        """The medians of one scenario."""
        rows = {}
        for peer, rounds in self.rounds[scenario].items():
            keys = [key for key, value in rounds[0].items() if isinstance(value, (int, float))]
            rows[peer] = {key: middle(rounds, key) for key in keys}
            rows[peer]["cpu_us_min"] = min(one["cpu_us"] for one in rounds)
            rows[peer]["cpu_us_max"] = max(one["cpu_us"] for one in rounds)
            rows[peer]["faults"] = sorted({fault for one in rounds for fault in one["faults"]})
        base = rows.get("nginx", {}).get("cpu_us")
        for row in rows.values():
            row["ratio"] = row["cpu_us"] / base if base else None
        return rows

    def print_scenario(self, scenario, about):
        lines = [COLUMNS]
        for peer, row in self.rows(scenario).items():
            lines.append([
                peer,
                f"{row['cpu_us']:.1f}",
                f"{row['cpu_us_min']:.1f}–{row['cpu_us_max']:.1f}",
                f"{row['ratio']:.2f}" if row["ratio"] else "",
                f"{row['redis_us']:.1f}",
                f"{row['store_calls']:.2f}",
                f"{row['calls_s']:.0f}",
                f"{row['p50_ms']:.2f}",
                f"{row['p99_ms']:.2f}",
                f"{row['memory_mib']:.1f}",
            ] + ([f"NOT VALID: {'; '.join(row['faults'])}"] if row["faults"] else []))  # fmt: skip
        print(f"\n### {scenario}: {about}\n")
        print(table(lines), flush=True)
        rounds = self.rounds[scenario].get("whisk-bff", [])
        if rounds:
            print(f"\nRedis while whisk-bff was driven: {commands(rounds)}", flush=True)

    def print_single(self, name, about, rows):
        """A scenario that is measured once: a row a peer, whatever its columns."""
        self.single[name] = rows
        columns = list(dict.fromkeys(key for row in rows.values() for key in row))
        lines = [["peer", *columns]]
        lines += [[peer, *(shown(row.get(column, "")) for column in columns)] for peer, row in rows.items()]
        print(f"\n### {name}: {about}\n")
        print(table(lines), flush=True)

    def print_summary(self):
        """CPU a call of all scenarios side by side, and the goals."""
        medians = {scenario: self.rows(scenario) for scenario in self.rounds}
        shared = [name for name in medians if "haproxy" in medians[name] or "whisk-bff" in medians[name]]
        peers = dict.fromkeys(peer for name in shared for peer in medians[name])
        lines = [["peer", *shared]]
        for peer in peers:
            lines.append([peer, *(cell(medians[name].get(peer)) for name in shared)])
        if shared:
            print("\n### CPU µs a call (× nginx)\n")
            print(table(lines), flush=True)
        lines = goals(medians, self.single)
        if len(lines) > 1:
            print("\n### Goals\n")
            print(table(lines), flush=True)

    def save(self, path):
        report = {
            "versions": self.versions,
            "begun": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.begun)),
            "seconds": round(time.time() - self.begun),
            "machine": {
                "processor": processor(),
                "cores": os.cpu_count(),
                "kernel": platform.release(),
                "load_before": self.load,
                "load_after": os.getloadavg()[0],
            },
            "options": self.options,
            "missing": self.missing,
            "medians": {scenario: self.rows(scenario) for scenario in self.rounds},
            "rounds": self.rounds,
            "single": self.single,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report, indent=1, default=str) + "\n", "utf-8")


def commands(rounds):
    """How many commands of each kind there were in how many calls."""
    counts = {}
    for one in rounds:
        for name, count in one["store_commands"].items():
            counts[name] = counts.get(name, 0) + count
    listed = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    return f"{listed or 'no command'} in {sum(one['calls'] for one in rounds)} calls"


def cell(row):
    if row is None:
        return ""
    ratio = f" ({row['ratio']:.2f})" if row["ratio"] else ""
    return f"{row['cpu_us']:.1f}{ratio}" + (" NOT VALID" if row["faults"] else "")


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        return next((line.partition(":")[2].strip() for line in info if line.startswith("model name")), "unknown")


def shown(value):
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def table(lines):
    """Lines of Markdown, columns aligned for who reads them in a terminal."""
    widths = [max(len(line[i]) for line in lines if i < len(line)) for i in range(len(lines[0]))]
    text = []
    for number, line in enumerate(lines):
        cells = [cell.ljust(widths[i]) if i == 0 else cell.rjust(widths[i]) for i, cell in enumerate(line[: len(widths)])]
        text.append("| " + " | ".join(cells) + " |" + "".join(f" {note}" for note in line[len(widths) :]))
        if number == 0:
            text.append("|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|")
    return "\n".join(text)
