#!/usr/bin/env python3
"""Records what Python makes of documents, texts and templates, for the tests of this crate.

Needs Python 3.12 with chaostoolkit-lib 1.45.1 and PyYAML 6 (`pip install chaostoolkit-lib==1.45.1`).
Writes yaml.ndjson, json.ndjson, text.ndjson and template.ndjson: one case a line.

    python record.py [--random CASES] [--seed SEED] [--out FOLDER]
"""
import argparse
import json
import math
import pathlib
import random
import re
import warnings

import yaml
from chaoslib import PayloadEncoder, substitute

warnings.simplefilter("ignore")
LARGEST = 2**127 - 1


def normal(value):
    """The value in the shapes that the crate has: no tuples, no sets, no whole numbers beyond 128 bits."""
    if isinstance(value, (list, tuple)):
        return [normal(item) for item in value]
    if isinstance(value, set):
        return [normal(item) for item in sorted(value, key=repr)]
    if isinstance(value, dict):
        return {normal(key): normal(item) for key, item in value.items()}
    if isinstance(value, int) and not -LARGEST - 1 <= value <= LARGEST:
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return value


def outcome(function):
    """What came out: its repr(), or the exception."""
    try:
        return {"repr": repr(normal(function()))}
    except yaml.YAMLError as error:
        return {"raises": "YAMLError", "message": str(error)}
    except Exception as error:
        return {"raises": type(error).__name__, "message": str(error)}


SCALARS = """
y Y n N yes Yes YES yEs no No NO true True TRUE tRue false FALSE on On ON off Off OFF oN
~ null Null NULL nUll << = <
0 -0 +0 7 -7 +7 0777 -0777 0o7 08 09 00 0_7 1_000 _1 1_ 0b101 -0b1_0 0b 0b2 0b_ 0x1F 0xff_ff +0x1 0x 0x_ 0xg 0X1F
1:30 -1:30 190:20:30 1:60 0:30 1:5 1:30:5 1_0:30 1:30.5 0:30.5 1:5.25 1:30. -1:30.5 1:2:3.5 20:30:40.
1.0 -1.0 +1.5 1. .5 -.5 +.5 1e3 1.e+3 1.5e3 1.5e+3 1.5E-3 1.5e+ 1_0.5_0 1._ ._1 .1_ .5e+1 1.0e+400 0.0 -0.0 1.0e-320
.inf -.inf +.inf .Inf .INF .iNf .nan .NaN .NAN .Nan -.nan inf nan . .. - + 12e03 685_230.15 6.8523015e+5 . -. +.
123456789012345678901234567890 170141183460469231731687303715884105727 170141183460469231731687303715884105728
-170141183460469231731687303715884105729 99999999999999999999999999999999999999999999999999 0xffffffffffffffffffffffffffffffffff
1e16 10000000000000000.0 1000000000000000.0 0.0001 0.00001 123456789.123456789 1.7976931348623157e+308 5.0e-324
2020-01-01 2020-1-1 2020-01-1 20-01-01 2020-02-30 2020-13-01 2020-02-29 2021-02-29 0000-01-01 0001-01-01 2020-01-01T
2020-01-01T10:00:00 2020-01-01t10:00:00 2020-01-01T1:00:00 2020-1-1T10:00:00 2020-01-01T10:00:00Z 2020-01-01T10:00:00+02:00
2020-01-01T10:00:00-02:30 2020-01-01T10:00:00+2 2020-01-01T10:00:00.5Z 2020-01-01T10:00:00.1234567Z 2020-01-01T10:00:00.
2020-01-01T10:00:00.000 2020-01-01T24:00:00 2020-01-01T10:60:00 2020-01-01T10:00:60 2020-01-01T10:00 2020-01-01T10:00:00+24:00
2020-01-01T10:00:00-00:00 2020-01-01T10:00:00+23:59 2020-01-01T10:00:00+23:99 2020-01-01T10:00:00z 2020-01-01T10:00:0
a:b ::a a# a#b http://x.y/z?a=b 1,000 1,2 50% 10s -a ?a :a a, a] a} 'x' "x" \\n $x ${x} é 日本 😀 @a `a %a !a &a *a |a >a
""".split() + [
    "2020-01-01 10:00:00", "2020-01-01 10:00:00 +01:00", "2020-01-01   10:00:00  Z", "2020-01-01 10:00:00Z ", "a b",
    "2001-12-14 21:59:43.10 -5", "''", '""', "'it''s'", '"a\\tb\\u00e9\\x41\\U0001F600\\e\\0\\/\\_\\N"', '"\\q"',
    "'a\n  b\n\n  c'", '"a\n  b\\\n  c"', "a\n  b\n\n  c", "", " ", "# c", "a # c", "- # c", "'yes'", '"12"', "' '",
]

