#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hold a fleet's ledger against what headraced has stored.

For every reading that was acknowledged:
  to be stored, or repeated  its meter and time are in the store, once, with the value that was
                             sent first
  in conflict                the first value is still in the store, and the error queue has the other
  to be rejected             the error queue has it, under that reason
And backwards: nothing is in the store or in the error queue that was not sent, and the totals by
fate lie between what was acknowledged and what was sent.

With alone=False there were other clients: what they sent is no concern of ours.
With `resent`, messages may have arrived more than once (the server was restarted under load), so
that duplicates and entries of the error queue may be more than were sent; the store never.
"""
import argparse
import collections
import decimal
import json
import sys

import harness

ERRORS_SHOWN = 20
# The reading itself was not understood: no meter or time to find it by.
NAMELESS = {"bad_payload", "empty", "no_profile", "missing_field", "bad_field"}

Entry = collections.namedtuple("Entry", "meter ts fate protocol qos acked values")


def canonical(values):
    """Channel values as exact numbers, to compare them however many zeros they end in."""
    return values and {name: decimal.Decimal(number) for name, number in values.items()}


def read_ledger(path):
    """Entries, and whether the ledger says that it is complete."""
    entries, complete = {}, False
    with open(path) as f:
        for text in f:
            try:
                line = json.loads(text)
            except ValueError:
                break  # the writer was killed in the middle of a line
            if "n" in line:
                entries[line["n"]] = Entry(
                    line["meter"], line["ts"], line["fate"], line["protocol"], line["qos"],
                    line["acked"], canonical(line.get("values")))
            complete = complete or "end" in line
    return list(entries.values()), complete


class Checker:
    def __init__(self, api, entries, resent, alone):
        self.api, self.entries, self.resent, self.alone = api, entries, resent, alone
        self.wrong = []
        self.stored = {}  # (meter, ts) -> values

    def say(self, text):
        self.wrong.append(text)

    def load_store(self):
        known = {e.meter for e in self.entries if e.meter and e.fate != "unknown_device"}
        for meter in sorted(known):
            for ts, values in self.api.readings(meter):
                if (meter, ts) in self.stored:
                    self.say(f"{meter} {ts}: in the store more than once")
                self.stored[(meter, ts)] = canonical(values)

    def check_store(self):
        """Forwards and backwards. The value sent first is that of the fresh or repeated line."""
        sent = {(e.meter, e.ts): e.values for e in self.entries
                if e.fate in ("stored", "duplicate")}
        must = {(e.meter, e.ts) for e in self.entries
                if e.acked and e.fate in ("stored", "duplicate", "conflict")}
        for meter, ts in sorted(must - self.stored.keys()):
            self.say(f"{meter} {ts}: acknowledged, but not in the store")
        for key, values in self.stored.items():
            if key not in sent:
                self.say(f"{key[0]} {key[1]}: in the store, but was never sent to be stored")
            elif values != sent[key]:
                self.say(f"{key[0]} {key[1]}: sent {self.show(sent[key])}, "
                         f"stored {self.show(values)}")
        return len(must)

    @staticmethod
    def show(values):
        return " ".join(f"{name}={number}" for name, number in sorted(values.items()))

    @staticmethod
    def error_key(fate, meter, ts):
        return (fate,) if fate in NAMELESS else (fate, meter, ts)

    def check_errors(self):
        sent, acked = collections.Counter(), collections.Counter()
        for e in self.entries:
            if e.fate in ("stored", "duplicate"):
                continue
            key = self.error_key(e.fate, e.meter, e.ts)
            sent[key] += 1
            acked[key] += e.acked
        found = collections.Counter(self.error_key(*e) for e in self.api.errors())
        for key, number in acked.items():
            if found[key] < number:
                self.say(f"{key}: {number} acknowledged, {found[key]} in the error queue")
        for key, number in found.items():
            if self.alone and number > sent[key] and not (self.resent and sent[key]):
                self.say(f"{key}: {number} in the error queue, {sent[key]} sent")
        return sum(acked.values())

    def check_totals(self):
        totals = self.api.totals()
        sent = collections.Counter(e.fate for e in self.entries)
        acked = collections.Counter(e.fate for e in self.entries if e.acked)
        for fate in sorted(set(sent) | {f for f, n in totals.items() if n}):
            number = totals.get(fate, 0)
            if fate in ("stored", "duplicate") and self.resent:
                continue  # either may have come first; the store itself was checked
            if number < acked[fate] or (
                    number > sent[fate] and not self.resent and self.alone):
                self.say(f"{fate}: {number} by the server's account, {acked[fate]} acknowledged, "
                         f"{sent[fate]} sent")
        if totals.get("stored", 0) != len(self.stored):
            self.say(f"{totals.get('stored', 0)} stored by the server's account, "
                     f"{len(self.stored)} found in the store")
        return totals, sent, acked


def check(api, ledger_file, resent=False, alone=True):
    """Returns (what is wrong, a summary)."""
    entries, ended = read_ledger(ledger_file)
    checker = Checker(api, entries, resent, alone)
    if not ended:
        checker.say(f"{ledger_file} ends before its end")
    if not entries:
        checker.say(f"{ledger_file} has no readings")
    checker.load_store()
    in_store = checker.check_store()
    in_errors = checker.check_errors()
    totals, sent, acked = checker.check_totals()
    summary = {
        "readings_sent": len(entries),
        "readings_acked": sum(e.acked for e in entries),
        "identities_checked": in_store,
        "errors_checked": in_errors,
        "in_store": len(checker.stored),
        "totals": totals,
        "sent": sent,
        "acked": acked,
    }
    return checker.wrong, summary


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("socket", help="the API's Unix socket")
    parser.add_argument("ledger", help="what headrace-fleet --ledger wrote")
    parser.add_argument("--resent", action="store_true",
                        help="the server was restarted: messages may have come more than once")
    options = parser.parse_args()
    try:
        wrong, summary = check(harness.Api(options.socket), options.ledger, options.resent)
    except (harness.Failure, OSError) as failure:
        print(f"check_ledger: {failure}", file=sys.stderr)
        return 1
    for line in wrong[:ERRORS_SHOWN]:
        print(line)
    if len(wrong) > ERRORS_SHOWN:
        print(f"... and {len(wrong) - ERRORS_SHOWN} more")
    print(f"{summary['readings_acked']} of {summary['readings_sent']} readings acknowledged, "
          f"{len(wrong)} not as they must be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
