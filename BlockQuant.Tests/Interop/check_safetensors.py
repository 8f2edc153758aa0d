#!/usr/bin/env python3
"""Exchanges safetensors files with the Python library, in both directions.

    check_safetensors.py [FOLDER]

Loads every *.safetensors of FOLDER (this script's own unless given) that has a NAME.checksums.json beside it with the
Python safetensors library, and compares types, shapes and SHA-256 digests of the tensors' bytes. Then writes
python-*.safetensors with the library, and their checksums, for InteropTests to load. Needs safetensors; with torch
also the types that numpy lacks (bfloat16, float8) are written.
"""

import hashlib
import json
import pathlib
import sys

import safetensors


def checksums_of(path):
    """Type, shape and digest of every tensor, as the library's own parser sees them."""
    return {
        name: {
            "dtype": tensor["dtype"],
            "shape": list(tensor["shape"]),
            "sha256": hashlib.sha256(bytes(tensor["data"])).hexdigest(),
        }
        for name, tensor in safetensors.deserialize(path.read_bytes())
    }


def check(folder):
    """Compares every file with its checksums; returns how many differ."""
    failures = 0
    for path in sorted(folder.glob("*.safetensors")):
        expected_path = path.with_suffix(".checksums.json")
        if not expected_path.exists():
            continue
        expected = json.loads(expected_path.read_text())
        found = checksums_of(path)
        with safetensors.safe_open(str(path), framework="numpy") as file:
            names = set(file.keys())
        same = found == expected and names == set(expected)
        failures += not same
        print(f"{'ok  ' if same else 'FAIL'} {path.name}: {len(found)} tensors")
        for name in sorted(set(found) | set(expected)):
            mark = " " if found.get(name) == expected.get(name) else "!"
            entry = found.get(name, {"dtype": "absent", "shape": [], "sha256": ""})
            print(f"   {mark} {name} {entry['dtype']} {entry['shape']} {entry['sha256'][:16]}")
    return failures


def write_numpy(folder):
    import numpy
    import safetensors.numpy

    tensors = {
        "f32": numpy.linspace(-3, 3, 15, dtype=numpy.float32).reshape(3, 5),
        "f16": numpy.array([1.5, -65504.0, 6e-8], dtype=numpy.float16),
        "f64": numpy.array([[5e-324]], dtype=numpy.float64),
        "i8": numpy.arange(-3, 4, dtype=numpy.int8),
        "u8": numpy.arange(250, 256, dtype=numpy.uint8).reshape(2, 3),
        "i64": numpy.array([-(2**63), 2**63 - 1], dtype=numpy.int64),
        "bool": numpy.array([True, False, True]),
        "scalar": numpy.array(2.5, dtype=numpy.float32),
        "empty": numpy.zeros((0, 4), dtype=numpy.float32),
        "näme with “quotes\"\\": numpy.array([7], dtype=numpy.int32),
    }
    path = folder / "python-numpy.safetensors"
    safetensors.numpy.save_file(tensors, str(path), metadata={"format": "np", "key": "välue"})
    return path


def write_torch(folder):
    import torch
    import safetensors.torch

    generator = torch.Generator().manual_seed(20261121)
    weight = torch.randn(200, 300, generator=generator)
    scale = torch.empty(2, 3)
    codes = torch.empty(200, 300, dtype=torch.float8_e4m3fn)
    for row in range(2):
        for column in range(3):
            block = (slice(row * 128, (row + 1) * 128), slice(column * 128, (column + 1) * 128))
            scale[row, column] = torch.clamp(weight[block].abs().max() / 448.0, min=1e-12)
            codes[block] = (weight[block] / scale[row, column]).to(torch.float8_e4m3fn)
    tensors = {
        "model.layers.0.proj.weight": codes,
        "model.layers.0.proj.weight_scale_inv": scale,
        "model.norm.weight": torch.randn(300, generator=generator).to(torch.bfloat16),
        "e5m2": torch.tensor([1.0, -57344.0]).to(torch.float8_e5m2),
    }
    path = folder / "python-torch.safetensors"
    safetensors.torch.save_file(tensors, str(path), metadata={"format": "pt"})
    return path


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent
    print(f"safetensors {safetensors.__version__}")
    failures = check(folder)
    for write in (write_numpy, write_torch):
        try:
            path = write(folder)
        except ImportError as error:
            print(f"---- {write.__name__}: {error}")
            continue
        checksums = json.dumps(checksums_of(path), indent=1, sort_keys=True, ensure_ascii=False)
        path.with_suffix(".checksums.json").write_text(checksums + "\n", encoding="utf-8")
        print(f"wrote {path.name}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