TAGGED = [
    f"{tag} {text}"
    for tag in ("!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!binary", "!", "!!seq", "!!map",
                "!foo", "!!python/none", "!<tag:yaml.org,2002:int>", "!!set", "!!omap", "!!merge", "!!value", "!!unknown")
    for text in ("12", "'12'", "yes", "maybe", "1e3", "x", "", "2020-1-1", "aGVsbG8=", "aGVsbG8", "a", "[1]", "{a: 1}",
                 "[a: 1, b: 2]", "{? a}", "0o17", "-", "' 5 '", "a=GVsbG8=", "nan")
]

DOCUMENTS = [
    "a: 1\na: 2\nb: 3\n", "a: 1\nb: 2\na: 3\n", "1: a\n1.0: b\ntrue: c\n", "yes: 1\nno: 2\n", "on: push\n", "null: x\n~: y\n",
    "2020-01-01: x\n", "? a\n: b\n", "? [1, 2]\n: b\n", "? {a: 1}\n: b\n", "{[1]: 2}", "? a\n? b\n", "{a, b: 1}", "[a, b: 1, {c: d}]",
    "&a x: *a\n", "a: &a [1, 2]\nb: *a\n", "a: &a [*a]\n", "a: *b\n", "a: &x 1\nb: &x 2\nc: *x\n", "&a a: &b b\n*a : *b\n",
    "x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\n", "x: &x {a: 1}\nz: &z {a: 2, c: 3}\ny:\n  <<: [*x, *z]\n  d: 4\n",
    "x: &x {a: 1}\ny:\n  d: 4\n  <<: *x\n  a: 5\n", "y:\n  <<: 1\n", "y:\n  <<: [1]\n", "y:\n  <<: [[a]]\n", "y:\n  <<: {}\n",
    "x: &x {a: 1}\nw: &w\n  <<: *x\n  b: 2\ny:\n  <<: *w\n", "x: &x {a: 1}\nz: &z {b: 2}\ny:\n  <<: *x\n  <<: *z\n",
    "y:\n  '<<': {a: 1}\n", "- <<\n", "- =\n", "=: 1\n", "a: =\n", "<<: {a: 1}\n", "y: {<<: {a: 1}, b: 2}", "y: {!!merge x: {a: 1}}",
    "--- a\n", "---\na: 1\n...\n", "---\n", "--- a\n--- b\n", "a\n---\nb\n", "a: 1\n---\n", "...\n", "---\n---\n", "%YAML 1.1\n--- a\n",
    "%YAML 1.2\n--- a\n", "%TAG ! tag:x,1:\n--- !a b\n", "%TAG !e! tag:yaml.org,2002:\n--- !e!int '3'\n", "a\n...\n# end\n",
    "a: |\n  x\n  y\n", "a: |-\n  x\n  y\n", "a: |+\n  x\n\nb: 1\n", "a: >\n  x\n  y\n\n  z\n", "a: >-\n  x\n   y\n  z\n", "a: |2\n    x\n",
    "a: |\n\n\n  x\n", "a: >\n\n  x\n\n\n  y\n", "a: |\n  x", "a: |\nb: 1\n", "a: >+\n  x\n\n", "a: !!int |\n  5\n", "- |\n x\n- >\n y\n",
    "a:\n- 1\n- 2\n", "a:\n  - b: 1\n    c: 2\n  -\n    d: 3\n", "- - 1\n  - 2\n- 3\n", "-\n-\n", "- \n- a\n", "a:\n", "a: \nb:\n", "a: b: c\n",
    "a:\n\tb: 1\n", "\ta: 1\n", "a:\t1\n", "a: 1\t# c\n", "- a\n b\n", "a: 'x\n", 'a: "x\n', "a: [1\n", "a: {b\n", "a: 1]\n", "[1, 2,]", "[,]", "{,}",
    "{a: 1, b}", "{a:1}", '{"a":1}', "{a: }", "[a:1]", "{a: b, c: d,}", "[1,\n2]", "{a: [1, {b: c}]}", "{a: 1}\nb: 2\n", "a: 1\n b: 2\n", " a: 1\nb: 2\n",
    "a: @x\n", "a: `x\n", "a: %x\n", "a: &\n", "a: *\n", "a: !\n", "a: 'b' c\n", "a: - b\n", "a: ? b\n", "- a: 1\n  b: 2\n- c\n", "a: [yes, 0777, 1:30]\n",
    "# only\n", "\ufeffa: 1\n", "a: \u0007\n", "a: \x7f\n", "a: \x85b\n", "a\r\nb\r\n", "a: 1\r\nb: 2\r\n", "a: \"\u00e9\"\n", "é: ü\n", "\"a\": 1\n'b': 2\n",
    "!!set {a, b}\n", "!!omap [a: 1, b: 2]\n", "!!pairs [a: 1, a: 2]\n", "!!omap [a]\n", "!!omap {a: 1}\n", "!!set [a]\n", "a: !!binary |\n  aGVsbG8=\n  \n",
    "a: ${x}\nb: \"${x}\"\nc: $x\n", "path: /a/b\nargs: [--x, -y]\n", "tolerance: [200, 201]\n", "a: 'x'\n# c\nb: 2 # d\n", "a: x#y\n", "a: 'x'#y\n",
    "a: b\n  c\n", "a: b\n  c: d\n", "a: \"b\"\n  c\n", "? |\n  k\n: v\n", "a : b\n", "a: b:\n", "a: :b\n", "a: b :c\n", "- -a\n- --b\n", "a: |x\n", "a: >1-\n  x\n",
    "'a' : 1\n", "{'a' : 1}", "{? a : b}", "[? a : b]", "{a: &x 1, b: *x}", "{a: *x}", "[&x a, *x]", "{*x : 1}", "a: &x\nb: *x\n", "a: !!str\nb: 1\n", "a: !!str &x\n",
    "- !!map\n  a: 1\n", "- !!seq\n  - a\n", "a:\n  ? b\n", "a: [\n]\n", "a: [\n1\n]\n", "a:\n  [\n  1\n  ]\n", "key: [a, b]: c\n", "a:\n  b: [\n  1,\n  2\n  ]\n  c: {\n}\nd: e\n", "- a: [\n x, {y: z\n}\n]\n- b\n", "a:\n  b: \"x\ny\n  z\n\nw\"\n  c: 'p\nq'\nd: 1\n", "a:\n  b: |\n    x\n    y",
    "a: >\n  x\n  y", "a: |+\n  x", "a: |-\n  x", "a: |\n  x\n  ", "a: |\n  x\n # c", "a: |\n  x\n\n", "a: [x\ny\n]\nb: 1\n", "{\n\"a\": [\n1\n]\n}\n", "a: [\n# c\n1 # d\n]\n", "a:\n  b: [1\nc: 2\n",
    "{a: 1}: 2\n", "[a]: b\n",
]


