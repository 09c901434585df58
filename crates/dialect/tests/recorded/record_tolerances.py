"""Records what the reference does with tolerances, JSON paths, patterns and decimals.

Needs Python 3.12 with chaostoolkit-lib[jsonpath] 1.45.1 (jsonpath2 0.4.5). Run it in this folder;
it writes tolerance.ndjson, check.ndjson, jsonpath.ndjson, pattern.ndjson and decimal.ndjson. The
first line of a matrix holds the values, each following line a row: one result for every value,
where text that starts with "!" is the name of the exception that was raised.
"""
import contextlib
import io
import itertools
import json
import random
import re
from decimal import Decimal

from chaoslib.hypothesis import ensure_hypothesis_tolerance_is_valid, within_tolerance
from jsonpath2.path import Path

random.seed(20)


def attempt(call):
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return call()
    except Exception as raised:
        return "!" + type(raised).__name__


def write(name, rows):
    with open(name, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=True, separators=(",", ":")) + "\n")


VALUES = [
    None, True, False, 0, 1, -1, 2, 7, 200, 2**53 + 1, 10**30, 0.0, 0.5, 1.0, 7.5, float(2**53),
    float("nan"), float("inf"), float("-inf"), 0.1, "", "a", "b", "abc", "1", " 7 ", "0.1", "nan",
    "inf", "1e3", "1_0", "hello world", '{"a": 1}', "[1, 2, 3]", "null", '"q"', "{bad", [], [1],
    [1, 2], [1, 2, 3], ["a"], [0, [5], 0], [0, [1, 2], "F"], [[1], [2]], [None], {}, {"a": 1},
    {"status": 200, "body": "ok"}, {"status": 0, "stdout": "7", "stderr": ""},
    {"status": None}, {"status": "a"}, {"status": [1, 2]}, {"a": {"b": [1, 2, {"c": "x"}]}},
    {"a": None, "b": True, "c": "abc", "d": 1.5}, {"items": [{"n": 1, "ok": True}, {"n": 2}]},
    {"1": "one"}, {"status": True}, {"stdout": '{"a": [1, 2]}', "status": 1},
]

SIMPLE = [
    True, False, 0, 1, 200, 7, -1, 2**53 + 1, "", "a", "abc", "1", "hello world", 1.0, 0.5, None, [],
    [1], [0, 1], [1, 0], [0, 7], [200, 201], [0.5, 7.5], [0.1, 0.1], ["a", "b"], ["a", 1], [1, "a"],
    [None, 1], [None, None], [True, 7], [[0], [1, 2]], [[1], [2]], [{}, {}], [1, 2, 3],
    [200, 301, 302], ["a", "b", "c"], [None, True, 0.5], [[1, 2], {}, "abc"], [{"a": 1}, 1, 2],
    [float("-inf"), float("inf")], [float("nan"), 1], [2**53, 2**53 + 1],
]

PATTERNS = ["", "a", "^a", "a$", r"\d+", "(?i)HELLO", r"^\s*7\s*$", "(", None, 3, ["a"], {"a": 1}, "${p}"]
TARGETS = [None, "", "a", "status", "stdout", "body", "missing", 0, 1, ["a"], {"a": 1}, True]
PATHS = ["$", "$.a", "$.a.b[*]", "$.*", "$..*", "$.items[*].n", "$.items[*][?(@.n>1)]", "$[0]", "$[1:]",
         "$.status", "bad", "", None, 3, "$.a.b[::0]", "${path}", "  $.a "]
EXPECTS = [None, 1, True, [1], [1, 2], "x", [], [200], [{"n": 2}], "${x}", ["${x}"], [1, 2, 3], 200]
COUNTS = [None, 0, 1, 2, 1.0, True, "1", 3]
RANGES = [[0, 1], [1, 0], [0.1, 0.1], [-1, 7], [7, 7.5], [0, 10**40], [float("-inf"), float("inf")],
          [float("nan"), 1], [0, float("nan")], [True, 7], ["0", "8"], [None, 1], ["x", 1], [0], None, "08",
          {"a": 1}, [0, "x"], 7, [199.99, 200.01]]

CONFIGURATION = {"p": "a|b", "path": "$.a", "x": 1}
SECRETS = {"group": {"token": "t"}}


