"""Hostile files: refused in one line, in seconds and within a gigabyte; no crash, no file, nothing printed."""

import ast
import json
import os
import subprocess
import sys
import textwrap

import pytest

from sbml_hybrid import load
from sbml_hybrid.errors import DataError, ModelError, SbmlHybridError, SourceNotFound
from sbml_hybrid.mechanism.reader import parse_formula

MATH = '<math xmlns="http://www.w3.org/1998/Math/MathML">'
PARAMETER = '<listOfParameters><parameter id="p" value="1" constant="false"/></listOfParameters>'


def sbml(body: str, more: str = "", before: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" '
        f'{more} level="3" version="1"><model id="m">{body}</model></sbml>'
    )


def rule(formula: str) -> str:
    return sbml(f'{PARAMETER}<listOfRules><rateRule variable="p">{MATH}{formula}</math></rateRule></listOfRules>')


def functions(bodies: list[str]) -> str:
    one = (
        f'<functionDefinition id="f{{}}">{MATH}<lambda><bvar><ci>x</ci></bvar>{{}}</lambda></math></functionDefinition>'
    )
    return (
        "<listOfFunctionDefinitions>"
        + "".join(map(one.format, range(len(bodies)), bodies))
        + "</listOfFunctionDefinitions>"
    )


def call(i: int) -> str:
    return f"<apply><ci>f{i}</ci><ci>x</ci></apply>"


def spaces(n: int, level: int) -> str:
    return " ".join(f'xmlns:a{i}_{level}="x"' for i in range(n))


def chain(n: int) -> str:
    parameters = "".join(f'<parameter id="p{i}" constant="false"/>' for i in range(n))
    rules = "".join(
        f'<assignmentRule variable="p{i}">{MATH}<ci>p{i - 1}</ci></math></assignmentRule>' for i in range(1, n)
    )
    return sbml(f"<listOfParameters>{parameters}</listOfParameters><listOfRules>{rules}</listOfRules>")


LAUGHS = (
    "<!DOCTYPE x [<!ENTITY a0 'ha'>" + "".join(f"<!ENTITY a{i} '{f'&a{i - 1};' * 10}'>" for i in range(1, 12)) + "]>"
)
FILE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
REMOTE = '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">'
PERCENT = '<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>'

RATE_OF = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/rateOf">r</csymbol>'