def some_scalar(random):
    """A scalar, but none of those that the two grammars are known to read differently (see src/yaml.rs)."""
    while True:
        if random.random() < 0.6:
            text = random.choice(SCALARS)
        else:
            text = "".join(random.choice("0123456789_.:+-eExXoObBnNaAfFtTyYsS~ ") for _ in range(random.randint(1, 8)))
        if text.strip()[:1] not in (":", "|", ">", "?") and text.strip() not in ("-", "&a") and "?" not in text:
            return text


def some_document(random, depth=0, indent=""):
    kind = random.random()
    if depth > 3 or kind < 0.35:
        return " " + some_scalar(random).replace("\n", " ") + "\n"
    if kind < 0.5:
        items = [some_scalar(random).replace("\n", " ") for _ in range(random.randint(0, 4))]
        if random.random() < 0.5:
            return " [" + ", ".join(items) + "]\n"
        return " {" + ", ".join(f"k{i}: {item}" for i, item in enumerate(items)) + "}\n"
    if kind < 0.6:
        lines = random.choices(["x", " y", "", "z # w", "k: v", "- a"], k=random.randint(1, 4))
        return " " + random.choice(["|", ">", "|-", ">-", "|+", ">+"]) + "\n" + "".join(f"{indent}  {line}\n" for line in lines)
    lines = "\n"
    for _ in range(random.randint(1, 4)):
        head = "-" if kind < 0.8 else random.choice(["a", "b", "yes", "1", "'q'", "1:30", "x y"]) + ":"
        lines += indent + head + some_document(random, depth + 1, indent + "  ")
    return lines


def yaml_cases(random, more):
    texts = SCALARS + [f"[{text}]" for text in SCALARS] + [f"a: {text}" for text in SCALARS] + TAGGED + DOCUMENTS
    texts += [some_document(random).lstrip(" ") for _ in range(more)]
    texts += [some_scalar(random) for _ in range(more)]
    for text in dict.fromkeys(texts):
        yield {"text": text, **outcome(lambda: yaml.safe_load(text))}


