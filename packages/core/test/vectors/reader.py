"""An independent reader and writer of Sluice's message format (docs/reference/wire-format.md), sharing no code with it.

Standard library only. Run: python3 reader.py   It reads every vector beside it, prints one line of JSON with the number
of checks for each file, and exits with 1 when it disagrees with a vector. `vectors.test.ts` runs it where python3 exists.
"""

import base64
import json
import pathlib
import re
import sys
import urllib.parse
from decimal import Decimal

HERE = pathlib.Path(__file__).parent
KINDS = {
    "id": "identifier", "type": "identifier", "source": "identifier", "time": "time", "subject": "text",
    "datacontenttype": "mediatype", "datacontentencoding": "identifier", "dataschema": "text",
    "partitionkey": "identifier", "sequence": "identifier", "schemaversion": "integer",
    "correlationid": "identifier", "causationid": "identifier", "traceparent": "identifier", "tracestate": "text",
    "expirytime": "time", "notbefore": "time", "attempt": "integer", "tags": "tags", "replyto": "identifier",
    "replyfor": "identifier", "producerid": "identifier", "producerepoch": "count", "producerseq": "count",
}
TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"


class Refused(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


def undecodable():
    return Refused("UNDECODABLE")


def media_type(text):
    match = re.fullmatch(rf"[\t ]*({TOKEN}/{TOKEN})[\t ]*(;[^\r\n]*)?", text)
    return match.group(1).lower() if match else None


def is_json_type(text):
    kind = "application/json" if text is None else media_type(text)
    return kind in ("application/json", "text/json") or kind.endswith("+json")


def text_allowed(value, bytes_max):
    if not isinstance(value, str) or value == "":
        return False
    for char in value:
        point = ord(char)
        if point < 0x20 or 0x7F <= point <= 0x9F or 0xD800 <= point <= 0xDFFF or 0xFDD0 <= point <= 0xFDEF or point & 0xFFFE == 0xFFFE:
            return False
    return len(value.encode()) <= bytes_max


def time_allowed(value):
    match = isinstance(value, str) and re.fullmatch(
        r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])", value)
    if not match:
        return False
    year, month, day = (int(match.group(i)) for i in (1, 2, 3))
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 1 <= month <= 12 and 1 <= day <= [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]


def allowed(name, value):
    kind = KINDS[name]
    if kind == "identifier":
        return text_allowed(value, 255)
    if kind == "text":
        return text_allowed(value, 1024)
    if kind == "mediatype":
        return text_allowed(value, 255) and media_type(value) is not None
    if kind == "time":
        return time_allowed(value)
    if kind == "tags":
        return isinstance(value, list) and 1 <= len(value) <= 32 and all(
            text_allowed(tag, 64) and "," not in tag and tag.strip() == tag for tag in value)
    least = 1 if name == "schemaversion" else 0
    most = 2**31 - 1 if kind == "integer" else 2**53 - 1
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def header_name_allowed(name, application):
    if not 1 <= len(name) <= 128 or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9a-z-]+", name):
        return False
    if not application and re.fullmatch(r"ce-[a-z0-9]{1,64}", name):
        return name[3:] not in KINDS and name[3:] not in ("specversion", "data", "sluiceheaders")
    return not re.match(r"ce[-_]|cloudevents|sluice[-_.]|content-(type|encoding|length)$|transfer-encoding$|__proto__$", name)


def header_value_allowed(value):
    return isinstance(value, str) and not re.search("[\r\n\0\ud800-\udfff]", value)


def headers_allowed(headers, application):
    return (len(headers) <= 128 and all(header_name_allowed(n, application) and header_value_allowed(v) for n, v in headers.items())
            and sum(len(n) + len(v.encode()) for n, v in headers.items()) <= 32768)