# Name -> (Python that makes the text, what the error says). The text is made where it is loaded.
TEXTS = {
    "billion laughs": (lambda: sbml("<notes>&a11;</notes>", before=LAUGHS), "DTD"),
    "quadratic blow-up": (lambda: sbml("&a;" * 10_000, before=f"<!DOCTYPE x [<!ENTITY a '{'a' * 50_000}'>]>"), "DTD"),
    "external entity": (lambda: sbml("<notes>&e;</notes>", before=FILE), "DTD"),
    "external DTD": (lambda: sbml(PARAMETER, before=REMOTE), "DTD"),
    "parameter entity": (lambda: sbml(PARAMETER, before=PERCENT), "DTD"),
    "200 MB of SBML": (lambda: sbml("<notes>" + "a" * 200_000_000 + "</notes>"), "200 MB"),
    "200 MB of Antimony": (lambda: "k = 1;\n" + "a" * 200_000_000, "200 MB"),
    "one huge attribute": (
        lambda: sbml("").replace('id="m"', 'id="m" name="' + "a" * 40_000_000 + '"'),
        "attribute of",
    ),
    "one huge name": (lambda: rule("<ci>" + "a" * 40_000_000 + "</ci>"), "name or number of"),
    "one huge comment": (lambda: sbml("<!--" + "a" * 40_000_000 + "-->"), "comment of"),
    "huge processing instruction": (lambda: sbml("<?a " + "a" * 40_000_000 + "?>"), "processing instruction"),
    "100 000 levels of MathML": (
        lambda: rule("<apply><minus/>" * 100_000 + "<ci>p</ci>" + "</apply>" * 100_000),
        "nested",
    ),
    "100 000 levels of XML": (lambda: sbml("<notes>" + "<b>" * 100_000 + "</b>" * 100_000 + "</notes>"), "nested"),
    "300 levels of MathML": (
        lambda: rule("<apply><minus/>" * 300 + "<ci>p</ci>" + "</apply>" * 300),
        "nests over 150 deep",
    ),
    "a million species": (
        lambda: sbml("<listOfSpecies>" + '<species id="S"/>' * 1_000_000 + "</listOfSpecies>"),
        "over 100000 elements <species>",
    ),
    "a million of anything": (
        lambda: sbml("<annotation>" + "<a/>" * 1_000_000 + "</annotation>"),
        "over 500000 elements",
    ),
    "many attributes": (lambda: sbml("<a " + " ".join(f'a{i}=""' for i in range(100_000)) + "/>"), "attributes"),
    "many namespaces": (
        lambda: sbml("".join("<a " + spaces(300, j) + ">" for j in range(9)) + "</a>" * 9),
        "namespaces",
    ),
    "long chain of rules": (lambda: chain(1000), "depend on other assignments"),
    "long chain in Antimony": (
        lambda: "p0=1\n" + "\n".join(f"p{i} := p{i - 1}" for i in range(1, 1000)),
        "depend on other",
    ),
    "functions that call each other": (lambda: sbml(functions([call(1), call(0)])), "call themselves: f"),
    "functions that double": (
        lambda: sbml(functions(["<ci>x</ci>", *(f"<apply><plus/>{call(i)}{call(i)}</apply>" for i in range(60))])),
        "written out",
    ),
    "a long chain of functions": (
        lambda: sbml(functions(["<ci>x</ci>", *(call(i) for i in range(200))])),
        "call others",
    ),
    "functions that call each other in Antimony": (
        lambda: "function f(x)\n g(x)\nend\nfunction g(x)\n f(x)\nend\nmodel m\n y := f(1)\nend",
        "call themselves: f -> g -> f|call themselves: g -> f -> g",
    ),
    "functions that double in Antimony": (
        lambda: (
            "function f0(x)\nx+x\nend\n" + "\n".join(f"function f{i + 1}(x)\nf{i}(x)+f{i}(x)\nend" for i in range(60))
        ),
        "written out",
    ),
    "modules of modules": (
        lambda: (
            "model m0()\nS->;k;k=1\nend\n"
            + "\n".join(
                f"model m{i + 1}()\n" + "\n".join(f"a{j}: m{i}()" for j in range(10)) + "\nend" for i in range(9)
            )
        ),
        "when its modules are written out",
    ),
    "a module in itself": (lambda: "model a()\n x: b()\nend\nmodel b()\n y: a()\nend", "contain themselves"),
    "100 000 brackets of Antimony": (lambda: "S -> ; " + "(" * 100_000 + "1" + ")" * 100_000, "operators and brackets"),
    "a sum of 100 000 terms": (lambda: "S -> ; 1" + "+1" * 100_000, "sum of over"),
    "a difference of 100 000 terms": (lambda: "S -> ; 1" + "-1" * 100_000, "operators and brackets"),
    "100 000 brackets of level 1": (
        lambda: (
            '<sbml xmlns="http://www.sbml.org/sbml/level1" level="1" version="2"><model><listOfRules><parameterRule '
            'name="p" formula="' + "(" * 40_000 + "1" + ")" * 40_000 + '"/></listOfRules></model></sbml>'
        ),
        "operators and brackets",
    ),
    "an import": (lambda: '\n\nimport\t"/etc/passwd"\nk=1', "imports another file"),
    "an import after a comment": (lambda: 'k=1; /* a\n */ import /* b */ "/etc/passwd"', "imports another file"),
    "NUL in Antimony": (lambda: "k=1;\0 x", "not text"),
    "half a surrogate": (lambda: "<sbml>\ud800</sbml>", "not Unicode"),
    "an empty apply": (lambda: rule("<apply/>"), "an empty <apply>"),
    "too few arguments": (lambda: rule("<apply><abs/></apply>"), "<abs> with 0 arguments"),
    "a degree that has no root": (
        lambda: rule("<apply><or/><degree><cn>1</cn></degree></apply>"),
        "<degree> that does",
    ),
    "rateOf as a value": (lambda: rule(f"<apply><plus/>{RATE_OF}{RATE_OF}</apply>"), "the function rateOf where"),
    "rateOf of a number": (lambda: rule(f"<apply>{RATE_OF}<cn>1</cn></apply>"), "rateOf of <cn>"),
    "a number of no type": (lambda: rule('<cn type="5">2</cn>'), "a number of the type '5'"),
    "an empty formula": (lambda: rule(""), "an empty <math>"),
    "no model": (lambda: sbml("").replace('<model id="m"></model>', ""), "no <model>"),
    "no such version": (lambda: sbml(PARAMETER).replace('version="1">', 'version="-1">'), "no such SBML"),
    "HTML": (lambda: "<html><body>Not found</body></html>", "not SBML"),
    "truncated": (lambda: sbml(PARAMETER)[:-20], "broken XML"),
    "Python as an id": (
        lambda: sbml(PARAMETER.replace('"p"', "\"__import__('os').system('touch x')\"")),
        "not valid SBML",
    ),
    "shell as an id": (lambda: sbml(PARAMETER.replace('"p"', '"$(touch x)"')), "not valid SBML"),
    "a path as an id": (lambda: sbml(PARAMETER.replace('"p"', '"../../x"')), "not valid SBML"),
    "Unicode as an id": (lambda: sbml(PARAMETER.replace('"p"', '"pµ\u202e"')), "not valid SBML"),
    "Python in Antimony": (lambda: "__import__('os').system('touch x') = 1", "not valid Antimony"),
    "the same id twice": (
        lambda: sbml(PARAMETER.replace("<parameter", '<parameter id="p" constant="true"/><parameter')),
        "not valid",
    ),
    "an id of a million characters in Antimony": (lambda: "k" * 1_000_000 + " = 1", "characters in one name"),
    "rules that need each other": (lambda: "a := b; b := a", "not valid|by itself"),
}