def tolerances():
    yield from SIMPLE
    for pattern, target in itertools.product(PATTERNS, TARGETS):
        yield {"type": "regex", "pattern": pattern, "target": target}
    for range_, target in itertools.product(RANGES, TARGETS[:8]):
        yield {"type": "range", "range": range_, "target": target}
    for path, target in itertools.product(PATHS, TARGETS[:7]):
        yield {"type": "jsonpath", "path": path, "target": target}
    for path, expect in itertools.product(PATHS, EXPECTS):
        yield {"type": "jsonpath", "path": path, "expect": expect}
    for path, count in itertools.product(PATHS, COUNTS):
        yield {"type": "jsonpath", "path": path, "count": count}
    yield {"type": "jsonpath", "path": "$.a", "count": 1, "expect": [2]}
    for kind in ["nope", None, 3, [], "Regex"]:
        yield {"type": kind}
    yield {}
    yield {"type": "regex"}
    yield {"type": "jsonpath"}
    yield {"type": "range"}


def holds(tolerance, value):
    result = attempt(lambda: within_tolerance(tolerance, value, CONFIGURATION, SECRETS))
    return result if isinstance(result, str) else int(bool(result))


def check(tolerance):
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            ensure_hypothesis_tolerance_is_valid(tolerance)
        return None
    except Exception as raised:
        return [type(raised).__name__, str(raised)]


all_tolerances = list(tolerances())
write("tolerance.ndjson", [VALUES] + [
    [tolerance, [holds(tolerance, value) for value in VALUES]] for tolerance in all_tolerances
])

DOCUMENTS = [
    None, True, 3, 2.5, "hello", [], {}, [10, 20, 30], [3, 1, 2, 0], ["x", "y"], [[1, 2], [3, [4, 5]]],
    {"a": 1, "b": 2, "c": 3}, {"a": {"b": {"c": [1, 2, 3]}}, "b": [1]},
    {"f": [{"k": "x", "n": 1}, {"k": "y", "n": 2}, {"n": 3.5}, "s", None], "i": 1, "key": "k"},
    {"s": "abcdef", "n": [1, True, "1", None, 2.0], "e": {}, "l": [], "z": {"status": "ok", "x y": 0}},
    [{"v": 1, "w": 1}, {"v": 2, "w": 1}, {"v": [1, 2], "w": [2, 3]}, {"v": "1", "w": 1}],
]
STEPS = [
    ".a", ".b", ".f", ".s", ".n", ".*", "..*", "..b", "..n", "[0]", "[-1]", "[1:]", "[:2]", "[::2]",
    "[::-1]", "[-2:]", "[:-1]", "[5:]", "[-9:2]", "[2:0:-1]", "[0:-9:-1]", "[::0]", "[1,0]", "[\"a\",\"b\"]",
    "[*]", "..[0]", "..[?(@.n)]", "[?(@.k=\"x\")]", "[?(@.n>1)]", "[?(@.n>=2 and @.n<3)]",
    "[?(@.a=1 or @.b=2 and @.c=4)]", "[?(not @.k)]", "[?(not not @.n)]", "[?(@.v=@.w)]",
    "[?(@.v[*]=@.w[*])]", "[?(@!=null)]", "[?(@=true)]", "[?(@={\"a\":1,\"b\":2,\"c\":3})]", "[?(@=[1,2])]",
    "[?(true)]", "[?(0)]", "[?(\"\")]", "[?($.i=1)]", "[?((@.n=1 or @.n=2) and @.k!=\"z\")]", "[?(@<\"z\")]",
    "[@.i]", "[$.i]", "[$.key]", ".length()", ".keys()", ".values()", ".entries()", "[length()]", "[keys()]",
    ".s.charAt(1)", ".s.charAt(-1)", ".s.charAt(9)", ".s.charAt(true)", ".s.substring(2)",
    ".s.substring(1,3)", ".s.substring(-2,9)", ".s.substring(\"1\")", ".length(1)", ".charAt($.i)",
    "[?(@.length()>2)]", "[?(@.keys()[0]=\"a\")]", "[*].length()", "..length()", "[?(@.s.length()=6)]",
    ".entries()[0][1]", ".entries()[*][?(@[1]>1)]", ".values()[1]", ".n[?(@=1)]", ".n[*][?(@=1)]",
    "[\"x y\"]", ".z[\"x y\"]", "[100000000000000000000]", "[?(@=1e0)]", "[?(1=@)]", "[?(@.*=1)]",
    "[*,*]", "[0,-1,0]", "[?(@), 0]", "[1::2]", "[-1:0:-1]", "[3:-4:-1]", "[2:-2:-3]", "[?(@.n<=@.n)]",
]
INVALID = [
    "", " ", "a", "$.", "$..", "$a", "$[", "$[]", "$[1", "$['a']", "$[a]", "$.1", "$.a.", "$[1.5]", "$[1e1]",
    "$[01]", "$[?@]", "$[?()]", "$[?(@==1)]", "$[?(@.a=)]", "$[?(@ and)]", "$.and", "$.not", "$.true",
    "$.null", "$.contains(1)", "$.indexOf(1)", "$.foo()", "$.length(", "$.length(a)", "$[\"a]", "$[\"\\x\"]",
    "$[\"\\u12\"]", "$ . a", "$\t[ 0 ]", "$\n.a", "$\u00a0.a", "$.\u00e9", "$[\"\u00e9\"]", "$[?(@=[1,])]",
    "$[?(@={})]", "$[?(@={\"a\":})]", "$[?(@={a:1})]", "$[1:2:3:4]", "$[1:2.0]", "$[-0]", "$[--1]", "$[- 1]",
    "$$", "@", "@.a", "$.a$", "$[@]", "$[$]", "$[?(@]", "$[?(@))]", "$.a b", "$[0 1]", "$[0,]", "$[,0]",
    "$.\"a\"", "$.*()", "$..[*]", "$...a", "$.or", "$.orange", "$.nota", "$._", "$.a-b", "$[?(@ in [1])]",
    "$[?(@.a!1)]", "$[?(@.a<>1)]", "$[?(- 1)]", "$[?(1.)]", "$[?(.5)]", "$[?(1.5e+3)]", "$[?(1E05)]", "$[?(1e)]",
    "$[\"\\\"\"]", "$[\"\\u00e9\"]", "$[\"a\",]", "$[*", "$[?(not)]", "$[?(@ or @ or @ and @)]",
]


