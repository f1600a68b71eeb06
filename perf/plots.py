# SPDX-License-Identifier: Apache-2.0
"""Plots of a summary as SVG, without any library: lines over a load, stacked bars, bars.

perf/run calls write_all; alone: perf/plots.py perf/out/summary.json writes them beside it.
"""
import html
import json
import math
import os
import sys

W, H, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 90, 30, 50, 70
COLOURS = ["#1b6ca8", "#d1495b", "#2e933c", "#edae49", "#66418f", "#666666"]


def text(x, y, words, anchor="middle", size=12, more=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" {more}>'
            f'{html.escape(str(words))}</text>')


def short(value):
    for limit, letter in ((1e6, " M"), (1e3, " k")):
        if value >= limit:
            return f"{value / limit:.3g}{letter}"
    return f"{value:.3g}"


def document(title, under, body):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" width="{W}" '
            f'height="{H}" font-family="sans-serif">\n<rect width="{W}" height="{H}" '
            f'fill="white"/>\n' + text(W / 2, 24, title, size=16) +
            text(W / 2, H - 12, under, size=11, more='fill="#555"') + "\n" +
            "\n".join(body) + "\n</svg>\n")


def ticks_linear(top):
    """Round steps from 0 to beyond `top`."""
    step = 10 ** math.floor(math.log10(top))
    for factor in (0.2, 0.5, 1, 2):
        if top / (step * factor) <= 6:
            step *= factor
            break
    return [i * step for i in range(math.ceil(top / step) + 1)]


def ticks_log(low, high):
    return [10 ** e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def frame(y_ticks, place, unit):
    body = [text(20, (TOP + H - BOTTOM) / 2, unit,
                 more=f'transform="rotate(-90 20 {(TOP + H - BOTTOM) / 2})"')]
    for value in y_ticks:
        y = place(value)
        body.append(f'<line x1="{LEFT}" x2="{W - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
                    'stroke="#ddd"/>' + text(LEFT - 6, y + 4, short(value), "end"))
    return body


def legend(names):
    body, x = [], LEFT
    for i, name in enumerate(names):
        body.append(f'<rect x="{x}" y="{TOP - 16}" width="10" height="10" '
                    f'fill="{COLOURS[i % len(COLOURS)]}"/>' + text(x + 14, TOP - 7, name, "start"))
        x += 26 + 7 * len(name)
    return body


def lines(title, under, x_name, y_name, series):
    """series: name -> [(x, y)]; y on a logarithmic scale."""
    points = [(x, max(y, 1e-9)) for values in series.values() for x, y in values]
    top_x = ticks_linear(max(x for x, _ in points))
    marks = ticks_log(min(y for _, y in points), max(y for _, y in points) * 1.01)
    low, span = math.log10(marks[0]), max(math.log10(marks[-1]) - math.log10(marks[0]), 1e-9)

    def place_x(v):
        return LEFT + v / top_x[-1] * (W - LEFT - RIGHT)

    def place_y(v):
        return H - BOTTOM - (math.log10(max(v, marks[0])) - low) / span * (H - TOP - BOTTOM)
    body = frame(marks, place_y, y_name) + legend(series)
    body += [text(place_x(v), H - BOTTOM + 16, short(v)) for v in top_x]
    body.append(text((LEFT + W - RIGHT) / 2, H - BOTTOM + 34, x_name))
    for i, values in enumerate(series.values()):
        colour = COLOURS[i % len(COLOURS)]
        way = " ".join(f"{place_x(x):.1f},{place_y(y):.1f}" for x, y in values)
        body.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body += [f'<circle cx="{place_x(x):.1f}" cy="{place_y(y):.1f}" r="3" fill="{colour}"/>'
                 for x, y in values]
    return document(title, under, body)


def stacked(title, under, y_name, bars):
    """bars: name -> {part: value}, parts in the same order in all."""
    parts = list(dict.fromkeys(part for bar in bars.values() for part in bar))
    marks = ticks_linear(max(sum(bar.values()) for bar in bars.values()))
    scale = (H - TOP - BOTTOM) / marks[-1]
    body = frame(marks, lambda v: H - BOTTOM - v * scale, y_name) + legend(parts)
    step = (W - LEFT - RIGHT) / len(bars)
    for i, (name, bar) in enumerate(bars.items()):
        y, x = H - BOTTOM, LEFT + step * (i + 0.2)
        for k, part in enumerate(parts):
            height = bar.get(part, 0) * scale
            y -= height
            body.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{step * 0.6:.1f}" height='
                        f'"{height:.1f}" fill="{COLOURS[k % len(COLOURS)]}"/>')
        body.append(text(x + step * 0.3, H - BOTTOM + 16, name, size=11))
        body.append(text(x + step * 0.3, y - 4, short(sum(bar.values())), size=11))
    return document(title, under, body)