JSONS = [
    "", " ", "null", "true", "false", "nul", "nulll", "NaN", "Infinity", "-Infinity", "-Infinit", "Nan", "-", "--1", "+1", "0", "-0", "01", "-01", "1.", ".5",
    "1.5", "1e5", "1E+5", "1e", "1e+", "1.e5", "1.5e-7", "1e400", "-1e400", "1e-400", "0.1", "100000000000000000000", "1" * 50, "-" + "9" * 60, "1" * 5000, "-" + "1" * 4300,
    "170141183460469231731687303715884105728", "\"a\"", "\"", "\"a", "\"\\", "\"\\n\\t\\r\\b\\f\\/\\\\\\\"\"", "\"\\q\"", "\"\\u00e9\"", "\"\\u00\"", "\"\\u00e\"", "\"\\uzzzz\"",
    "\"\\u12", "\"\\ud83d\\ude00\"", "\"\\ud83d\\ude0z\"", "\"\\ud83d\\ud83d\\ude00\"", "\"\\u1234", "\"\\ud83d\\u1", "\"a\nb\"", "\"a\tb\"", "\"\x7f\"", "\"é😀\"", "[", "[1", "[1,", "[1,]", "[,1]",
    "[1 2]", "[]", "[ ]", "[1, 2]", "]", "{", "{}", "{ }", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{a:1}", "{'a':1}", "{\"a\" 1}", "{\"a\":}", "{1:2}", "{\"a\":1 \"b\":2}",
    "{\"a\":1,\"a\":2}", "{\"a\":1,\"b\":2,\"a\":3}", "{\"a\": {\"b\": [1, {\"c\": null}]}}", "1 2", "[1]]", "\n\n  {\n \"a\": x}", "\ufeff1", "\u00a01", "// c\n1", "[1,\n2,\n3 4]", "{\"\\u0061\": 1}",
    "[" * 150 + "]" * 150, "tru", "t", "n", "nu", "I", "N", "'a'", "\"a\" \"b\"", "\"\\ud83d\\ude00", "[\"\\ud83d\\u", "1_000", "0x10", "1.5.5", "\u0661", "{\"a\":1]", "[1}",
]


def json_cases(random, more):
    texts = list(JSONS)
    good = [text for text in JSONS if outcome(lambda: json.loads(text)).get("repr") and len(text) > 3]
    for _ in range(more):
        text = list(random.choice(good))
        for _ in range(random.randint(1, 2)):
            text.insert(random.randint(0, len(text)), random.choice("{}[]\",:\\u0 1e.-ntf\n\x01é"))
            if random.random() < 0.5:
                text.pop(random.randint(0, len(text) - 1))
        texts.append("".join(text))
    for text in dict.fromkeys(texts):
        case = {"text": text, **outcome(lambda: json.loads(text))}
        if not re.search(r"\\ud[89a-f]", case.get("repr", "")):  # No lone surrogates.
            yield case


def some_value(random, depth=0):
    kind = random.randint(0, 12 if depth < 3 else 9)
    if kind == 0:
        return None
    if kind == 1:
        return random.choice([True, False])
    if kind == 2:
        return random.choice([0, 1, -5, 2**63, -(2**100), 10**16])
    if kind < 6:
        mantissa = random.choice([0.0, 1.0, random.random(), random.randint(1, 10**17), -random.random()])
        return float(mantissa) * 10.0 ** random.randint(-30, 30)
    if kind < 10:
        alphabet = "ab'\"\\\n\t\r\b\f\0\x1f\x7f\x80\xa0\xad é\u200b\u2028\ufeff日😀\U000e0001$/"
        return "".join(random.choice(alphabet) for _ in range(random.randint(0, 6)))
    if kind == 10:
        return [some_value(random, depth + 1) for _ in range(random.randint(0, 4))]
    keys = [None, True, 2, 1.5, float("nan"), float("inf"), "a", "é", "'", "", 1e16, -7]
    return {random.choice(keys): some_value(random, depth + 1) for _ in range(random.randint(0, 4))}


def printed(value):
    def dumped(**options):
        try:
            return json.dumps(value, cls=PayloadEncoder, **options)
        except TypeError as error:
            return "TypeError: " + str(error)
    return {
        "str": str(value), "repr": repr(value), "json": dumped(ensure_ascii=False),
        "indented": dumped(ensure_ascii=False, indent=2), "ascii": dumped(),
    }


def text_cases(random, more):
    special = [float(f"{digits}e{exponent}") for digits in ("1", "-1.5", "9.999999999999999", "1.2345678901234567")
               for exponent in range(-8, 20)]
    values = special + [float("nan"), float("inf"), float("-inf"), 5e-324, 1.7976931348623157e308, 2.0**53, 0.1 + 0.2]
    values += [some_value(random) for _ in range(more)]
    for value in values:
        text = yaml.safe_dump(value, allow_unicode=False, width=10**6, sort_keys=False)
        yield {"yaml": text, **printed(yaml.safe_load(text))}
    for text in ("2020-01-01", "2020-01-01T10:00:00Z", "2020-01-01T10:00:00", "2020-01-01T10:00:05.25-05:30", "2020-01-01T10:00:00+02:00", "!!binary aGVs'bG8nIgAKfw==",
                 "[2020-01-01, 2020-01-01T10:20:00.5]", "{2020-01-01: x}", "{2020-01-01T00:00:00Z: x}", "[!!binary aGVsbG8=]", "!!binary Jw==", "!!binary JyI=", "!!binary Ig==", "2020-01-01T00:00:00.000001",
                 "[]", "{}", "[[], {}]", "{a: [], b: {}}", "{1: a, true: b, 1.0: c}", "{'1': a, 1: b}"):
        yield {"yaml": text, **printed(yaml.safe_load(text))}


CONFIGURATION = {"x": "X", "n": 5, "f": 1e16, "t": True, "none": None, "l": [1, "a"], "d": {"k": "v"}, "_u9": "u", "X": "big", "e": "", "nested": "${x}"}
SECRETS = {"g": {"s": "S", "x": "hidden", "n2": 2}, "h": {"s": "second", "o": {"p": 1}}}
TEMPLATES = [
    "", "x", "$", "$$", "$$$", "$$x", "$${x}", "$x", "${x}", "${x", "${}", "${ x}", "${x }", "$ x", "${1x}", "$1", "${x}y", "y${x}", "$x$n", "${n}", "$n", "a$n", "${f}", "a${f}", "${t}", "a${t}",
    "${none}", "a${none}", "${l}", "a${l}", "${d}", "a${d}", "$d.k", "${d.k}", "${_u9}", "$_u9x", "${X}", "${e}", "a${e}b", "${nested}", "a${nested}", "${missing}", "$missing", "a ${missing} $x", "${s}", "$s",
    "a${s}", "${o}", "a${o}", "${g}", "${é}", "$é", "$xé", "${xé}", "${ſ}", "$ſ", "$x\n", "${x}\n", "\n${x}", "$x-$n", "${x}${n}", "cost: $5", "100$", "$x$", "$$${x}", "{x}", "\\${x}", "$\u212a", "$x_", "${x}}",
    None, 0, 5, 1.5, True, False, [], {}, ["${n}", "a${n}", 5, None, [], {}], {"${x}": "${x}", "a": {"b": ["$n", {"c": "${l}"}]}, "e": [], "f": {}}, [["${d}"], "$$"],
]


def template_cases(random, more):
    worlds = [(CONFIGURATION, SECRETS), ({}, {}), (CONFIGURATION, {}), ({}, SECRETS), (None, None)]
    bad = ["abc", ["a"], None, 5, 1.5, True, {}]
    worlds += [({"x": 1}, {"first": {"n": 1}, "bad": group, "last": {"s": 2}}) for group in bad]
    worlds += [({None: "nothing", "x": 1}, {})]
    alphabet = ["$", "{", "}", "x", "n", "s", "_", "1", " ", "${x}", "$$", "é", "${n}"]
    templates = TEMPLATES + ["".join(random.choice(alphabet) for _ in range(random.randint(1, 6))) for _ in range(more)]
    for index, (configuration, secrets) in enumerate(worlds):
        for data in TEMPLATES if 0 < index else templates:
            case = outcome(lambda: substitute(data, configuration, secrets))
            texts = {"data": data, "configuration": configuration or {}, "secrets": secrets or {}}
            yield {**{name: yaml.safe_dump(value, width=10**6, sort_keys=False) for name, value in texts.items()}, **case}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--random", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    options = parser.parse_args()
    for name, cases in (("yaml", yaml_cases), ("json", json_cases), ("text", text_cases), ("template", template_cases)):
        generator = random.Random(options.seed)
        with open(options.out / f"{name}.ndjson", "w", encoding="utf-8") as out:
            for case in cases(generator, options.random):
                out.write(json.dumps(case) + "\n")


if __name__ == "__main__":
    main()