def run(case: str, setup: str) -> dict:
    """Load in a process of its own; return what became of it, its time and its memory."""
    code = f"""
    import json, pathlib, re, sys, time
    sys.path.insert(0, {os.path.dirname(__file__)!r})
    {setup}
    import sbml_hybrid as sh
    sh.load  # the engines' own import is not the file's time
    start = time.process_time()
    try:
        said = repr(sh.load(source))
    except sh.errors.SbmlHybridError as error:
        said = f"{{type(error).__name__}}: {{error}}"
    seconds, status = time.process_time() - start, pathlib.Path("/proc/self/status")
    # ru_maxrss would count the memory of the process that started this one
    peak = int(re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1]) if status.exists() else 0
    print(json.dumps([said, seconds, peak / 1024]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, cwd=case
    )
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-300:]}"
    assert done.stderr == "" and done.stdout.count("\n") == 1, done.stdout[:300] + done.stderr[:300]
    assert not os.listdir(case) or os.listdir(case) == ["given"]
    return dict(zip(("said", "seconds", "megabytes"), json.loads(done.stdout), strict=True))


HEAVY = {name for name in TEXTS if "200 MB" in name or "huge" in name or "million" in name}


@pytest.mark.parametrize("name", [n for n in TEXTS if n not in HEAVY])
def test_a_hostile_text_is_refused_in_one_line(name, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    make, says = TEXTS[name]

    with pytest.raises(ModelError, match=says) as caught:
        load(make())

    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1500
    assert capfd.readouterr() == ("", "")
    assert not os.listdir(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_text_takes_neither_time_nor_memory(name, tmp_path):
    result = run(str(tmp_path), f"from test_hostile import TEXTS; source = TEXTS[{name!r}][0]()")

    assert result["said"].startswith("ModelError: ") and "\n" not in result["said"]
    assert result["seconds"] < 5 and result["megabytes"] < 1024


@pytest.mark.parametrize("name", ["200 MB of SBML", "one huge attribute", "a million species"])
def test_a_huge_text_is_refused_at_once(name, tmp_path):
    result = run(str(tmp_path), f"from test_hostile import TEXTS; source = TEXTS[{name!r}][0]()")

    assert result["said"].startswith("ModelError: ") and TEXTS[name][1] in result["said"]
    assert result["seconds"] < 5 and result["megabytes"] < 1024


# -- files that are no text ------------------------------------------------------------------------


def test_a_pipe_a_device_and_a_folder_are_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.xml")

    for path, says in [
        (tmp_path / "pipe.xml", "is a pipe"),
        ("/dev/zero", "is a device"),
        ("/dev/null", "is a device"),
    ]:
        with pytest.raises(ModelError, match=says):
            load(path)
    with pytest.raises(SourceNotFound, match="is a folder"):
        load(tmp_path)


def test_a_link_to_itself_and_names_that_no_file_has_are_not_found(tmp_path):
    (tmp_path / "loop.xml").symlink_to(tmp_path / "loop.xml")

    for path in (tmp_path / "loop.xml", "a" * 5000, "a\0b", tmp_path / ("x" * 300)):
        with pytest.raises(SourceNotFound, match="No model at"):
            load(path)


def test_a_huge_file_is_refused_by_its_size_before_it_is_read(tmp_path):
    with open(tmp_path / "given", "wb") as file:
        file.truncate(200_000_000_000)  # sparse: it takes no room

    result = run(str(tmp_path), "source = __import__('pathlib').Path('given')")

    assert result["said"] == "ModelError: given has 200000 MB; models of up to 50 MB are read."
    assert result["seconds"] < 1 and result["megabytes"] < 400


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x1f\x8b\x08\0", "compressed with gzip"),
        (b"PK\x03\x04", "a zip archive"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\x89PNG\r\n", "a PNG picture"),
        (b"\xff\xfe\0\0<\0\0\0", "not text in utf-16|NUL bytes"),
        (b"k = 1\0", "NUL bytes"),
        ('<?xml version="1.0" encoding="UTF-8"?><sbml name="\xe9"/>'.encode("latin-1"), "not text in UTF-8"),
        (b'<?xml version="1.0" encoding="punycode"?><sbml/>', "declares the encoding 'punycode'"),
        (b'<?xml version="1.0" encoding="UTF-16"?><sbml/>', "not text in UTF-16|not valid|broken"),
        (b"", "is empty"),
    ],
)
def test_what_is_no_text_is_named(tmp_path, data, says):
    (tmp_path / "m.xml").write_bytes(data)

    with pytest.raises(ModelError, match=says) as caught:
        load(tmp_path / "m.xml")

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_marked_text_is_read(tmp_path, encoding):
    (tmp_path / "m.xml").write_bytes(sbml(PARAMETER).replace("UTF-8", encoding[:6].rstrip("-")).encode(encoding))

    assert load(tmp_path / "m.xml").parameters[0].id == "p"
    assert load("\ufeff" + sbml(PARAMETER)).parameters[0].id == "p"


# -- what is odd and harmless ----------------------------------------------------------------------


@pytest.mark.parametrize("value", ["NaN", "INF", "-INF"])
def test_values_that_are_not_finite_load_and_describe_and_do_not_simulate_silently(value):
    law = f"<listOfRules><rateRule variable='p'>{MATH}<ci>q</ci></math></rateRule></listOfRules>"
    model = load(sbml(PARAMETER.replace("</list", f'<parameter id="q" value="{value}" constant="true"/></list') + law))

    assert model.part("q").id in str(model.describe())
    from sbml_hybrid import simulate

    with pytest.raises(SbmlHybridError, match="'q'"):
        simulate(model, None, times=[0.0, 1.0])


def test_names_that_are_html_are_escaped():
    model = load(sbml(PARAMETER.replace("<parameter", '<parameter name="&lt;script&gt;alert(1)&lt;/script&gt;"')))

    assert "<script>" not in model.describe().to_html()


def test_instructions_comments_and_deep_notes_do_no_harm():
    notes = '<notes><p xmlns="http://www.w3.org/1999/xhtml">' + "<b>" * 100 + "</b>" * 100 + "</p></notes>"

    model = load(sbml(f"{notes}<!-- a --><?b c?>{PARAMETER}", before='<?xml-stylesheet href="x"?>'))

    assert model.parameters[0].value == 1


def test_a_long_sum_and_a_long_difference_that_fits_are_read():
    model = load("y := " + " + ".join(["k"] * 1000) + "; z := " + " - ".join(["k"] * 150) + "; k = 1")

    assert len(model.rules[0].formula.arguments) == 1000
    assert model.rules[1].formula and str(model.describe()) and model.formulas


@pytest.mark.parametrize(
    "text", ["(" * 100_000, "1" + "-1" * 100_000, "1" + "-1" * 1500, "sin(" * 900 + "1" + ")" * 900, "\0"]
)
def test_a_formula_that_is_too_deep_is_refused(text):
    with pytest.raises((DataError, ModelError)) as caught:
        parse_formula(text)

    assert len(str(caught.value)) < 500


# -- the package's own sources ---------------------------------------------------------------------


def test_nothing_of_a_file_is_run(root):
    """No eval, exec, pickle, unsafe YAML or shell anywhere.

    But for a saved forecaster, which is a trusted file and says so, and what a worker gets from its own parent.
    """
    banned = {
        "eval",
        "exec",
        "compile",
        "__import__",
        "os.system",
        "os.popen",
        "pickle.load",
        "pickle.loads",
        "marshal.loads",
    }
    banned |= {"yaml.load", "yaml.unsafe_load", "subprocess.run", "subprocess.Popen", "shelve.open"}
    found = set()
    for path in sorted((root / "sbml_hybrid").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in banned:
                found.add(f"{path.relative_to(root)}: {ast.unparse(node.func)}")

    assert found <= {"sbml_hybrid/forecasting/forecaster.py: pickle.loads", "sbml_hybrid/parallel.py: pickle.loads"}