def bars_log(title, under, y_name, bars):
    """bars: name -> value, on a logarithmic scale."""
    marks = ticks_log(min(bars.values()), max(bars.values()) * 1.01)
    marks = [marks[0] / 10] + marks if min(bars.values()) <= marks[0] else marks
    low, span = math.log10(marks[0]), math.log10(marks[-1]) - math.log10(marks[0])

    def place(v):
        return H - BOTTOM - (math.log10(v) - low) / span * (H - TOP - BOTTOM)
    body = frame(marks, place, y_name)
    step = (W - LEFT - RIGHT) / len(bars)
    for i, (name, value) in enumerate(bars.items()):
        x = LEFT + step * (i + 0.2)
        body.append(f'<rect x="{x:.1f}" y="{place(value):.1f}" width="{step * 0.6:.1f}" '
                    f'height="{H - BOTTOM - place(value):.1f}" '
                    f'fill="{COLOURS[i % len(COLOURS)]}"/>')
        body.append(text(x + step * 0.3, place(value) - 4, short(value)))
        for k, line in enumerate(name.split("\n")):
            body.append(text(x + step * 0.3, H - BOTTOM + 14 + 13 * k, line, size=10))
    return document(title, under, body)


def latency_plot(summary, under):
    steps = summary.get("ack_latency_by_load")
    if not steps:
        return None
    series = {name: [(s["offered_per_s"], s["latency_us"][key]) for s in steps]
              for name, key in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p99_9"))}
    for name, key in (("bare write p50", "device_write_p50_us"),
                      ("bare write p99", "device_write_p99_us")):
        if summary.get(key):
            series[name] = [(steps[0]["offered_per_s"], summary[key]),
                            (steps[-1]["offered_per_s"], summary[key])]
    return lines("Publish to durable acknowledgement, QoS 1", under, "messages offered per second",
                 "microseconds", series)


def stages_plot(summary, under):
    per = {}
    for name, got in summary.get("detail", {}).items():
        readings = 50 if "batch of 50" in name else 1
        per[name] = {stage: max(cycles, 0) / readings
                     for stage, cycles in got["cost"]["stage_cycles"].items()}
    return stacked("Cycles of each stage, by reading", under, "cycles", per) if per else None


def peers_plot(summary, under):
    bars = {name: summary[key] for name, key in (
        ("headraced, memif\non disk at ack", "cpu_ns_per_message"),
        ("headraced, veth\non disk at ack", "veth_cpu_ns_per_message"),
        ("mosquitto\nin memory at ack", "mosquitto_cpu_ns_per_message"),
        ("mosquitto,\nPostgreSQL behind it\nin memory at ack", "postgres_cpu_ns_per_message"),
        ("VictoriaMetrics,\none a request\nin memory at ack", "victoria_cpu_ns_per_reading"),
    ) if summary.get(key)}
    return bars_log("CPU time for one reading, all processes of the server", under,
                    "nanoseconds", bars) if bars else None


def write_all(summary, folder):
    """The plots that the summary has data for; their names."""
    c = summary.get("conditions", {})
    under = (f"{c.get('cpu', '?')}, {c.get('cpus', '?')} CPUs, load "
             f"{c.get('load_average_at_start', 0):.1f} at start, {c.get('commit', '?')}, "
             f"{c.get('date', '?')}")
    written = []
    for name, plot in (("latency", latency_plot), ("stages", stages_plot), ("peers", peers_plot)):
        drawn = plot(summary, under)
        if drawn:
            with open(os.path.join(folder, name + ".svg"), "w") as f:
                f.write(drawn)
            written.append(name + ".svg")
    return written


if __name__ == "__main__":
    with open(sys.argv[1]) as source:
        print(*write_all(json.load(source), os.path.dirname(os.path.abspath(sys.argv[1]))))
