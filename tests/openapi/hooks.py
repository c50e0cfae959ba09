"""What is not tried on the master, and why.

The requests are made with the first administrator's API key. What would lock that key or its user out is left out: every
later request would be answered alike, and say nothing about the interface.
"""

import ipaddress
import os

import schemathesis

OWN = set(os.environ["GATEPASS_OWN"].split(","))


def is_own(value):
    return isinstance(value, str) and value in OWN


def is_backwards(value):
    """Whether it is a range that ends before it begins: refused, which no schema can say."""
    if not isinstance(value, str) or value.count("-") != 1:
        return False
    try:
        first, last = (ipaddress.ip_address(part) for part in value.split("-"))
    except ValueError:
        return False
    return first.version == last.version and first > last


def is_made_up(case):
    """Whether it goes on behind a page that nobody has been given: a cursor is not made up but taken from an answer."""
    after = (case.query or {}).get("after")
    return isinstance(after, str) and case.meta.generation.mode.is_positive


def holds(value, is_one):
    """Whether something in it is one."""
    if isinstance(value, dict):
        return any(holds(item, is_one) for item in value.values())
    if isinstance(value, list):
        return any(holds(item, is_one) for item in value)
    return is_one(value)


def is_whole_float(value):
    """3.0 is an integer for JSON Schema; the master wants 3."""
    return isinstance(value, float) and value.is_integer()


@schemathesis.hook
def filter_case(context, case):
    changes = case.method in ("POST", "PUT", "PATCH", "DELETE")
    asked = [case.path_parameters or {}, case.body if isinstance(case.body, (dict, list)) else {}]
    left_out = [is_backwards, is_whole_float] + ([is_own] if changes else [])
    return not is_made_up(case) and not any(holds(asked, is_one) for is_one in left_out)