def utf8(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise undecodable() from None


# ---------------------------------------------------------------- JSON


def depth(text):
    deepest = level = at = 0
    while at < len(text):
        char = text[at]
        if char == '"':
            at += 1
            while at < len(text) and text[at] != '"':
                at += 2 if text[at] == "\\" else 1
        elif char in "[{":
            level += 1
            deepest = max(deepest, level)
        elif char in "]}":
            level -= 1
        at += 1
    return deepest


def refuse_constant(_):
    raise undecodable()


def kept_integer(literal):
    if len(literal) > 400:
        raise undecodable()
    number = int(literal)
    if abs(number) >= 2**53:
        try:
            double = float(literal)
        except OverflowError:
            raise undecodable() from None
        if double in (float("inf"), float("-inf")) or (int(double) != number and f"{Decimal(repr(double)):f}" not in (literal, literal + ".0")):
            raise undecodable()
    return number


def kept_float(literal):
    number = float(literal)
    if number in (float("inf"), float("-inf")):
        raise undecodable()
    return number


def safe_object(pairs):
    for key, value in pairs:
        if key == "__proto__" or (key == "constructor" and isinstance(value, dict) and "prototype" in value):
            raise undecodable()
    return dict(pairs)


def well_formed(value):
    if isinstance(value, str):
        return not re.search("[\ud800-\udfff]", value)
    if isinstance(value, list):
        return all(map(well_formed, value))
    return not isinstance(value, dict) or all(well_formed(k) and well_formed(v) for k, v in value.items())


def decode_json(text):
    if depth(text) > 64:
        raise Refused("MESSAGE_TOO_DEEP")
    try:
        value = json.loads(text, parse_constant=refuse_constant, parse_int=kept_integer, parse_float=kept_float, object_pairs_hook=safe_object)
    except ValueError:
        raise undecodable() from None
    if not well_formed(value):
        raise undecodable()
    return value


# ---------------------------------------------------------------- reading


def read_attribute(draft, name, value):
    kind = KINDS[name]
    if kind in ("integer", "count") and isinstance(value, str):
        value = int(value) if re.fullmatch("0|[1-9][0-9]{0,15}", value) else None
    elif kind == "tags" and isinstance(value, str):
        value = value.split(",")
    if not allowed(name, value):
        raise undecodable()
    if not (name == "datacontenttype" and value == "application/json"):
        draft[name] = value


def keep_extension(headers, name, value):
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, (int, float)):
        value = str(value)
    if not isinstance(value, str) or not re.fullmatch("[a-z0-9]{1,64}", name):
        raise undecodable()
    headers["ce-" + name] = value


def finish(draft, headers, body, received_at):
    for name in ("id", "type", "source"):
        if name not in draft:
            raise undecodable()
    draft.setdefault("time", received_at)
    if headers:
        if not headers_allowed(headers, False):
            raise Refused("INVALID_HEADER")
        draft["headers"] = headers
    draft["body"] = body
    return draft


def top_members(text):
    try:
        whole = json.loads(text, parse_constant=refuse_constant)
    except ValueError:
        raise undecodable() from None
    if not isinstance(whole, dict):
        raise undecodable()
    decoder, members, space = json.JSONDecoder(), {}, re.compile(r"[ \t\n\r]*")
    skip = lambda at: space.match(text, at).end()
    at = skip(text.index("{") + 1)
    while text[at] == '"':
        name, at = decoder.raw_decode(text, at)
        start = skip(skip(at) + 1)
        value, end = decoder.raw_decode(text, start)
        if name in members:
            raise undecodable()
        members[name] = (value, text[start:end])
        at = skip(end)
        if text[at] != ",":
            break
        at = skip(at + 1)
    return members


def read_structured(text, received_at):
    if depth(text) > 65:
        raise Refused("MESSAGE_TOO_DEEP")
    members = top_members(text)
    if members.get("specversion", (None,))[0] != "1.0":
        raise undecodable()
    draft, headers = {}, {}
    for name, (value, _) in members.items():
        if name in ("specversion", "data", "data_base64") or value is None:
            continue
        if name == "sluiceheaders":
            try:
                own = json.loads(value) if isinstance(value, str) else None
            except ValueError:
                own = None
            if not isinstance(own, dict):
                raise undecodable()
            if not headers_allowed(own, True):
                raise Refused("INVALID_HEADER")
            headers.update(own)
        elif name in KINDS:
            read_attribute(draft, name, value)
        else:
            keep_extension(headers, name, value)
    return finish(draft, headers, structured_body(members, draft.get("datacontenttype")), received_at)