def find(path, document):
    return attempt(lambda: [match.current_value for match in path.match(document)])


def path_rows():
    yield DOCUMENTS
    paths = ["$"] + ["$" + step for step in STEPS] + INVALID
    paths += ["$[*]" + step for step in STEPS if step.startswith("[?")]
    paths += ["$" + random.choice(STEPS) + random.choice(STEPS) for _ in range(200)]
    for text in dict.fromkeys(paths):
        path = attempt(lambda: Path.parse_str(text))
        if isinstance(path, str):
            yield [text, path]
        else:
            yield [text, [find(path, document) for document in DOCUMENTS]]


write("jsonpath.ndjson", path_rows())

TEXTS = ["", "a", "ab", "abc", "aabb", "A", "\n", "a\n", "a\nb", "foo123", "\u00e9t\u00e9", "\u0663", "a b", " x ",
         "2026-01-02", "foo(bar)", "aaaa", "abab", "_", "-", "[x]", "\x1c", "\u200d", "k\u212a", "{1}", "a{,2}",
         "x\\y", "\u00bd", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "hello World"]
REGEXES = [
    "", "a", "a|b", "^a$", "^$", r"a\Z", r"\Aa", r"^b", r"(?m)^b", r"(?m)a$", "a$", r"a$\n", ".", "(?s).", "a.b",
    "(?s)a.b", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\b", r"\B", r"\bb", r"a\b", r"(?a)\w", r"(?a)\d",
    r"(?a)\s", r"(?a)\b", r"^\w+$", r"[\w-]", r"[^\W\d]", r"[\s\S]", "[]]", "[^]]", "[]-a]", "[a-]", "[-a]", "[a\\-z]",
    "[[]", "[[a]", "[a&&b]", "[a||b]", "[a--b]", "[~~]", "[\\]]", "[\\b]", "[\\x41-\\x43]", "[\\101]", "[\\0]",
    "[b-a]", "[\\d-a]", "[a-\\d]", "[", "[a", "[^", "[\\", "[\\q]", "[\\8]", "[\\777]", "[\\x4]", "[\\u00e9]", "[\\u00]",
    "[\\U00110000]", "\\x41", "\\x4", "\\u00e9", "\\u0", "\\U0001F600", "\\U00110000", "\\ud800", "[\\ud800-\\uffff]",
    "\\0", "\\01", "\\012", "\\0123", "\\141", "\\400", "\\777", "\\8", "\\1", "(a)\\1", "(a)\\2", "(a\\1)", "(a)(b)\\2\\1",
    "(a)\\10", "(a)\\11", "\\a", "\\e", "\\q", "\\Q", "\\G", "\\K", "\\p{L}", "\\h", "\\R", "\\X", "\\z", "\\-", "\\/", "\\_",
    "\\ ", "\\", "a\\", "*\\", "*", "+", "?", "{", "}", "{}", "{1}", "a{", "a{}", "a{1", "a{1}", "a{1,}", "a{,2}", "a{,}",
    "a{2,1}", "a{a}", "a{1,2}?", "a{1,2}+", "a**", "a*?", "a*+", "a*+a", "a++b", "a?+", "a???", "a+*", "a{2}{3}", "^*",
    "$*", "\\b*", "(?=a)*", "(?=a)*b", "(?!a)+", "(?<=a)?b", "(?:)*", "(?:a*)*b", "(a|b*)*c", "(", ")", "(a", "a)", "()", "(|)",
    "(?", "(?)", "(?:", "(?:a", "(?:a)", "(?P", "(?P<", "(?P<n", "(?P<n>", "(?P<n>a)", "(?P<n>a)(?P=n)", "(?P=n)",
    "(?P<n>a)(?P<n>b)", "(?P<1>a)", "(?P<>a)", "(?P<a b>a)", "(?P<a-b>a)", "(?Pa)", "(?P>n)", "(?P=", "(?P=)", "(?P<\u00e9>a)",
    "(?<n>a)", "(?'n'a)", "(?&n)", "(?R)", "(?1)", "(?|a|b)", "(?#c)a", "(?#c", "a(?#c)*", "(?=a)a", "(?=", "(?=a", "(?!a)b",
    "(?!)", "(?<!)a", "(?<=a)b", "(?<!a)b", "(?<", "(?<a", "(?<=a*)b", "(?<=a|bc)", "(?<=a|b)c", "(?<=a{2})b", "(?<=(a))b",
    "(?<=(a)\\1)b", "(a)(?<=\\1)b", "(?<=)a", "(?<=^a)b", "(?<=\\ba)b", "(?>a+)a", "(?>a|ab)c", "(?>", "(?~a)",
    "(a)?(?(1)b|c)", "(a)?(?(1)b)", "(?P<n>a)?(?(n)b|c)", "(?(1)a|b)", "(?(0)a)", "(?(n)a)", "(?(1", "(?(1)a|b|c)(a)",
    "(a)(?(1)b|c|d)", "(?(a b)a)", "(?(-1)a)", "(?()a)", "(a)(?(1)", "(?(2)a)(b)", "(?(1)a|b)(c)",
    "(?i)A", "(?i)a", "(?i:A)b", "(?i:a)B", "(?-i:a)", "(?i)(?-i:A)", "a(?i)b", "(?i", "(?i:", "(?iq)", "(?i-)", "(?i-:a)",
    "(?i-s:A)", "(?i-i:A)", "(?-)", "(?-:a)", "(?-a:a)", "(?L)a", "(?a)a", "(?u)a", "(?au)a", "(?a)(?u)a", "(?a:\\w)",
    "(?u:\\w)", "(?-u:a)", "(?t)a", "(?z)a", "(?2)", "(?i1)", "(?s-m:.)", "(?x) a b ", "(?x)a # c\nb", "(?x:a b) b", "(?x)[ ]",
    "(?x)a\\ b", "(?x) a {1}", "(?i)(?x) A b", "(?x)(?-x:a b)", "|(?i)a", "(?:(?i)a)", "(?im)^B", "(?i)\u212a", "(?i)k",
    "(?i)[^a]", "(?i)\u00c9", "(?i)(a)\\1", "(?i)\\x41", "(?ix)\nA", "(?#x)(?i)A", "\u00e9", "t\u00e9$", "[\u00e0-\u00ff]", "\u2028",
    r"^\d{4}-\d{2}-\d{2}$", r"foo\(bar\)", r"^(\w+)\s\1$", r"^(?!.*b).*$", r"(ab)\1", r"(a)|b\1", r"^[^\n]*$", r"\N{BULLET",
    r"\N", r"\NX", r"\N{no such thing}", "a\nb", "a\tb", "\\n", "\\t", "\\r\\f\\v", " ", "#", "&&", "~", "a#b", "\\#", "a{4294967295}",
    "a{99999999999}", "a{1000}", "(?P<n>a)(?P=m)", "((((a))))\\4", "(a)(?:b)(c)\\2", "(?:a|b)+?c", "[a-z]+[0-9]{2,}", "x{0}", "(x{0})y",
    "(?<=a(?=b))b", "(?<![a-z])x", "(?<=\n)b", "\\Z\\n", "\\A\\Z", "\\B\\B", "^^a", "a$$", "a||b", "(a||b)", "(?:|a)+", "(a*)+b", "((a)|b)\\2",
    "[^\\ud800]", "[\\s]", "[\\S]", "[^\\s]", "[\\D]", "[\\W_]", "[^\\D]", "[\\d.]", "[.]", "[*+]", "[$]", "[\\^]", "[a^]", "[\\n]", "[ -~]",
    "(?s:.)", "(?m:^b)", "(?m:a$)", "(?s:a.)b", "é*", "(é|t)+", "\\101\\102", "\\08", "\\18", "(a)\\18", "\\x1c", "[\\x1c-\\x1f]",
    "(?<=a)(?<!b)b", "(?=(a))\\1", "(?!(a))\\1", "a.?b", "a.*?b$", "(?:ab){2}", "(?:ab){2}+", "(?:a|ab)(?:c|bcd)", "^.{3}$", "^.$",
]


