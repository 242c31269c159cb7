#!/usr/bin/env python3
"""Verifies fedloop audit bundles, written from docs/ledger-format.md alone, with nothing but Python 3.

    verify_bundle.py BUNDLE...        prints findings, one a line; exit 0 only if everything holds

It shares no code with fedloop. Left out: the second accountant (privacy loss distributions), cohort lists that are
sealed, and what an auditor brings along (trust).
"""
import base64
import hashlib
import json
import math
import re
import sys

# --- primitives (section 1) ----------------------------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def point_add(a, b):
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    e, f = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    g, h = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    i, j, k, l = f - e, h - g, h + g, f + e
    return i * j % P, k * l % P, j * k % P, i * l % P


def point_mul(s, a):
    result = (0, 1, 1, 0)
    while s:
        if s & 1:
            result = point_add(result, a)
        a = point_add(a, a)
        s >>= 1
    return result


def point_equal(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def decompress(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - x2) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519(key, message, signature):
    """RFC 8032, with the refusals of section 1: small-order keys, S not below the group order."""
    if len(key) != 32 or len(signature) != 64:
        return False
    a, r, s = decompress(key), decompress(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L or point_equal(point_mul(8, a), (0, 1, 1, 0)):
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    return point_equal(point_mul(s, BASE), point_add(r, point_mul(h, a)))


def sha256(data):
    return hashlib.sha256(data).digest()


def b64u(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64u(text, size=None):
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise ValueError("not base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64u(data) != text or (size is not None and len(data) != size):
        raise ValueError("not the one spelling of so many bytes")
    return data


def canonical(value, depth):
    """RFC 8785 in the restricted profile."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        if abs(value) > 2**53 - 1:
            raise ValueError("integer too large")
        return str(value)
    if isinstance(value, str):
        value.encode()  # refuses lone surrogates
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\x7f")
    if depth == 0 or not isinstance(value, (list, dict)):
        raise ValueError("nested too deep, or a fraction")
    if isinstance(value, list):
        return "[" + ",".join(canonical(item, depth - 1) for item in value) + "]"
    names = sorted(value, key=lambda name: name.encode("utf-16-be"))
    if "__proto__" in names:
        raise ValueError("__proto__")
    return "{" + ",".join(canonical(n, 1) + ":" + canonical(value[n], depth - 1) for n in names) + "}"


def parse(data, depth):
    """The value of canonical bytes. Raises ValueError for any other spelling."""
    value = json.loads(data.decode())
    if canonical(value, depth).encode() != data:
        raise ValueError("not canonical")
    return value


def number(text):
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("not finite")
    return value


def epsilon_of(text):
    return math.inf if text == "unbounded" else number(text)


# --- the tree (section 4) ------------------------------------------------------------------------------------------


def leaf(data):
    return sha256(b"\0" + data)


def root(leaves):
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + root(leaves[:k]) + root(leaves[k:]))


def parse_vkey(text):
    name, key_id, encoded = text.split("+", 2)
    typed = base64.b64decode(encoded, validate=True)
    if sha256(name.encode() + b"\n" + typed)[:4].hex() != key_id or len(typed) != 33 or typed[0] not in (1, 4):
        raise ValueError("not a verifier key")
    return name, key_id, typed[0], typed[1:]


# --- accounting (section 3) ----------------------------------------------------------------------------------------

ORDERS = [1 + i / 10 for i in range(1, 100)] + list(range(11, 64)) + [128, 256, 512, 1024]


def curve(event):
    """Rényi cost of an event at each order, or None where this program cannot tell."""
    kind = event["type"]
    if kind == "NonPrivate":
        return [math.inf] * len(ORDERS)
    if kind == "Gaussian":
        z = number(event["noiseMultiplier"])
        return [a / (2 * z * z) for a in ORDERS]
    if kind == "DiscreteGaussian":
        z = number(event["sigma"]) / number(event["sensitivity"])
        return [a / (2 * z * z) for a in ORDERS]
    if kind == "Skellam":
        m = number(event["noiseStdDev"]) ** 2
        l1, l2 = number(event["l1Sensitivity"]), number(event["l2Sensitivity"]) ** 2

        def cost(a):
            if a != int(a):
                return math.inf
            return a * l2 / (2 * m) + min(((2 * a - 1) * l2 + 6 * l1) / (4 * m * m), 3 * l1 / (2 * m))

        return [cost(a) for a in ORDERS]
    if kind == "DistributedDiscreteGaussian":
        s, n = number(event["noiseStdDev"]), int(event["devices"])
        tau = 10 * sum(math.exp(-2 * math.pi**2 * s * s * k / (k + 1)) for k in range(1, n))
        total = s * math.sqrt(n)
        l1, l2 = number(event["l1Sensitivity"]) / total, number(event["l2Sensitivity"]) / total
        d = int(event["dimension"])
        slope = min(l2 * l2 + 2 * l1 * tau + tau * tau * d, (l2 + math.sqrt(d) * tau) ** 2) / 2
        return [min(a * l2 * l2 / 2 + tau * d, a * slope) for a in ORDERS]
    return None


def epsilon(events, delta):
    """ε of several events together at δ; None where it cannot be computed."""
    if delta < 1e-12 or delta >= 1:
        return None
    total = [0.0] * len(ORDERS)
    for event in events:
        costs = curve(event)
        if costs is None:
            return None
        total = [a + b for a, b in zip(total, costs)]
    best = math.inf
    for order, cost in zip(ORDERS, total):
        if delta * delta + math.expm1(-cost) >= 0:
            return 0.0
        best = min(best, cost + math.log1p(-1 / order) - (math.log(delta) + math.log(order)) / (order - 1))
    return max(0.0, best)


STATED = {
    "central-discrete-gaussian": {
        "Gaussian": lambda e: (number(e["noiseMultiplier"]), None, None),
        "DiscreteGaussian": lambda e: (
            number(e["sigma"]) / number(e["sensitivity"]),
            number(e["sensitivity"]),
            e.get("dimension"),
        ),
    },
    "distributed-discrete-gaussian": {
        "DistributedDiscreteGaussian": lambda e: (
            number(e["noiseStdDev"]) * math.sqrt(int(e["devices"])) / number(e["l2Sensitivity"]),
            number(e["l2Sensitivity"]),
            e.get("dimension"),
        )
    },
    "distributed-skellam": {
        "Skellam": lambda e: (number(e["noiseStdDev"]) / number(e["l2Sensitivity"]), number(e["l2Sensitivity"]), None)
    },
}

# --- entries (section 2) -------------------------------------------------------------------------------------------

MEMBERS = {
    "policy.publish": "policy population controller notice noticeUri language purposes limits unit adjacency accountant"
    " accountantVersion operatorKey",
    "round.plan": "population round kind purpose policy consentTreeSize eligible sampler cohort deadlines trainer model"
    " update privacy secureAggregation reservation",
    "round.close": "population round plan outcome reason cohort aggregate modelOut",
    "budget.debit": "population round plan event accountant epsilon delta prior",
    "model.release": "population round model debit",
    "model.stage": "population round model stage share standing",
    "analytics.release": "population round plan query event minimumCohort debit",
    "key.rotate": "role newKey reason",
    "erasure": "subject reason",
    "heartbeat": "",
}
CONSENT = (
    "id subject key population purpose controller notice policy basis dataCategories specialCategory storage retention"
    " jurisdiction model withdrawal event interface signals limits supersedes"
)
OPTIONAL = {"round.plan": {"staleness"}}
CONSENT_OPTIONAL = {"recipients", "ageBand", "guardian"}


def read_entry(data):
    if len(data) > 65535:
        raise ValueError("too long")
    entry = parse(data, 24)
    names = {"v", "type", "log", "id", "ts", "actor", "aseq", "aprev", "body", "sig"}
    if set(entry) - {"enc"} != names or entry["v"] != 1:
        raise ValueError("not the members of an entry")
    unb64u(entry["id"], 16), unb64u(entry["sig"], 64)
    if "enc" in entry:
        if set(entry["enc"]) != {"alg", "key", "ciphertext"} or entry["enc"]["alg"] != "XC20P":
            raise ValueError("not an encrypted payload")
        unb64u(entry["enc"]["key"], 72), unb64u(entry["enc"]["ciphertext"])
    if (entry["aseq"] == 0) != (entry["aprev"] is None):
        raise ValueError("aprev is null exactly in the first")
    kind, body, by_coordinator = entry["type"], entry["body"], entry["actor"] == "coordinator"
    if kind.startswith("consent."):
        record = body["record"]
        if set(body) != {"record"} or set(record) - CONSENT_OPTIONAL != set(CONSENT.split()):
            raise ValueError("not the members of a record")
        if record["event"]["state"] != kind[8:] or kind[8:] not in (
            "given",
            "refused",
            "withdrawn",
            "reaffirmed",
            "expired",
        ):
            raise ValueError("not the state of its type")
        if by_coordinator and kind != "consent.expired":
            raise ValueError("not for this actor")
    elif set(body) - OPTIONAL.get(kind, set()) != set(MEMBERS[kind].split()):
        raise ValueError("not the members of its type")
    elif by_coordinator != (kind != "key.rotate" or body["role"] == "operator"):
        raise ValueError("not for this actor")
    return entry


class Audit:
    def __init__(self):
        self.findings = []
        self.entries, self.leaves, self.hashes = [], [], []
        self.ids, self.nonces = set(), set()
        self.actors, self.key_history = {}, {}
        self.policies, self.decisions, self.erased = {}, {}, {}
        self.last_coordinator_time = None
        self.plans, self.rounds, self.debits, self.events = {}, {}, {}, {}
        self.released, self.releases, self.last_round = {}, {}, {}
        self.stageable, self.standing = set(), {}
        self.mask_keys, self.blobs, self.participants = set(), [], {}

    def find(self, code, where, what=""):
        self.findings.append((code, where, what))

    # --- consent at a tree size (section 6)

    def policy(self, population, size):
        known = [p for p in self.policies.get(population, []) if p[0] < size]
        return known[-1] if known else None

    def status(self, subject, purpose, size, time):
        decisions = [d for d in self.decisions.get((subject, purpose), []) if d[0] < size]
        if not decisions or self.erased.get(subject, math.inf) < size:
            return "none", -1, None
        index, record = decisions[-1]
        state = record["event"]["state"]
        state = "given" if state == "reaffirmed" else state
        if state == "given":
            policy = self.policy(record["population"], size)
            until = record["event"]["validUntil"]
            if policy is None or policy[1]["policy"] != record["policy"]:
                state = "expired"
            elif until is not None and time is not None and time >= until:
                state = "expired"
        return state, index, record

    def eligible(self, population, purpose, size, time):
        found = []
        for subject, about in self.decisions:
            if about == purpose:
                state, _, record = self.status(subject, purpose, size, time)
                if state == "given" and record["population"] == population:
                    found.append(subject)
        return sorted(found)

    def key_at(self, actor, size):
        known = [key for index, key in self.key_history.get(actor, []) if index < size]
        return known[-1] if known else None

    # --- entries (section 7)

    def take(self, index, data, log):
        self.leaves.append(leaf(data))
        self.hashes.append(b64u(self.leaves[-1]))
        try:
            entry = read_entry(data)
        except Exception as problem:
            self.entries.append(None)
            return self.find("ENTRY_MALFORMED", index, problem)
        self.entries.append(entry)
        kind, body, actor = entry["type"], entry["body"], entry["actor"]
        record = body["record"] if kind.startswith("consent.") else None
        if entry["log"] != log:
            self.find("ENTRY_LOG", index)
        if entry["id"] in self.ids:
            self.find("ENTRY_ID_REPEATED", index)
        self.ids.add(entry["id"])
        if index == 0 and kind != "policy.publish":
            self.find("LOG_START", index)
        if actor == "coordinator":
            if self.last_coordinator_time is not None and entry["ts"] < self.last_coordinator_time:
                self.find("CLOCK_BACKWARDS", index)
            self.last_coordinator_time = entry["ts"]
        for sealed in (entry["enc"]["key"], entry["enc"]["ciphertext"]) if "enc" in entry else ():
            nonce = unb64u(sealed)[:24]
            if nonce in self.nonces:
                self.find("CIPHERTEXT_REUSED", index)
            self.nonces.add(nonce)
        chain = self.actors.get(actor)
        key = chain[0] if chain else None
        if key is None and kind == "policy.publish" and index == 0:
            key = body["operatorKey"]
        if key is None and record is not None and actor != "coordinator":
            key = record["key"]
        if key is None:
            self.find("ENTRY_KEY", index)
        else:
            unsigned = {name: value for name, value in entry.items() if name != "sig"}
            message = b"fedloop-ledger/v1\n" + canonical(unsigned, 24).encode()
            if not ed25519(unb64u(key), message, unb64u(entry["sig"])):
                self.find("ENTRY_SIGNATURE", index)
        # Of these only the first that fails is reported.
        if (record["subject"] if record else actor) in self.erased:
            self.find("ERASED_SUBJECT", index)
        elif (entry["aseq"], entry["aprev"]) != (chain[1] if chain else 0, chain[2] if chain else None):
            self.find("ACTOR_CHAIN", index)
        elif kind == "policy.publish":
            last = self.policy(body["population"], index)
            if body["policy"] != (last[1]["policy"] if last else 0) + 1 or body["operatorKey"] != key:
                self.find("POLICY_INVALID", index)
        elif record:
            self.consent(index, entry, record)
        {
            "round.plan": self.plan,
            "budget.debit": self.debit,
            "model.release": self.release,
            "model.stage": self.stage,
            "analytics.release": self.release,
            "round.close": self.close,
        }.get(kind, lambda *_: None)(index, entry, body)
        # What the entry changes for those after it.
        following = body["newKey"] if kind == "key.rotate" else key
        if following is not None:
            self.actors[actor] = (following, entry["aseq"] + 1, self.hashes[index])
            if self.key_at(actor, index + 1) != following:
                self.key_history.setdefault(actor, []).append((index, following))
        if kind == "policy.publish":
            self.policies.setdefault(body["population"], []).append((index, body))
        if record:
            self.decisions.setdefault((record["subject"], record["purpose"]), []).append((index, record))
        if kind == "erasure":
            self.erased[body["subject"]] = index

    def consent(self, index, entry, record):
        subject, purpose, actor = record["subject"], record["purpose"], entry["actor"]
        known = self.actors.get(subject)
        if (actor != "coordinator" and subject != actor) or (
            record["key"] != known[0] if known else actor == "coordinator"
        ):
            return self.find("CONSENT_SUBJECT", index)
        state, latest, before = self.status(subject, purpose, index, None)
        if record["supersedes"] != (self.hashes[latest] if latest >= 0 else None):
            return self.find("CONSENT_SUPERSEDED", index)
        if before is not None and before["population"] != record["population"]:
            return self.find("CONSENT_SUBJECT", index)
        if record["event"]["state"] not in ("given", "reaffirmed"):
            return
        if record["event"]["state"] == "reaffirmed" and state not in ("given", "expired"):
            return self.find("CONSENT_SUPERSEDED", index)
        found = self.policy(record["population"], index)
        policy = found[1] if found else None
        shown = record["notice"]
        if policy is None or (
            record["policy"] != policy["policy"]
            or shown != {"sha256": policy["notice"], "uri": policy["noticeUri"], "language": policy["language"]}
            or record["controller"] != policy["controller"]
            or purpose not in policy["purposes"]
        ):
            return self.find("CONSENT_POLICY", index)
        event, signals = record["event"], record["signals"]
        minor = record.get("ageBand") == "minor"
        if (
            (event["validUntil"] is not None and event["validUntil"] <= event["time"])
            or (minor and ("guardian" not in record or event.get("actor") != "guardian"))
            or (signals["gpc"] and signals.get("conflictConfirmed") is not True)
        ):
            self.find("CONSENT_INVALID", index)

    # --- rounds

    def recomputed(self, population, extra=()):
        policy = self.policy(population, len(self.entries))
        events = self.events.get(population, []) + list(extra)
        return epsilon(events, number(policy[1]["limits"]["delta"])) if policy else None

    def covers(self, claimed, population, extra, index):
        value = self.recomputed(population, extra)
        if value is None:
            return self.find("BUDGET_INCOMPUTABLE", index)
        if epsilon_of(claimed) < value * (1 - 1e-9):
            self.find("EPSILON_UNDERSTATED", index, f"{claimed} < {value}")
        return value

    def plan(self, index, entry, body):
        population, name = body["population"], self.hashes[index]
        self.plans[name] = (index, entry, body)
        if body["round"] != self.last_round.get(population, 0) + 1:
            self.find("PLAN_ROUND", index)
        self.last_round[population] = body["round"]
        found = self.policy(population, index)
        policy = found[1] if found else None
        if policy is None or policy["policy"] != body["policy"] or body["purpose"] not in policy["purposes"]:
            self.find("PLAN_POLICY", index)
        if body["consentTreeSize"] > index:
            self.find("PLAN_TREE_SIZE", index)
        else:
            who = self.eligible(population, body["purpose"], body["consentTreeSize"], entry["ts"])
            hashed = b64u(root([leaf(subject.encode()) for subject in who]))
            if body["eligible"] != {"count": len(who), "root": hashed}:
                self.find("PLAN_ELIGIBLE", index)
        if body["model"]["sha256"] not in self.released.setdefault(population, {body["model"]["sha256"]}):
            self.find("PLAN_MODEL", index)
        for model in body.get("staleness", {}).get("models", [])[1:]:
            if model not in self.released[population]:
                self.find("PLAN_MODEL", index)
        privacy, event = body["privacy"], body["privacy"]["event"]
        if privacy["mechanism"] != "none":
            stated = STATED[privacy["mechanism"]].get(event["type"])
            ratio, sensitivity, dimension = stated(event) if stated else (math.inf, None, None)
            if (
                ratio > number(privacy["noiseMultiplier"]) * (1 + 1e-9)
                or (sensitivity is not None and sensitivity < body["update"]["integerNormBound"])
                or (dimension is not None and int(dimension) < body["update"]["length"])
            ):
                self.find("PLAN_EVENT", index)
        if privacy["divisor"] != body["cohort"]["target"]:
            self.find("PLAN_DIVISOR", index)
        reserved = body["reservation"]
        if policy and (
            (reserved["delta"], reserved["cap"]) != (policy["limits"]["delta"], policy["limits"]["epsilon"])
            or epsilon_of(reserved["epsilon"]) > epsilon_of(reserved["cap"])
        ):
            self.find("PLAN_LIMITS", index)
        self.covers(reserved["epsilon"], population, [event], index)

    def debit(self, index, entry, body):
        population, name = body["population"], body["plan"]
        planned = self.plans.get(name)
        matches = planned and (planned[2]["population"], planned[2]["round"]) == (population, body["round"])
        key = (population, body["round"])
        if not matches:
            return self.find("DEBIT_PLAN", index)
        if key in self.rounds and "close" in self.rounds[key]:
            self.find("DEBIT_PLAN", index)
        state = self.rounds.setdefault(key, {})
        if "debit" in state:
            self.find("DEBIT_REPEATED", index)
        if body["prior"] != self.debits.get(population):
            self.find("DEBIT_CHAIN", index)
        self.debits[population] = self.hashes[index]
        state["debit"] = (index, entry, body)
        event = planned[2]["privacy"]["event"]
        if event != body["event"]:
            self.find("DEBIT_EVENT", index)
        limits = self.policy(population, index)[1]["limits"]
        if body["delta"] != limits["delta"]:
            self.find("PLAN_LIMITS", index)
        self.events.setdefault(population, []).append(event)
        value = self.covers(body["epsilon"], population, [], index)
        cap = epsilon_of(limits["epsilon"])
        if value is not None and max(value, epsilon_of(body["epsilon"])) > cap * (1 + 1e-9):
            self.find("EPSILON_OVER_CAP", index)

    def release(self, index, entry, body):
        key = (body["population"], body["round"])
        state = self.rounds.setdefault(key, {})
        paid = "debit" in state and self.hashes[state["debit"][0]] == body["debit"]
        planned = self.plans.get(state["debit"][2]["plan"]) if paid else None
        if not paid or (entry["type"] == "model.release" and (planned is None or planned[2]["kind"] != "train")):
            self.find("RELEASE_UNPAID", index)
        if "release" in state:
            self.find("RELEASE_REPEATED", index)
        state["release"] = (index, entry, body)
        if entry["type"] == "model.release":
            if paid:
                self.released.setdefault(body["population"], set()).add(body["model"])
                self.stageable.add((*key, body["model"]))
        elif planned and (body["plan"] != self.hashes[planned[0]] or body["event"] != planned[2]["privacy"]["event"]):
            self.find("DEBIT_EVENT", index)

    def stage(self, index, entry, body):
        name = (body["population"], body["round"], body["model"])
        if name not in self.stageable:
            self.find("STAGE_MODEL", index)
        kind, one = body["stage"], {"round": body["round"], "model": body["model"]}
        if kind == "rolled-back":
            self.stageable.discard(name)
        before = self.standing.get(body["population"], {"live": None, "canary": None})
        was = {stage: (before[stage] or {}).get("round") for stage in before}
        is_live, is_canary = was["live"] == body["round"], was["canary"] == body["round"]
        other_canary = before["canary"] is not None and not is_canary
        if {"canary": is_live or other_canary, "live": is_live, "rolled-back": not (is_live or is_canary)}[kind]:
            self.find("STAGE_ORDER", index)
        after = {"live": None if is_live else before["live"], "canary": None if is_canary else before["canary"]}
        if kind != "rolled-back":
            after[kind] = {**one, "share": body["share"]} if kind == "canary" else one
        if kind == "canary":
            after["live"] = before["live"]
        if body["standing"] != after:
            self.find("STAGE_ORDER", index)
        self.standing[body["population"]] = after

    def close(self, index, entry, body):
        key = (body["population"], body["round"])
        planned, state = self.plans.get(body["plan"]), self.rounds.setdefault(key, {})
        if planned is None or (planned[2]["population"], planned[2]["round"]) != key:
            return self.find("CLOSE_PLAN", index)
        if "close" in state:
            return self.find("CLOSE_REPEATED", index)
        state["close"] = (index, entry, body)
        size = body["cohort"]["size"] if body["cohort"] else 0
        blob = body["cohort"]["blob"] if body["cohort"] else None
        if body["outcome"] == "completed":
            if "debit" not in state:
                self.find("CLOSE_UNPAID", index)
            if size < planned[2]["cohort"]["minimum"]:
                self.find("CLOSE_COHORT", index)
            model = state["release"][2].get("model") if "release" in state else None
            if body["modelOut"] != model or (model is not None and model not in self.released.get(key[0], ())):
                self.find("CLOSE_MODEL", index)
        if "debit" in state and blob is None:
            self.find("CLOSE_COHORT", index)
        if blob is not None and blob not in [name for name, _ in self.blobs]:
            self.blobs.append((blob, (planned, state)))

    # --- cohort lists

    def cohort(self, number_, data, blob, round_):
        (index, plan_entry, plan), state = round_
        close_index, _, close = state["close"]
        if b64u(sha256(data)) != blob:
            return self.find("BLOB_HASH", f"blob {number_}")
        if data[:1] == b"{":
            return self.find("COHORT_SEALED", f"blob {number_}")
        try:
            members = parse(data, 2)
            subjects = [m["subject"] for m in members]
            if subjects != sorted(set(subjects)) or any(
                set(m) != {"subject", "consent", "join", "maskKey"} for m in members
            ):
                raise ValueError("not a cohort list")
        except Exception as problem:
            return self.find("COHORT_MALFORMED", f"blob {number_}", problem)
        if len(members) != close["cohort"]["size"]:
            self.find("COHORT_MALFORMED", f"blob {number_}")
        for member in members:
            subject, where = member["subject"], f"blob {number_}: {member['subject']}"
            found, decided, record = self.status(subject, plan["purpose"], plan["consentTreeSize"], plan_entry["ts"])
            if found != "given" or record["population"] != plan["population"] or decided != member["consent"]:
                self.find("COHORT_CONSENT", where)
            if "debit" in state:
                last = min(state["debit"][0], close_index)
                now, index_now, _ = self.status(subject, plan["purpose"], last, plan_entry["ts"])
                if index_now != decided and now != "given" and found == "given":
                    self.find("COHORT_WITHDRAWN", where)
                if record is not None:
                    self.participants.setdefault((plan["population"], subject), []).append(
                        (close_index, plan["privacy"]["event"], record["limits"])
                    )
            claim = {
                "log": plan_entry["log"],
                "plan": self.hashes[index],
                "population": plan["population"],
                "round": plan["round"],
                "subject": subject,
            }
            message = b"fedloop-join/v1\n" + canonical(claim, 2).encode()
            keys = {self.key_at(subject, index), self.key_at(subject, close_index)} - {None}
            if not any(ed25519(unb64u(key), message, unb64u(member["join"], 64)) for key in keys):
                self.find("COHORT_JOIN", where)
            mask = member["maskKey"]
            if (mask is not None) != plan["secureAggregation"]["enabled"]:
                self.find("COHORT_MASK_KEY", where)
            if mask is not None and mask in self.mask_keys:
                self.find("MASK_KEY_REUSED", where)
            self.mask_keys.add(mask)

    def limits(self):
        for (population, subject), uses in self.participants.items():
            own = max(uses, key=lambda use: use[0])[2]
            policy = self.policy(population, len(self.entries))[1]
            delta = number(policy["limits"]["delta"])
            if own["delta"] is not None:
                delta = min(delta, number(own["delta"]))
            value = epsilon([event for _, event, _ in uses], delta) if delta > 0 else math.inf
            over = own["epsilon"] is not None and (value is None or value > epsilon_of(own["epsilon"]) * (1 + 1e-9))
            if over or (own["rounds"] is not None and len(uses) > own["rounds"]):
                self.find("PARTICIPANT_LIMIT", subject)

    # --- frame and checkpoint

    def run(self, data):
        try:
            lines = data.split(b"\n")
            header = parse(lines[0], 2)
            if set(header) != {"format", "log", "vkey", "witnesses", "entries", "blobs"}:
                raise ValueError("not a header")
            keys = [parse_vkey(text) for text in [header["vkey"]] + header["witnesses"]]
            if header["format"] != "fedloop-bundle/v1" or keys[0][0] != header["log"]:
                raise ValueError("not a header of this format")
        except Exception as problem:
            return self.find("BUNDLE_HEADER", "header", problem)
        count, blobs = header["entries"], header["blobs"]
        if len(lines) != count + blobs + 3 or lines[-1] != b"":
            self.find("BUNDLE_FRAMING", "header")
        for index, line in enumerate(lines[1 : 1 + count]):
            try:
                self.take(index, line, header["log"])
            except (KeyError, TypeError, ValueError, AttributeError) as problem:
                # A member that the document demands is missing or of another kind.
                self.find("ENTRY_MALFORMED", index, repr(problem))
        if len(self.blobs) != blobs:
            self.find("BLOB_UNEXPECTED", "header")
        for number_, (line, (name, round_)) in enumerate(zip(lines[1 + count : 1 + count + blobs], self.blobs)):
            self.cohort(number_, line, name, round_)
        self.limits()
        try:
            self.checkpoint(parse(lines[1 + count + blobs], 1)["checkpoint"], keys, header)
        except Exception as problem:
            self.find("CHECKPOINT_INVALID", "checkpoint", problem)

    def checkpoint(self, note, keys, header):
        text, _, signatures = note.partition("\n\n")
        text += "\n"
        origin, size, hashed, end = text.split("\n")
        if origin != header["log"] or end or not re.fullmatch(r"0|[1-9][0-9]*", size):
            raise ValueError("not a checkpoint of this log")
        own, seen, strangers = False, set(), 0
        for line in signatures.split("\n")[:-1]:
            mark, name, encoded = line.split(" ")
            signed = base64.b64decode(encoded, validate=True)
            key = next((k for k in keys if k[0] == name and k[1] == signed[:4].hex()), None)
            if mark != "—" or key is None or name in seen:
                strangers += 1
                continue
            seen.add(name)
            message, signature = text.encode(), signed[4:]
            if key[2] == 4:
                time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
                message = f"cosignature/v1\ntime {time}\n".encode() + message
            if not ed25519(key[3], message, signature):
                raise ValueError(f"the signature of {name} does not hold")
            own = own or key is keys[0]
        if not own:
            raise ValueError("the log has not signed")
        if strangers:
            self.find("CHECKPOINT_STRANGER", "checkpoint")
        if int(size) != len(self.leaves):
            self.find("BUNDLE_HEADER", "header")
        elif base64.b64decode(hashed, validate=True) != root(self.leaves):
            self.find("TREE_ROOT", "checkpoint")


def main(paths):
    holds = True
    for path in paths:
        audit = Audit()
        with open(path, "rb") as file:
            audit.run(file.read())
        for code, where, what in audit.findings:
            print(f"{path}: {code} {where} {what}".rstrip())
        if not audit.findings:
            print(f"{path}: VERIFIED {len(audit.entries)} entries")
        holds = holds and not audit.findings
    return 0 if holds and paths else 1


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    sys.exit(main(sys.argv[1:]))