def structured_body(members, content_type):
    encoded = members.get("data_base64", (None,))[0]
    if encoded is not None:
        if "data" in members or not isinstance(encoded, str):
            raise undecodable()
        try:
            data = base64.b64decode(encoded, validate=True)
        except ValueError:
            raise undecodable() from None
        if base64.b64encode(data).decode() != encoded:
            raise undecodable()
        return data
    if "data" not in members:
        return b""
    value, raw = members["data"]
    if is_json_type(content_type):
        return raw.encode()
    if value is None:
        return b""
    if not isinstance(value, str) or not well_formed(value):
        raise undecodable()
    return value.encode()


def header_text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, dict):
        try:
            return base64.b64decode(value["base64"]).decode("utf-8")
        except UnicodeDecodeError:
            return None
    return value


def read_binary(prefix, message, body, received_at):
    pairs = [(name.lower(), value) for name, value in message["headers"]]
    content_type = message.get("contentType")
    if content_type is None:
        content_type = next((header_text(v) for n, v in pairs if n == "content-type"), None)
    kind = media_type(content_type) if content_type is not None else None
    if kind == "application/cloudevents+json":
        return read_structured(utf8(body), received_at)
    if kind is not None and kind.startswith("application/cloudevents"):
        raise Refused("UNSUPPORTED_ENCODING")
    draft, headers, seen = {}, {}, set()
    prefixes = ("cloudevents_", "cloudevents:") if prefix == "cloudEvents_" else (prefix,)
    for name, value in pairs:
        text = header_text(value)
        if not name.startswith(prefixes):
            if header_name_allowed(name, True) and header_value_allowed(text):
                headers[name] = text
            continue
        name = name[len(prefixes[0]):]
        if text is None or name in seen:
            raise undecodable()
        seen.add(name)
        if prefix == "ce-":
            if len(text) >= 2 and text[0] == text[-1] == '"':
                text = re.sub(r"\\(.)", r"\1", text[1:-1])
            if re.search("%(?![0-9A-Fa-f]{2})", text):
                raise undecodable()
            text = utf8(urllib.parse.unquote_to_bytes(text))
        if name == "specversion":
            if text != "1.0":
                raise undecodable()
        elif name in KINDS:
            read_attribute(draft, name, text)
        else:
            keep_extension(headers, name, text)
    if "specversion" not in seen:
        raise undecodable()
    if content_type is not None:
        draft.pop("datacontenttype", None)
        read_attribute(draft, "datacontenttype", content_type)
    return finish(draft, headers, body, received_at)


# ---------------------------------------------------------------- writing


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def attribute_text(value):
    return ",".join(value) if isinstance(value, list) else str(value)


def split_headers(envelope):
    headers = envelope.get("headers", {})
    return ({n: v for n, v in headers.items() if not n.startswith("ce-")}, {n[3:]: v for n, v in headers.items() if n.startswith("ce-")})


def embeddable(body):
    try:
        text = body.decode("utf-8")
        if text == "" or text[0] in " \t\r\n" or text[-1] in " \t\r\n" or depth(text) > 64:
            return None
        json.loads(text, parse_constant=refuse_constant)
        return text
    except (ValueError, Refused):
        return None


def write_structured(envelope, body, is_text):
    own, extensions = split_headers(envelope)
    parts = ['"specversion":"1.0"']
    for name, kind in KINDS.items():
        if name in envelope:
            parts.append(f'"{name}":' + (str(envelope[name]) if kind == "integer" else compact(attribute_text(envelope[name]))))
    parts += [f'"{name}":{compact(value)}' for name, value in extensions.items()]
    if own:
        parts.append('"sluiceheaders":' + compact(compact(own)))
    if body:
        plain = "datacontentencoding" not in envelope
        as_json = plain and is_json_type(envelope.get("datacontenttype"))
        if as_json and embeddable(body) is not None:
            parts.append('"data":' + embeddable(body))
        elif plain and not as_json and is_text:
            parts.append('"data":' + compact(body.decode()))
        else:
            parts.append('"data_base64":' + compact(base64.b64encode(body).decode()))
    return "{" + ",".join(parts) + "}"


