#!/usr/bin/env bash
# Multiplies a real FP8 layer on the best device here. Arguments go to the sample: --help lists them.
set -euo pipefail
here=$(pwd)
cd "$(dirname "$0")"
. build/kernel-host.sh
built=$(dotnet build samples/QuickStart -c Release -v q --nologo 2>&1) || { echo "$built"; exit 1; }
project=$(pwd)/samples/QuickStart
cd "$here"
exec dotnet run --project "$project" -c Release --no-build -- "$@"
