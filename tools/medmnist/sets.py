"""Writes libs/imaging/src/npz/medmnist-info.ts: what medmnist's own info.py says of its 18 sets, and the checksums that
earlier releases gave for files of the same name. The table is facts; the images have their own licences, which it names.

    for v in 2.0.1 2.0.2 2.1.0 2.2.0 2.2.1 2.2.2 2.2.3 2.2.4 3.0.0 3.0.1 3.0.2; do
      pip download --no-deps --dest /tmp/medmnist medmnist==$v
    done
    python tools/medmnist/sets.py /tmp/medmnist && npx biome format --write libs/imaging/src/npz/medmnist-info.ts
"""

import json
import pathlib
import re
import sys
import zipfile

OUT = pathlib.Path(__file__).parents[2] / "libs/imaging/src/npz/medmnist-info.ts"
KINDS = {
    "multi-class": "multi-class",
    "binary-class": "binary",
    "multi-label, binary-class": "multi-label",
    "ordinal-regression": "ordinal",
}
SIZES = {"MD5": "28", "MD5_64": "64", "MD5_128": "128", "MD5_224": "224"}


def info_of(wheel):
    module = {}
    exec(zipfile.ZipFile(wheel).read("medmnist/info.py").decode(), module)  # noqa: S102: a table and its version
    return module["__version__"], module["INFO"]


def main(folder):
    releases = sorted(
        (info_of(wheel) for wheel in pathlib.Path(folder).rglob("medmnist-*.whl")),
        key=lambda release: [int(part) for part in release[0].split(".")],
    )
    newest, sets = releases[-1]
    table = {}
    for name, info in sets.items():
        md5 = {size: info[key] for key, size in SIZES.items() if key in info}
        former = {}
        for version, earlier in releases:
            for key in SIZES:
                found = earlier.get(name, {}).get(key)
                if found and found not in md5.values():
                    former[found] = f"{former[found].split(' to ')[0]} to {version}" if found in former else version
        table[name] = {
            "title": info["python_class"],
            "kind": KINDS[info["task"]],
            "classes": [info["label"][str(at)] for at in range(len(info["label"]))],
            "channels": info["n_channels"],
            "dimensions": 3 if name.endswith("3d") else 2,
            "images": info["n_samples"],
            "licence": info["license"],
            "md5": md5,
            "formerMd5": former,
        }
    body = json.dumps(table, indent=2, ensure_ascii=False)
    body = re.sub(r'^(\s*)"([a-zA-Z_]\w*)":', r"\1\2:", body, flags=re.M)
    OUT.write_text(
        f"""import type {{ MedmnistInfo }} from './medmnist-sets.js';

// Written by tools/medmnist/sets.py from info.py of medmnist {releases[0][0]} to {newest} (Apache-2.0).

/** The 18 sets as medmnist {newest} lists them. */
export const MEDMNIST_INFO: Readonly<Record<string, MedmnistInfo>> = {body};
"""
    )


main(sys.argv[1])