def write_binary(prefix, envelope):
    own, extensions = split_headers(envelope)
    encode = (lambda text: urllib.parse.quote(text, safe="".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in '"%'))) if prefix == "ce-" else (lambda text: text)
    headers = {prefix + "specversion": "1.0"}
    headers.update({prefix + name: encode(attribute_text(envelope[name])) for name in KINDS if name in envelope and name != "datacontenttype"})
    headers.update({prefix + name: encode(value) for name, value in extensions.items()})
    headers.update(own)
    return {"contentType": envelope.get("datacontenttype", "application/json"), "headers": headers}


def size(envelope, body):
    total = 64 + len(body)
    for name, kind in KINDS.items():
        if name in envelope:
            value = envelope[name]
            total += {"integer": 10, "count": 16}.get(kind) or (sum(len(t.encode()) + 1 for t in value) if kind == "tags" else len(value.encode()))
    return total + sum(len(n) + len(v.encode()) for n, v in envelope.get("headers", {}).items())


# ---------------------------------------------------------------- the vectors


def bytes_of(body):
    return body["text"].encode() if "text" in body else base64.b64decode(body["base64"])


def load(name):
    return json.loads((HERE / name).read_text("utf-8"))


def main():
    counts, failures = {}, []

    def check(file, name, actual, expected):
        counts[file] = counts.get(file, 0) + 1
        if actual != expected:
            failures.append(f"{file}: {name}\n  expected {expected!r}\n  actual   {actual!r}")

    def outcome(run):
        try:
            run()
            return "accept"
        except Refused as refused:
            return refused.code

    def read(case, received_at):
        if "structured" in case:
            return read_structured(case["structured"], received_at)
        return read_binary(case["binary"]["prefix"], case["binary"], bytes_of(case["binary"]["body"]), received_at)

    vectors = load("messages.json")
    for case in vectors["cases"]:
        body = bytes_of(case["envelope"]["body"])
        envelope = {**case["envelope"], "body": body}
        attributes = {n: v for n, v in envelope.items() if n != "body"}
        check("messages", case["name"] + ": read", read_structured(case["structured"], vectors["receivedAt"]), envelope)
        check("messages", case["name"] + ": write", write_structured(attributes, body, "text" in case["envelope"]["body"]), case["structured"])
        check("messages", case["name"] + ": size", size(attributes, body), case["sizeBytes"])
        for prefix, binary in case["binary"].items():
            check("messages", f"{case['name']}: write {prefix}", write_binary(prefix, attributes), binary)
            pairs = {"contentType": binary["contentType"], "headers": list(binary["headers"].items())}
            check("messages", f"{case['name']}: read {prefix}", read_binary(prefix, pairs, body, vectors["receivedAt"]), envelope)
    vectors = load("foreign.json")
    for case in vectors["cases"]:
        check("foreign", case["name"], read(case, vectors["receivedAt"]), {**case["envelope"], "body": bytes_of(case["envelope"]["body"])})
    vectors = load("invalid.json")
    for case in vectors["cases"]:
        check("invalid", case["name"], outcome(lambda: read(case, vectors["receivedAt"])), case["error"])
    for case in load("rules.json")["cases"]:
        if "attribute" in case:
            check("rules", f"{case['attribute']} {case['value']!r}"[:80], allowed(case["attribute"], case["value"]), case["valid"])
        else:
            value = case["value"]
            check("rules", f"header {case['header']!r}"[:80], headers_allowed({case["header"]: value}, True), case["valid"])
    for case in load("json-parsing.json")["cases"]:
        data = case["text"].encode() if "text" in case else base64.b64decode(case["base64"])
        check("json-parsing", case["name"], outcome(lambda: decode_json(utf8(data))), case["expect"])
    print(json.dumps(counts))
    print("\n".join(failures), file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