def pattern_rows():
    yield TEXTS
    for text in dict.fromkeys(REGEXES):
        try:
            pattern = re.compile(text)
        except re.error as raised:
            yield [text, ["error", raised.msg]]
            continue
        except Exception as raised:
            yield [text, [type(raised).__name__, str(raised)]]
            continue
        yield [text, "".join(str(int(pattern.search(each) is not None)) for each in TEXTS)]


import warnings

warnings.simplefilter("ignore")
write("pattern.ndjson", pattern_rows())

check_rows = [[tolerance, check(tolerance)] for tolerance in all_tolerances]
check_rows += [[{"type": "regex", "pattern": text}, check({"type": "regex", "pattern": text})] for text in REGEXES[::7]]
check_rows += [[{"type": "jsonpath", "path": text}, check({"type": "jsonpath", "path": text})] for text in INVALID[::3]]
write("check.ndjson", check_rows)

NUMBERS = [
    0, 1, -1, True, 10**30, 0.1, -0.0, 1e308, 5e-324, float("inf"), float("-inf"), float("nan"), 2**53 + 1, float(2**53),
    "0", "-0", "0.10", ".1", "5.", "1e3", "1000", "1E+3", "1e-400", "-1e400", "1e999999999999999999", "1e1000000000000000000",
    "0e1000000000000000000", "1e-1999999999999999997", "1e-1999999999999999998", "1e99999999999999999999", "", " ", ".", "e5",
    "1e", "1e+", "+1", "++1", " 7 ", "\u00a07", "1 0", "1_0", "_", "1__0_", "0x10", "1,5", "\u0661\u0662", "\u00b2", "nan", "-NaN12", "sNaN",
    "nanx", "inf", "-Infinity", "infinit", "1\x00", "0.1000000000000000055511151231257827021181583404541015625", None, {}, [],
    [0, [1, 2], -1], [1, [1, 2], -1], [0, [], 0], [0, [10], 0], [2, [1], 0], [0, [1], "F"], [0, [1], "n"], [0, [1], "x"],
    [0, [1], 1.0], [0, ["1"], 0], [0, 1, 0], [1, 2], [True, [True], True], [0, [1], 10**30],
]


def compare(left, right):
    return attempt(lambda: "<" if Decimal(left) < Decimal(right) else "=" if Decimal(left) == Decimal(right) else ">")


write("decimal.ndjson", [NUMBERS] + [[left, [compare(left, right) for right in NUMBERS]] for left in NUMBERS])
